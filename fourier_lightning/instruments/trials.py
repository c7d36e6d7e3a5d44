"""Filters in the flow as rows of a table: each beside random filters of equal rank and of equal energy."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fourier_lightning.data.batches import Batch
from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.energy import Energy
from fourier_lightning.fourier.filters import Filter, FilterSettings, Method
from fourier_lightning.fourier.selection import Selection
from fourier_lightning.instruments.base import Instrument, Row, View
from fourier_lightning.instruments.filtering import SHOWN, Tally, Variant, control_columns, evaluate, filter_modules
from fourier_lightning.metrics import MODULI
from fourier_lightning.models.hooks import Site, capture

MOST_LEFT = 0.05  # of the removed waves' power: a filter that lets more pass has not removed them
MOST_LOST = 0.05  # of the other waves' power: a filter that takes more removes something else, too
COLLAPSE = 0.05  # different predictions, as a share of the different answers: fewer are one answer for all
RESIDUE = 0.8  # right modulo 2, 5 or 10 in this share: then few different predictions are what a residue looks like
PROMPTS = 250  # that a random filter answers, at the least, where there are as many


@dataclass
class Trial:
    """A filter to be tried, with its controls; it becomes a row of a table.

    Attributes:
        columns: of the row, before the results.
        modules: whose outputs are filtered.
        filter: to be applied; None if it can't be made, with the reason in ``refused``.
        energy: share of the power of these modules' number logits that it changes.
        controls: random filters of equal rank, one a draw.
        energy_controls: of equal energy; None for a draw that has none.
        alone: it keeps a single wave.
    """

    columns: Row
    modules: str
    filter: Filter | None = None
    energy: float | None = None
    controls: list[Filter] = field(default_factory=list)
    energy_controls: list[Filter | None] = field(default_factory=list)
    alone: bool = False
    refused: str | None = None


class Trials:
    """Makes and evaluates an instrument's filters.

    Args:
        instrument: whose examples are answered.
        view: the model.
        settings: basis, positions, LayerNorm, controls.

    Attributes:
        maker: of the filters.
        batches: the examples.
    """

    def __init__(self, instrument: Instrument, view: View, settings: FilterSettings) -> None:
        self.view, self.settings, self.maker = view, settings, view.filters(settings)
        self.batches = list(instrument.batches(view))
        moments = contributions(view, self.batches)
        self._energies = {modules: Energy(self.maker, moment) for modules, moment in moments.items()}
        self._tallies: dict[tuple[str, int], Tally] = {}  # by modules and filter, of the last run

    def make(self, selection: Selection, modules: str, method: Method, columns: Row, draws: int | None = None) -> Trial:
        """A filter with its controls, or with the reason why there is none.

        Args:
            draws: random filters of each kind; by default as many as the settings say.
        """
        draws = range(self.settings.draws if draws is None else draws)
        alone = selection.keep in ("periods", "components") and len(selection.periods + selection.components) == 1
        try:
            chosen = self.maker.make(selection, method)
        except ConfigError as error:  # the weights have fewer directions than their shape allows
            return Trial(columns, modules, alone=alone, refused=str(error))
        if not chosen.control_rows:
            return Trial(columns, modules, chosen, energy=0.0, alone=alone)
        energy = self._energies[modules]
        equal = [self.maker.control(chosen.control_rows, method, draw) for draw in draws]
        matched = [energy.control(chosen, method, draw) for draw in draws]
        return Trial(columns, modules, chosen, energy.of(chosen), equal, matched, alone)

    def run(self, trials: Sequence[Trial], share: bool = True) -> tuple[list[Row], list[Tally | None]]:
        """Evaluate filters and their controls.

        Args:
            share: the draws share the examples: each answers a part of them, ``PROMPTS`` at least.

        Returns:
            table rows (the columns, then rank, left, lost and energy of the filter, ``comparable``, the metrics, and
            mean and standard deviation of the controls' metrics), and the tally of each trial's own filter.
        """
        whole = [(trial.modules, trial.filter) for trial in trials if trial.filter]
        self._tallies = self._evaluate(whole, self.batches)
        draws = max((len(trial.controls) for trial in trials), default=0)
        prompts = sum(len(batch["answer"]) for batch in self.batches)
        parts = max(1, min(draws, prompts // PROMPTS)) if share else 1
        for part in range(parts):
            random = [
                (trial.modules, chosen)
                for trial in trials
                for drawn in (trial.controls, trial.energy_controls)
                for chosen in drawn[part::parts]
                if chosen
            ]
            seen = [_part(batch, part, parts) for batch in self.batches if len(batch["answer"]) > part]
            self._tallies |= self._evaluate(random, seen)
        own = [self._tallies[trial.modules, id(trial.filter)] if trial.filter else None for trial in trials]
        return [self._row(trial, tally) for trial, tally in zip(trials, own, strict=True)], own

    def losses(self, trial: Trial) -> list[float]:
        """The loss with each of a trial's controls of equal rank, after ``run``."""
        return [self._tallies[trial.modules, id(each)].means()["loss"] for each in trial.controls]

    def _evaluate(
        self, filters: Iterable[tuple[str, Filter]], batches: Sequence[Batch]
    ) -> dict[tuple[str, int], Tally]:
        """Tallies by modules and filter; trials of one rank share their controls: each is evaluated once."""
        variants = {
            (modules, id(chosen)): filter_modules(modules, chosen) if chosen.removed else Variant()
            for modules, chosen in filters
        }
        tallies = evaluate(self.view, batches, list(variants.values()), self.settings.positions) if variants else []
        return dict(zip(variants, tallies, strict=True))

    def _row(self, trial: Trial, own: Tally | None) -> Row:
        chosen, row = trial.filter, dict(trial.columns)
        for name in ("rank", "left", "lost"):
            row[name] = None if chosen is None else getattr(chosen, name)
        row |= {"energy": trial.energy, "comparable": self._why_not(trial, own)}
        row |= own.means() if own else dict.fromkeys(SHOWN)
        for prefix, drawn in (("control", trial.controls), ("control_energy", trial.energy_controls)):
            row |= control_columns(prefix, [self._tallies[trial.modules, id(each)].means() for each in drawn if each])
        counts = [each.removed for each in trial.energy_controls if each]
        row["control_energy_rows"] = statistics.fmean(counts) if counts else None
        return row | {"control_draws": len(trial.controls), "refused": trial.refused}

    def _why_not(self, trial: Trial, own: Tally | None) -> str:
        """Why a filter is no fair question to this model; nothing where it is."""
        chosen = trial.filter
        if chosen is None or own is None:
            return "no such filter"
        if not chosen.rank:
            return ""
        reasons = []
        if self.maker.rank >= self.view.decoder.width - 1:
            reasons.append("no complement (rank(W) >= d - 1)")
        if chosen.left > MOST_LEFT:
            reasons.append(f"much of the waves is left ({chosen.left:.2f})")
        if chosen.lost > MOST_LOST:
            reasons.append(f"much else is lost ({chosen.lost:.2f})")
        means = own.means()
        residue = trial.alone or max(means[f"mod_{n}"] for n in MODULI) >= RESIDUE
        if own.distinct < COLLAPSE and not residue:
            reasons.append(f"collapse: {100 * own.distinct:.0f} % of the predictions distinct")
        return "; ".join(reasons)


def contributions(view: View, batches: Iterable[Batch]) -> dict[str, Tensor]:
    """Second moments (d, d), float64, of what modules add to the last position, as the final norm scales it.

    Returns:
        for ``attn``, ``mlp`` and ``attn_mlp`` the sum of x x^T over the prompts, layers and modules.
    """
    decoder = view.decoder
    sites = {name: [Site(f"{name}_out", layer) for layer in range(decoder.n_layer)] for name in ("attn", "mlp")}
    moments = {name: torch.zeros(decoder.width, decoder.width, dtype=torch.float64) for name in sites}
    with capture(decoder, [decoder.final, *sites["attn"], *sites["mlp"]]) as seen:
        for batch in batches:
            decoder.answer_logits(batch["prompt"], share=True)
            for name, places in sites.items():
                states = torch.cat([decoder.scaled(seen[site], "frozen", seen[decoder.final]) for site in places])
                moments[name] += (states.T @ states).cpu()
    return {**moments, "attn_mlp": moments["attn"] + moments["mlp"]}


def _part(batch: Batch, part: int, parts: int) -> Batch:
    """Every so manieth example of a batch."""
    return {key: values[part::parts] for key, values in batch.items()}  # type: ignore[return-value, attr-defined]
