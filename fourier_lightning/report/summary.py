"""The sweep's table, and the sentences at the top of the report: which arm wins, by how much, and what else shows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.table import number
from fourier_lightning.claims.verdict import Verdict
from fourier_lightning.claims.waves import LEVEL, SHORT, lines, stands_out
from fourier_lightning.figures.accuracy import seeds
from fourier_lightning.figures.errors import WORDS
from fourier_lightning.intervals import bootstrap
from fourier_lightning.record.labels import prompt_style
from fourier_lightning.record.runs import Run, by_label
from fourier_lightning.report.blocks import escape, percent

ADDS = 0.5  # an arm below this accuracy does not add: what breaks it says nothing
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
    by_task: dict[tuple[str, ...], list[Run]] = {}
    for run in finished(runs):
        if "test/accuracy" in run.metrics and not run.arm.as_is:
            by_task.setdefault(task_of(run), []).append(run)
    for task, members in by_task.items():
        ranked = sorted(by_label(members).items(), key=lambda item: -best(item[1]))
        values = {label: [run.metrics["test/accuracy"] for run in group] for label, group in ranked}
        (first, top), *rest = values.items()
        text = f"<b>{escape(first)}</b> is right in {spread(top)} of the test split ({seeds(len(top))})"
        if rest:
            (second, next_best), (last, worst) = rest[0], rest[-1]
            text += f", {100 * (np.mean(top) - np.mean(next_best)):.2f} points ahead of <b>{escape(second)}</b>"
            if last != second:
                text += f" and {100 * (np.mean(top) - np.mean(worst)):.2f} ahead of <b>{escape(last)}</b>"
            if min(top) <= max(next_best):
                text += "; seeds of the first two overlap"
        sentences.append(f"{escape(', '.join(task))}: {text}.")
    return sentences


def task_of(run: Run) -> tuple[str, ...]:
    """What runs have to share to be compared, in words."""
    data = run.config["data"]
    share, ordered = f"{100 * data['train_fraction']:g} % of the pairs", data["pairs"] == "ordered"
    return (f"Numbers to {data['max_operand']}", prompt_style(run.config), share, *(["ordered"] if ordered else []))


def periods_table(groups: Mapping[str, Sequence[Run]]) -> list[dict[str, Any]]:
    """What MLPs and attention write in one run of each arm, and which waves cost most when they are removed."""
    rows = []
    for label, members in groups.items():
        run = next((run for run in members if run.table("layer_periods")), None)
        if run is None:
            continue
        row: dict[str, Any] = {"arm": f"{label}, seed {run.seed}"}
        for module, name in (("mlp", "MLPs"), ("attn", "attention")):
            share = low_share(run, module)
            row[f"{name}: long waves"] = "-" if share is None else f"{share:.0%} of the power"
            row[f"{name}: lines"] = lines_of(run, module)
            row[f"{name}: beyond random directions"] = beyond_control(run, module)
        rows.append({**row, "costliest waves, removed from all modules": costliest(run)})
    return rows


def lines_of(run: Run, module: str) -> str:
    """The paper's periods that stand out from their neighbours in what some layer of a module writes."""
    rms = run.array(f"layer_component_{module}_rms")
    if rms is None:
        return "-"
    found = [lines(np.square(layer), run.p) for layer in rms]
    seen = [t for t in SHORT if any(stands_out(peaks[t], elsewhere) for peaks, elsewhere in found)]
    return "T = " + ", ".join(f"{t:g}" for t in seen) if seen else "none"


def beyond_control(run: Run, module: str) -> str:
    """The periods that some layer of a module writes beyond states in random directions, of those asked for."""
    rows = [row for row in run.table("layer_periods") if row["module"] == module]
    found = sorted({row["period"] for row in rows if row["p_value"] <= LEVEL})
    asked = ", ".join(f"{t:.3g}" for t in sorted({row["period"] for row in rows}))
    return "T = " + ", ".join(f"{t:.3g}" for t in found) if found else f"none of T = {asked}"


def costliest(run: Run, count: int = 5) -> str:
    """The single waves whose removal costs most, where it costs far more than random directions do.

    Far: four standard deviations of the random draws, since the largest of 260 components is looked at.
    """
    rows = run.table("knock_out")
    if not rows:
        return "not measured"
    if run.metrics.get("val/accuracy", 0.0) < ADDS:
        return "it does not add"
    beyond = [row for row in sorted(rows, key=lambda row: -row["loss_increase"]) if row["z"] > 4][:count]
    waves = ", ".join(f"{row['period']:.3g}" for row in beyond)
    return f"T = {waves}" if beyond else "none more than random directions"


def low_share(run: Run, module: str) -> float | None:
    """Share of a module's power over the number line that lies below the cut-off, all layers together."""
    rms, rows = run.array(f"layer_component_{module}_rms"), run.table("filter_ablation")
    if rms is None or not rows:
        return None
    power = np.square(rms).sum(axis=0)
    return float(power[: rows[0]["cutoff"] - 1].sum() / power.sum())


def filters_table(groups: Mapping[str, Sequence[Run]]) -> list[dict[str, Any]]:
    """What each filter breaks (``readout``), averaged over seeds, in numbers and words; arms that add at all."""
    rows = []
    for label, runs in groups.items():
        tables = [[row for row in run.table("filter_ablation") if not row["refused"]] for run in runs]
        found = [row for table in tables for row in table if row["method"] == "readout" or row["removed"] == "none"]
        intact = [row["accuracy"] for row in found if row["removed"] == "none"]
        if not intact or np.mean(intact) < ADDS:
            continue
        for modules, removed in (("mlp", "low"), ("attn", "low"), ("mlp", "high"), ("attn", "high")):
            chosen = [row for row in found if (row["modules"], row["removed"]) == (modules, removed)]
            if chosen:
                rows.append({"arm": label, **filter_row(chosen, float(np.mean(intact)))})
    return rows


def filter_row(rows: Sequence[dict[str, Any]], intact: float) -> dict[str, Any]:
    """One filter: its numbers, and what they mean."""
    mean = {name: float(np.mean([row[name] for row in rows])) for name in ("accuracy", "mod_10", "within_10")}
    drawn = [row["control_accuracy_mean"] for row in rows if row["control_draws"]]
    control = float(np.mean(drawn)) if drawn else None
    if mean["accuracy"] >= 0.95 * intact:
        reading = "harmless"
    elif mean["mod_10"] > 0.8 and mean["mod_10"] - mean["accuracy"] > 0.2:
        reading = "the residue stays, the magnitude goes"
    elif mean["within_10"] > 0.8:
        reading = "the magnitude stays, the exact answer goes"
    else:
        reading = "it breaks the answer"
    if reading != "harmless" and control is not None and control <= mean["accuracy"] + 0.05:
        reading += ", but random directions do as much"
    return {
        "removed": f"{'long' if rows[0]['removed'] == 'low' else 'short'} waves from {WORDS[rows[0]['modules']]}",
        "exact": percent(mean["accuracy"], 1), "random filter, exact": percent(control, 1),
        "modulo 10": percent(mean["mod_10"], 1), "within 10": percent(mean["within_10"], 1), "reading": reading,
    }  # fmt: skip


def claims_of(verdicts: Sequence[Verdict], outcome: str) -> list[dict[str, Any]]:
    """The claims with some verdict of this kind, a row each."""
    rows = []
    for claim in CLAIMS:
        models = [v for v in verdicts if v.claim == claim.name and v.outcome == outcome]
        if models:
            rows.append({
                "the paper says": f"{claim.statement} ({claim.where})", "its number": claim.paper,
                "here": "; ".join(number(v) for v in models),
                "in": "; ".join(f"{v.model} ({seeds(len(v.seeds))})" for v in models),
                "measured as": claim.measurement,
            })  # fmt: skip
    return rows
