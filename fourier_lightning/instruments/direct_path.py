"""What waves are worth in what modules add to the number logits, while later modules see the whole stream."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from fourier_lightning.data.task import Task
from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.basis import Basis, fourier_basis
from fourier_lightning.fourier.controls import centred_moment, energy_of, leading_rows, random_rows, turned
from fourier_lightning.fourier.filters import FilterSettings
from fourier_lightning.fourier.nulls import against_largest
from fourier_lightning.fourier.selection import Period, Selection, check_range, parse_periods, usual_periods
from fourier_lightning.fourier.spectrum import component_probes
from fourier_lightning.instruments.base import Findings, Instrument, Row, View
from fourier_lightning.instruments.filter_ablation import TABLE_1
from fourier_lightning.instruments.filtering import SHOWN, control_columns, error_rows
from fourier_lightning.instruments.number_logits import NumberLogits, number_logits
from fourier_lightning.metrics import NumberMetrics

CONTROLS = ("control", "control_energy")  # random rows of equal number, and of equal energy


@dataclass
class Removal:
    """Orthonormal rows of the number line that go from what modules add: a row of the table."""

    modules: str
    removed: str
    period: float | None
    rows: Float[Tensor, "r p"]
    energy: float = 0.0
    controls: dict[str, list[Tensor]] = field(default_factory=lambda: {name: [] for name in CONTROLS})
    control_rows: list[int] = field(default_factory=list)


class DirectPath(Instrument):
    """Table 1, single waves and knock-outs, only in what attention and MLPs add to the final number logits.

    logits' = logits - U^T U L, where L is the sum over all layers of what the modules add, the final norm's scale as
    it was, and the rows U span the waves that go. Nothing is intervened on: one pass, then arithmetic. A filter in the
    flow (``FilterAblation``) also takes the waves from all later modules; which of the two breaks the answer tells
    whether a wave is read by the logits or by other modules. Exact for every width: no method has to be chosen.

    Writes the table ``direct_path``: modules, removed (``low``, ``high``, ``period``: one wave; ``all but period``:
    all the others), period, cutoff, rank (rows that go), energy (their share of the centred power of L over the number
    line), the metrics, ``control_<metric>_mean`` and ``_std`` with as many random rows, and ``control_energy_...`` with
    random rows of as much energy; ``control_energy_rows`` is how many that takes. Table ``direct_errors``: modules,
    removed, period, error, count, but for single waves that go. Table ``direct_knock_out``: each component removed
    from both, held against the costliest of all components under random rotations of the number line (``limit`` of
    the loss increase and ``p_value``, corrected for the components). Logs ``direct/attn_mlp/<low|high>_removed/`` with
    accuracy, mod_10 and within_10.

    Args:
        filter: cut-off, basis, and seed of the controls; the rest has no say here.
        periods: T's, exact; null for 2, 2.5, 5, 10, p - 1, and 3 and 7, which no mechanism should need.
        draws: random controls of each kind, at least 2.
        control_prompts: how many of the examples they are evaluated on, at equal distances.
        knock_out_draws: rotations, at least 20.
        knock_out_prompts: how many of the examples the knock-outs are evaluated on.
        every_n_epochs, limit_batches, batch_size: see ``Instrument``.
    """

    def __init__(
        self,
        filter: FilterSettings,
        periods: list[Period] | None = None,
        draws: int = 10,
        control_prompts: int = 512,
        knock_out_draws: int = 20,
        knock_out_prompts: int = 128,
        every_n_epochs: int = 0,
        limit_batches: int | None = None,
        batch_size: int = 512,
    ) -> None:
        super().__init__(every_n_epochs, limit_batches, batch_size)
        for key, value, least in (
            ("draws", draws, 2),
            ("control_prompts", control_prompts, 1),
            ("knock_out_draws", knock_out_draws, 20),
            ("knock_out_prompts", knock_out_prompts, 1),
        ):
            if value < least:
                raise ConfigError(f"{key}={value}", "too few", f"use {least} or more")
        self.filter, self.draws, self.control_prompts = filter, draws, control_prompts
        self.periods = None if periods is None else parse_periods(periods, "periods")
        self.knock_out_draws, self.knock_out_prompts = knock_out_draws, knock_out_prompts

    def check(self, task: Task, width: int) -> None:
        self.filter.selection.check(fourier_basis(task.p, self.filter.basis))
        check_range(self.periods or [], task.p, "periods")

    def measure(self, view: View) -> Findings:
        said = number_logits(view, self.batches(view))
        removals = self._removals(view)
        self._control(view, said, removals)
        tallies = [said.without(view, removal.modules, removal.rows) for removal in removals]
        cutoff = Selection(cutoff=self.filter.cutoff).cutoff_at(view.p)
        table = [_columns(removal, tally.means(), cutoff) for removal, tally in zip(removals, tallies, strict=True)]
        shown = [(row, tally) for row, tally in zip(table, tallies, strict=True) if row["removed"] != "period"]
        errors = error_rows(*zip(*shown, strict=True), ("modules", "removed", "period"))
        scalars = {
            f"direct/attn_mlp/{row['removed']}_removed/{name}": row[name]
            for row in table
            if row["modules"] == "attn_mlp" and row["removed"] in ("low", "high")
            for name in ("accuracy", "mod_10", "within_10")
        }
        few, basis = said.sample(self.knock_out_prompts), view.basis(self.filter.basis)
        alone = knock_outs(view, few, basis, self.knock_out_draws, self.filter.seed)
        tables = {"direct_path": table, "direct_errors": errors, "direct_knock_out": alone}
        return Findings(tables, scalars=scalars)

    def _removals(self, view: View) -> list[Removal]:
        """Table 1's seven rows, then each wave removed alone, and kept alone in both."""
        basis = view.basis(self.filter.basis)
        keep = {"none": Selection(), "low": Selection("high", self.filter.cutoff)}
        keep["high"] = Selection("low", self.filter.cutoff)
        removals = [Removal(modules, removed, None, keep[removed].removed_rows(basis)) for modules, removed in TABLE_1]
        for period in usual_periods(view.p) if self.periods is None else self.periods:
            gone = Selection("notch", periods=[period]).removed_rows(basis)
            removals += [Removal(modules, "period", period, gone) for modules in ("attn_mlp", "attn", "mlp")]
            others = Selection("periods", periods=[period]).removed_rows(basis)
            removals.append(Removal("attn_mlp", "all but period", period, others))
        return removals

    def _control(self, view: View, said: NumberLogits, removals: Sequence[Removal]) -> None:
        """Give each removal its energy and its controls: leading rows of random rotations of the number line."""
        few, touching = said.sample(self.control_prompts), [removal for removal in removals if len(removal.rows)]
        groups = {m: [removal for removal in touching if removal.modules == m] for m in ("attn_mlp", "attn", "mlp")}
        moments = {modules: centred_moment(said.added(modules)).cpu() for modules in groups}
        for removal in touching:
            removal.energy = energy_of(removal.rows, moments[removal.modules])
        for draw in range(self.draws):
            rotation = random_rows(view.p, view.p - 1, self.filter.seed + draw)
            for modules, group in groups.items():
                counts = leading_rows(rotation, moments[modules], [removal.energy for removal in group])
                sizes = {*counts, *(len(removal.rows) for removal in group)}
                means = few.without_leading(view, modules, rotation, sizes)
                for removal, count in zip(group, counts, strict=True):
                    removal.control_rows.append(count)
                    removal.controls["control"].append(means[len(removal.rows)])
                    removal.controls["control_energy"].append(means[count])


def knock_outs(view: View, said: NumberLogits, basis: Basis, draws: int, seed: int) -> list[Row]:
    """Rows of ``direct_knock_out``: each component k = 1..K of the basis removed from what both modules add.

    The maximum statistic: under each of so many rotations of the number line, that leave the constant alone, the K
    components become K random subspaces of the same sizes, whose costliest counts.
    """
    moment, probes = centred_moment(said.attn + said.mlp), component_probes(basis)
    rows = [probes.rows[probes.group == group] for group in range(probes.size)]
    pieces = torch.stack([torch.cat([mine, mine.new_zeros(2 - len(mine), basis.p)]) for mine in rows])
    intact = said.losses_without(view, "attn_mlp", torch.zeros_like(pieces[:1]))
    increase = (said.losses_without(view, "attn_mlp", pieces) - intact).cpu()
    rotations = turned(pieces.flatten(0, 1), draws, seed)
    drawn = [said.losses_without(view, "attn_mlp", each.view_as(pieces)) - intact for each in rotations]
    p_values, limit = against_largest(increase, torch.stack(drawn).max(dim=1).values.cpu())
    table = []
    for k, mine in enumerate(rows, start=1):
        row: Row = {"component": k, "period": float(basis.periods[k - 1]), "energy": energy_of(mine, moment)}
        means = named(said.without_leading(view, "attn_mlp", mine, [len(mine)])[len(mine)])
        row |= {"loss": means["loss"], "loss_increase": float(increase[k - 1])}
        row |= {name: means[name] for name in ("accuracy", "mod_10", "within_10")}
        table.append(row | {"limit": limit, "p_value": float(p_values[k - 1])})
    return table


def named(means: Float[Tensor, " 8"]) -> dict[str, float]:
    """Metrics by name."""
    return dict(zip(NumberMetrics.names, means.tolist(), strict=True))


def _columns(removal: Removal, means: dict[str, float], cutoff: int) -> Row:
    """A row of ``direct_path``."""
    row: Row = {"modules": removal.modules, "removed": removal.removed, "period": removal.period, "cutoff": cutoff}
    row |= {"rank": len(removal.rows), "energy": removal.energy, **{name: means[name] for name in SHOWN}}
    for kind, draws in removal.controls.items():
        row |= control_columns(kind, [named(means) for means in draws])
    rows = removal.control_rows
    return row | {"control_draws": len(rows), "control_energy_rows": statistics.fmean(rows) if rows else None}
