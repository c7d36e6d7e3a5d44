"""What all instruments share: the view that they look at, the findings that they return, and how they look.

An instrument knows a model, a task and examples, and nothing of who asked: not the trainer, the record or W&B. In a
run ``callbacks.measurement`` asks at validation time; in a notebook you do:

    view = View.of(model, data)                  # a run's module, or any causal LM of models.architectures
    findings = LogitLens()(view)                 # or any other instrument
    findings.tables["lens_accuracy"]
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from fourier_lightning.data.batches import Batch, Batches, Examples
from fourier_lightning.data.datamodule import ArithmeticDataModule
from fourier_lightning.data.shots import Asked
from fourier_lightning.data.task import Task
from fourier_lightning.data.tokens import Vocabulary
from fourier_lightning.errors import ConfigError, suggestion
from fourier_lightning.fourier.basis import Basis, BasisKind, fourier_basis
from fourier_lightning.fourier.filters import FilterMaker, FilterSettings
from fourier_lightning.metrics import NumberMetrics
from fourier_lightning.models.decoder import Decoder
from fourier_lightning.models.module import decoder_of
from fourier_lightning.models.tables import Tables

Split = Literal["train", "val", "test"]
Row = dict[str, Any]


@dataclass
class Findings:
    """What an instrument has seen.

    Attributes:
        tables: rows of plain values by table name; ``record.schema`` describes each table.
        arrays: tensors by name.
        scalars: numbers that are worth a curve, by metric name.
    """

    tables: dict[str, list[Row]] = field(default_factory=dict)
    arrays: dict[str, Tensor] = field(default_factory=dict)
    scalars: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class View:
    """A model at one moment, and the examples to look at it with.

    Attributes:
        decoder: the model.
        task: what the numbers are for.
        vocabulary: which rows of the model's table are numbers.
        examples: prompts, one entry for each prompt length.
        prompts_of: examples of any operands (n, k) that the task asks about, in the first template.
        final: whether these are the run's last weights, or the only ones: some tables are of these alone.
        asked: the same questions for a prompted model, to be answered in its own words; None without demonstrations.
    """

    decoder: Decoder
    task: Task
    vocabulary: Vocabulary
    examples: Sequence[Examples]
    prompts_of: Callable[[Tensor], Examples]
    final: bool = True
    asked: Callable[[], Asked] | None = None

    @classmethod
    def of(
        cls, model: Tables | nn.Module, data: ArithmeticDataModule, split: Split = "val", final: bool = True
    ) -> "View":
        """A model with the examples of one split.

        Args:
            model: a LightningModule of this package, a Decoder, or any Hugging Face causal LM of the table in
                ``models.architectures``. Its vocabulary is the data module's: ``vocabulary="full"`` for a model as it
                comes. An encoder's Tables are enough for instruments that look at ``rows_alone``.
            data: the task's data, made with the model's tokenizer.
            split: whose examples.
            final: see the attributes.

        Raises:
            ConfigError: no such architecture or split, or the model's tokens are not the data module's.
            TypeError: something else in the place of the model or the data.
        """
        decoder: Any = decoder_of(model)
        if not isinstance(data, ArithmeticDataModule):
            remedy = "of a run it is train(cfg).data, of a configuration prepare(cfg).data"
            raise TypeError(f"View.of(model, data): {type(data).__name__} is no data module; {remedy}")
        if split not in data.split:
            raise ConfigError(f"split={split}", "no such split", suggestion(str(split), data.split))
        tokens = getattr(model, "token_ids", data.vocabulary.token_ids)  # a trained module knows its own
        if not tokens.cpu().equal(data.vocabulary.token_ids):
            problem = "the model was trained on other tokens"
            raise ConfigError("data", problem, "make the data module with the model's own settings and tokenizer")
        rows = len(decoder.input_rows())
        if len(data.vocabulary) > rows:
            problem = f"{len(data.vocabulary)} tokens, and the model has {rows}"
            raise ConfigError("data.vocabulary", problem, "make the data module with the model's own tokenizer")
        asked = (lambda: data.asked(split)) if data.shots else None
        return cls(decoder, data.task, data.vocabulary, data.on_device(split), data.prompts_of, final, asked)

    @property
    def p(self) -> int:
        """Length of the number line."""
        return self.task.p

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.decoder.device

    @property
    def numbers(self) -> Tensor:
        """(p,) rows of the model's table that are the numbers 0..p-1, on its device."""
        return self.vocabulary.numbers.to(self.device)

    def number_lines(self) -> dict[str, Tensor]:
        """Tables that hold the number line: "numbers", the input rows (p, d) of the answers' tokens.

        And, where they are other vectors, "operands", the input rows (q, d) of the prompts' tokens (" 15" beside
        "15"), and "unembedding", the output rows (p, d).
        """
        rows, outputs = self.decoder.input_rows(), self.decoder.output_rows()
        lines = {"numbers": rows[self.numbers], "operands": rows[self.vocabulary.operands.to(self.device)]}
        if not self.decoder.tied:
            lines["unembedding"] = outputs[self.numbers]
        return {name: table for name, table in lines.items() if len(table) >= 3}

    def filters(self, settings: FilterSettings) -> FilterMaker:
        """Filters for this model's unembedding as it is now: with a trained table it changes."""
        unembedding = self.decoder.unembedding(self.numbers, settings.fold_ln)
        return FilterMaker(unembedding, self.basis(settings.basis), settings.seed)

    def basis(self, kind: BasisKind) -> Basis:
        """The waves over this task's number line."""
        return fourier_basis(self.p, kind)

    def metrics(self) -> NumberMetrics:
        """Empty sums of the usual metrics, on the model's device. They are this process's own: only one looks."""
        return NumberMetrics(self.task.cycle, over_ranks=False).to(self.device)


class Instrument(ABC):
    """A measurement of a model. Call it with a view; subclasses write ``check`` and ``measure``.

    It changes nothing (weights, modes, random state) and computes in evaluation mode without autocast.

    Args:
        every_n_epochs: in a run: after a validation, if the last measurement was this many epochs ago; 0 for the final
            weights alone.
        limit_batches: use this many batches' worth of the examples, spread over the prompt lengths; null for all.
        batch_size: prompts at a time: with the model, this bounds the memory.

    Attributes:
        needs_grad: whether ``measure`` differentiates: then it runs with gradients enabled.
        at_start: whether a run also looks before the first step of a fit; what it finds there are rows of tables alone.
        rows_alone: whether it looks at the token rows and at nothing that the model computes: encoders have no more.
    """

    needs_grad: ClassVar[bool] = False
    at_start: ClassVar[bool] = False
    rows_alone: ClassVar[bool] = False

    def __init__(self, every_n_epochs: int = 0, limit_batches: int | None = None, batch_size: int = 512) -> None:
        for key, value, least in (
            ("every_n_epochs", every_n_epochs, 0),
            ("limit_batches", 1 if limit_batches is None else limit_batches, 1),
            ("batch_size", batch_size, 1),
        ):
            if value < least:
                raise ConfigError(f"{key}={value}", "too small", f"use {least} or more")
        self.every_n_epochs, self.limit_batches, self.batch_size = every_n_epochs, limit_batches, batch_size

    def __call__(self, view: View) -> Findings:
        """Look at the model.

        Raises:
            ConfigError: the settings can't work with this task and width.
            TypeError: something else than a view.
        """
        if not isinstance(view, View):
            name, given = type(self).__name__, type(view).__name__
            raise TypeError(f"{name} looks at a View, not {given}; give it View.of(model, data)")
        self.check(view.task, view.decoder.width)
        return self.look(view)

    def look(self, view: View) -> Findings:
        """The same for a run, which has checked its settings before it began."""
        with at_rest(view.decoder.net, self.needs_grad):
            return self.measure(view)

    def check(self, task: Task, width: int) -> None:  # noqa: B027  # not every instrument has something to refuse
        """Refuse settings that can't work with this task and width. In a run called before anything is written.

        Raises:
            ConfigError: naming the setting.
        """

    @abstractmethod
    def measure(self, view: View) -> Findings:
        """What is seen. Called in evaluation mode; see ``needs_grad``."""

    def batches(self, view: View) -> Iterator[Batch]:
        """The examples that this instrument looks at, on the model's device."""
        yield from Batches(self.examples(view), self.batch_size)

    def examples(self, view: View) -> list[Examples]:
        """The same before they are cut, with their operands' places."""
        groups = [group.to(view.device) for group in view.examples]
        return groups if self.limit_batches is None else spread(groups, self.limit_batches * self.batch_size)


@contextmanager
def at_rest(net: nn.Module, needs_grad: bool = False) -> Iterator[None]:
    """Evaluation mode, no autocast, and no gradients unless they are needed; afterwards everything is as it was."""
    modes = {module: module.training for module in net.modules()}
    home = next(net.parameters()).device
    kept = [parameter.grad for parameter in net.parameters()]
    try:
        net.eval()
        if home.type == "mps":  # has no float64
            net.to("cpu")
        device = next(net.parameters()).device.type
        gradients = torch.enable_grad() if needs_grad else torch.inference_mode()
        with gradients, torch.autocast(device, enabled=False):
            yield
    finally:
        net.to(home)
        for module, training in modes.items():
            module.training = training
        if needs_grad:
            for parameter, grad in zip(net.parameters(), kept, strict=True):
                parameter.grad = grad


def spread(groups: list[Examples], n: int) -> list[Examples]:
    """About n examples in all, from each prompt length its share, spread over its templates."""
    share = min(1.0, n / sum(map(len, groups)))
    return [group.sample(max(1, round(share * len(group)))) for group in groups]
