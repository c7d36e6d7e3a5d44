"""The sections of the report, each from runs' records; what a record lacks becomes a notice."""

import shlex
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.table import by_claim, count, number
from fourier_lightning.claims.verdict import Verdict
from fourier_lightning.figures.catalogue import COMPARISONS, FIGURES, PAPER_TABLE_1, comparison
from fourier_lightning.figures.errors import WORDS
from fourier_lightning.report import summary
from fourier_lightning.report.blocks import Block, DataTable, Notice, Plot, Section, Words, percent
from fourier_lightning.tracking.runs import Run, by_label, differences

MOST = 12  # arms with plots of their own: more would make the page slow


def glance(runs: Sequence[Run], verdicts: Sequence[Verdict]) -> Section:
    """The answers first."""
    blocks: list[Block] = [Notice(text) for text in troubles(runs)]
    groups = by_label(summary.finished(runs))
    blocks.append(Words(["<h3>Which arm wins?</h3>", *summary.winner(runs)]))
    blocks.append(DataTable(summary.arm_table(runs), "Mean ± standard deviation over seeds, and its 95 % bootstrap "
                            "interval (with two or three seeds no more than their range)."))  # fmt: skip
    periods = [summary.carried_periods(label, measured(members, "layer_periods")) for label, members in groups.items()
               if measured(members, "layer_periods")]  # fmt: skip
    blocks.append(listed("Which periods carry the answer in MLPs and attention?", periods, "layer_spectrum"))
    broken = [" ".join(summary.broken_by_filters(label, members)) for label, members in groups.items()]
    blocks.append(listed("What does each filter break?", [text for text in broken if text], "filter_ablation"))
    wrong = summary.disagreements(verdicts) or ["Nothing that these records can decide."]
    blocks.append(Words(["<h3>What disagrees with the paper?</h3>", *wrong]))
    return Section("glance", "At a glance", "What these records say, in words. The evidence is below.", blocks)


def troubles(runs: Sequence[Run]) -> list[str]:
    """A line for each run that did not finish."""
    words = {"running": "has not finished: it still runs, or it was killed"}
    return [
        f"{run.dir} {words.get(run.status, run.status)}{': ' + run.info['error'] if run.info.get('error') else ''}. "
        "What its record holds is shown; it counts in no mean and no verdict."
        for run in runs if run.status != "finished"
    ]  # fmt: skip


def measured(members: Sequence[Run], table: str) -> Run | None:
    """The first of these runs with a table."""
    return next((run for run in members if run.table(table)), None)


def listed(title: str, lines: Sequence[str | None], instrument: str) -> Block:
    """A titled list, or a notice that nobody measured it."""
    if not lines:
        return Notice(f"{title} No finished run here was measured with the {instrument} instrument.")
    return Words([f"<h3>{title}</h3>", *filter(None, lines)])


def arms(runs: Sequence[Run]) -> Section:
    """Accuracy: final, and during training."""
    blocks: list[Block] = []
    for name, heading in (("arms", "Final accuracy"), ("7b", "During training (figure 7b)")):
        chart = comparison(name, runs if name == "7b" else summary.finished(runs))
        blocks.append(Plot(chart, heading) if chart else Notice(f"{heading}: needs {COMPARISONS[name].needs}."))
    intro = "Click an arm in a legend to switch it off; drag to zoom, double-click to reset."
    return Section("arms", "Accuracy", intro, blocks)


def gallery(name: str, title: str, intro: str, figures: Sequence[str], folded: int = 1) -> Callable[..., Section]:
    """A section that shows some figures of one run of each arm: the first seed that has what they need."""

    def section(runs: Sequence[Run]) -> Section:
        groups = by_label(run for run in runs if run.config)
        blocks: list[Block] = []
        if len(groups) > MOST:
            blocks.append(Notice(f"Plots of {MOST} of {len(groups)} arms: {', '.join(list(groups)[:MOST])}."))
        for index, (label, members) in enumerate(list(groups.items())[:MOST]):
            for figure in figures:
                spec = FIGURES[figure]
                run = next((run for run in members if run.has(spec.tables, spec.arrays)), None)
                number = f"figure {figure}" if figure[0].isdigit() else figure.replace("_", " ")
                if run is None:
                    gone = members[0].lacks(spec.tables, spec.arrays)
                    blocks.append(Notice(f"{label}: no {number}; the record has no {', '.join(gone)}."))
                    continue
                heading = f"{label}, seed {run.seed}: {spec.shows} ({number})"
                blocks.append(Plot(spec.make(run), heading, folded=index >= folded))
        return Section(name, title, intro, blocks)

    return section


embedding = gallery(
    "embedding", "Number embeddings",
    "Which waves do the number vectors hold, and which of them are more than chance?", ["5a"], folded=3,
)  # fmt: skip
layers = gallery(
    "layers", "Layers",
    "Which waves do attention and MLPs write into the logits? A line in a map means something only where it is beyond "
    "what random directions show through the same unembedding.", ["3", "layer_periods", "1a"],
)  # fmt: skip
single = gallery("single", "One wave alone", "What does a single wave do, kept in all modules?", ["11a", "12"])
prompt = gallery("prompt", "One prompt", "What each layer adds to the logits of one prompt, and the waves of the sum.",
                 ["1b", "1c", "4a", "4b"], folded=0)  # fmt: skip
errors = gallery("errors", "Where wrong answers go",
                 "Errors of the model as it is, without long waves in the MLPs, and without short waves in attention.",
                 ["23", "21a", "21b"])  # fmt: skip


def filters(runs: Sequence[Run]) -> Section:
    """Table 1 with controls, averaged over seeds, and its plot."""
    blocks: list[Block] = []
    for label, members in list(by_label(summary.finished(runs)).items())[:MOST]:
        rows = table_1(members)
        if not rows:
            blocks.append(Notice(f"{label}: the record has no tables/filter_ablation."))
            continue
        blocks.append(DataTable(rows, f"{label}: mean over {len(members)} seed(s), validation split."))
        run = next(run for run in members if run.table("filter_ablation"))
        blocks.append(Plot(FIGURES["table_1"].make(run), f"{label}, seed {run.seed}", folded=True))
    intro = ("Table 1 of the paper. A control removes as many random directions of the number line; where it does the "
             "same, the row says little about waves. Left: share of the removed waves' power that passes. Lost: share "
             "of the other waves' power that goes with them.")  # fmt: skip
    return Section("filters", "Without long or short waves", intro, blocks)


def table_1(members: Sequence[Run]) -> list[dict[str, Any]]:
    """The seven rows by each method, mean over seeds, beside controls and the paper's numbers."""
    found = [row for run in members for row in run.table("filter_ablation")]
    lines = []
    for (modules, removed), (_, paper) in PAPER_TABLE_1.items():
        for method in ("readout", "projection"):
            rows = [r for r in found if (r["modules"], r["removed"], r["method"]) == (modules, removed, method)]
            made = [row for row in rows if row["refused"] is None]
            if not rows:
                continue
            mean = lambda name, rows=made: float(np.mean([r[name] for r in rows])) if rows else None  # noqa: E731
            line: dict[str, Any] = {"filtered": WORDS[modules], "removed": removed, "method": method}
            line |= {"exact": percent(mean("accuracy")) if made else "no null space"}
            drawn = [row for row in made if row["control_draws"]]
            control = mean("control_accuracy_mean", drawn)
            deviation = max((row["control_accuracy_std"] or 0 for row in drawn), default=0)
            line |= {"control exact": f"{percent(control)} ± {100 * deviation:.2f}" if drawn else "-"}
            line |= {"modulo 10": percent(mean("mod_10")), "within 10": percent(mean("within_10"))}
            line |= {name: "-" if mean(name) is None else f"{mean(name):.3g}" for name in ("loss", "left", "lost")}
            lines.append({**line, "paper exact": percent(paper)})
    return lines


def every_run(runs: Sequence[Run]) -> Section:
    """Command, configuration difference, revision and state of each run."""
    rows = []
    for run, changed in zip(runs, differences(runs), strict=True):
        revision = run.info.get("git") or "-"
        rows.append({
            "run": str(run.dir), "arm": run.label, "seed": "-" if run.seed is None else run.seed, "state": run.status,
            "command": "python train.py " + " ".join(shlex.quote(o) for o in run.info.get("overrides", [])),
            "differs in": ", ".join(f"{key}={value}" for key, value in changed.items()) or "nothing",
            "git": revision[:10] + ("+changes" if "+changes" in revision else ""),
            "training": f"{run.info['train_seconds']:.0f} s" if run.info.get("train_seconds") else "-",
            "device": run.info.get("device", "-"),
        })  # fmt: skip
    table = DataTable(rows, "Settings that differ from what most of these runs have.", ("run", "command", "differs in"))
    return Section("runs", "Every run", "Each run's exact command, what sets it apart, and its code.", [table])


def claims(verdicts: Sequence[Verdict]) -> Section:
    """The ledger."""
    found, rows = by_claim(verdicts), []
    for claim in CLAIMS:
        for verdict in found[claim.name]:
            seeds = f"; seeds {', '.join(map(str, verdict.seeds))}" if verdict.seeds else ""
            rows.append({
                "claim": claim.statement, "where": claim.where, "paper": claim.paper, "model": verdict.model + seeds,
                "ours [95 %]": number(verdict), "verdict": verdict.outcome, "why": verdict.why,
                "detail": verdict.detail, "measured by": claim.measurement,
            })  # fmt: skip
    intro = (f"{len(CLAIMS)} claims; {count(verdicts)}. Supported or contradicted: for these models, at this size. "
             "Undecided: the interval covers the bound, or a control does the same. The bounds are ours.")  # fmt: skip
    return Section("claims", "The paper's claims", intro, [DataTable(rows)])


def all_sections(runs: Sequence[Run], verdicts: Sequence[Verdict]) -> list[Section]:
    """The report, top to bottom."""
    middle = [make(runs) for make in (arms, embedding, layers, filters, errors, single, prompt, every_run)]
    return [glance(runs, verdicts), *middle, claims(verdicts)]
