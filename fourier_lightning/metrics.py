"""How right an answer is: exactly, nearly, and modulo the periods that the paper talks about."""

import torch
from torch import Tensor
from torchmetrics import Metric

WITHIN = (2, 10)
MODULI = (2, 5, 10)


class NumberMetrics(Metric):
    """Means over examples of: loss, accuracy, within_2, within_10, mod_2, mod_5, mod_10, mae.

    ``accuracy`` is exact match of the likeliest token of the whole vocabulary (paper section 1). The others ask
    how far off the model is as a calculator, so they look at the likeliest *number* token: ``within_n`` is
    |error| <= n, ``mae`` is the mean |error|, and ``mod_n`` is whether guess and answer, as they are written, leave
    the same remainder modulo n (10: the same last digit).

    On a circle |error| is the distance the shorter way round. ``mod_n`` still compares the written numbers: a residue
    modulo n lives on the circle only where n divides its length, and there both readings agree.

    Args:
        cycle: length of the circle, of a cyclic task; None for a line.
        over_ranks: whether ``compute`` adds up the sums of all processes of a run on several devices. All of them have
            to call it then.
    """

    full_state_update = False
    names = ("loss", "accuracy", *(f"within_{n}" for n in WITHIN), *(f"mod_{n}" for n in MODULI), "mae")

    sums: Tensor
    count: Tensor

    def __init__(self, cycle: int | None = None, over_ranks: bool = True) -> None:
        super().__init__(sync_on_compute=over_ranks)
        self.cycle = cycle
        self.add_state("sums", torch.zeros(len(self.names)), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, logits: Tensor, answers: Tensor, numbers: Tensor, loss: Tensor) -> None:
        """Add a batch.

        Args:
            logits: (B, V) at the answer position.
            answers: (B,) the right numbers.
            numbers: (p,) vocabulary rows of the numbers 0..p-1.
            loss: (B,) or scalar mean loss of these examples.
        """
        self.sums += scores(logits, answers, numbers, loss, self.cycle).sum(dim=1)
        self.count += len(answers)

    def compute(self) -> dict[str, Tensor]:
        """The means, by name."""
        return dict(zip(self.names, self.sums / self.count, strict=True))


def scores(logits: Tensor, answers: Tensor, numbers: Tensor, loss: Tensor, cycle: int | None) -> Tensor:
    """The metrics of each example (8, B), float32, in the order of ``NumberMetrics.names``; see its ``update``."""
    exact = logits.argmax(dim=1) == numbers[answers]
    difference = logits[:, numbers].argmax(dim=1) - answers
    error = shorter_way(difference, cycle)
    rows = [loss.detach().expand(len(answers)), exact]
    rows += [error.abs() <= n for n in WITHIN]
    rows += [difference % n == 0 for n in MODULI]
    rows += [error.abs()]
    return torch.stack([row.float() for row in rows])


def shorter_way(difference: Tensor, cycle: int | None) -> Tensor:
    """Differences of numbers as errors: on a circle the shorter way round, -(cycle // 2)..(cycle - 1) // 2."""
    return difference if cycle is None else (difference + cycle // 2) % cycle - cycle // 2
