"""The same model on the same prompts under many interventions, in one pass over the data."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from fourier_lightning.data.batches import Batch
from fourier_lightning.fourier.filters import Filter
from fourier_lightning.metrics import NumberMetrics, shorter_way
from fourier_lightning.models.hooks import Change, Positions, Site, intervene
from fourier_lightning.models.module import AdditionModule


@dataclass
class Tally:
    """What a variant answered.

    Attributes:
        metrics: sums of the usual metrics.
        errors: (2p - 1,) how often the likeliest number was off by -(p-1)..p-1; on a circle, the shorter way round.
    """

    metrics: NumberMetrics
    errors: Tensor

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


def evaluate(
    module: AdditionModule, batches: Iterable[Batch], variants: Sequence[Variant], positions: Positions
) -> list[Tally]:
    """Loss, metrics and errors of each variant over the batches. Never holds more than one batch's logits.

    With ``positions=last`` a variant costs the last position's share of a forward pass: see ``Decoder.prefix``.
    """
    p, device, decoder = len(module.numbers), module.device, module.decoder
    tallies = [
        Tally(NumberMetrics(module.cycle).to(device), torch.zeros(2 * p - 1, dtype=torch.long, device=device))
        for _ in variants
    ]
    # one copy of each filter on the device, however many variants and modules it is used in
    filters = {id(chosen): chosen for variant in variants for chosen in variant.filters.values()}
    matrices = {key: chosen.matrix.T.to(device, module.dtype) for key, chosen in filters.items()}
    changes = [_changes(decoder.n_layer, variant, matrices) for variant in variants]
    for batch in batches:
        prompt, answers = batch["prompt"], batch["answer"]
        prefix = decoder.prefix(prompt) if positions == "last" else None
        for tally, change in zip(tallies, changes, strict=True):
            with intervene(decoder, change, positions):
                logits = decoder.answer_logits(prompt, prefix)
            loss = F.cross_entropy(logits, module.numbers[answers])
            tally.update(logits, answers, module.numbers, loss)
    return tallies


def _changes(n_layer: int, variant: Variant, matrices: Mapping[int, Tensor]) -> dict[Site, Change]:
    """The interventions of a variant in every layer."""
    changes: dict[Site, Change] = {}
    for name, chosen in variant.filters.items():
        matrix = matrices[id(chosen)]
        for layer in range(n_layer):
            changes[Site(name, layer)] = lambda x, matrix=matrix: x @ matrix  # type: ignore[misc]
    return changes
