"""What the model needs of its operands' vectors: waves removed from the input rows alone, the unembedding untouched."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fourier_lightning.data.batches import Examples
from fourier_lightning.data.task import Task
from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.basis import fourier_basis, period_waves, span
from fourier_lightning.fourier.controls import random_rows
from fourier_lightning.fourier.lines import leading_energies, wave_part
from fourier_lightning.fourier.selection import Period, Selection, check_range, parse_periods, usual_periods
from fourier_lightning.instruments.base import Findings, Instrument, Row, View
from fourier_lightning.instruments.filtering import SHOWN, control_columns
from fourier_lightning.models.hooks import Site, intervene

SHORT = [2.0, 2.5, 10 / 3, 5.0, 10.0]


@dataclass(frozen=True)
class Line:
    """The number line that the operands' tokens are on.

    Attributes:
        name: ``numbers``, the answers' own tokens, or ``operands``, other tokens of the same numbers.
        tokens: (q,) rows of the model's table, in the numbers' order.
        table: (q, d) what they put into the stream, float64, on the CPU.
        used: (q,) which of them are operands.
    """

    name: str
    tokens: Tensor
    table: Tensor
    used: Tensor


class InputWaves(Instrument):
    """Takes waves out of the operands' input rows, at the operands' positions, and lets the model go on from there.

    Nothing else changes: neither the unembedding (also of a tied model) nor the other tokens. Prompts whose operands
    are the answers' tokens ("15,93+") have them on the answers' line 0..p-1; operands of their own ("Total of 15")
    have a line of their own, cut-offs at the same periods.

    Writes the table ``input_waves``: line, removed (``none``, ``low``, ``high``, ``short``: T = 2, 2.5, 10/3, 5 and 10
    together, or ``period``), period (exact T), rank (rows of the number line), energy (what goes, as a share of the
    operands' centred power), the metrics, and two controls: random rows of equal rank (``control_<metric>``) and random
    rows of equal energy (``control_energy_<metric>``, ``control_energy_rows`` of them). Logs
    ``input/<low|high|short>_removed/{accuracy,mod_10,within_10}``.

    Args:
        periods: T's that go alone; null for 2, 2.5, 5, 10, p - 1, and 3, 7.
        cutoff: low waves are k < cutoff; null as in ``filter.cutoff``.
        draws: random controls of each kind; 0 for none.
        seed: of the controls.
        every_n_epochs, limit_batches, batch_size: see ``Instrument``. By default one batch: every row of the table and
            every control is a forward pass.
    """

    def __init__(
        self,
        periods: list[Period] | None = None,
        cutoff: int | None = None,
        draws: int = 3,
        seed: int = 0,
        every_n_epochs: int = 0,
        limit_batches: int | None = 1,
        batch_size: int = 256,
    ) -> None:
        super().__init__(every_n_epochs, limit_batches, batch_size)
        self.periods = None if periods is None else parse_periods(periods, "periods")
        if draws < 0:
            raise ConfigError(f"draws={draws}", "negative", "use 3 or more, or 0 for no control")
        if not 0 <= seed < 2**32:
            raise ConfigError(f"seed={seed}", "out of range", "use 0 or a positive integer below 2^32")
        self.cutoff, self.draws, self.seed = cutoff, draws, seed

    def check(self, task: Task, width: int) -> None:
        check_range(self.periods or [], task.p, "periods")
        Selection(cutoff=self.cutoff).check(fourier_basis(task.p))

    def measure(self, view: View) -> Findings:
        parts = list(self._parts(view))
        lines = _lines(view, torch.cat([part.prompt.gather(1, part.slots).flatten() for part in parts]))
        rows = [row for line in lines for row in self._rows(view, line, parts)]
        scalars = {
            f"input/{row['removed']}_removed/{name}": float(row[name])
            for row in rows
            if row["removed"] in ("low", "high", "short") and row["line"] == lines[0].name
            for name in ("accuracy", "mod_10", "within_10")
        }
        return Findings({"input_waves": rows}, scalars=scalars)

    def _parts(self, view: View) -> Iterator[Examples]:
        """The instrument's examples a batch at a time, with the operands' places."""
        for group in self.examples(view):
            for rows in torch.arange(len(group), device=view.device).split(self.batch_size):
                yield group[rows]

    def _rows(self, view: View, line: Line, parts: Sequence[Examples]) -> list[Row]:
        """The table of one number line. Controls that take equally many rows are one forward pass."""
        q = len(line.tokens)
        turns = [random_rows(q, q - 1, self.seed + draw) for draw in range(self.draws)]
        held = [leading_energies(turn, line.table, line.used) for turn in turns]
        seen: dict[tuple[int, int], dict[str, float]] = {}

        def control(draw: int, count: int) -> dict[str, float]:
            if (draw, count) not in seen:
                seen[draw, count] = without(view, line, turns[draw][:count], parts)
            return seen[draw, count]

        table: list[Row] = []
        for removed, period, waves in self._removals(q, view.p):
            rank = len(waves)
            energy = float(leading_energies(waves, line.table, line.used)[-1]) if rank else 0.0
            counts = [int((share - energy).abs().argmin()) + 1 for share in held] if rank else []
            own = without(view, line, waves, parts)
            row: Row = {"line": line.name, "removed": removed, "period": period, "rank": rank, "energy": energy}
            row |= {name: own[name] for name in SHOWN}
            row |= control_columns("control", [control(draw, rank) for draw in range(len(counts))])
            row |= control_columns("control_energy", [control(draw, count) for draw, count in enumerate(counts)])
            row["control_draws"] = len(counts)
            row["control_energy_rows"] = statistics.fmean(counts) if counts else None
            table.append(row)
        return table

    def _removals(self, q: int, p: int) -> Iterator[tuple[str, float | None, Tensor]]:
        """What goes: its name, its period, and its orthonormal rows over a line of q numbers."""
        basis, cutoff = fourier_basis(q), Selection(cutoff=self.cutoff).cutoff_at(p)
        yield "none", None, basis.rows[:0]
        for removed, keep in (("low", "high"), ("high", "low")):
            yield removed, None, Selection(keep, cutoff).at_length(q, p).removed_rows(basis)  # type: ignore[arg-type]
        yield "short", None, span(period_waves(SHORT, q))
        for period in usual_periods(p) if self.periods is None else self.periods:
            yield "period", period, span(period_waves([period], q))


def _lines(view: View, shown: Tensor) -> list[Line]:
    """The number lines that these operands' tokens are on: one, unless templates of both kinds are asked."""
    words, rows = view.vocabulary, view.decoder.input_rows().double().cpu()
    values, order = words.operand_values.sort()
    both = {"operands": (words.operands[order], values), "numbers": (words.numbers, torch.arange(view.p))}
    return [
        Line(name, tokens, rows[tokens.cpu()], (numbers >= view.task.smallest) & (numbers <= view.task.largest))
        for name, (tokens, numbers) in both.items()
        if len(tokens) >= 3 and torch.isin(shown.cpu(), tokens.cpu()).any()
    ]


def without(view: View, line: Line, waves: Tensor, parts: Sequence[Examples]) -> dict[str, float]:
    """Loss and metrics with these rows (r, q) of the number line taken out of the operands' vectors."""
    decoder, numbers, metrics = view.decoder, view.numbers, view.metrics()
    gone = wave_part(waves, line.table)
    gone = torch.cat([gone, gone.new_zeros(1, gone.shape[1])]).to(view.device, decoder.dtype)
    where = torch.full((len(decoder.input_rows()),), -1, device=view.device)  # other tokens lose the last row: nothing
    where[line.tokens.to(view.device)] = torch.arange(len(line.tokens), device=view.device)
    for part in parts:
        less = -gone[where[part.prompt.gather(1, part.slots)]]  # (B, operands, d)
        places = part.slots[..., None].expand_as(less)
        change = {Site("embed"): lambda x, places=places, less=less: x.scatter_add(1, places, less)}
        with intervene(decoder, change if len(waves) else {}, "all"):
            logits = decoder.answer_logits(part.prompt)
        metrics.update(logits, part.answer, numbers, F.cross_entropy(logits, numbers[part.answer]))
    return {name: float(value) for name, value in metrics.compute().items()}
