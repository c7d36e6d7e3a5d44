"""The section of the report on the paper's claims."""

from collections.abc import Sequence
from typing import Any

from fourier_lightning.claims.calibrated import decided, tried
from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.more_seeds import advice
from fourier_lightning.claims.table import by_claim, count, number, whose
from fourier_lightning.claims.verdict import Verdict
from fourier_lightning.record.runs import Run
from fourier_lightning.report.blocks import DataTable, Notice, Section

CALIBRATION = (
    "Models built to add by a known mechanism (parity in attention, magnitude in MLPs, all by memory, a decoy table, "
    "others), with little and much noise. A rule that is wrong in more than 5 % of at least 20 cases decides nothing. "
    "Claims about how well or how soon an arm learns have no mechanism to be wrong about, and are not tried. "
    "docs/calibration.md says what the models are."
)


def claims(verdicts: Sequence[Verdict], runs: Sequence[Run]) -> Section:
    """The ledger, and what more seeds would do."""
    found, rows = by_claim(verdicts), []
    for claim in CLAIMS:
        for index, verdict in enumerate(found[claim.name]):
            how = f"{claim.measurement}. {verdict.why}. {verdict.detail}".rstrip(" .") + "."
            rows.append({
                "claim": "" if index else f"{claim.statement} ({claim.where})", "paper": "" if index else claim.paper,
                "model": whose(verdict, verdict.model),
                "ours [95 %]": number(verdict), "verdict": verdict.outcome,
                "its rule errs": "" if index else errs(claim.name), "how it was decided": how,
            })  # fmt: skip
    intro = (f"{count(verdicts)}. Supported or not here: for these models, at this size. Undecided: the interval "
             "covers the bound, or a control does the same. Not comparable: nothing that this model or filter could "
             "tell. The bounds are ours. Each verdict is at 95 % by itself: nothing corrects for how many they "
             "are.")  # fmt: skip
    table = DataTable(rows, long=("how it was decided",))
    heading = "How often is each rule wrong? Tried on models whose mechanism was built in"
    calibration = DataTable(calibrated_rules(), CALIBRATION, heading=heading, folded=True)
    return Section("claims", "The paper's claims", intro, [*map(Notice, advice(verdicts, runs)), table, calibration])


def errs(claim: str) -> str:
    """Of the known mechanisms that its rule decided, how many wrong: "0 of 12 [0, 24 %]", the interval of the rate."""
    row = tried(claim)
    if not row:
        return "not tried"
    return f"{row['wrong']} of {decided(row)} [{100 * row['low']:.0f}, {100 * row['high']:.0f} %]"


def calibrated_rules() -> list[dict[str, Any]]:
    """A row for each rule that was tried."""
    rows = [(claim, row) for claim in CLAIMS if (row := tried(claim.name))]
    return [{"claim": f"{claim.statement} ({claim.where})",
             "right where true": f"{row['right_true']} of {row['true']}",
             "right where false": f"{row['right_false']} of {row['false']}", "wrong": row["wrong"],
             "wrong of those decided [95 %]": errs(claim.name),
             "wrong in": ", ".join(row["wrong_in"]) or "-"} for claim, row in rows]  # fmt: skip
