"""Single prompts: what each layer adds to the number logits, and the final logits as waves (figures 1, 4, 13, 20)."""

import torch
from torch import Tensor

from fourier_lightning.data.datamodule import ArithmeticDataModule
from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.basis import BasisKind, fourier_basis
from fourier_lightning.fourier.selection import Selection
from fourier_lightning.fourier.spectrum import strongest_waves
from fourier_lightning.instruments.base import Instrument, View
from fourier_lightning.models.decoder import LnMode
from fourier_lightning.models.hooks import Site, capture

PAPER_PAIR = (15, 93)


class FinalLogits(Instrument):
    """Splits the number logits of chosen prompts into waves over the number line.

    Writes the table ``final_logit_waves``: prompt (a, b, answer, predicted), band (``all``, ``low``: k < cut-off,
    ``high``), rank in the band, component, period, amplitude, peak (the number nearest to the answer where the wave
    is highest), value (the wave at the answer). Arrays: ``final_logits`` (prompts, p); ``final_logits_topk_sum``
    (prompts, p), the sum of the strongest ``top_k`` waves; ``heatmap_attn`` and ``heatmap_mlp`` (prompts, layers,
    p), each module's contribution to the logits.

    Args:
        prompts: pairs [a, b], each with the first of ``data.templates``; null for the paper's [15, 93], or the first
            validation pair if the task doesn't ask that.
        top_k: waves to keep.
        cutoff: between the bands, in k; null as in ``filter.cutoff``.
        ln: the final LayerNorm in the heatmaps, see ``models.decoder``.
        basis: of the waves.
        every_n_epochs: cadence.
    """

    def __init__(
        self,
        prompts: list[list[int]] | None = None,
        top_k: int = 5,
        cutoff: int | None = None,
        ln: LnMode = "frozen",
        basis: BasisKind = "orthonormal",
        every_n_epochs: int = 0,
    ) -> None:
        super().__init__(every_n_epochs)
        if top_k < 1:
            raise ConfigError(f"top_k={top_k}", "too small", "use 1 or more")
        if prompts == [] or any(len(pair) != 2 for pair in prompts or []):
            raise ConfigError(f"prompts={prompts}", "not pairs", "e.g. [[15,93],[1,2]]")
        self.prompts, self.top_k, self.cutoff = prompts, top_k, cutoff
        self.ln: LnMode = ln
        self.basis: BasisKind = basis

    def check(self, data: ArithmeticDataModule, width: int) -> None:
        Selection(cutoff=self.cutoff).check(fourier_basis(data.p, self.basis))
        for pair in self.prompts or []:
            if not data.task.allows(pair):
                raise ConfigError(
                    f"prompts={self.prompts}",
                    f"{pair} is out of range",
                    f"use operands from {data.task.smallest} to {data.task.largest} that {data.task.name} asks about",
                )

    def pairs(self, data: ArithmeticDataModule) -> list[tuple[int, int]]:
        """The pairs to look at."""
        if self.prompts is not None:
            return [(a, b) for a, b in self.prompts]
        if data.task.allows(list(PAPER_PAIR)):
            return [PAPER_PAIR]
        a, b = data.shown[data.split["val"][0]].tolist()
        return [(a, b)]

    def measure(self, view: View) -> None:
        decoder, numbers = view.module.decoder, view.module.numbers
        pairs = self.pairs(view.data)
        layers = range(decoder.n_layer)
        modules = {name: [Site(f"{name}_out", layer) for layer in layers] for name in ("attn", "mlp")}
        with capture(decoder, [decoder.final, *modules["attn"], *modules["mlp"]]) as seen:
            asked = view.data.prompts_of(pairs)
            logits = (
                decoder.answer_logits(asked.prompt.to(view.module.device))[:, numbers].double().cpu()
            )  # (prompts, p)
        unembedding = decoder.unembedding(numbers, fold=self.ln != "none")
        for name, sites in modules.items():
            added = [decoder.scaled(seen[site], self.ln, seen[decoder.final]) @ unembedding.T for site in sites]
            view.array(f"heatmap_{name}", torch.stack(added, dim=1))
        view.array("final_logits", logits)
        basis = view.basis(self.basis)
        sums = [strongest_waves(signal, basis, self.top_k).wave.sum(dim=0) for signal in logits]
        view.array("final_logits_topk_sum", torch.stack(sums))
        rows = zip(pairs, asked.answer.tolist(), logits, strict=True)
        view.table("final_logit_waves", [row for one in rows for row in self._waves(*one, view)])

    def _waves(
        self, pair: tuple[int, int], answer: int, signal: Tensor, view: View
    ) -> list[dict[str, float | int | str]]:
        basis = view.basis(self.basis)
        cutoff = Selection(cutoff=self.cutoff).cutoff_at(view.p)
        bands = {"all": range(1, basis.n_components + 1)}
        bands |= {"low": range(1, cutoff), "high": range(cutoff, basis.n_components + 1)}
        rows: list[dict[str, float | int | str]] = []
        for band, components in bands.items():
            if not len(components):
                continue
            waves = strongest_waves(signal, basis, self.top_k, components)
            for i, k in enumerate(waves.component.tolist()):
                period, peak = float(waves.period[i]), float(waves.peak[i])
                nearest = peak + period * round((answer - peak) / period)
                columns = {"a": pair[0], "b": pair[1], "answer": answer, "predicted": int(signal.argmax())}
                wave = {"band": band, "rank": i + 1, "component": k, "period": period}
                rows.append(
                    {
                        **columns,
                        **wave,
                        "amplitude": float(waves.amplitude[i]),
                        "peak": nearest,
                        "value": float(waves.wave[i, answer]),
                    }
                )
        return rows
