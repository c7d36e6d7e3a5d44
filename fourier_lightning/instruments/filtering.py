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
from fourier_lightning.fourier.filters import Filter, FilterSettings
from fourier_lightning.instruments.base import Row, View
from fourier_lightning.metrics import MODULI, WITHIN, NumberMetrics, scores, shorter_way
from fourier_lightning.models.hooks import Change, Positions, Site, intervene

SHOWN = ("loss", "accuracy", *(f"mod_{n}" for n in MODULI), *(f"within_{n}" for n in WITHIN), "mae")


@dataclass
class Tally:
    """What a variant answered.

    Attributes:
        cycle: length of the circle, of a cyclic task.
        sums: (8,) of the usual metrics, in the order of ``NumberMetrics.names``.
        errors: (2p - 1,) how often the likeliest number was off by -(p-1)..p-1; on a circle, the shorter way round.
        said: (p,) how often each number was the likeliest.
        asked: (p,) how often it was the answer.
    """

    cycle: int | None
    sums: Tensor
    errors: Tensor
    said: Tensor
    asked: Tensor

    @classmethod
    def of(cls, view: View) -> "Tally":
        """An empty one."""
        counts = [torch.zeros(n, dtype=torch.long, device=view.device) for n in (2 * view.p - 1, view.p, view.p)]
        return cls(view.task.cycle, torch.zeros(len(NumberMetrics.names), device=view.device), *counts)

    def update(self, logits: Tensor, answers: Tensor, numbers: Tensor, loss: Tensor) -> None:
        """Add a batch: see ``NumberMetrics.update``."""
        self.sums += scores(logits, answers, numbers, loss, self.cycle).sum(dim=1)
        guesses = logits[:, numbers].argmax(dim=1)
        errors = shorter_way(guesses - answers, self.cycle) + len(self.errors) // 2
        for counts, values in ((self.errors, errors), (self.said, guesses), (self.asked, answers)):
            counts += torch.bincount(values, minlength=len(counts))

    def means(self) -> dict[str, float]:
        """The metrics by name."""
        return dict(zip(NumberMetrics.names, (self.sums / self.asked.sum()).tolist(), strict=True))

    @property
    def distinct(self) -> float:
        """How many different numbers were the likeliest, as a share of the different answers."""
        return float(self.said.count_nonzero() / self.asked.count_nonzero().clamp_min(1))

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
    made = {key: _change(chosen, view) for key, chosen in filters.items()}
    changes = [_changes(decoder.n_layer, variant, made) for variant in variants]
    for batch in batches:
        prompt, answers = batch["prompt"], batch["answer"]
        past = decoder.prefix(prompt) if positions == "last" else None
        for tally, change in zip(tallies, changes, strict=True):
            with intervene(decoder, change, positions):
                logits = decoder.answer_logits(prompt, past)
            loss = F.cross_entropy(logits, numbers[answers])
            tally.update(logits, answers, numbers, loss)
    return tallies


def _change(chosen: Filter, view: View) -> Change:
    """A filter as a function of states, on the model's device and in its precision, float32 at the least."""
    wide = torch.promote_types(view.decoder.dtype, torch.float32)  # in half precision some of the waves would be left
    put = lambda matrix: matrix.T.to(view.device, wide)  # noqa: E731
    if 2 * len(chosen.read) >= view.decoder.width:
        matrix = put(chosen.matrix)
        return lambda x: (x.to(wide) @ matrix).to(x.dtype)
    read, into = put(chosen.read), put(chosen.into)  # the shorter way to the same state
    return lambda x: (x.to(wide) - x.to(wide) @ read @ into).to(x.dtype)


def _changes(n_layer: int, variant: Variant, made: Mapping[int, Change]) -> dict[Site, Change]:
    """The interventions of a variant in every layer."""
    return {Site(name, layer): made[id(f)] for name, f in variant.filters.items() for layer in range(n_layer)}


def error_rows(table: Sequence[Row], tallies: Sequence[Tally | None], keys: Sequence[str]) -> list[Row]:
    """How often each row's own filter led to each error (prediction minus answer): the keys, error, count."""
    return [
        {**{key: row[key] for key in keys}, "error": error, "count": count}
        for row, tally in zip(table, tallies, strict=True)
        for error, count in (tally.histogram() if tally else {}).items()
    ]


def check_components(components: list[int], p: int, settings: FilterSettings, key: str) -> None:
    """Refuse components that the basis does not have."""
    most = fourier_basis(p, settings.basis).n_components
    for k in components:
        if not 1 <= k <= most:
            raise ConfigError(f"{key}={components}", f"no component k={k} with p={p}", f"use 1 to {most}")


def control_columns(prefix: str, drawn: Sequence[Mapping[str, float]]) -> Row:
    """Columns PREFIX_<metric>_mean and _std of random controls' metrics; None of none, and no spread of one."""
    columns: Row = {}
    for name in SHOWN:
        values = [means[name] for means in drawn]
        columns[f"{prefix}_{name}_mean"] = statistics.fmean(values) if values else None
        columns[f"{prefix}_{name}_std"] = statistics.stdev(values) if len(values) > 1 else None
    return columns
