"""The sweep's table, and the sentences at the top of the report: which arm wins, by how much, and what else shows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.table import number
from fourier_lightning.claims.verdict import Verdict
from fourier_lightning.claims.waves import LEVEL
from fourier_lightning.figures.errors import WORDS
from fourier_lightning.intervals import bootstrap
from fourier_lightning.report.blocks import escape, percent
from fourier_lightning.tracking.runs import Run, by_label

METRICS = {
    "test/accuracy": "test exact",
    "test/mod_10": "test modulo 10",
    "test/within_10": "test within 10",
    "val/accuracy": "val exact",
    "filter/accuracy": "filtered exact",
    "filter/control_accuracy_mean": "random filter exact",
}


def finished(runs: Sequence[Run]) -> list[Run]:
    """Runs that came to their end."""
    return [run for run in runs if run.status == "finished" and run.config]


def arm_table(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """A row for each label: seeds, and mean, standard deviation and bootstrap interval of the final metrics."""
    groups, rows = by_label(finished(runs)), []
    used = {name for run in runs for name in METRICS if name in run.metrics}
    labels = dict.fromkeys([*sorted(groups, key=lambda label: -best(groups[label])), *(run.label for run in runs)])
    for label in labels:
        members = groups.get(label, [])
        others = [run for run in runs if run.label == label and run.status != "finished"]
        row: dict[str, Any] = {"arm": label, "seeds": len(members), "not finished": len(others) or ""}
        for name, title in METRICS.items():
            if name in used:
                row[title] = spread([run.metrics[name] for run in members if name in run.metrics])
        rows.append(row)
    return rows


def best(members: Sequence[Run]) -> float:
    """For sorting: the mean of the first metric that the runs have."""
    values = [next((run.metrics[name] for name in METRICS if name in run.metrics), -1.0) for run in members]
    return float(np.mean(values))


def spread(values: Sequence[float]) -> str:
    """ "99.51 ± 0.14 % [99.40, 99.61]": mean, standard deviation and bootstrap interval over seeds."""
    if not values:
        return "-"
    if len(values) == 1:
        return f"{100 * values[0]:.2f} %"
    low, high = bootstrap(values)
    mean, deviation = 100 * np.mean(values), 100 * np.std(values, ddof=1)
    return f"{mean:.2f} ± {deviation:.2f} % [{100 * low:.2f}, {100 * high:.2f}]"


def winner(runs: Sequence[Run]) -> list[str]:
    """Which arm wins and by how much, among those that share task, prompts and training share."""
    sentences = []
    by_task: dict[tuple[Any, ...], list[Run]] = {}
    for run in finished(runs):
        data = run.config["data"]
        if "test/accuracy" in run.metrics:
            task = (data["max_operand"], str(data["templates"]), data["train_fraction"])
            by_task.setdefault(task, []).append(run)
    for (_, _, share), members in by_task.items():
        ranked = sorted(by_label(members).items(), key=lambda item: -best(item[1]))
        values = {label: [run.metrics["test/accuracy"] for run in group] for label, group in ranked}
        (first, top), *rest = values.items()
        text = f"<b>{escape(first)}</b> is right in {spread(top)} of the test split ({len(top)} seeds)"
        if rest:
            (second, next_best), (last, worst) = rest[0], rest[-1]
            text += f", {100 * (np.mean(top) - np.mean(next_best)):.2f} points ahead of <b>{escape(second)}</b>"
            if last != second:
                text += f" and {100 * (np.mean(top) - np.mean(worst)):.2f} ahead of <b>{escape(last)}</b>"
            if min(top) <= max(next_best):
                text += "; seeds of the first two overlap"
        sentences.append(f"With {100 * share:g} % of the pairs: {text}.")
    return sentences


def carried_periods(label: str, run: Run) -> str | None:
    """Which periods MLPs and attention write, for one run."""
    rows = run.table("layer_periods")
    if not rows:
        return None
    parts = []
    for module, name in (("mlp", "MLPs"), ("attn", "attention")):
        mine = [row for row in rows if row["module"] == module]
        beyond = sorted({row["period"] for row in mine if row["p_value"] <= LEVEL})
        found = ", ".join(f"{t:.3g}" for t in beyond)
        asked = ", ".join(f"{t:.3g}" for t in sorted({row["period"] for row in mine}))
        share = low_share(run, module)
        long = f", {share:.0%} of the power in long waves" if share is not None else ""
        what = f"T = {found} beyond random directions" if found else f"none of T = {asked} beyond random directions"
        parts.append(f"{name}: {what}{long}")
    return f"<b>{escape(label)}</b>, seed {run.seed}. {'; '.join(parts)}."


def low_share(run: Run, module: str) -> float | None:
    """Share of a module's power over the number line that lies below the cut-off, all layers together."""
    rms, rows = run.array(f"layer_component_{module}_rms"), run.table("filter_ablation")
    if rms is None or not rows:
        return None
    power = np.square(rms).sum(axis=0)
    return float(power[: rows[0]["cutoff"] - 1].sum() / power.sum())


def broken_by_filters(label: str, members: Sequence[Run]) -> list[str]:
    """What each filter breaks, averaged over seeds, and whether random directions break it too."""
    tables = [[row for row in run.table("filter_ablation") if not row["refused"]] for run in members]
    tables = [table for table in tables if table]
    if not tables:
        return []
    mean = lambda rows, name: float(np.mean([row[name] for row in rows]))  # noqa: E731
    intact = mean([row for table in tables for row in table if row["removed"] == "none"], "accuracy")
    sentences = []
    for modules, removed in (("mlp", "low"), ("attn", "low"), ("mlp", "high"), ("attn", "high")):
        keys = {"modules": modules, "removed": removed, "method": "readout"}
        rows = [row for table in tables for row in table if all(row[k] == v for k, v in keys.items())]
        if not rows:
            continue
        found = {name: mean(rows, name) for name in ("accuracy", "mod_10", "within_10")}
        drawn = [row for row in rows if row["control_draws"]]
        control = mean(drawn, "control_accuracy_mean") if drawn else None
        sentences.append(f"{removed} waves out of {WORDS[modules]}: {verdict_of_filter(found, control, intact)}")
    return [f"<b>{escape(label)}</b> ({percent(intact, 1)} exact without a filter).", *sentences]


def verdict_of_filter(found: dict[str, float], control: float | None, intact: float) -> str:
    """One filter in words."""
    text = f"{percent(found['accuracy'], 1)} exact"
    text += f" (random filters of equal rank {percent(control, 1)})" if control is not None else ""
    text += f", {percent(found['mod_10'], 1)} right modulo 10, {percent(found['within_10'], 1)} within 10: "
    if found["accuracy"] >= 0.95 * intact:
        return text + "harmless."
    if found["mod_10"] - found["accuracy"] > 0.2 and found["mod_10"] > 0.8:
        kept = "the residue stays, the magnitude goes"
    elif found["within_10"] > 0.8:
        kept = "the magnitude stays, the exact answer goes"
    else:
        kept = "it breaks the answer"
    if control is not None and control <= found["accuracy"] + 0.05:
        return text + f"{kept}, but so do random directions."
    return text + f"{kept}."


def disagreements(verdicts: Sequence[Verdict]) -> list[str]:
    """The claims that these records contradict, a line each."""
    statements = {claim.name: claim for claim in CLAIMS}
    lines = []
    for name in dict.fromkeys(verdict.claim for verdict in verdicts if verdict.outcome == "contradicted"):
        claim = statements[name]
        models = [v for v in verdicts if v.claim == name and v.outcome == "contradicted"]
        ours = "; ".join(f"{number(v)} in {v.model}, {len(v.seeds)} seeds" for v in models)
        lines.append(f"{escape(claim.statement)} ({claim.where}; paper: {escape(claim.paper)}) Here: {escape(ours)}.")
    return lines
