"""The same model on the same prompts under many interventions, in one pass over the examples."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from fourier_lightning.data.batches import Batch
from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.basis import fourier_basis
from fourier_lightning.fourier.filters import Filter, FilterMaker, FilterSettings, Method
from fourier_lightning.fourier.selection import Selection
from fourier_lightning.instruments.base import Instrument, Row, View
from fourier_lightning.metrics import MODULI, WITHIN, NumberMetrics, shorter_way
from fourier_lightning.models.hooks import Change, Positions, Site, intervene

SHOWN = ("loss", "accuracy", *(f"mod_{n}" for n in MODULI), *(f"within_{n}" for n in WITHIN), "mae")


@dataclass
class Tally:
    """What a variant answered.

    Attributes:
        metrics: sums of the usual metrics.
        errors: (2p - 1,) how often the likeliest number was off by -(p-1)..p-1; on a circle, the shorter way round.
    """

    metrics: NumberMetrics
    errors: Tensor

    @classmethod
    def of(cls, view: View) -> "Tally":
        """An empty one."""
        return cls(view.metrics(), torch.zeros(2 * view.p - 1, dtype=torch.long, device=view.device))

    def update(self, logits: Tensor, answers: Tensor, numbers: Tensor, loss: Tensor) -> None:
        """Add a batch: see ``NumberMetrics.update``."""
        self.metrics.update(logits, answers, numbers, loss)
        error = shorter_way(logits[:, numbers].argmax(dim=1) - answers, self.metrics.cycle)
        self.errors += torch.bincount(error + len(self.errors) // 2, minlength=len(self.errors))

    def means(self) -> dict[str, float]:
        """The metrics by name."""
        return {name: float(value) for name, value in self.metrics.compute().items()}

    def histogram(self) -> dict[int, int]:
        """Errors that occur, with their counts."""
        offset = len(self.errors) // 2
        return {index - offset: int(self.errors[index]) for index in self.errors.nonzero().flatten().tolist()}


@dataclass(frozen=True)
class Variant:
    """Filters on the outputs of every attention and/or MLP; none at all is the model itself."""

    filters: Mapping[str, Filter] = field(default_factory=dict)  # by site name: attn_out, mlp_out


def filter_modules(modules: str, chosen: Filter) -> Variant:
    """One filter on ``attn``, ``mlp`` or both (``attn_mlp``), in every layer."""
    return Variant({f"{name}_out": chosen for name in modules.split("_")})


def evaluate(view: View, batches: Iterable[Batch], variants: Sequence[Variant], positions: Positions) -> list[Tally]:
    """Loss, metrics and errors of each variant over the batches. Never holds more than one batch's logits.

    An intervention at the last position leaves the earlier ones as they are (attention is causal): with
    ``positions=last`` their keys and values are computed once, and every variant continues from them.
    """
    decoder, numbers = view.decoder, view.numbers
    tallies = [Tally.of(view) for _ in variants]
    # one copy of each filter on the device, however many variants and modules it is used in
    filters = {id(chosen): chosen for variant in variants for chosen in variant.filters.values()}
    matrices = {key: chosen.matrix.T.to(view.device, decoder.dtype) for key, chosen in filters.items()}
    changes = [_changes(decoder.n_layer, variant, matrices) for variant in variants]
    for batch in batches:
        prompt, answers = batch["prompt"], batch["answer"]
        past = decoder.prefix(prompt) if positions == "last" else None
        for tally, change in zip(tallies, changes, strict=True):
            with intervene(decoder, change, positions):
                logits = decoder.answer_logits(prompt, past)
            loss = F.cross_entropy(logits, numbers[answers])
            tally.update(logits, answers, numbers, loss)
    return tallies


def _changes(n_layer: int, variant: Variant, matrices: Mapping[int, Tensor]) -> dict[Site, Change]:
    """The interventions of a variant in every layer."""
    changes: dict[Site, Change] = {}
    for name, chosen in variant.filters.items():
        matrix = matrices[id(chosen)]
        for layer in range(n_layer):
            changes[Site(name, layer)] = lambda x, matrix=matrix: x @ matrix  # type: ignore[misc]
    return changes


@dataclass
class Trial:
    """A filter to be tried, with its controls; it becomes a row of a table.

    Attributes:
        columns: of the row, before the results.
        filter: to be applied; None if it can't be made, with the reason in ``refused``.
        controls: of the same rank.
    """

    columns: Row
    modules: str
    filter: Filter | None = None
    controls: list[Filter] = field(default_factory=list)
    refused: str | None = None


def make_trial(
    maker: FilterMaker, selection: Selection, modules: str, method: Method, draws: int, columns: Row
) -> Trial:
    """A filter with its controls, or with the reason why there is none."""
    try:
        chosen = maker.make(selection, method)
        count = chosen.control_rows
        controls = [maker.control(count, method, draw) for draw in range(draws)] if count else []
    except ConfigError as error:  # the weights have fewer directions than their shape allows
        return Trial(columns, modules, refused=str(error))
    return Trial(columns, modules, chosen, controls)


def try_trials(
    instrument: Instrument, view: View, settings: FilterSettings, trials: Sequence[Trial]
) -> tuple[list[Row], list[Tally | None]]:
    """Evaluate filters and their controls in one pass over the instrument's examples.

    Returns:
        table rows (the columns, then rank, left and lost of the filter, the metrics, and mean and standard deviation
        of the controls' metrics), and the tally of each trial's own filter.
    """
    variants: dict[tuple[str, int], Variant] = {}  # trials of one rank share their controls: evaluate each once
    wanted: list[list[tuple[str, int]]] = []
    for trial in trials:
        filters = [trial.filter, *trial.controls] if trial.filter is not None else []
        wanted.append([(trial.modules, id(chosen)) for chosen in filters])
        for key, chosen in zip(wanted[-1], filters, strict=True):
            variants[key] = filter_modules(trial.modules, chosen) if chosen.removed else Variant()
    tallies = evaluate(view, instrument.batches(view), list(variants.values()), settings.positions)
    by_key = dict(zip(variants, tallies, strict=True))
    grouped = [[by_key[key] for key in keys] for keys in wanted]
    table = [_columns(trial, group) for trial, group in zip(trials, grouped, strict=True)]
    return table, [group[0] if group else None for group in grouped]


def error_rows(table: Sequence[Row], tallies: Sequence[Tally | None], keys: Sequence[str]) -> list[Row]:
    """How often each row's own filter led to each error (prediction minus answer): the keys, error, count."""
    return [
        {**{key: row[key] for key in keys}, "error": error, "count": count}
        for row, tally in zip(table, tallies, strict=True)
        for error, count in (tally.histogram() if tally else {}).items()
    ]


def _columns(trial: Trial, tallies: list[Tally]) -> Row:
    columns: Row = dict(trial.columns)
    for name in ("rank", "left", "lost"):
        columns[name] = None if trial.filter is None else getattr(trial.filter, name)
    own, *controls = [tally.means() for tally in tallies] or [dict.fromkeys(SHOWN)]
    columns |= {name: own[name] for name in SHOWN}
    for name in SHOWN:
        values = [control[name] for control in controls]
        columns[f"control_{name}_mean"] = statistics.fmean(values) if values else None
        columns[f"control_{name}_std"] = statistics.stdev(values) if len(values) > 1 else None
    return {**columns, "control_draws": len(controls), "refused": trial.refused}


def check_components(components: list[int], p: int, settings: FilterSettings, key: str) -> None:
    """Refuse components that the basis does not have."""
    most = fourier_basis(p, settings.basis).n_components
    for k in components:
        if not 1 <= k <= most:
            raise ConfigError(f"{key}={components}", f"no component k={k} with p={p}", f"use 1 to {most}")
