"""The ledger in a few lines: the claims that do not hold here, and how many of the others hold or can't be told."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.more_seeds import wants_seeds
from fourier_lightning.claims.table import by_claim, number
from fourier_lightning.claims.verdict import Claim, Outcome, Verdict

MOST = 6  # lines
FIRST: tuple[Outcome, ...] = ("not here", "supported", "undecided", "not comparable", "not measured")


@dataclass(frozen=True)
class Difference:
    """A claim that does not hold in some model.

    Attributes:
        claim: the claim.
        verdict: on that model, "not here".
        holds_in: models in which it holds.
    """

    claim: Claim
    verdict: Verdict
    holds_in: Sequence[str]

    @property
    def numbers(self) -> str:
        """ "paper 99.59 %, here 0.638 [0.555, 0.721]; control 0.462"."""
        paper = "" if self.claim.paper == "-" else f"paper {self.claim.paper}, "
        return f"{paper}here {number(self.verdict)}"


def digest(verdicts: Sequence[Verdict]) -> tuple[list[Difference], str]:
    """The first claims that do not hold in some model, and how many claims there are of each kind.

    A claim on several models is of the kind that comes first in ``FIRST``.
    """
    lines, first = [], []
    for claim, found in zip(CLAIMS, by_claim(verdicts).values(), strict=True):
        if found:
            verdict = min(found, key=lambda one: FIRST.index(one.outcome))
            first.append(verdict)
            if verdict.outcome == "not here":
                lines.append(Difference(claim, verdict, [one.model for one in found if one.outcome == "supported"]))
    counts, waiting = Counter(verdict.outcome for verdict in first), sum(map(wants_seeds, first))
    more = {"undecided": f" ({waiting} for want of seeds)" if waiting else ""}
    kinds = [f"{counts[kind]} {kind}{more.get(kind, '')}" for kind in FIRST if counts[kind]]
    return lines[:MOST], f"{len(first)} claims: {', '.join(kinds)}"
