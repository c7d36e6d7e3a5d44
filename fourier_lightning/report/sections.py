"""The sections of the report, each from runs' records; what a record lacks becomes a notice."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fourier_lightning.claims.verdict import Verdict
from fourier_lightning.figures.catalogue import FIGURES
from fourier_lightning.figures.comparisons import COMPARISONS, comparison
from fourier_lightning.readings import paper, words
from fourier_lightning.readings.filters import measured_once, table_1_means
from fourier_lightning.readings.seeds import finished, finished_first, grouped
from fourier_lightning.readings.words import MODULES, percent
from fourier_lightning.record.labels import differences
from fourier_lightning.record.runs import Run
from fourier_lightning.report import single_filters, summary
from fourier_lightning.report.blocks import Block, DataTable, Notice, Plot, Section
from fourier_lightning.report.ledger import claims

PERIODS = (
    "Written of the answer: it points at it, beyond permuted answers, random directions, T = 3 and 7 and the periods "
    "beside it, in some layer. Lines: T = 2, 2.5, 5, 10 that stand out from their neighbours in the power of what "
    "a seed writes; one not beyond random directions (states of the same covariance, read through the same "
    "unembedding) is the unembedding's. Costliest: removed from all modules."
)
FILTERS = (
    "Arms that add at all; validation split, mean over seeds. From the input: waves taken out of the operands' vectors "
    "alone; else in the flow, by the paper's projection where it can be made for every row of Table 1, else readout. "
    "Energy: share of what the operands hold, or the modules write, that goes. Random: as much of it in random "
    "directions; where a filter takes more than 80 %, as many directions (rank)."
)
MOST = 12  # arms with plots of their own, and in one plot; more would make the page slow and the plot unreadable


def glance(runs: Sequence[Run], verdicts: Sequence[Verdict], full: Mapping[str, str]) -> Section:
    """The answers first, and the table of arms: the one place that says what their letters stand for."""
    groups = grouped(finished(runs))
    once = {label: seeds for label, members in groups.items() if (seeds := measured_once(members))}
    note = "Mean ± standard deviation over seeds [95 % t interval of the mean]."
    note += " Below, a letter stands for an arm with these settings." if full else ""
    blocks: list[Block] = [summary.answers(runs, groups, verdicts), DataTable(summary.arm_table(runs, full), note)]
    periods, filtered = summary.periods_table(groups), summary.filters_table(once)
    if periods:
        blocks.append(DataTable(periods, PERIODS, heading="Which waves do MLPs and attention write?"))
    if filtered:
        blocks.append(DataTable(filtered, FILTERS, heading="What does each filter break?"))
    return Section("glance", "At a glance", "", blocks)


def troubles(runs: Sequence[Run]) -> list[str]:
    """A line for each run that did not finish or is damaged, as long as they are few."""
    words = {"running": "has not finished: it still runs, or it was killed"}
    lines = [
        f"{run.dir} {words.get(run.status, run.status)}{': ' + run.info['error'] if run.info.get('error') else ''}. "
        "It counts in no mean and no verdict, and is drawn only where no finished run of its arm has the same record."
        for run in runs if run.status != "finished"
    ] + [f"{run.dir}: damaged: {', '.join(found)}." for run in runs if (found := run.damage())]  # fmt: skip
    return [*lines[:MOST], *([f"{len(lines) - MOST} more did not finish or are damaged: see state, in the table."]
                             if len(lines) > MOST else [])]  # fmt: skip


def arms(runs: Sequence[Run]) -> Section:
    """Accuracy: final, and during training; of many arms the most accurate."""
    blocks: list[Block] = []
    ranked = list(dict.fromkeys([*grouped(finished(runs)), *(run.label for run in runs)]))
    if len(ranked) > MOST:
        blocks.append(Notice(f"The {MOST} most accurate of {len(ranked)} arms; all are in the table at the top."))
    for name, heading in (("arms", "Final accuracy"), ("7b", "During training (figure 7b)")):
        chart = comparison(name, runs, ranked[:MOST])
        blocks.append(Plot(chart, heading) if chart else Notice(f"{heading}: needs {COMPARISONS[name].needs}."))
    if chart := comparison("bands", runs):
        blocks.append(Plot(chart, "By the waves of the frozen table"))
    intro = "Click an arm in a legend to switch it off; drag to zoom, double-click to reset."
    return Section("arms", "Accuracy", intro, blocks)


def gallery(name: str, title: str, intro: str, figures: Sequence[str], unfolded: int = 1) -> Callable[..., Section]:
    """A section that shows some figures of one run of each arm: the first finished one that has what they need, else
    the first other one.
    """

    def section(runs: Sequence[Run]) -> Section:
        groups = grouped(finished_first(runs))
        shown = [label for label, members in groups.items() if any(can_show(run, figures) for run in members)]
        blocks: list[Block] = []
        if len(shown) > MOST:
            blocks.append(Notice(f"Plots of {MOST} of {len(shown)} arms: {', '.join(shown[:MOST])}."))
        for index, label in enumerate(sorted(groups, key=lambda label: label not in shown)[:MOST]):
            members = groups[label]
            missing = []
            for figure in figures:
                spec = FIGURES[figure]
                run = next((run for run in members if run.has(spec.tables, spec.arrays)), None)
                if run is None:
                    missing += members[0].lacks(spec.tables, spec.arrays)
                    continue
                called = f"figure {figure}" if figure[0].isdigit() else "ours"
                chart = spec.make(run)
                if spec.paper:
                    chart = replace(chart, caption=f"{chart.caption} In the paper, of its model: {spec.paper}.")
                state = "" if run.status == "finished" else f", {run.status}"
                heading = f"{label}, seed {run.seed}{state}: {spec.shows} ({called})"
                blocks.append(Plot(chart, heading, folded=index >= unfolded))
            if missing:
                blocks.append(
                    Notice(f"{label}: nothing to draw from; the record has no {', '.join(dict.fromkeys(missing))}.")
                )
        return Section(name, title, intro, blocks)

    return section


def can_show(run: Run, figures: Sequence[str]) -> bool:
    """Whether a record has what one of these figures needs."""
    return any(run.has(FIGURES[figure].tables, FIGURES[figure].arrays) for figure in figures)


embedding = gallery(
    "embedding", "Number embeddings",
    "Which waves do the number vectors hold, and which of them are more than chance?", ["5a"], unfolded=3,
)  # fmt: skip
layers = gallery(
    "layers", "Layers",
    "Which waves do attention and MLPs write into the logits? A line in a map means something only where it is beyond "
    "what random directions show through the same unembedding.", ["answer_phase", "3", "1a"],
)  # fmt: skip
single = gallery("single", "One wave", "What does a single wave do, kept alone in all modules, or removed from them?",
                 ["11a", "12", "knock_out"])  # fmt: skip
prompt = gallery("prompt", "One prompt", "What each layer adds to the logits of one prompt, and the waves of the sum.",
                 ["1b", "1c", "4a", "4b"], unfolded=0)  # fmt: skip
errors = gallery("errors", "Where wrong answers go",
                 "Errors of the model as it is, without long waves in the MLPs, and without short waves in attention.",
                 ["23", "21a", "21b"])  # fmt: skip


def filters(runs: Sequence[Run]) -> Section:
    """Table 1 with controls, averaged over seeds, and its plot."""
    blocks: list[Block] = []
    groups = {label: measured_once(members) for label, members in grouped(finished(runs)).items()}
    for index, label in enumerate(sorted(groups, key=lambda label: not groups[label])[:MOST]):  # those with data first
        seeds = groups[label]
        if not seeds:
            blocks.append(Notice(f"{label}: nothing to show; the record has no tables/filter_ablation."))
            continue
        heading = f"{label}: mean over {words.seeds(len(seeds))}, validation split"
        blocks.append(DataTable(table_1(seeds), heading=heading, folded=index > 0))
        blocks.append(
            Plot(FIGURES["table_1"].make(seeds[0]), f"{label}, seed {seeds[0].seed}: Table 1", folded=index > 0)
        )
    blocks += single_filters.blocks(runs, list(groups)[:MOST])
    intro = ("Table 1 of the paper, beside random directions of the number line: as many as hold as much of what the "
             "modules write (equal energy), or as many (equal rank). Where they do the same, the row says little about "
             "waves. Energy: share of what the modules write that the filter changes. Left: share of the removed "
             "waves' power that passes. Lost: share of the other waves' power that goes with them.")  # fmt: skip
    return Section("filters", "Without long or short waves", intro, blocks)


def table_1(members: Sequence[Run]) -> list[dict[str, Any]]:
    """The seven rows by each method, mean over seeds, beside controls and the paper's numbers."""
    lines = []
    for row in table_1_means([run.table("filter_ablation") for run in members]):
        lines.append({
            "filtered": MODULES[row["modules"]], "removed": row["removed"], "method": row["method"],
            "exact": "no null space" if row["accuracy"] is None else percent(row["accuracy"]),
            "equal energy, exact": control(row, "control_energy"), "equal rank, exact": control(row, "control"),
            "modulo 10": percent(row["mod_10"]), "within 10": percent(row["within_10"]),
            "energy": percent(row["energy"], 0),
            "loss": "-" if row["loss"] is None else f"{row['loss']:.3g}",
            **{name: percent(row[name], 1) for name in ("left", "lost")},
            "paper exact": percent(paper.TABLE_1[row["modules"], row["removed"]][1]),
        })  # fmt: skip
    return lines


def control(row: dict[str, Any], kind: str) -> str:
    """Accuracy with random directions gone, and its largest deviation over the draws of a seed."""
    found = row[f"{kind}_accuracy"]
    return "-" if found is None else f"{percent(found)} ± {100 * (row[f'{kind}_deviation'] or 0):.2f}"


def every_run(runs: Sequence[Run]) -> Section:
    """Command, configuration difference, revision and state of each run."""
    rows = []
    for run, changed in zip(runs, differences([run.info.get("config", {}) for run in runs]), strict=True):
        revision = run.info.get("git") or "-"
        rows.append({
            "arm": run.label, "seed": "-" if run.seed is None else run.seed, "state": run.status,
            "command": "python train.py " + " ".join(shlex.quote(o) for o in run.info.get("overrides", [])),
            "differs in": ", ".join(f"{key}={value}" for key, value in changed.items()) or "nothing",
            "git": revision[:10] + ("+changes" if "+changes" in revision else ""),
            "training": f"{run.info['train_seconds']:.0f} s" if run.info.get("train_seconds") else "-",
            "device": run.info.get("device", "-"), "directory": str(run.dir),
        })  # fmt: skip
    note = (
        "Click a command or a setting to see all of it. Settings: those that differ from what most of these runs have."
    )
    table = DataTable(
        rows, note, code=("command", "differs in", "directory"), long=("command", "differs in", "directory")
    )
    blocks: list[Block] = [*(Notice(text) for text in troubles(runs)), table]
    return Section("runs", "Every run", "Each run's exact command, what sets it apart, and its code.", blocks)


def all_sections(
    runs: Sequence[Run], verdicts: Sequence[Verdict], full: Mapping[str, str] | None = None
) -> list[Section]:
    """The report, top to bottom.

    Args:
        runs: of ``find_runs``, or under the short names of ``readings.seeds.lettered``.
        verdicts: on them.
        full: the label of each short name.
    """
    middle = [make(runs) for make in (arms, embedding, layers, filters, errors, single, prompt, every_run)]
    return [glance(runs, verdicts, full or {}), *middle, claims(verdicts, runs)]
