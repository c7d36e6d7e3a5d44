"""How right the model is where carries are many, and where numbers are large: accuracy by kind of question."""

import torch
import torch.nn.functional as F
from torch import Tensor

from fourier_lightning.data.carries import carries
from fourier_lightning.data.task import Task
from fourier_lightning.errors import ConfigError
from fourier_lightning.instruments.base import Findings, Instrument, Row, View
from fourier_lightning.metrics import NumberMetrics, scores


class Breakdown(Instrument):
    """Metrics by the number of carries, by the answer's size and by the largest operand's. One pass, no control.

    A carry is a column of the decimal addition on paper that hands something on to the next (``Task.addends``: of
    a - b the borrows; of a sum modulo m those before the modulus); of tasks that are no column addition there are no
    such rows. Sizes are bins of equal width over the number line, and over the range of operands.

    Writes the table ``breakdown``: by (``carries``, ``answer``, ``operand``), low, high (bounds, both included; of
    carries their number), examples, and the metrics. Kinds without examples have no row.

    Args:
        bins: of each size.
        every_n_epochs, limit_batches, batch_size: see ``Instrument``.
    """

    def __init__(
        self, bins: int = 10, every_n_epochs: int = 0, limit_batches: int | None = None, batch_size: int = 512
    ) -> None:
        super().__init__(every_n_epochs, limit_batches, batch_size)
        if bins < 1:
            raise ConfigError(f"bins={bins}", "too small", "use 1 or more")
        self.bins = bins

    def measure(self, view: View) -> Findings:
        seen, operands, answers = [], [], []
        for batch in self.batches(view):
            logits = view.decoder.answer_logits(batch["prompt"])
            loss = F.cross_entropy(logits, view.numbers[batch["answer"]], reduction="none")
            seen.append(scores(logits, batch["answer"], view.numbers, loss, view.task.cycle).double().cpu())
            operands.append(batch["operands"].cpu())
            answers.append(batch["answer"].cpu())
        metrics = torch.cat(seen, dim=1)  # (metrics, N)
        kinds = kinds_of(view.task, torch.cat(operands), torch.cat(answers), self.bins)
        return Findings({"breakdown": [row for by, group in kinds.items() for row in rows_of(by, *group, metrics)]})


def kinds_of(task: Task, operands: Tensor, answers: Tensor, bins: int) -> dict[str, tuple[Tensor, Tensor]]:
    """The kind of each example (N,), and the first number of each kind (kinds + 1,), by what is asked of them."""
    kinds = {
        "answer": sizes(answers, 0, task.p - 1, bins),
        "operand": sizes(operands.max(dim=1).values, *task.operand_range, bins),
    }
    addends = task.addends(operands)
    if addends is None:
        return kinds
    count = (carries(addends) > 0).sum(dim=1)
    return {"carries": (count, torch.arange(int(count.max()) + 2)), **kinds}


def sizes(values: Tensor, smallest: int, largest: int, bins: int) -> tuple[Tensor, Tensor]:
    """Which of the bins of equal width over smallest..largest each value is in, and where the bins begin."""
    span = largest - smallest + 1
    starts = smallest + -(-torch.arange(min(bins, span) + 1) * span // min(bins, span))  # rounded up
    return torch.searchsorted(starts, values, right=True) - 1, starts


def rows_of(by: str, kind: Tensor, starts: Tensor, metrics: Tensor) -> list[Row]:
    """A row for each kind that has examples."""
    rows: list[Row] = []
    for index in kind.unique().tolist():
        mine = metrics[:, kind == index]
        bounds = {"by": by, "low": int(starts[index]), "high": int(starts[index + 1]) - 1, "examples": mine.shape[1]}
        rows.append({**bounds, **dict(zip(NumberMetrics.names, mine.mean(dim=1).tolist(), strict=True))})
    return rows
