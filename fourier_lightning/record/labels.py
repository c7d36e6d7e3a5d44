"""What runs are called: the arm, and what sets one model apart from the others that it is looked at with."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fourier_lightning.checkpoint import BEFORE
from fourier_lightning.record.arm import Arm

# Settings that an arm's words say already, or that change nothing of what is trained.
SAID = ("seed", "name", "group", "tags", "fit", "test", "ckpt_path", "paths", "logger", "callbacks", "filter",
        "model.name", "model.body", "embedding.name", "embedding.source", "embedding.control", "embedding.keep",
        "embedding.freeze", "data.train_fraction", "data.templates", "data.split", "data.eval_batch_size",
        "backbone.path", "backbone.size", "backbone.sizes", "trainer.accelerator", "trainer.enable_progress_bar",
        "trainer.enable_model_summary", "trainer.log_every_n_steps", "trainer.default_root_dir")  # fmt: skip
# Settings of the data that leave alone what is asked.
INCIDENTAL = ("batch_size", "eval_batch_size", "redraw_order", "vocabulary", "number_style", "split_seed")


@dataclass(frozen=True)
class Facts:
    """What a run's label is made of.

    Attributes:
        arm: of the model.
        config: resolved, of the run that trained the model.
        task: name of the task that was asked.
        step: of the weights, where one model was measured at several; else None.
        asked: what was measured on other data than the model was trained on, in words.
    """

    arm: Arm
    config: dict[str, Any]
    task: str
    step: int | None = None
    asked: str = ""


def label(known: Sequence[Facts]) -> list[str]:
    """A label for each run: its arm; task, split, pairs' share, prompts where they vary; other settings that do in it.

    Runs with one label are of models that differ by their seed alone.
    """
    shares = {one.config["data"]["train_fraction"] for one in known if one.arm.trained}
    prompts, tasks = {prompt_style(one.config) for one in known}, {one.task for one in known}
    splits = {held_out(one.config) for one in known}
    shared = [key for key in varying(known) if key.startswith("data.")]  # in every label: arms share data or don't
    varied = {one.arm.key: shared for one in known}
    for key in varied:
        found = varying([one for one in known if one.arm.key == key])
        varied[key] = [*shared, *(name for name in found if name not in shared)]
    labels = []
    for one in known:
        words, settings = [one.arm.words], flatten(one.config)
        words += [one.task.replace("_", " ")] if len(tasks) > 1 else []
        words += [held_out(one.config)] if len(splits) > 1 else []
        if len(shares) > 1 and one.arm.trained:
            words.append(f"{100 * one.config['data']['train_fraction']:g} % of the pairs")
        words += [prompt_style(one.config)] if len(prompts) > 1 else []
        skipped = () if one.arm.trained else ("optimizer.", "trainer.")
        told = [key for key in varied[one.arm.key] if key in settings and not key.startswith(skipped)]
        words += [f"{key}={settings[key]}" for key in told]
        words += [one.asked] if one.asked else []
        labels.append(", ".join([*words, *([] if one.step is None else [f"step {one.step}"])]))
    return labels


def varying(known: Sequence[Facts]) -> list[str]:
    """Settings that differ between models and that their arms' words don't say; training's, between trained ones."""
    flat = [(one.arm.trained, flatten(one.config)) for one in known]
    names = [name for name in dict.fromkeys(name for _, one in flat for name in one) if not said(name)]
    values = {
        name: {str(one[name]) for trained, one in flat
               if name in one and (trained or not name.startswith(("optimizer.", "trainer.")))}
        for name in names
    }  # fmt: skip
    return [name for name in names if len(values[name]) > 1]


def asked(config: dict[str, Any], trained: dict[str, Any]) -> str:
    """How the data of a measurement differ from those that its model was trained on, in words; "" if they don't."""
    here, there = flatten(config["data"]), flatten(trained["data"])
    names = [name for name in here if name not in INCIDENTAL and not said(f"data.{name}")]
    words = [f"{name}={here[name]}" for name in names if here[name] != there.get(name)]
    words += [prompt_style(config)] if prompt_style(config) != prompt_style(trained) else []
    return f"asked {', '.join(words)}" if words else ""


def prompt_style(config: dict[str, Any]) -> str:
    """The prompts in a word or two."""
    templates = config["data"]["templates"]
    if templates == ["format"]:
        return '"a,b+"'
    return "sentences" if len(templates) == 5 else f"prompts {'+'.join(templates)}"


def held_out(config: dict[str, Any]) -> str:
    """What training did not see, in a word or two: "held-out sums"."""
    return f"held-out {config['data'].get('split', BEFORE['data.split'])}".replace("held-out random", "random split")


def said(key: str) -> bool:
    """Whether a setting needs no mention in a label."""
    return key.endswith("_target_") or any(key == name or key.startswith(f"{name}.") for name in SAID)


def flatten(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted key."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def differences(configs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each configuration the settings that are not what most have, less their names and where they write."""
    dull = ("paths.", "logger.", "name", "group")
    flat = [
        {k: v for k, v in flatten(config).items() if not k.startswith(dull) and not k.endswith("dirpath")}
        for config in configs
    ]
    usual = {}
    for key in dict.fromkeys(key for one in flat for key in one):
        counts = Counter(json.dumps(one.get(key)) for one in flat if one)
        usual[key] = counts.most_common(1)[0][0]
    return [{k: one.get(k) for k, most in usual.items() if one and json.dumps(one.get(k)) != most} for one in flat]
