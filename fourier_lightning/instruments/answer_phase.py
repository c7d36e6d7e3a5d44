"""Which module writes which wave of the answer: phases of contributions against the answer's own."""

import torch
from torch import Tensor

from fourier_lightning.data.task import Task
from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.phase import ROUNDING, Phases, answer_phases, brackets, test_phases, wave_readers
from fourier_lightning.fourier.selection import Period, check_range, parse_periods, period_name, usual_periods
from fourier_lightning.instruments.base import Findings, Instrument, Row, View
from fourier_lightning.instruments.embedding_spectrum import check_draws
from fourier_lightning.models.hooks import capture


class Sums:
    """Running sums of one contribution over the prompts, in float64.

    Args:
        reads: (r, d) directions that read coefficients off states.
        kept: of how many of these the coefficients of every prompt are kept: permuted answers need them.
    """

    def __init__(self, reads: Tensor, kept: int) -> None:
        width, self.kept = reads.shape[1], kept
        self.state, self.scaled = reads.new_zeros(width), reads.new_zeros(width)
        self.moment = torch.zeros_like(reads)  # scaled states times the answers' phases
        self.power = reads.new_zeros(())
        self.coefs: list[Tensor] = []  # (kept, B)

    def add(self, states: Tensor, scale: Tensor, reads: Tensor, phases: Tensor) -> None:
        """A batch: states (B, d), scale (B, 1), phases (r, B)."""
        states = states.double()
        scaled = states / scale
        self.state += states.sum(dim=0)
        self.scaled += scaled.sum(dim=0)
        self.moment += phases @ scaled
        self.power += scaled.square().sum()
        self.coefs.append(reads[: self.kept] @ scaled.T)

    def free_of_mean(self, reads: Tensor, inverse: Tensor, phases: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Coefficients (kept, n) and moments (r, d) without what all prompts share, and the states' size ().

        The mean state goes before the scale: divided by the scale of every prompt it varies, and says nothing.

        Args:
            inverse: (n,) 1 / scale. phases: (r, n), all prompts.
        """
        n, mean = len(inverse), self.state / len(inverse)
        coefs = torch.cat(self.coefs, dim=1) - (reads[: self.kept] @ mean)[:, None] * inverse
        rest = self.scaled / n - mean * inverse.mean()
        moment = self.moment / n - (phases @ inverse / n)[:, None] * mean - phases.mean(dim=1)[:, None] * rest
        return coefs - coefs.mean(dim=1, keepdim=True), moment, (self.power / n).sqrt()


class AnswerPhase(Instrument):
    """Whether the waves that modules add to the number logits have their tops on the answer (see ``fourier.phase``).

    Of the embedding, each attention and MLP, and the residual stream after each layer, at the last position, with the
    final norm frozen: the contribution W (x - mean over prompts) / scale. It decides "this module writes T", where
    power can't: it is blind to what W shows of any state.

    Writes the table ``answer_phase``: module, layer, period, alignment (1: every wave peaks at the answer), amount (the
    height of the wave at the answer, logits), limit (alignment above which p_value_answers is at most 5 %),
    p_value_answers (permuted answers), p_value_directions (random directions read through the same W), both corrected
    over all modules and periods, and p_value, the larger of the two; bracket_amount and bracket_period: the largest
    amount among the periods just beside T (``fourier.phase.brackets``), and which one has it. A table by heart has all
    periods aligned, a smooth bump all long ones: look at T = 3 and 7 and at the brackets before you believe T = 10. On
    a cyclic task a T that does not divide p is that of the written numbers. Logs
    ``phase/<attn|mlp>/period_<T>/alignment``, the largest over the layers, for T = 2, 10 and p - 1.

    Args:
        periods: T's; null for 2, 2.5, 5, 10, p - 1, 3, 7, and the task's own (multiplication: 10/3).
        draws: permutations of the answers.
        rotations: random directions.
        seed: of the draws.
        every_n_epochs, limit_batches, batch_size: see ``Instrument``.
    """

    def __init__(
        self,
        periods: list[Period] | None = None,
        draws: int = 999,
        rotations: int = 999,
        seed: int = 0,
        every_n_epochs: int = 0,
        limit_batches: int | None = None,
        batch_size: int = 512,
    ) -> None:
        super().__init__(every_n_epochs, limit_batches, batch_size)
        self.periods = None if periods is None else parse_periods(periods, "periods")
        if self.periods == []:
            raise ConfigError("periods=[]", "nothing to look for", "list periods, or null for the usual ones")
        check_draws(draws, seed)
        check_draws(rotations, seed, "rotations")
        self.draws, self.seed = (draws, rotations), seed

    def check(self, task: Task, width: int) -> None:
        check_range(self.periods or [], task.p, "periods")

    def measure(self, view: View) -> Findings:
        periods = self.periods or [*usual_periods(view.p), *view.task.periods]
        beside = [brackets(period, view.p) for period in periods]
        places, found, amounts = self._phases(view, periods, [t for some in beside for t in some])
        rows: list[Row] = []
        for s, (module, layer) in enumerate(places):
            by_period = amounts[s].split([len(some) for some in beside])
            for m, period in enumerate(periods):
                largest = max(zip(by_period[m].tolist(), beside[m], strict=True), default=(None, None))
                answers, directions = float(found.p_answers[s, m]), float(found.p_directions[s, m])
                rows.append({
                    "module": module, "layer": layer, "period": period,
                    "alignment": float(found.alignment[s, m]), "amount": float(found.amount[s, m]),
                    "limit": found.limit, "p_value": max(answers, directions),
                    "p_value_answers": answers, "p_value_directions": directions,
                    "bracket_amount": largest[0], "bracket_period": largest[1],
                })  # fmt: skip
        scalars = {
            f"phase/{module}/period_{period_name(period)}/alignment": max(
                row["alignment"] for row in rows if (row["module"], row["period"]) == (module, period)
            )
            for module in ("attn", "mlp")
            for period in periods
            if period in (2.0, 10.0, view.p - 1.0)
        }
        return Findings({"answer_phase": rows}, scalars=scalars)

    def _phases(
        self, view: View, periods: list[float], beside: list[float]
    ) -> tuple[list[tuple[str, int]], Phases, Tensor]:
        """Where was looked, what was seen there, and the amounts (S, brackets) at the brackets."""
        decoder, sites = view.decoder, view.decoder.contributions()
        unembedding = decoder.unembedding(view.numbers, fold=True)
        asked = [*periods, *beside]
        readers, tested = wave_readers(asked, view.p), len(periods)
        reads = readers.flatten(0, 1).to(view.device) @ unembedding  # (2m, d)
        sums = {site: Sums(reads, 2 * tested) for site in sites}
        inverse, answers = [], []
        with capture(decoder, [*sites, decoder.final]) as seen:
            for batch in self.batches(view):
                decoder.answer_logits(batch["prompt"], share=True)
                scale = decoder.norm_scale(seen[decoder.final])  # (B, 1)
                phases = answer_phases(batch["answer"], asked).flatten(0, 1)
                for site, total in sums.items():
                    total.add(seen[site], scale, reads, phases)
                inverse.append(1 / scale[:, 0])
                answers.append(batch["answer"])
        phases = answer_phases(torch.cat(answers), asked)
        parts = [s.free_of_mean(reads, torch.cat(inverse), phases.flatten(0, 1)) for s in sums.values()]
        places, groups = [("embed", -1)], [[0]]
        for layer in range(decoder.n_layer):
            attn = 1 + 2 * layer
            places += [("attn", layer), ("mlp", layer), ("resid", layer)]
            groups += [[attn], [attn + 1], list(range(attn + 2))]
        coefs, moments, size = (
            torch.stack([torch.stack([parts[i][k] for i in group]).sum(dim=0) for group in groups]).cpu()
            for k in range(3)
        )
        readers, phases = readers[:tested], phases[:tested].cpu()
        floor = ROUNDING * size[:, None] * float(unembedding.norm()) * readers.flatten(1).norm(dim=1)
        waves, moments = reads.reshape(len(asked), 2, -1).cpu(), moments.reshape(len(groups), len(asked), 2, -1)
        coefs = coefs.reshape(len(groups), tested, 2, -1)
        amounts = (moments[:, tested:] * waves[tested:]).sum(dim=(-2, -1))
        found = test_phases(coefs, moments[:, :tested], waves[:tested], phases, floor, self.draws, self.seed)
        return places, found, amounts
