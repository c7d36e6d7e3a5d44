"""Single prompts: what each layer adds to the number logits, and the final logits as waves (figures 1, 4, 13, 20)."""

from itertools import zip_longest

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fourier_lightning.data.batches import Batches
from fourier_lightning.data.task import Task
from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.basis import BasisKind, fourier_basis
from fourier_lightning.fourier.controls import random_rows
from fourier_lightning.fourier.selection import Selection
from fourier_lightning.fourier.spectrum import strongest_waves
from fourier_lightning.instruments.base import Findings, Instrument, Row, View, spread
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

    And of many prompts, ``few_waves``: waves (``top_k``), prompts, accuracy, exact (share whose strongest waves alone
    add up to a peak at the answer), and ``control_exact_mean`` and ``_std``: the same in random bases of the number
    line, whose strongest pairs of directions are chosen prompt by prompt as the waves are. Any curve with one peak has
    it in the strongest few of any pairs of directions; waves mean something where they do better than those.

    Args:
        prompts: operands [a, b], each with the first of ``data.templates``; null for the paper's [15, 93], or the
            first of the examples if the task doesn't ask that.
        top_k: waves to keep.
        cutoff: between the bands, in k; null as in ``filter.cutoff``.
        ln: the final LayerNorm in the heatmaps, see ``models.decoder``.
        basis: of the waves.
        many: prompts of ``few_waves``, at most; 0 for none.
        draws: random bases, the same for all prompts.
        seed: of the draws.
        every_n_epochs, batch_size: see ``Instrument``.
    """

    def __init__(
        self,
        prompts: list[list[int]] | None = None,
        top_k: int = 5,
        cutoff: int | None = None,
        ln: LnMode = "frozen",
        basis: BasisKind = "orthonormal",
        many: int = 512,
        draws: int = 20,
        seed: int = 0,
        every_n_epochs: int = 0,
        batch_size: int = 512,
    ) -> None:
        super().__init__(every_n_epochs, batch_size=batch_size)
        if many < 0 or draws < 2:
            raise ConfigError(f"many={many}, draws={draws}", "too few", "use many=0 or more, and 2 draws or more")
        if top_k < 1:
            raise ConfigError(f"top_k={top_k}", "too small", "use 1 or more")
        if prompts == []:
            raise ConfigError("prompts=[]", "nothing to look at", "e.g. [[15,93],[1,2]], or null")
        self.prompts, self.top_k, self.cutoff = prompts, top_k, cutoff
        self.many, self.draws, self.seed = many, draws, seed
        self.ln: LnMode = ln
        self.basis: BasisKind = basis

    def check(self, task: Task, width: int) -> None:
        Selection(cutoff=self.cutoff).check(fourier_basis(task.p, self.basis))
        for pair in self.prompts or []:
            if not task.allows(pair):
                smallest, largest = task.operand_range
                remedy = f"use {len(task.letters)} from {smallest} to {largest} that {task.name} asks about"
                raise ConfigError(f"prompts={self.prompts}", f"{pair} are no operands of this task", remedy)

    def operands(self, view: View) -> Tensor:
        """The operands (n, k) to look at."""
        if self.prompts is not None:
            return torch.tensor(self.prompts)
        if view.task.allows(list(PAPER_PAIR)):
            return torch.tensor([PAPER_PAIR])
        return view.examples[0].operands[:1].cpu()

    def measure(self, view: View) -> Findings:
        decoder, operands = view.decoder, self.operands(view)
        modules = {name: [Site(f"{name}_out", layer) for layer in range(decoder.n_layer)] for name in ("attn", "mlp")}
        with capture(decoder, [decoder.final, *modules["attn"], *modules["mlp"]]) as seen:
            asked = view.prompts_of(operands)
            logits = decoder.uncapped(decoder.answer_logits(asked.prompt.to(view.device), share=True))
        logits = logits[:, view.numbers].double().cpu()  # (prompts, p)
        found, basis = Findings(), view.basis(self.basis)
        unembedding = decoder.unembedding(view.numbers, fold=self.ln != "none")
        for name, sites in modules.items():
            added = [decoder.scaled(seen[site], self.ln, seen[decoder.final]) @ unembedding.T for site in sites]
            found.arrays[f"heatmap_{name}"] = torch.stack(added, dim=1)
        sums = [strongest_waves(signal, basis, self.top_k).wave.sum(dim=0) for signal in logits]
        found.arrays |= {"final_logits": logits, "final_logits_topk_sum": torch.stack(sums)}
        whole = zip(operands.tolist(), asked.answer.tolist(), logits, strict=True)
        found.tables["final_logit_waves"] = [row for one in whole for row in self._waves(*one, view)]
        found.tables |= {"few_waves": [self._few_waves(view)]} if self.many else {}
        return found

    def _few_waves(self, view: View) -> Row:
        """How often the strongest waves alone, and the strongest of as many random pairs, peak at the answer."""
        groups = spread([group.to(view.device) for group in view.examples], self.many)
        batches = list(Batches(groups, self.batch_size))
        said = [view.decoder.uncapped(view.decoder.answer_logits(batch["prompt"], share=True)) for batch in batches]
        logits = torch.cat([part[:, view.numbers].double().cpu() for part in said])  # (prompts, p)
        answers, basis = torch.cat([batch["answer"].cpu() for batch in batches]), view.basis(self.basis)
        waves, group = basis.rows[1:], basis.component[1:] - 1
        count = min(self.top_k, basis.n_components)
        drawn = (random_rows(view.p, len(waves), self.seed + draw) for draw in range(self.draws))
        control = torch.tensor([peak_share(logits, answers, rows, group, count) for rows in drawn])
        return {
            "waves": count, "prompts": len(logits),
            "accuracy": float((logits.argmax(dim=1) == answers).double().mean()),
            "exact": peak_share(logits, answers, waves, group, count), "control_exact_mean": float(control.mean()),
            "control_exact_std": float(control.std()), "control_draws": self.draws,
        }  # fmt: skip

    def _waves(self, operands: list[int], answer: int, signal: Tensor, view: View) -> list[Row]:
        basis = view.basis(self.basis)
        cutoff = Selection(cutoff=self.cutoff).cutoff_at(view.p)
        bands = {"all": range(1, basis.n_components + 1)}
        bands |= {"low": range(1, cutoff), "high": range(cutoff, basis.n_components + 1)}
        prompt = {**dict(zip_longest("abc", operands)), "answer": answer, "predicted": int(signal.argmax())}
        rows: list[Row] = []
        for band, components in bands.items():
            if not len(components):
                continue
            waves = strongest_waves(signal, basis, self.top_k, components)
            for i, k in enumerate(waves.component.tolist()):
                period, peak = float(waves.period[i]), float(waves.peak[i])
                nearest = peak + period * round((answer - peak) / period)
                wave = {"band": band, "rank": i + 1, "component": k, "period": period}
                shape = {"amplitude": float(waves.amplitude[i]), "peak": nearest, "value": float(waves.wave[i, answer])}
                rows.append({**prompt, **wave, **shape})
        return rows


def peak_share(
    logits: Float[Tensor, "n p"],
    answers: Int[Tensor, " n"],
    rows: Float[Tensor, "r p"],
    group: Int[Tensor, " r"],
    count: int,
) -> float:
    """Share of prompts in which the strongest groups of rows alone add up to a peak at the answer (figure 4b).

    Args:
        logits: of the numbers, float64.
        rows: of the number line: sine and cosine of each component, or as many random directions.
        group: 0..K-1, which rows belong together.
        count: how many groups are kept, chosen for each prompt by their power in its logits.
    """
    coefs = logits @ rows.T
    power = coefs.new_zeros(len(logits), int(group.max()) + 1).index_add_(1, group, coefs.square())
    kept = torch.zeros_like(power).scatter_(1, power.topk(count, dim=1).indices, 1.0)
    sums = (coefs * kept[:, group]) @ rows
    return float((sums.argmax(dim=1) == answers).double().mean())
