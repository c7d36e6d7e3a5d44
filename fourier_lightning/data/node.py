"""What a ``conf/data`` node names as its ``_target_``."""

import inspect
from collections.abc import Callable
from typing import Any

from fourier_lightning.data.datamodule import ArithmeticDataModule
from fourier_lightning.data.task import Task


def data_of(task: type[Task]) -> Callable[..., ArithmeticDataModule]:
    """What a ``conf/data`` node names as its ``_target_``: a task's fields and the data module's, side by side.

    Its signature is theirs, so that a key which this task doesn't have is refused like any other.
    """
    own = inspect.signature(task).parameters
    shared = inspect.signature(ArithmeticDataModule).parameters
    both = {name: one for name, one in {**shared, **own}.items() if name != "task"}

    def build(tokenizer: Any, **settings: Any) -> ArithmeticDataModule:
        fields = {name: settings.pop(name) for name in own if name in settings}
        return ArithmeticDataModule(tokenizer, task(**fields), **settings)

    keywords = [one.replace(kind=one.KEYWORD_ONLY) for name, one in both.items() if name != "tokenizer"]
    build.__signature__ = inspect.Signature([both["tokenizer"], *keywords])  # type: ignore[attr-defined]
    build.task = task  # type: ignore[attr-defined]  # for ``audit``: the same at other sizes
    build.__annotations__ = {name: one.annotation for name, one in both.items()}
    return build
