"""A task's data, shared by all arms: integer tensors on the device, no workers, no padding."""

import inspect
from collections.abc import Callable
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from torch import Tensor

from fourier_lightning.data.batches import Batches, Examples, concatenate
from fourier_lightning.data.split import split_indices, split_sizes
from fourier_lightning.data.task import Task
from fourier_lightning.data.tokens import (
    NumberStyle,
    Vocabulary,
    build_vocabulary,
    encode_template,
    number_ids,
)
from fourier_lightning.errors import ConfigError


class ArithmeticDataModule(pl.LightningDataModule):
    """A task's rows, each with one of its templates, split once and for all.

    Args:
        tokenizer: the backbone's tokenizer.
        task: what is asked, and of which operands.
        templates: names out of ``task.templates``; each row gets one, drawn once.
        train_fraction: training rows as a share of all rows, at most 0.8.
        split_seed: of the split, of each row's template and of its order of operands. Independent of the run's seed.
        number_style: the answer token, ``bare`` ("108") or ``space`` (" 108").
        vocabulary: ``compact`` (only tokens that the task uses, same logits on them) or ``full``.
        redraw_order: where a row stands for both orders of its operands, draw which of them comes first at each
            presentation in training rather than once for each row. Elsewhere the order is the row, and stays.
        batch_size: of training.
        eval_batch_size: of validation and test.
        seed: of the shuffling in training.

    Raises:
        ConfigError: a value that can't work, named with its key.
    """

    def __init__(
        self,
        tokenizer: Any,
        task: Task,
        *,
        templates: list[str],
        train_fraction: float = 0.8,
        split_seed: int = 0,
        number_style: NumberStyle = "bare",
        vocabulary: Literal["compact", "full"] = "compact",
        redraw_order: bool = False,
        batch_size: int = 16,
        eval_batch_size: int = 1024,
        seed: int = 0,
    ) -> None:
        super().__init__()
        _check_settings(task, templates, train_fraction, split_seed, batch_size, eval_batch_size)
        self.task, self.batch_size, self.eval_batch_size, self.seed = task, batch_size, eval_batch_size, seed
        self.redraw_order, self.split_seed = redraw_order and task.unordered, split_seed

        numbers = number_ids(tokenizer, task.p, number_style, task.size_key)  # first: it bounds the rows
        self.operands = task.operands()  # (rows, 2)
        _check_split(len(self.operands), train_fraction, task.size_key)
        parts = split_indices(len(self.operands), train_fraction, split_seed)
        self.split = dict(zip(("train", "val", "test"), parts, strict=True))
        values = range(task.smallest, task.largest + 1)
        encoded = [encode_template(tokenizer, task.templates[name], values, task.size_key) for name in templates]
        self.vocabulary: Vocabulary = build_vocabulary(tokenizer, numbers, encoded, values, vocabulary == "compact")

        rng = torch.Generator().manual_seed(split_seed)
        self.template_of_row = torch.randint(len(templates), (len(self.operands),), generator=rng)  # (rows,)
        flip = torch.rand(len(self.operands), generator=rng) < (0.5 if task.unordered else 0.0)
        self.shown = torch.where(flip[:, None], self.operands.flip(1), self.operands)  # (rows, 2), as in the texts
        self._templates = [(self.vocabulary.rows_of(prompts), slots) for prompts, slots in encoded]
        self._loaders: dict[tuple[str, str], list[Examples]] = {}

    @property
    def p(self) -> int:
        """Length of the number line: the answers are 0..p-1."""
        return self.task.p

    def leaked(self) -> int:
        """Validation and test rows whose mirrored pair is a training row.

        0 for unordered pairs, and for tasks in which the mirrored pair is another question.
        """
        if not self.task.commutative:
            return 0
        low, high = self.operands.min(dim=1).values, self.operands.max(dim=1).values
        unordered = low * (self.task.largest + 1) + high  # one number for each unordered pair
        held_out = torch.cat([self.split["val"], self.split["test"]])
        return int(torch.isin(unordered[held_out], unordered[self.split["train"]]).sum())

    def examples(self, split: Literal["train", "val", "test"]) -> list[Examples]:
        """The rows of a split, grouped by prompt length."""
        rows = self.split[split]
        by_length: dict[int, list[Examples]] = {}
        for index in range(len(self._templates)):
            group = self._fill(index, self.shown[rows[self.template_of_row[rows] == index]])
            by_length.setdefault(group.prompt.shape[1], []).append(group)
        return [concatenate(groups) for _, groups in sorted(by_length.items())]

    def ask(self, tokenizer: Any, templates: list[str], smallest: int, largest: int) -> None:
        """Ask a trained model something else: other templates, or operands of a smaller range.

        Vocabulary, number line and the rows of each split stay what they were when the model was trained.

        Raises:
            ConfigError: no such template, tokens that the model hasn't, operands out of range, or an empty split.
        """
        check_templates(self.task, templates)
        values = range(self.task.smallest, self.task.largest + 1)
        encoded = [
            encode_template(tokenizer, self.task.templates[name], values, self.task.size_key) for name in templates
        ]
        for name, (prompts, _) in zip(templates, encoded, strict=True):
            if not torch.isin(prompts, self.vocabulary.token_ids).all():
                key = f"data.templates={templates}"
                raise ConfigError(key, f"the model has no tokens for {name}", "train with data.vocabulary=full")
        if smallest < self.task.smallest or largest > self.task.largest:
            key, known = f"data.{self.task.size_key}", f"{self.task.smallest}..{self.task.largest}"
            raise ConfigError(key, f"the model knows the operands {known}", "ask for operands within them")
        inside = ((self.operands >= smallest) & (self.operands <= largest)).all(dim=1)
        self.split = {name: rows[inside[rows]] for name, rows in self.split.items()}
        if min(map(len, self.split.values())) < 1:
            key = f"data.{self.task.size_key}"
            raise ConfigError(key, f"a split has no rows within {smallest}..{largest}", "ask for more operands")
        if len(templates) != len(self._templates):
            rng = torch.Generator().manual_seed(self.split_seed)
            self.template_of_row = torch.randint(len(templates), (len(self.operands),), generator=rng)
        self._templates = [(self.vocabulary.rows_of(prompts), slots) for prompts, slots in encoded]

    def prompts_of(self, operands: list[tuple[int, int]] | Tensor) -> Examples:
        """Any operands (n, 2) in range, in the first of the templates."""
        return self._fill(0, torch.as_tensor(operands))

    def _fill(self, template: int, operands: Tensor) -> Examples:
        """A template with operands (n, 2) in its slots."""
        prompts, slots = self._templates[template]
        rows = operands - self.task.smallest
        prompt = prompts[rows[:, 0]].clone()
        for row, slot in zip(rows.T, slots.tolist(), strict=True):
            prompt[:, slot] = prompts[row, slot]
        return Examples(prompt, self.task.answers(operands), operands, slots.expand(len(operands), len(slots)))

    def on_device(self, split: Literal["train", "val", "test"]) -> list[Examples]:
        """``examples(split)`` on the trainer's device, moved there once."""
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        if (split, str(device)) not in self._loaders:
            self._loaders[split, str(device)] = [group.to(device) for group in self.examples(split)]
        return self._loaders[split, str(device)]

    def train_dataloader(self) -> Batches:
        trainer = self.trainer
        epoch = (lambda: trainer.current_epoch) if trainer else (lambda: 0)
        return Batches(self.on_device("train"), self.batch_size, self.seed, epoch, self.redraw_order)

    def val_dataloader(self) -> Batches:
        return Batches(self.on_device("val"), self.eval_batch_size)

    def test_dataloader(self) -> Batches:
        return Batches(self.on_device("test"), self.eval_batch_size)


def _check_settings(
    task: Task,
    templates: list[str],
    train_fraction: float,
    split_seed: int,
    batch_size: int,
    eval_batch_size: int,
) -> None:
    check_templates(task, templates)
    if not 0 < train_fraction <= 0.8 + 1e-9:
        raise ConfigError(
            f"data.train_fraction={train_fraction}",
            "it is a share of all pairs, and the training split holds 0.8 of them",
            "use a value above 0 and at most 0.8",
        )
    for key, value, least in (("batch_size", batch_size, 1), ("eval_batch_size", eval_batch_size, 1)):
        if value < least:
            raise ConfigError(f"data.{key}={value}", "too small", f"use {least} or more")
    if not 0 <= split_seed < 2**32:
        raise ConfigError(f"data.split_seed={split_seed}", "out of range", "use 0 or a positive integer below 2^32")


def check_templates(task: Task, templates: list[str]) -> None:
    """Refuse templates that the task hasn't, and none at all.

    Raises:
        ConfigError: naming those that there are.
    """
    unknown = [name for name in templates if name not in task.templates]
    if unknown or not templates:
        known = ", ".join(task.templates)
        raise ConfigError(f"data.templates={templates}", f"not templates: {unknown}", f"choose from {known}")


def _check_split(n_pairs: int, train_fraction: float, size_key: str) -> None:
    sizes = split_sizes(n_pairs, train_fraction)
    if min(sizes) < 1:
        raise ConfigError(
            f"data.train_fraction={train_fraction}",
            f"{n_pairs} pairs split into {sizes[0]} training, {sizes[1]} validation and {sizes[2]} test rows",
            f"raise data.train_fraction or data.{size_key}",
        )


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
