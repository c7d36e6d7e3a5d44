"""The sweep's table, and the sentences at the top of the report: which arm wins, by how much, and what else shows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fourier_lightning.claims.digest import digest
from fourier_lightning.claims.verdict import Verdict
from fourier_lightning.figures.chart import Chart, colours
from fourier_lightning.figures.overview import overview
from fourier_lightning.readings import filters, seeds, waves, words
from fourier_lightning.readings.contrasts import unequal
from fourier_lightning.readings.effects import Effect, effects, intact
from fourier_lightning.record.runs import Run, by_label
from fourier_lightning.report.blocks import Answers, escape

METRICS = {
    "test/accuracy": "test exact",
    "test/mod_10": "test modulo 10",
    "test/within_10": "test within 10",
    "val/accuracy": "val exact",
}
MOST = 3  # tasks on the first screen


def arm_table(runs: Sequence[Run], full: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """A row for each label: seeds, and mean, standard deviation and t interval of the final metrics.

    Args:
        runs: all of them.
        full: of short names, the label, whose settings get a column.
    """
    groups, rows = by_label(seeds.finished(runs)), []
    used = {name for run in runs for name in METRICS if name in run.metrics}
    ranked = sorted(groups, key=lambda label: -seeds.best(groups[label]))
    unfinished: dict[str, list[Run]] = {}
    for run in runs:
        if run.status != "finished":
            unfinished.setdefault(run.label, []).append(run)
    labels = dict.fromkeys([*ranked, *(run.label for run in runs)])
    words_of = {run.label: run.arm.words for run in runs}
    for label in labels:
        members = groups.get(label, [])
        others = unfinished.get(label, [])
        row: dict[str, Any] = {"arm": label}
        row |= {"settings": settings(full[label], words_of[label])} if full else {}
        row |= {"seeds": len(members)}
        row |= {"not finished": len(others) or ""} if unfinished else {}
        for name, title in METRICS.items():
            if name in used:
                row[title] = spread(seeds.final(members, name))
        rows.append(row)
    return rows


def settings(label: str, arm: str) -> str:
    """What a label says beside its arm's words."""
    return label.removeprefix(arm).removeprefix(", ") or "-"


def deviating(values: Sequence[float]) -> str:
    """ "99.51 ± 0.14 %": mean and standard deviation over seeds."""
    return spread(values).split(" [")[0]


def spread(values: Sequence[float]) -> str:
    """ "99.51 ± 0.14 % [99.40, 99.61]": mean, standard deviation and interval of shares over seeds."""
    found = seeds.spread(values)
    if found is None or found.deviation is None:
        return words.percent(found and found.mean)
    low, high = seeds.share_interval(values)
    return f"{100 * found.mean:.2f} ± {100 * found.deviation:.2f} % [{100 * low:.2f}, {100 * high:.2f}]"


def winner(runs: Sequence[Run]) -> list[str]:
    """Which arm wins and by how much, among those that share task, prompts and training share."""
    sentences, groups = [], by_label(seeds.finished(runs))
    for task, values in seeds.ranking(runs).items():
        (first, top), *rest = values.items()
        text = f"<b>{escape(first)}</b> is right in {deviating(top)} of the test split ({words.seeds(len(top))})"
        if rest:
            (second, next_best), (last, worst) = rest[0], rest[-1]
            ahead = 100 * (np.mean(top) - np.mean(next_best))
            text += f", {ahead:.2f} points ahead of" if ahead else ", as is"
            text += f" <b>{escape(second)}</b>"
            if last != second and np.mean(worst) < np.mean(next_best):
                text += f" and {100 * (np.mean(top) - np.mean(worst)):.2f} ahead of <b>{escape(last)}</b>"
            if min(top) <= max(next_best):
                text += "; seeds of the first two overlap"
            if unlike := unequal(groups[first], groups[second]):
                text += f"; these two differ in more than the arm ({escape(unlike)})"
        sentences.append(f"{text}. <span class=soft>{escape(', '.join(task))}.</span>")
    return sentences


def answers(runs: Sequence[Run], groups: Mapping[str, Sequence[Run]], verdicts: Sequence[Verdict]) -> Answers:
    """The first screen: four questions, each answered in a sentence or two, and a picture.

    Args:
        runs: all of them.
        groups: the models of each label, the most accurate first.
        verdicts: of the ledger.
    """
    told = {label: effects(filters.measured_once(members)) for label, members in groups.items()}
    best = next((label for label, found in told.items() if found), next(iter(groups), ""))
    winners = winner(runs) or ["No finished run was tested."]
    more = [f"{len(winners) - MOST} more in the table below."] if len(winners) > MOST else []
    return Answers(
        [
            ("Which arm wins?", [*winners[:MOST], *more]),
            ("Which periods carry the answer, in which modules?", periods(groups.get(best, ()), best)),
            ("What does each filter break?", breaks(told.get(best, []), best)),
            ("What differs from the paper?", differing(verdicts)),
        ],
        picture(runs, groups.get(best, ()), told.get(best, [])),
    )


def periods(members: Sequence[Run], name: str) -> list[str]:
    """Which waves of the answer MLPs and attention write, in a sentence."""
    written = {module: words.written(members, module) for module in ("mlp", "attn")}
    if set(written.values()) == {"not measured"}:
        return ["No finished run was measured with the answer_phase instrument."]
    return [f"In <b>{escape(name)}</b> MLPs write {written['mlp']}; attention writes {written['attn']}. "
            "<span class=soft>Written: the wave points at the answer, beyond permuted answers, random directions and "
            "the periods beside it.</span>"]  # fmt: skip


def breaks(found: Sequence[Effect], name: str) -> list[str]:
    """What the filters break, in two sentences."""
    if not found:
        return ["No arm that adds was measured with filter_ablation or input_waves."]
    *others, last = (escape(sentence) for sentence in words.breaks(found))
    note = (
        f"Of <b>{escape(name)}</b>; in brackets what is right modulo 10 / within 10, and the same with random "
        "directions of equal energy removed."
    )
    return [*others, f"{last} <span class=soft>{note}</span>"]


def differing(verdicts: Sequence[Verdict]) -> list[str]:
    """The claims that do not hold, with their numbers, and a count of all claims."""
    lines, counts = digest(verdicts)
    told = []
    for line in lines:
        where = "; ".join([line.numbers, line.verdict.model, *(f"holds in {model}" for model in line.holds_in)])
        told.append(f"{escape(line.claim.statement)} <span class=soft>{escape(where)}</span>")
    if not told and verdicts:
        told = ["None of the claims that these runs decide."]
    return [*told, f'<a href="#claims">{escape(counts)}</a>']


def picture(runs: Sequence[Run], members: Sequence[Run], found: Sequence[Effect]) -> Chart | None:
    """The arms of the task that comes first, and what the best one loses without its waves."""
    ranked = next(iter(seeds.ranking(runs).values()), {})
    if not ranked:
        return None
    palette = colours([run.label for run in runs], {run.label: run.arm.key for run in runs})
    whole = intact(members) if found else None
    return overview(ranked, palette, whole, found)


def periods_table(groups: Mapping[str, Sequence[Run]]) -> list[dict[str, Any]]:
    """What MLPs and attention write in the seeds of each arm, and what shows in the power of one of them."""
    rows = []
    for label, members in groups.items():
        run = next((run for run in members if run.table("layer_periods")), None)
        if run is None and not any(run.table("answer_phase") for run in members):
            continue
        row: dict[str, Any] = {"arm": label}
        for module, name in (("mlp", "MLPs"), ("attn", "attention")):
            row[f"{name}: written of the answer"] = words.written(members, module)
        for module, name in (("mlp", "MLPs"), ("attn", "attention")):
            share = waves.low_share(run, module) if run else None
            long = "" if share is None else f"; {share:.0%} of it in long waves"
            row[f"{name}: lines in the power"] = f"{words.lines(run, module)}{long}" if run else "-"
            row[f"{name}: beyond random directions"] = words.beyond_random(run, module) if run else "-"
        rows.append({**row, "costliest waves": words.costliest(run or members[0])})
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
