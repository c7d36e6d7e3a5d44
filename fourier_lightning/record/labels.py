"""What a run is called: its arm, and what sets it apart from the runs that it is looked at with."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fourier_lightning.record.runs import Run

# Settings that an arm's words say already, or that change nothing of what is trained.
SAID = ("seed", "name", "group", "tags", "fit", "test", "ckpt_path", "paths", "logger", "callbacks", "filter",
        "model.name", "model.body", "embedding.name", "embedding.source", "embedding.control", "embedding.keep",
        "embedding.freeze", "data.train_fraction", "data.templates", "data.eval_batch_size", "data._target_",
        "backbone.path")  # fmt: skip


def label_runs(runs: Sequence[Run]) -> None:
    """Give each run its label: the arm, share of pairs and prompts where they vary, other settings that do in its arm.

    Runs with one label differ by their seed alone, and by what was measured of them. A run that trains nothing does not
    know how its checkpoint was trained: the optimizer's and the trainer's settings are not in its label, and
    checkpoints of one seed are told apart by their paths.
    """
    known = [run for run in runs if run.config]
    for run in runs:
        run.label = run.arm.words
    shares = {run.config["data"]["train_fraction"] for run in known}
    prompts = {prompt_style(run.config) for run in known}
    tasks = {run.task["name"] for run in known}
    by_arm: dict[str, list[Run]] = {}
    for run in known:
        by_arm.setdefault(run.arm.key, []).append(run)
    task = [key for key in varying(known) if key.startswith("data.")]  # in every label: arms share their task or don't
    for members in by_arm.values():
        varied = [*task, *(key for key in varying(members) if key not in task)]
        for run in members:
            settings, words = flatten(run.config), [run.arm.words]
            if len(tasks) > 1:
                words.append(run.task["name"].replace("_", " "))
            if len(shares) > 1 and not run.arm.as_is:
                words.append(f"{100 * run.config['data']['train_fraction']:g} % of the pairs")
            if len(prompts) > 1:
                words.append(prompt_style(run.config))
            skipped = ("nothing",) if run.config["fit"] else ("optimizer.", "trainer.")
            words += [f"{key}={settings[key]}" for key in varied if key in settings and not key.startswith(skipped)]
            run.label = ", ".join(words)
    tell_checkpoints_apart(known)


def varying(members: Sequence[Run]) -> list[str]:
    """Settings that differ between runs of an arm and that its words don't say; of trained runs, those of training."""
    if not members:
        return []
    filtered = any("filter/accuracy" in run.metrics for run in members)  # then a run is about its filter
    flat = [flatten(run.config) for run in members]
    keys = [key for key in dict.fromkeys(key for one in flat for key in one) if not said(key)]
    keys += [key for key in flat[0] if key.startswith("filter.") and filtered]
    trained = [one for one in flat if one["fit"]]
    return [
        key for key in keys
        if len({str(one.get(key)) for one in (trained if key.startswith(("optimizer.", "trainer.")) else flat)}) > 1
    ]  # fmt: skip


def tell_checkpoints_apart(runs: Sequence[Run]) -> None:
    """Add its checkpoint to the label of an evaluated run that shares label and seed with one of another checkpoint."""
    checkpoints: dict[tuple[str, Any], set[str]] = {}
    for run in runs:
        if not run.config["fit"]:
            checkpoints.setdefault((run.label, run.seed), set()).add(str(run.config["ckpt_path"]))
    for run in runs:
        if not run.config["fit"] and len(checkpoints[run.label, run.seed]) > 1:
            path = Path(str(run.config["ckpt_path"]))
            run.label += f", {'/'.join(path.parts[-3:])}"


def prompt_style(config: dict[str, Any]) -> str:
    """The prompts in a word or two."""
    templates = config["data"]["templates"]
    if templates == ["format"]:
        return '"a,b+"'
    return "sentences" if len(templates) == 5 else f"prompts {'+'.join(templates)}"


def said(key: str) -> bool:
    """Whether a setting needs no mention in a label."""
    return any(key == name or key.startswith(f"{name}.") for name in SAID)


def flatten(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted key."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def differences(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """For each run the settings that are not what most of these runs have, less their names and where they write."""
    dull = ("paths.", "logger.", "name", "group")
    flat = [
        {k: v for k, v in flatten(run.config).items() if not k.startswith(dull) and not k.endswith("dirpath")}
        for run in runs
    ]
    usual = {}
    for key in dict.fromkeys(key for one in flat for key in one):
        counts = Counter(json.dumps(one.get(key)) for one in flat if one)
        usual[key] = counts.most_common(1)[0][0]
    return [{k: one.get(k) for k, most in usual.items() if one and json.dumps(one.get(k)) != most} for one in flat]
