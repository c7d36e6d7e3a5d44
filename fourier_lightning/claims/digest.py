"""The ledger in ten lines: what differs from the paper first, then what holds, then how much can't be told."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.table import MARKS, by_claim, number
from fourier_lightning.claims.verdict import Claim, Outcome, Verdict

MOST: dict[Outcome, int] = {"not here": 6, "supported": 3}  # lines
FIRST: tuple[Outcome, ...] = ("not here", "supported", "undecided", "not comparable", "not measured")


@dataclass(frozen=True)
class Told:
    """A claim in a line: the verdict that says most of those on its models, and its number beside the paper's."""

    claim: Claim
    verdict: Verdict

    @property
    def numbers(self) -> str:
        """ "paper 99.59 %, here 0.638 [0.555, 0.721]; control 0.462"."""
        paper = "" if self.claim.paper == "-" else f"paper {self.claim.paper}, "
        return f"{paper}here {number(self.verdict)}"


def digest(verdicts: Sequence[Verdict]) -> tuple[list[Told], str]:
    """The lines, and a last one that counts all claims.

    A claim that holds in one model and not in another counts as one that differs.
    """
    found = by_claim(verdicts)
    told = [Told(claim, min(found[claim.name], key=lambda v: FIRST.index(v.outcome))) for claim in CLAIMS
            if found[claim.name]]  # fmt: skip
    lines = [one for outcome, most in MOST.items() for one in [t for t in told if t.verdict.outcome == outcome][:most]]
    counts = Counter(one.verdict.outcome for one in told)
    return lines, f"{len(told)} claims: {', '.join(f'{counts[kind]} {kind}' for kind in MARKS if counts[kind])}"
