"""Batches cut from integer tensors that live on the device: no workers, no padding, no surprise in their order."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import NotRequired, TypedDict

import torch
from torch import Tensor

MOST_HEADS = 8  # beginnings of one prompt length that are worth computing apart: a template has one


class Batch(TypedDict):
    """Prompts of one length: a plain dictionary, which Lightning moves between devices."""

    prompt: Tensor  # (B, L) model token rows
    answer: Tensor  # (B,) the number to be predicted
    operands: Tensor  # (B, k) the numbers in the prompt, a and b (and c)
    weight: NotRequired[float]  # of a rank's share: its rows, as a multiple of the mean share's; see ``share_of``
    heads: NotRequired[Tensor]  # (U, s) what the prompts of this length begin with; none where they share nothing
    which: NotRequired[Tensor]  # (B,) the one that each prompt begins with


class StackedBatch(TypedDict):
    """A batch for each of N models that train as one, see ``Together``."""

    prompt: Tensor  # (N, B, L)
    answer: Tensor  # (N, B)
    operands: Tensor  # (N, B, k)
    counts: Tensor  # (N, B) 1 where a row is one of that model's batch, 0 where it fills up


@dataclass(frozen=True)
class Examples:
    """Prompts of one length, as in a batch, and where their operands stand.

    Attributes:
        prompt: (N, L).
        answer: (N,).
        operands: (N, k), as the prompt has them.
        slots: (N, k) their columns in the prompt.
    """

    prompt: Tensor
    answer: Tensor
    operands: Tensor
    slots: Tensor

    def __len__(self) -> int:
        return len(self.answer)

    def __getitem__(self, rows: Tensor) -> "Examples":
        """Those in rows (n,), in that order."""
        return Examples(*(getattr(self, field.name)[rows] for field in fields(self)))

    def sample(self, n: int) -> "Examples":
        """n of them at equal distances: the templates of a prompt length stand one after the other."""
        return self[torch.arange(n, device=self.answer.device) * len(self) // n]

    def to(self, device: torch.device | str) -> "Examples":
        return Examples(*(getattr(self, field.name).to(device) for field in fields(self)))

    def reordered(self, order: Tensor) -> "Examples":
        """The operands in other places, in the prompt too: place i of a row gets its operand ``order[:, i]`` (N, k).

        The answers stay: only for tasks whose operands may change places.
        """
        shown = self.prompt.gather(1, self.slots).gather(1, order)
        prompt = self.prompt.scatter(1, self.slots, shown)
        return Examples(prompt, self.answer, self.operands.gather(1, order), self.slots)


def beginnings(group: Examples) -> tuple[Tensor, Tensor] | None:
    """What prompts begin with before their first operand: heads (U, s) and which of them each row has (N,).

    None where the first operand comes first, or where there are nearly as many beginnings as rows.
    """
    shared = int(group.slots.min())
    if not shared:
        return None
    heads, which = group.prompt[:, :shared].unique(dim=0, return_inverse=True)
    return (heads, which) if len(heads) <= MOST_HEADS else None


def concatenate(groups: list[Examples]) -> Examples:
    """Several groups of one prompt length as one."""
    return Examples(*(torch.cat([getattr(group, field.name) for group in groups]) for field in fields(Examples)))


def drawn_orders(rows: int, count: int, rng: torch.Generator) -> Tensor:
    """A random order of ``count`` operands for each row: int64 (rows, count), for ``Examples.reordered``.

    Of two operands one number of the stream decides.
    """
    if count == 2:
        swap = (torch.rand(rows, generator=rng) < 0.5).long()
        return torch.stack([swap, 1 - swap], dim=1)
    return torch.rand(rows, count, generator=rng).argsort(dim=1)


class Batches:
    """Batches of equal-length prompts, cut from tensors that already live on the device.

    Prompts of different lengths never share a batch, so nothing is padded; the order of the batches is shuffled
    across lengths. Epoch e of seed s has the same batches in every run, also after a resume.

    Args:
        groups: the examples, one entry for each prompt length.
        batch_size: rows of a batch; the last of each length may be smaller.
        seed: of the shuffle; ``None`` keeps the order (evaluation).
        epoch: tells the current epoch.
        redraw_order: draw anew, at each presentation, which operand comes first (see ``Examples.reordered``).
        rank, ranks: of a run on several devices: yields this rank's share of each batch (see ``share_of``).
    """

    def __init__(
        self,
        groups: list[Examples],
        batch_size: int,
        seed: int | None = None,
        epoch: Callable[[], int] = lambda: 0,
        redraw_order: bool = False,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.groups, self.batch_size, self.seed, self.epoch = groups, batch_size, seed, epoch
        self.redraw_order, self.rank, self.ranks = redraw_order, rank, ranks
        self.beginnings = [beginnings(group) if seed is not None else None for group in groups]

    def __len__(self) -> int:
        return sum(-(-len(group) // self.batch_size) for group in self.groups)

    def __iter__(self) -> Iterator[Batch]:
        # A generator: the epoch is asked for at the first batch. Lightning calls iter() before a resume is complete.
        rng = None
        if self.seed is not None:  # a CPU stream, so that every device sees the same batches
            rng = torch.Generator()
            rng.manual_seed(self.seed * 1_000_003 + self.epoch())
        chunks: list[Batch] = []
        for group, begin in zip(self.groups, self.beginnings, strict=True):
            chunks += self._chunks(group, begin, rng)
        order = range(len(chunks)) if rng is None else torch.randperm(len(chunks), generator=rng).tolist()
        yield from (chunks[i] if self.ranks == 1 else share_of(chunks[i], self.rank, self.ranks) for i in order)

    def _chunks(self, group: Examples, begin: tuple[Tensor, Tensor] | None, rng: torch.Generator | None) -> list[Batch]:
        if rng is not None:
            rows = torch.randperm(len(group), generator=rng).to(group.prompt.device)
            group, begin = group[rows], begin and (begin[0], begin[1][rows])
            if self.redraw_order:
                order = drawn_orders(len(group), group.operands.shape[1], rng)
                group = group.reordered(order.to(group.prompt.device))
        columns = {"prompt": group.prompt, "answer": group.answer, "operands": group.operands}
        columns |= {"which": begin[1]} if begin else {}
        heads = {"heads": begin[0]} if begin else {}
        parts = zip(*(column.split(self.batch_size) for column in columns.values()), strict=True)
        return [Batch(**dict(zip(columns, part, strict=True)), **heads) for part in parts]  # type: ignore[typeddict-item]


def share_of(batch: Batch, rank: int, ranks: int) -> Batch:
    """A rank's rows of a batch: every ``ranks``-th, from the ``rank``-th on.

    All ranks take the same number of steps, so one that would go empty gets the first row, at weight 0. The mean over
    ranks of weight times the mean over a rank's rows is the mean over the batch.
    """
    rows = len(batch["answer"])
    mine = slice(rank, None, ranks) if rank < rows else slice(1)
    by_row = [name for name in ("prompt", "answer", "operands", "which") if name in batch]
    columns = {name: batch[name][mine] for name in by_row}  # type: ignore[literal-required]
    return Batch(**{**batch, **columns, "weight": len(range(rank, rows, ranks)) * ranks / rows})  # type: ignore[typeddict-item]


class Together:
    """The batches of several runs, step by step as one: a batch that is shorter than another's is filled up.

    Args:
        loaders: with the same number of batches, all of one prompt length.
    """

    def __init__(self, loaders: Sequence[Batches]) -> None:
        self.loaders = loaders

    def __len__(self) -> int:
        return len(self.loaders[0])

    def __iter__(self) -> Iterator[StackedBatch]:
        for batches in zip(*self.loaders, strict=True):
            rows = torch.tensor([len(batch["answer"]) for batch in batches])
            # row 0 again and again, where there is none
            places = torch.arange(int(rows.max())).expand(len(rows), -1)
            counts = places < rows[:, None]
            device = batches[0]["answer"].device
            filled = (places * counts).to(device)
            columns = {
                name: torch.stack([batch[name][at] for batch, at in zip(batches, filled, strict=True)])  # type: ignore[literal-required]
                for name in ("prompt", "answer", "operands")
            }
            yield StackedBatch(**columns, counts=counts.float().to(device))
