"""A task's data, shared by all arms: integer tensors on the device, no workers, no padding."""

from typing import Any, Literal

import pytorch_lightning as pl
import torch
from torch import Tensor

from fourier_lightning.data.batches import Batches, Examples, Together, concatenate, drawn_orders
from fourier_lightning.data.digits import Axis, DigitOf, Digits, filled
from fourier_lightning.data.settings import check_rows, check_settings, check_templates
from fourier_lightning.data.shots import Asked, demonstrations, draw_shots, same_questions
from fourier_lightning.data.split import SplitKind, split_rows
from fourier_lightning.data.task import Task
from fourier_lightning.data.tokens import (
    NumberStyle,
    Vocabulary,
    build_vocabulary,
    encode_template,
    number_ids,
    with_number,
)
from fourier_lightning.errors import ConfigError


class ArithmeticDataModule(pl.LightningDataModule):
    """A task's rows, each with one of its templates, split once and for all.

    Args:
        tokenizer: the backbone's tokenizer.
        task: what is asked, and of which operands.
        templates: names out of ``task.templates``; each row gets one, drawn once.
        train_fraction: training rows as a share of all rows, at most 0.8.
        split: what is held out of training, see ``data.split``: ``random`` rows, ``operands``, ``sums`` (answers),
            ``residues`` (last digits of answers) or ``carries`` (a pattern of them).
        split_seed: of the split, of each row's template and of its order of operands. Independent of the run's seed.
        number_style: the answer token, ``bare`` ("108") or ``space`` (" 108").
        vocabulary: ``compact`` (only tokens that the task uses, same logits on them) or ``full``. With demonstrations,
            or on an axis of digits, it is always the full one: a prompted model may say anything.
        shots: demonstrations before every prompt, drawn with ``split_seed`` from the training rows, each in its row's
            template, with its answer and a line break. They are the same everywhere, and no split asks them.
        axis: the number line. ``number``: answers that are one token each; ``last_digit`` or ``first_digit``: one digit
            of an answer, for tokenizers that split numbers into digits (see ``data.digits``).
        redraw_order: where a row stands for all orders of its operands, draw which of them comes first at each
            presentation in training rather than once for each row. Elsewhere the order is the row, and stays.
        batch_size: of training, all devices together.
        eval_batch_size: of validation and test, likewise.
        seed: of the shuffling in training.
        rows: of the backbone's token table; None: as many as its tokenizer has tokens.

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
        split: SplitKind = "random",
        split_seed: int = 0,
        number_style: NumberStyle = "bare",
        vocabulary: Literal["compact", "full"] = "compact",
        shots: int = 0,
        axis: Axis = "number",
        redraw_order: bool = False,
        batch_size: int = 16,
        eval_batch_size: int = 1024,
        seed: int = 0,
        rows: int | None = None,
    ) -> None:
        super().__init__()
        check_settings(task, templates, train_fraction, split_seed, batch_size, eval_batch_size, shots)
        self.whole, self.batch_size, self.eval_batch_size = task, batch_size, eval_batch_size
        self.seeds = [seed]  # more than one where models train as one, see ``models.stacked``
        self.task: Task = task if axis == "number" else DigitOf(task, axis)
        self.redraw_order, self.split_seed = redraw_order and task.unordered, split_seed
        self.tokenizer, self.shots, self.axis = tokenizer, shots, axis

        if axis == "number":  # first: it bounds the rows
            prompts = [with_number(task.templates[name], task.smallest, task.letters) for name in templates]
            numbers = number_ids(tokenizer, task.p, number_style, task.size_key, prompts)
        else:
            check_rows(task)
        self.operands = task.operands()  # (rows, k)
        parts = split_rows(task, self.operands, split, train_fraction, split_seed)
        self.split = dict(zip(("train", "val", "test"), parts, strict=True))
        rng = torch.Generator().manual_seed(split_seed)
        self.template_of_row = torch.randint(len(templates), (len(self.operands),), generator=rng)  # (rows,)
        order = drawn_orders(*self.operands.shape, rng)
        self.shown = self.operands.gather(1, order) if task.unordered else self.operands  # (rows, k), as in the texts
        self.asks = same_questions(self.operands, task.commutative)  # (rows,)
        self._loaders: dict[tuple[str, str], list[Examples]] = {}

        gap, before = "" if number_style == "bare" else " ", ""
        if shots:
            shown = draw_shots(self.split, self.asks, shots, split_seed)
            self.split["train"] = self.split["train"][~torch.isin(self.split["train"], shown)]
            solved = [task.templates[templates[index]] for index in self.template_of_row[shown].tolist()]
            before = demonstrations(tokenizer, task, solved, self.shown[shown], gap)
        self._texts = [before + task.templates[name] for name in templates]
        self._digits = None if axis == "number" else Digits(tokenizer, task, gap, rows)
        self._templates: list[tuple[Tensor, Tensor]] = []
        self.vocabulary: Vocabulary
        if self._digits is not None:
            self.vocabulary = self._digits.vocabulary()
            return
        encoded, values = self._encode(self._texts), range(task.smallest, task.largest + 1)
        compact = vocabulary == "compact" and not shots
        self.vocabulary = build_vocabulary(tokenizer, numbers, encoded, values, compact, rows)
        self._templates = [(self.vocabulary.rows_of(prompts), slots) for prompts, slots in encoded]

    @property
    def p(self) -> int:
        """Length of the number line: the answers are 0..p-1."""
        return self.task.p

    def leaked(self) -> int:
        """Validation and test rows whose operands are a training row's, in another order.

        0 for unordered rows, and for tasks in which another order is another question.
        """
        held_out = torch.cat([self.split["val"], self.split["test"]])
        return int(torch.isin(self.asks[held_out], self.asks[self.split["train"]]).sum())

    def examples(self, split: Literal["train", "val", "test"], axis: Axis | None = None) -> list[Examples]:
        """The rows of a split, grouped by prompt length; ``axis``: of another number line than the data's own."""
        rows = self.split[split]
        by_length: dict[int, list[Examples]] = {}
        for index in range(len(self._texts)):
            for group in self._fill(index, self.shown[rows[self.template_of_row[rows] == index]], axis or self.axis):
                by_length.setdefault(group.prompt.shape[1], []).append(group)
        return [concatenate(groups) for _, groups in sorted(by_length.items())]

    def texts(self, rows: Tensor) -> tuple[list[str], Tensor]:
        """The prompts of some rows as texts, and their answers (rows,)."""
        chosen = zip(self.template_of_row[rows].tolist(), self.shown[rows].tolist(), strict=True)
        return [filled(self._texts[index], row)[0] for index, row in chosen], self.whole.answers(self.shown[rows])

    def ask(self, templates: list[str], smallest: int, largest: int) -> None:
        """Ask a trained model something else: other templates, or operands of a smaller range.

        Vocabulary, number line and the rows of each split stay what they were when the model was trained.

        Raises:
            ConfigError: no such template, tokens that the model hasn't, operands out of range, or an empty split.
        """
        check_templates(self.task, templates)
        encoded = self._encode([self.task.templates[name] for name in templates])
        for name, (prompts, _) in zip(templates, encoded, strict=True):
            if not torch.isin(prompts, self.vocabulary.token_ids).all():
                key = f"data.templates={templates}"
                raise ConfigError(key, f"the model has no tokens for {name}", "train with data.vocabulary=full")
        if smallest < self.task.smallest or largest > self.task.largest:
            key, known = f"data.{self.task.operand_key}", f"{self.task.smallest}..{self.task.largest}"
            raise ConfigError(key, f"the model knows the operands {known}", "ask for operands within them")
        inside = ((self.operands >= smallest) & (self.operands <= largest)).all(dim=1)
        self.split = {name: rows[inside[rows]] for name, rows in self.split.items()}
        if min(map(len, self.split.values())) < 1:
            key = f"data.{self.task.operand_key}"
            raise ConfigError(key, f"a split has no rows within {smallest}..{largest}", "ask for more operands")
        if len(templates) != len(self._templates):
            rng = torch.Generator().manual_seed(self.split_seed)
            self.template_of_row = torch.randint(len(templates), (len(self.operands),), generator=rng)
        self._templates = [(self.vocabulary.rows_of(prompts), slots) for prompts, slots in encoded]
        self._texts = [self.task.templates[name] for name in templates]

    def _encode(self, texts: list[str]) -> list[tuple[Tensor, Tensor]]:
        """Each template's prompts and slots, see ``encode_template``."""
        task, values = self.task, range(self.task.smallest, self.task.largest + 1)
        return [encode_template(self.tokenizer, text, values, task.operand_key, task.letters) for text in texts]

    def prompts_of(self, operands: list[tuple[int, ...]] | Tensor) -> Examples:
        """Any operands (n, k) in range, in the first of the templates.

        Raises:
            ConfigError: digits give these prompts different lengths.
        """
        groups = self._fill(0, torch.as_tensor(operands), self.axis)
        if len(groups) != 1:
            shown = torch.as_tensor(operands).tolist()
            raise ConfigError(f"prompts={shown}", "their numbers have different digits", "ask for one of them")
        return groups[0]

    def asked(self, split: Literal["train", "val", "test"]) -> Asked:
        """The questions of a split for a model that answers in its own words."""
        return Asked.of(self.tokenizer, self.vocabulary.token_ids, self.examples(split, "number"))

    def _fill(self, template: int, operands: Tensor, axis: Axis) -> list[Examples]:
        """A template with operands (n, k) in its slots, an entry for each length."""
        if self._digits is not None:
            return self._digits.questions(self._texts[template], operands, axis)
        prompts, slots = self._templates[template]
        rows = operands - self.task.smallest
        prompt = prompts[rows[:, 0]].clone()
        for row, slot in zip(rows.T, slots.tolist(), strict=True):
            prompt[:, slot] = prompts[row, slot]
        return [Examples(prompt, self.task.answers(operands), operands, slots.expand(len(operands), len(slots)))]

    def on_device(self, split: Literal["train", "val", "test"]) -> list[Examples]:
        """``examples(split)`` on the trainer's device, moved there once."""
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        if (split, str(device)) not in self._loaders:
            self._loaders[split, str(device)] = [group.to(device) for group in self.examples(split)]
        return self._loaders[split, str(device)]

    def train_dataloader(self) -> Batches | Together:
        trainer = self.trainer
        fixed = trainer is None or trainer.overfit_batches > 0  # then every epoch has the batches of the first
        epoch = (lambda: 0) if fixed else (lambda: trainer.current_epoch)
        settings = {"epoch": epoch, "redraw_order": self.redraw_order}
        return self._batches("train", self.batch_size, [{"seed": seed, **settings} for seed in self.seeds])

    def val_dataloader(self) -> Batches | Together:
        return self._batches("val", self.eval_batch_size, [{} for _ in self.seeds])

    def test_dataloader(self) -> Batches | Together:
        return self._batches("test", self.eval_batch_size, [{} for _ in self.seeds])

    predict_dataloader = test_dataloader  # Trainer.predict: the model's answers to the questions of the test split

    def _batches(
        self, split: Literal["train", "val", "test"], batch_size: int, each: list[dict[str, Any]]
    ) -> Batches | Together:
        loaders = [Batches(self.on_device(split), batch_size, **settings, **self._ranks()) for settings in each]
        return loaders[0] if len(loaders) == 1 else Together(loaders)

    def _ranks(self) -> dict[str, int]:
        """Which share of the batches is this process's; Lightning would share out a torch DataLoader's alone."""
        return {"rank": self.trainer.global_rank, "ranks": self.trainer.world_size} if self.trainer else {}
