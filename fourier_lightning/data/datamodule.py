"""The shared addition data: integer tensors on the device, no workers, no padding."""

from typing import Any, Literal

import pytorch_lightning as pl
import torch
from torch import Tensor

from fourier_lightning.data import tasks
from fourier_lightning.data.batches import Batches, Examples
from fourier_lightning.data.tokens import (
    NumberStyle,
    Vocabulary,
    build_vocabulary,
    encode_template,
    number_ids,
)
from fourier_lightning.errors import ConfigError


class AdditionDataModule(pl.LightningDataModule):
    """Addition of two integers, as in section 1 of the paper.

    Args:
        tokenizer: the backbone's tokenizer.
        templates: names out of ``tasks.TEMPLATES``; each pair gets one, drawn once.
        min_operand: smallest operand.
        max_operand: largest operand; the number axis is 0..2 * max_operand.
        pairs: ``unordered`` (the paper's counts) or ``ordered`` ((b, a) is a row of its own, which leaks).
        train_fraction: training rows as a share of all pairs, at most 0.8.
        split_seed: of the split, of each pair's template and of its order of operands. Independent of the run's seed.
        number_style: the answer token, ``bare`` ("108") or ``space`` (" 108").
        vocabulary: ``compact`` (only tokens that the task uses, same logits on them) or ``full``.
        redraw_order: for unordered pairs, draw which operand comes first at each presentation in training
            rather than once for each pair.
        batch_size: of training.
        eval_batch_size: of validation and test.
        seed: of the shuffling in training.

    Raises:
        ConfigError: a value that can't work, named with its key.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        templates: list[str],
        min_operand: int = 0,
        max_operand: int = 260,
        pairs: Literal["unordered", "ordered"] = "unordered",
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
        _check_settings(templates, min_operand, max_operand, train_fraction, split_seed, batch_size, eval_batch_size)
        self.batch_size, self.eval_batch_size, self.seed = batch_size, eval_batch_size, seed
        self.min_operand, self.max_operand = min_operand, max_operand
        self.redraw_order = redraw_order and pairs == "unordered"

        self.pairs = tasks.make_pairs(min_operand, max_operand, ordered=pairs == "ordered")
        _check_split(len(self.pairs), train_fraction)
        self.split = dict(
            zip(("train", "val", "test"), tasks.split_indices(len(self.pairs), train_fraction, split_seed), strict=True)
        )
        numbers = number_ids(tokenizer, 2 * max_operand + 1, number_style)
        operands = range(min_operand, max_operand + 1)
        encoded = [encode_template(tokenizer, tasks.TEMPLATES[name], operands) for name in templates]
        self.vocabulary: Vocabulary = build_vocabulary(tokenizer, numbers, encoded, vocabulary == "compact")

        rng = torch.Generator().manual_seed(split_seed)
        self.template_of_pair = torch.randint(len(templates), (len(self.pairs),), generator=rng)  # (pairs,)
        flip = torch.rand(len(self.pairs), generator=rng) < (0.5 if pairs == "unordered" else 0.0)
        self.shown = torch.where(flip[:, None], self.pairs.flip(1), self.pairs)  # (pairs, 2), as in the texts
        self._templates = [(self.vocabulary.rows_of(prompts), slots) for prompts, slots in encoded]
        self._loaders: dict[tuple[str, str], list[Examples]] = {}

    @property
    def p(self) -> int:
        """Length of the number axis: the sums are 0..p-1."""
        return len(self.vocabulary.numbers)

    def leaked(self) -> int:
        """Validation and test rows whose mirrored pair is a training row (always 0 for unordered pairs)."""
        low, high = self.pairs.min(dim=1).values, self.pairs.max(dim=1).values
        unordered = low * self.p + high  # one number for each unordered pair
        held_out = torch.cat([self.split["val"], self.split["test"]])
        return int(torch.isin(unordered[held_out], unordered[self.split["train"]]).sum())

    def examples(self, split: Literal["train", "val", "test"]) -> list[Examples]:
        """The rows of a split, grouped by prompt length."""
        rows = self.split[split]
        by_length: dict[int, list[Examples]] = {}
        for index, (prompts, slots) in enumerate(self._templates):
            pairs = self.shown[rows[self.template_of_pair[rows] == index]]  # (n, 2)
            prompt = self._fill(prompts, slots, pairs)
            group = Examples(prompt, pairs.sum(dim=1), slots.expand(len(pairs), 2))
            by_length.setdefault(prompt.shape[1], []).append(group)
        return [
            Examples(*(torch.cat([getattr(g, name) for g in groups]) for name in ("prompt", "sum", "slots")))
            for _, groups in sorted(by_length.items())
        ]

    def prompts_of(self, pairs: list[tuple[int, int]]) -> Tensor:
        """Prompts (n, L) of any pairs of operands in range, in the first of the templates."""
        return self._fill(*self._templates[0], torch.tensor(pairs))

    def _fill(self, prompts: Tensor, slots: Tensor, pairs: Tensor) -> Tensor:
        """A template's prompts (n, L) for pairs (n, 2)."""
        prompt = prompts[pairs[:, 0] - self.min_operand].clone()
        prompt[:, slots[1]] = prompts[pairs[:, 1] - self.min_operand, slots[1]]
        return prompt

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
    templates: list[str],
    min_operand: int,
    max_operand: int,
    train_fraction: float,
    split_seed: int,
    batch_size: int,
    eval_batch_size: int,
) -> None:
    unknown = [name for name in templates if name not in tasks.TEMPLATES]
    if unknown or not templates:
        known = ", ".join(tasks.TEMPLATES)
        raise ConfigError(f"data.templates={templates}", f"not templates: {unknown}", f"choose from {known}")
    if not 0 <= min_operand <= max_operand:
        raise ConfigError(
            f"data.min_operand={min_operand}", "not in 0..data.max_operand", f"use a value from 0 to {max_operand}"
        )
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


def _check_split(n_pairs: int, train_fraction: float) -> None:
    sizes = tasks.split_sizes(n_pairs, train_fraction)
    if min(sizes) < 1:
        raise ConfigError(
            f"data.train_fraction={train_fraction}",
            f"{n_pairs} pairs split into {sizes[0]} training, {sizes[1]} validation and {sizes[2]} test rows",
            "raise data.train_fraction or widen data.min_operand..data.max_operand",
        )
