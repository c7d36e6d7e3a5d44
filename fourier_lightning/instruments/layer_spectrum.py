"""Layer x component spectra of what attention and MLPs add to the number logits (paper figures 3, 6, 8, 10)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fourier_lightning.data.task import Task
from fourier_lightning.fourier.basis import Basis, BasisKind
from fourier_lightning.fourier.nulls import rotated, test_against, test_rotation
from fourier_lightning.fourier.selection import Period, check_range, parse_periods, period_name
from fourier_lightning.fourier.spectrum import (
    centred_power,
    coefficients,
    component_probes,
    magnitudes,
    period_probes,
    sum_by_component,
)
from fourier_lightning.instruments.base import Findings, Instrument, Row, View
from fourier_lightning.instruments.embedding_spectrum import check_draws
from fourier_lightning.models.decoder import LnMode
from fourier_lightning.models.hooks import Site, capture

MOST = 2**30  # bytes of sums that are kept at a time: for more layers, or wider ones, the examples are passed again


@dataclass
class Sums:
    """Running sums over the examples of one module, on the device, in float64."""

    magnitude: Tensor  # (K,)
    state: Tensor  # (d,)
    moment: Tensor  # (d, d)


class LayerSpectrum(Instrument):
    """Spectra over the number line of each module's contribution W c at the last position.

    Writes the arrays ``layer_component_<attn|mlp>`` (layers, K), the mean magnitude over the examples (the paper's);
    ``layer_component_<attn|mlp>_of_mean``, the magnitude of the mean contribution: what all prompts share;
    ``layer_component_<attn|mlp>_rms``, the root mean square, whose squares add up; and, for the orthonormal basis,
    ``..._limit``, the root mean square above which a component is beyond the rotation null at 5 %, corrected for
    looking at all K of a module.

    W has waves of its own, and any state that is read through it shows them. The rotation null (random directions
    for states of the same covariance, see ``nulls``) holds what the module writes against that. Table
    ``layer_periods``: power share, the share that random directions would have (``expected``), z and p_value of each
    of ``periods`` (exact T) in each module; ``z_permutation`` and ``p_value_permutation`` are against a shuffled
    number line, that is, against a W without waves. Logs ``layers/<attn|mlp>/period_<T>/share``: the largest over
    the layers.

    Args:
        periods: T's that get a row for each module.
        ln: the final LayerNorm, see ``models.decoder``; ``frozen`` contributions add up to the real logits.
        basis: of the spectra.
        draws: from each null.
        seed: of the draws.
        every_n_epochs, limit_batches, batch_size: see ``Instrument``.
    """

    def __init__(
        self,
        periods: list[Period],
        ln: LnMode = "frozen",
        basis: BasisKind = "orthonormal",
        draws: int = 39,
        seed: int = 0,
        every_n_epochs: int = 0,
        limit_batches: int | None = None,
        batch_size: int = 512,
    ) -> None:
        super().__init__(every_n_epochs, limit_batches, batch_size)
        self.periods = parse_periods(periods, "periods")
        self.ln: LnMode = ln
        check_draws(draws, seed)
        self.basis: BasisKind = basis
        self.draws, self.seed = draws, seed

    def check(self, task: Task, width: int) -> None:
        check_range(self.periods, task.p, "periods")

    def measure(self, view: View) -> Findings:
        decoder, basis, found = view.decoder, view.basis(self.basis), Findings()
        unembedding = decoder.unembedding(view.numbers, fold=self.ln != "none")
        turned = rotated(unembedding, self.draws, self.seed)
        sites = [Site(f"{name}_out", layer) for name in ("attn", "mlp") for layer in range(decoder.n_layer)]
        at_once = max(1, MOST // (8 * decoder.width**2))
        rows: list[Row] = []
        maps: dict[str, list[Tensor]] = {}
        for some in (sites[start : start + at_once] for start in range(0, len(sites), at_once)):
            sums, count = self._collect(view, some, unembedding, basis)
            for site in some:
                total, name = sums.pop(site), site.name.removesuffix("_out")
                states = root(total.moment / count)
                written = unembedding @ states  # has the powers of the contributions over the number line
                power = sum_by_component(coefficients(written.T, basis).square().sum(dim=0), basis)
                of_mean = magnitudes(coefficients(unembedding @ total.state / count, basis), basis)
                parts = {"": total.magnitude / count, "_of_mean": of_mean, "_rms": power.sqrt()}
                if basis.kind == "orthonormal":
                    limit = test_rotation(unembedding, turned, states, component_probes(basis)).limit
                    parts["_limit"] = (limit * centred_power(written).cpu()).sqrt()
                for suffix, values in parts.items():
                    maps.setdefault(f"layer_component_{name}{suffix}", []).append(values.cpu())
                rows += self._period_rows(name, site.layer, unembedding, turned, states)
        found.arrays = {name: torch.stack(layers) for name, layers in maps.items()}
        found.tables["layer_periods"] = rows
        found.scalars = {
            f"layers/{name}/period_{period_name(period)}/share": max(
                float(r["share"]) for r in rows if (r["module"], r["period"]) == (name, period)
            )
            for name in ("attn", "mlp")
            for period in self.periods
        }
        return found

    def _collect(
        self, view: View, sites: list[Site], unembedding: Tensor, basis: Basis
    ) -> tuple[dict[Site, Sums], int]:
        """Sums over the examples at each of these sites, and the number of examples."""
        decoder, width, final = view.decoder, unembedding.shape[1], view.decoder.final
        zeros = unembedding.new_zeros
        sums = {site: Sums(zeros(basis.n_components), zeros(width), zeros(width, width)) for site in sites}
        waves = basis.rows.to(unembedding.device) @ unembedding  # (r, d): straight from states to coefficients
        count = 0
        with capture(decoder, [*sites, final]) as seen:
            for batch in self.batches(view):
                decoder.answer_logits(batch["prompt"], share=True)
                count += len(batch["answer"])
                for site, total in sums.items():
                    states = decoder.scaled(seen[site], self.ln, seen[final])  # (B, d)
                    total.magnitude += magnitudes(states @ waves.T, basis).sum(dim=0)
                    total.state += states.sum(dim=0)
                    total.moment += states.T @ states
        return sums, count

    def _period_rows(
        self, name: str, layer: int | None, unembedding: Tensor, turned: list[Tensor], states: Tensor
    ) -> list[Row]:
        if not self.periods:
            return []
        probes = period_probes(self.periods, len(unembedding))
        against = test_rotation(unembedding, turned, states, probes)
        shuffled = test_against(unembedding @ states, probes, "permutation", self.draws, self.seed)
        return [
            {
                "module": name,
                "layer": layer,
                "period": period,
                "share": float(against.share[i]),
                "expected": float(against.expected[i]),
                "z": float(against.z[i]),
                "p_value": float(against.p_value[i]),
                "z_permutation": float(shuffled.z[i]),
                "p_value_permutation": float(shuffled.p_value[i]),
            }
            for i, period in enumerate(self.periods)
        ]


def root(moment: Tensor) -> Tensor:
    """A matrix R (d, d) with R R^T = moment, a positive semidefinite matrix."""
    values, vectors = torch.linalg.eigh(moment)
    return vectors * values.clamp_min(0).sqrt()
