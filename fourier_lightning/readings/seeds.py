"""From runs to arms: means, deviations and intervals over seeds, and the order of arms."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fourier_lightning.fourier import shares
from fourier_lightning.readings.subjects import ANSWERS
from fourier_lightning.record.labels import prompt_style
from fourier_lightning.record.models import models
from fourier_lightning.record.runs import Run, by_label

LONG = 30  # characters of settings in a label, beyond which a letter stands for them
RANKED_BY = ("test/accuracy", "test/mod_10", "test/within_10", "val/accuracy", "filter/accuracy")
Curve = tuple[Sequence[float], Sequence[float]]  # x (epochs or steps) and values


def t_reach(freedom: float) -> float:
    """How many standard errors a 95 % interval of Student's t reaches, at these degrees of freedom."""
    from scipy.stats import t  # a second to import, and only reports want it

    return float(t.ppf(0.975, freedom))


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the mean by Student's t: right for few seeds, where resampling them is far too narrow.

    Raises:
        ValueError: fewer than two values.
    """
    if len(values) < 2:
        raise ValueError("an interval over seeds needs two of them")
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1)) / len(values) ** 0.5
    reach = t_reach(len(values) - 1) * error
    return mean - reach, mean + reach


def share_interval(values: Sequence[float], n: int = 500) -> tuple[float, float]:
    """95 % interval of shares over seeds: Student's t of their logits, so that it never leaves 0 to 1.

    Args:
        values: of each seed, 0 to 1.
        n: examples that each is of: a share of 0 or 1 counts as half an example from there.

    Raises:
        ValueError: fewer than two values.
    """
    inside = np.clip(values, 0.5 / n, 1 - 0.5 / n)
    low, high = t_interval(np.log(inside / (1 - inside)).tolist())
    return float(1 / (1 + np.exp(-low))), float(1 / (1 + np.exp(-high)))


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion of n examples."""
    return shares.wilson(round(min(1.0, max(0.0, share)) * n), n)


@dataclass(frozen=True)
class Spread:
    """A number over seeds.

    Attributes:
        mean: over the seeds.
        deviation: sample standard deviation; None of one seed.
    """

    mean: float
    deviation: float | None = None


def spread(values: Sequence[float]) -> Spread | None:
    """Mean and deviation; None of nothing."""
    if not values:
        return None
    if len(values) == 1:
        return Spread(float(values[0]))
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)))


def finished(runs: Sequence[Run]) -> list[Run]:
    """The models of runs that came to their end, each with all that any of its runs has measured."""
    return models(run for run in runs if run.status == "finished" and (run.config or run.task["name"] == ANSWERS))


def finished_first(runs: Iterable[Run]) -> list[Run]:
    """The models of runs that came to their end, then those of the others.

    So the first of a label that has some record is an unfinished run only where no finished one has it.
    """
    known = [run for run in runs if run.config]
    done, others = ([run for run in known if (run.status == "finished") is state] for state in (True, False))
    return [*models(done), *models(others)]


def final(runs: Sequence[Run], metric: str) -> list[float]:
    """A final metric of the runs that have it."""
    return [run.metrics[metric] for run in runs if metric in run.metrics]


def best(runs: Sequence[Run]) -> float:
    """For sorting: the mean of the first metric that the runs have."""
    values = [next((run.metrics[name] for name in RANKED_BY if name in run.metrics), -1.0) for run in runs]
    return float(np.mean(values))


def grouped(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """All runs of each label, the most accurate first: a seed may be trained in one run and measured in another."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.label, []).append(run)
    return dict(sorted(groups.items(), key=lambda item: -best(item[1])))


def lettered(runs: Sequence[Run]) -> tuple[list[Run], dict[str, str]]:
    """Runs under short names, "A, scratch + frozen pretrained table", where there are labels with long settings.

    Returns:
        the runs, and the label by name; the same runs and nothing where there is one label, or no long one.
    """
    words = {run.label: run.arm.words for run in runs}
    if len(words) < 2 or all(len(label) <= len(arm) + LONG for label, arm in words.items()):
        return list(runs), {}
    order = dict.fromkeys([*grouped(finished(runs)), *words])
    short = dict(zip(order, letters(len(order)), strict=True))
    names = {label: f"{short[label]}, {words[label]}" for label in order}
    return [replace(run, label=names[run.label]) for run in runs], {name: label for label, name in names.items()}


def letters(count: int) -> list[str]:
    """A, B, ... Z, A2, B2, ..."""
    return [chr(ord("A") + index % 26) + (str(index // 26 + 1) if index >= 26 else "") for index in range(count)]


def letter_key(labels: Mapping[str, str], names: Collection[str]) -> str:
    """What the letters of some names stand for: "A: ...; B: ...", from the labels by name of ``lettered``."""
    return "; ".join(f"{name.split(',')[0]}: {label}" for name, label in labels.items() if name in names)


def ranking(runs: Sequence[Run]) -> dict[tuple[str, ...], dict[str, list[float]]]:
    """Test accuracy of the seeds of each trained arm, the most accurate first, among those that can be compared."""
    tasks: dict[tuple[str, ...], list[Run]] = {}
    for run in finished(runs):
        if "test/accuracy" in run.metrics and run.arm.trained:
            tasks.setdefault(task_of(run), []).append(run)
    ranked = {}
    for task, members in tasks.items():
        arms = sorted(by_label(members).items(), key=lambda item: -best(item[1]))
        ranked[task] = {label: final(group, "test/accuracy") for label, group in arms}
    return ranked


def task_of(run: Run) -> tuple[str, ...]:
    """What runs have to share to be compared, in words."""
    data = run.config["data"]
    share, ordered = f"{100 * data['train_fraction']:g} % of the pairs", data.get("pairs") == "ordered"
    asked = f"{run.task['name'].replace('_', ' ').capitalize()}, answers 0 to {run.p - 1}"
    held_out = [f"held-out {run.split}"] if run.split != "random" else []
    return (asked, prompt_style(run.config), share, *held_out, *(["ordered"] if ordered else []))


def mean_curve(curves: Sequence[Curve]) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """x, mean and sample standard deviation of some seeds' curves, as far as the shortest goes; None of one seed."""
    length = min(len(x) for x, _ in curves)
    stacked = np.stack([np.asarray(y, dtype=float)[:length] for _, y in curves])
    deviation = stacked.std(axis=0, ddof=1) if len(curves) > 1 else None
    return np.asarray(curves[0][0])[:length], stacked.mean(axis=0), deviation


def by_size(rows: Sequence[Mapping[str, float | int | str]]) -> dict[str, dict[int, list[float]]]:
    """Test accuracies by arm and training pairs, of rows with ``arm``, ``train_pairs``, ``test/accuracy``."""
    sizes: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        same_arm = sizes.setdefault(str(row["arm"]), {})
        same_arm.setdefault(int(row["train_pairs"]), []).append(float(row["test/accuracy"]))
    return sizes
