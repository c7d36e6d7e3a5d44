"""Whether two models may be held against each other: equal bodies, budgets and data."""

from collections.abc import Sequence
from itertools import combinations

from fourier_lightning.record.runs import Run

SIZES = ("n_layer", "width", "n_head")
OTHERS = (("model", "dropout"), ("model", "loss"),
          *(("data", key) for key in ("templates", "train_fraction", "pairs", "split_seed")))  # fmt: skip
NEARLY = 0.02  # budgets that are this close are one


def differing(one: Run, other: Run) -> str:
    """What two models differ in beside their arms: the first of bodies, data, budgets; "" if in nothing."""
    if one.split != other.split:
        return f"data.split={one.split} against {other.split}"
    told = [] if same_sizes(one, other) else [("model", key) for key in SIZES]
    for group, key in (*told, *OTHERS):
        mine, theirs = one.config[group].get(key), other.config[group].get(key)
        if mine != theirs:
            return f"{group}.{key}={mine} against {theirs}"
    return budget(one, other)


def same_sizes(one: Run, other: Run) -> bool:
    """Whether both records say how large each part is, and say the same: null in a setting is the backbone's size."""
    sizes = [{row["part"]: row["parameters"] for row in run.info.get("parameters", [])} for run in (one, other)]
    return bool(sizes[0]) and sizes[0] == sizes[1]


def budget(one: Run, other: Run) -> str:
    """How the budgets of two models differ, in steps; "" if they took as many steps, or saw as many pairs."""
    steps = [run.info.get("steps") for run in (one, other)]
    if None in steps:
        epochs = [run.config["trainer"].get("max_epochs") for run in (one, other)]
        return "" if epochs[0] == epochs[1] else f"trainer.max_epochs={epochs[0]} against {epochs[1]}"
    seen = [count * run.config["data"]["batch_size"] for count, run in zip(steps, (one, other), strict=True)]
    if close(*steps) or close(*seen):
        return ""
    sizes = [run.config["data"]["batch_size"] for run in (one, other)]
    return f"{steps[0]} steps of {sizes[0]} against {steps[1]} of {sizes[1]}"


def close(one: float, other: float) -> bool:
    """Whether two budgets are nearly one."""
    return abs(one - other) <= NEARLY * max(one, other)


def unequal(first: Sequence[Run], second: Sequence[Run]) -> str:
    """What two arms differ in beside the arm, where one of the first has no equal among the second; else ""."""
    others = kinds(second)
    for one in kinds(first):
        told = [differing(one, other) for other in others]
        if told and all(told):
            return told[0]
    return ""


def kinds(runs: Sequence[Run]) -> list[Run]:
    """Of many runs the first of each body, data and budget: what ``differing`` can tell apart."""
    found: dict[str, Run] = {}
    for run in runs:
        settings = [run.config["trainer"].get("max_epochs"), run.config["data"].get("batch_size")]
        settings += [run.config["model"].get(key) for key in SIZES] + [
            run.config[group].get(key) for group, key in OTHERS
        ]
        sizes = [(row["part"], row["parameters"]) for row in run.info.get("parameters", [])]
        found.setdefault(repr([settings, sizes, run.info.get("steps")]), run)
    return list(found.values())


def unequal_arms(runs: Sequence[Run]) -> str:
    """Which two arms differ in more than the arm, and in what, among runs that are looked at together; "" if none."""
    arms: dict[str, list[Run]] = {}
    for run in runs:
        arms.setdefault(run.arm.words, []).append(run)
    for (one, first), (other, second) in combinations(arms.items(), 2):
        if told := unequal(first, second):
            return f"{one} and {other}: {told}"
    return ""
