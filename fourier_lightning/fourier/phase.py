"""Does a wave point at the answer? Phases of what modules write, held against chance.

Power is blind: W has waves of its own, and any state that is read through it shows them. The phase is not. A module
that writes period T for the answer a puts the top of that wave on a, prompt after prompt: its coefficient c, whose wave
is Re[c exp(-2 pi i x / T)] over the numbers x, turns with exp(2 pi i a / T). With the mean over prompts removed,

    amount    = Re E[c exp(-2 pi i a / T)]        the height of the wave at the answer, in logits
    alignment = amount / sqrt(E |c|^2)            1: every wave of this module and period has its top on the answer

Two nulls, each with the largest statistic over all modules and periods of a draw, so that p-values are corrected for
having looked at all of them. *Permuted answers*: the same contributions, and somebody else's answer. *Random
directions*: the same states turned by a random orthogonal Q (one for all modules) and read through the same W; what
the alignment can't tell (a table by heart has all periods aligned, and at T = 2 half of all signs are right) the amount
can: is this wave written more than any direction would write it?
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fourier_lightning.fourier.basis import fourier_basis, period_waves, span
from fourier_lightning.fourier.nulls import against_largest
from fourier_lightning.fourier.selection import Selection

# A module's wave below this part of what its states could write is rounding of float32 passes.
ROUNDING = 1e-6
LEAK = 1.5  # bins: nearer than this a wave of another period shines through
BINS = (2.0, 3.5)  # how far from a period its brackets lie, in 1/p cycles a number: p numbers can tell these apart


@dataclass(frozen=True)
class Phases:
    """Waves against answers, for S modules and m periods.

    Attributes:
        alignment: (S, m) from -1 to 1; 0 where a module writes nothing that varies over prompts.
        amount: (S, m) logits.
        limit: the alignment above which ``p_answers`` is at most 5 %.
        p_answers: (S, m) against permuted answers, corrected.
        p_directions: (S, m) against random directions, corrected.
    """

    alignment: Float[Tensor, "S m"]
    amount: Float[Tensor, "S m"]
    limit: float
    p_answers: Float[Tensor, "S m"]
    p_directions: Float[Tensor, "S m"]


def wave_readers(periods: list[float], p: int) -> Float[Tensor, "m 2 p"]:
    """What reads the cosine's and the sine's coefficient of each exact period off values over the number line.

    By least squares, together with the mean and, for periods above the paper's cut-off, with all long waves, a line
    and a parabola. The plain sum of values times exp(2 pi i x / T) would let long waves through: a bump on the answer
    that has no T = 7 at all leaks into it with the answer's phase, faintly, and an alignment has no units to tell faint
    from strong. The line and the parabola take the jump from the line's end to its beginning, which long waves between
    the grid's (T = p - 1) have.
    """
    basis, x = fourier_basis(p), torch.linspace(-1, 1, p, dtype=torch.float64)
    long = Selection("high")  # what it removes: k below the cut-off
    trend = span(torch.cat([torch.stack([x, x.square()]), long.removed_rows(basis)]))
    readers = []
    for period in periods:
        waves = period_waves([period], p)
        waves = waves - waves.mean(dim=1, keepdim=True)
        if p / period > long.cutoff_at(p) - 0.5:
            waves = waves - (waves @ trend.T) @ trend
        readers.append(torch.linalg.pinv(waves, atol=1e-9 * p**0.5, rtol=0.0).T)
    return torch.stack(readers)


def brackets(period: float, p: int) -> list[float]:
    """The periods that bracket T: two on each side, 2 and 3.5 bins away, T = 8.5, 9.1, 11.1, 12.1 of T = 10 at p = 201.

    Negative controls: whoever writes a smooth bump, or any other mix of many waves, writes these as well as T; whoever
    writes T itself does not. None for long waves (k below the cut-off): a magnitude is such a bump. On short number
    lines those next to another period of the last digit (10 / n) are left out: who writes that one writes them, too.
    """
    if p / period <= Selection("high").cutoff_at(p) - 0.5:
        return []
    others = [n / 10 for n in range(1, 6) if abs(n / 10 - 1 / period) > 1e-9]
    frequencies = [1 / period + side * bins / p for side in (1, -1) for bins in BINS]
    apart = [f for f in frequencies if all(p * abs(f - other) > LEAK for other in others)]
    return [1 / frequency for frequency in apart if 1 / p <= frequency <= 0.5]


def answer_phases(answers: Int[Tensor, " n"], periods: list[float]) -> Float[Tensor, "m 2 n"]:
    """Cosine and sine of 2 pi a / T: where on each period's circle the answers are."""
    turns = torch.remainder(answers.double() / answers.new_tensor(periods, dtype=torch.float64)[:, None], 1.0)
    angles = 2 * torch.pi * turns
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def amounts(coefs: Float[Tensor, "S m 2 n"], phases: Float[Tensor, "m 2 n"]) -> Float[Tensor, "S m"]:
    """Height of the waves at the answers, mean over prompts, of coefficients whose own mean is zero."""
    return torch.einsum("smcn,mcn->sm", coefs, phases) / phases.shape[-1]


def permuted_alignments(
    coefs: Float[Tensor, "S m 2 n"], rms: Float[Tensor, "S m"], phases: Float[Tensor, "m 2 n"], draws: int, seed: int
) -> Float[Tensor, "draws"]:
    """The largest alignment over modules and periods, each time with the answers dealt out anew."""
    rng = torch.Generator().manual_seed(seed)
    n = phases.shape[-1]
    orders = torch.stack([torch.randperm(n, generator=rng) for _ in range(draws)])  # (draws, n)
    largest = torch.zeros(draws, dtype=torch.float64)
    for m, phase in enumerate(phases):
        drawn = torch.cat([wave[orders] for wave in phase], dim=1)  # (draws, 2n)
        aligned = drawn @ coefs[:, m].flatten(1).T / n / rms[:, m]  # (draws, S)
        largest = torch.maximum(largest, aligned.nan_to_num(0.0).max(dim=1).values)
    return largest


def direction_scores(
    moments: Float[Tensor, "S m 2 d"], reads: Float[Tensor, "m 2 d"], draws: int, seed: int
) -> tuple[Float[Tensor, "S m"], Float[Tensor, "draws"]]:
    """Amounts over the spread that they have in random directions: the observed, and each draw's largest.

    An amount is the trace of A = sum of reads x moments; under a random orthogonal Q it has mean 0 and variance
    |A|^2 / d exactly, so nothing is estimated from few draws. Q times the few reading directions needs no d x d matrix:
    it is a random frame in the place of theirs.

    Args:
        moments: mean over prompts of the (mean-free) states times the answers' cosine and sine.
        reads: the directions that read the coefficients, W^T times ``wave_readers``.
    """
    size = (moments @ moments.mT * (reads @ reads.mT)).sum(dim=(-2, -1)).clamp_min(0)  # |A|^2
    spread = (size / reads.shape[-1]).sqrt()
    frame, mix = torch.linalg.qr(reads.flatten(0, 1).T)  # (d, r), (r, 2m)
    rng, largest = torch.Generator().manual_seed(seed), []
    for _ in range(draws):
        turned, signs = torch.linalg.qr(torch.randn(frame.shape, generator=rng, dtype=torch.float64))
        turned = turned * signs.diagonal().sign()  # uniform, which a QR alone is not
        drawn = (moments * (turned @ mix).T.reshape(reads.shape)).sum(dim=(-2, -1))
        largest.append((drawn / spread).nan_to_num(0.0).max())
    return ((moments * reads).sum(dim=(-2, -1)) / spread).nan_to_num(0.0), torch.stack(largest)


def test_phases(
    coefs: Float[Tensor, "S m 2 n"],
    moments: Float[Tensor, "S m 2 d"],
    reads: Float[Tensor, "m 2 d"],
    phases: Float[Tensor, "m 2 n"],
    floor: Float[Tensor, "S m"],
    draws: tuple[int, int],
    seed: int,
) -> Phases:
    """Hold the waves of modules against both nulls. All in float64 on the CPU.

    Args:
        coefs: cosine's and sine's coefficient of each module's wave for each prompt, less their mean over prompts.
        moments, reads: see ``direction_scores``; amounts are ``(moments * reads).sum``.
        phases: ``answer_phases`` of the same prompts.
        floor: root mean square coefficients that are rounding.
        draws: permutations, rotations; the smallest p-value is 1 / (draws + 1).
    """
    rms = coefs.square().sum(dim=2).mean(dim=-1).sqrt()
    there = rms > floor
    amount = amounts(coefs, phases)
    alignment = torch.where(there, amount / rms, 0.0)
    permuted = permuted_alignments(coefs, torch.where(there, rms, torch.inf), phases, draws[0], seed)
    moments = moments * there[..., None, None]
    scores, turned = direction_scores(moments, reads, draws[1], seed)
    p_answers, limit = against_largest(alignment.flatten(), permuted)
    p_directions, _ = against_largest(scores.flatten(), turned)
    return Phases(
        alignment,
        torch.where(there, amount, 0.0),
        limit,
        torch.where(there, p_answers.view_as(alignment), 1.0),
        torch.where(there, p_directions.view_as(scores), 1.0),
    )


test_phases.__test__ = False  # type: ignore[attr-defined]  # pytest: a statistical test, not a unit test
