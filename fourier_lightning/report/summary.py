"""The sweep's table, and the sentences at the top of the report: which arm wins, by how much, and what else shows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.table import number
from fourier_lightning.claims.verdict import Verdict
from fourier_lightning.readings import filters, seeds, waves, words
from fourier_lightning.readings.contrasts import unequal
from fourier_lightning.readings.effects import Effect, effects
from fourier_lightning.record.runs import Run, by_label
from fourier_lightning.report.blocks import escape

METRICS = {
    "test/accuracy": "test exact",
    "test/mod_10": "test modulo 10",
    "test/within_10": "test within 10",
    "val/accuracy": "val exact",
}
TRIED = {
    "exact": "accuracy",
    "equal energy, exact": "control_energy_accuracy_mean",
    "modulo 10": "mod_10",
    "within 10": "within_10",
}


def arm_table(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """A row for each label: seeds, and mean, standard deviation and t interval of the final metrics."""
    groups, rows = by_label(seeds.finished(runs)), []
    used = {name for run in runs for name in METRICS if name in run.metrics}
    ranked = sorted(groups, key=lambda label: -seeds.best(groups[label]))
    labels = dict.fromkeys([*ranked, *(run.label for run in runs)])
    for label in labels:
        members = groups.get(label, [])
        others = [run for run in runs if run.label == label and run.status != "finished"]
        row: dict[str, Any] = {"arm": label, "seeds": len(members), "not finished": len(others) or ""}
        for name, title in METRICS.items():
            if name in used:
                row[title] = spread(seeds.final(members, name))
        rows.append(row)
    return rows


def spread(values: Sequence[float]) -> str:
    """ "99.51 ± 0.14 % [99.40, 99.61]": mean, standard deviation and t interval over seeds."""
    found = seeds.spread(values)
    if found is None or found.deviation is None or found.low is None or found.high is None:
        return words.percent(found and found.mean)
    mean, deviation = 100 * found.mean, 100 * found.deviation
    low, high = 100 * max(found.low, 0.0), 100 * min(found.high, 1.0)
    return f"{mean:.2f} ± {deviation:.2f} % [{low:.2f}, {high:.2f}]"


def winner(runs: Sequence[Run]) -> list[str]:
    """Which arm wins and by how much, among those that share task, prompts and training share."""
    sentences, groups = [], by_label(seeds.finished(runs))
    for task, values in seeds.ranking(runs).items():
        (first, top), *rest = values.items()
        text = f"<b>{escape(first)}</b> is right in {spread(top)} of the test split ({words.seeds(len(top))})"
        if rest:
            (second, next_best), (last, worst) = rest[0], rest[-1]
            text += f", {100 * (np.mean(top) - np.mean(next_best)):.2f} points ahead of <b>{escape(second)}</b>"
            if last != second:
                text += f" and {100 * (np.mean(top) - np.mean(worst)):.2f} ahead of <b>{escape(last)}</b>"
            if min(top) <= max(next_best):
                text += "; seeds of the first two overlap"
            if unlike := unequal(groups[first], groups[second]):
                text += f"; these two differ in more than the arm ({escape(unlike)})"
        sentences.append(f"{escape(', '.join(task))}: {text}.")
    return sentences


def periods_table(groups: Mapping[str, Sequence[Run]]) -> list[dict[str, Any]]:
    """What MLPs and attention write in one run of each arm, and which waves cost most when they are removed."""
    rows = []
    for label, members in groups.items():
        run = next((run for run in members if run.table("layer_periods")), None)
        if run is None:
            continue
        row: dict[str, Any] = {"arm": f"{label}, seed {run.seed}"}
        for module, name in (("mlp", "MLPs"), ("attn", "attention")):
            share = waves.low_share(run, module)
            row[f"{name}: long waves"] = "-" if share is None else f"{share:.0%} of the power"
            row[f"{name}: lines"] = words.lines(run, module)
            row[f"{name}: beyond random directions"] = words.beyond_random(run, module)
        rows.append({**row, "costliest waves, removed from all modules": words.costliest(run)})
    return rows


def filters_table(groups: Mapping[str, Sequence[Run]]) -> list[dict[str, Any]]:
    """What each filter breaks, averaged over seeds, in numbers and words; arms that add at all."""
    return [{"arm": label, **filter_row(effect)} for label, runs in groups.items() for effect in effects(runs)]


def filter_row(effect: Effect) -> dict[str, Any]:
    """One filter: its numbers, and what they mean."""
    exact, mod_10, within_10 = (words.percent(value, 1) for value in effect.found)
    return {
        "removed": words.removed(effect), "method": effect.method or "-", "exact": exact, "modulo 10": mod_10,
        "within 10": within_10, "energy": words.percent(effect.energy, 0),
        f"random: {words.SCORES}": words.triple(effect.control), "as much": effect.equal or "-",
        "reading": effect.reading,
    }  # fmt: skip


def single_filters(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Filters that were tried one by one or in a grid, mean over seeds: a row for each filter of each label."""
    lines = []
    for label, members in by_label(seeds.finished(runs)).items():
        for filter, rows in filters.tried(members):
            made = [row for row in rows if row["accuracy"] is not None]
            line = {"arm": label, "kept": filter["keep"], "cut-off": filter["cutoff"]}
            line |= {"in": words.MODULES[filter["modules"]], "method": filter["method"]}
            line["method"] += "" if made else ": no null space"
            for title, name in TRIED.items():
                found = [row[name] for row in made if row.get(name) is not None]
                line[title] = words.percent(filters.mean(found), 1)
            lines.append({**line, "seeds": len(rows)})
    return lines


def claims_of(verdicts: Sequence[Verdict], outcome: str) -> list[dict[str, Any]]:
    """The claims with some verdict of this kind, a row each."""
    rows = []
    for claim in CLAIMS:
        models = [v for v in verdicts if v.claim == claim.name and v.outcome == outcome]
        if models:
            rows.append({
                "the paper says": f"{claim.statement} ({claim.where})", "its number": claim.paper,
                "here": "; ".join(number(v) for v in models),
                "in": "; ".join(f"{v.model} ({words.seeds(len(v.seeds))})" for v in models),
                "measured as": claim.measurement,
            })  # fmt: skip
    return rows
