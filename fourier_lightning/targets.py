"""Which classes and functions a configuration may name: a `_target_` is called with whatever stands beside it."""

import inspect
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.utils import get_object

from fourier_lightning.errors import ConfigError

FLAG = "allow_targets"
# What nodes of a configuration are made of: here, and in Lightning.
ALLOWED = (
    "fourier_lightning.callbacks.", "fourier_lightning.data.", "fourier_lightning.fourier.filters.",
    "fourier_lightning.instruments.", "fourier_lightning.mirror.tensorboard.TensorBoard",
    "fourier_lightning.mirror.wandb.wandb_logger", "fourier_lightning.models.", "fourier_lightning.optim.",
    "pytorch_lightning.Trainer", "pytorch_lightning.callbacks.",
    "pytorch_lightning.loggers.", "pytorch_lightning.plugins.", "pytorch_lightning.profilers.",
    "pytorch_lightning.strategies.", "datetime.timedelta",
)  # fmt: skip
HYDRA = (
    "fourier_lightning.commands.train.Lifecycle", "hydra._internal.core_plugins.", "hydra.experimental.callbacks.",
    "hydra_plugins.",
)  # fmt: skip
# Where an allowed object has to come from: a module's namespace also has what the module imports.
HOMES = ("datetime.", "fourier_lightning.", "pytorch_lightning.", "lightning_fabric.", "hydra.", "hydra_plugins.")


def targets(tree: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every `_target_` in nested dictionaries and lists, with its dotted key."""
    if isinstance(tree, dict) and "_target_" in tree:
        yield f"{key}._target_".lstrip("."), tree["_target_"]
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for name, value in items:
        yield from targets(value, f"{key}.{name}".lstrip("."))


def foreign(tree: Any, allowed: Sequence[str] = ALLOWED, key: str = "") -> Iterator[ConfigError]:
    """An error for each `_target_` that is none of ours or Lightning's. Imports nothing else."""
    for where, target in targets(tree, key):
        if not (isinstance(target, str) and target.startswith(tuple(allowed)) and at_home(target)):
            problem = "is neither this package's nor Lightning's, and would be run"
            yield ConfigError(f"{where}={target}", problem, f"add {FLAG}=true if you trust it")


def not_by_a_file() -> ConfigError:
    """For a configuration file that sets the flag itself."""
    remedy = "set it on the command line if you trust the file"
    return ConfigError(f"{FLAG}=true", "set by a configuration file", remedy)


def find(target: Any) -> Any:
    """What a `_target_` names. Raises whatever its import raises, wrapped by Hydra, and prints nothing."""
    logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # it would print the error, too
    return get_object(target)


def makes(node: Any, kind: type) -> bool:
    """Whether a node's `_target_` is a class, and of a kind."""
    target = find(node._target_)
    return isinstance(target, type) and issubclass(target, kind)


def at_home(target: str) -> bool:
    """Whether what a module of ours or Lightning's calls so was made there: it may have imported ``os``.

    What isn't there at all is at home: whoever imports it says what is wrong with it.
    """
    try:
        found = find(target)
    except Exception:  # hydra wraps whatever the import raised
        return True
    ours = inspect.isfunction(found) and target.startswith("fourier_lightning.")
    return (ours or inspect.isclass(found)) and f"{found.__module__}.".startswith(HOMES)
