"""Bad input drawn at random, from the kinds that users ran into: each is one line, and nothing is written or lost."""

import random
import shutil
from pathlib import Path

import pytest
import wandb

from fourier_lightning import lightning_features as features
from fourier_lightning.config import load_config
from tests.bad_input import SMALL, command, elsewhere, refusal, run_with, told
from tests.conftest import TINY, train
from tests.test_lightning_features import MODULES

__all__ = ["elsewhere"]  # a fixture
MARKUP = [
    "[total]",
    "[/]",
    "[bold]x",
    "[[",
    "]",
    "[link=x]y[/link]",
    "[red",
    "{a}",
    "\\[",
    ":smile:",
    "$x$",
    "<b>",
    "&lt;",
]
WORDS = ["on", "off", "yes", "maybe", "1e3", "-7", "ü", "a b", "[x]", "null"]


def test_settings_of_wandb(elsewhere, monkeypatch, record_property):
    """Names that W&B has no place for, in its environment or typed."""
    draw, base = random.Random(1), ("logger=wandb", "instruments=none", *SMALL[2:])
    names = {"logger.wandb.project": "WANDB_PROJECT", "logger.wandb.entity": "WANDB_ENTITY"}
    for _ in range(50):
        typed = draw.choice(list(names))
        wrong = "".join(draw.choices("ab/\\#?%:", k=12)) + draw.choice("/\\#?%:")
        other, value = draw.choice(
            [(names[typed], wrong), ("WANDB_MODE", draw.choice(WORDS)), ("WANDB_RESUME", draw.choice(WORDS)),
             ("WANDB_BASE_URL", draw.choice(["", "ftp:/", "http:"]) + draw.choice(["api.wandb.ai", "x y", ":80"])),
             ("WANDB_RUN_ID", wrong), ("WANDB_NAME", "n" * draw.randrange(129, 400)),
             ("WANDB_TAGS", "a,," + "b" * draw.randrange(80)), ("WANDB_INIT_TIMEOUT", draw.choice(WORDS[:4]))]
        )  # fmt: skip
        wandb.teardown()
        with monkeypatch.context() as patch:
            by_environment = draw.random() < 0.7
            settings = {} if by_environment else {typed: wrong}
            if by_environment:
                patch.setenv(other, value)
            line = refusal(run_with(base, settings))
            key = f"{other}={value}" if by_environment else f"{typed}={wrong}"
            assert line is not None and line.startswith(key), (key, line)
    told(record_property, 50)


def test_features_of_lightning(elsewhere, record_property):
    """A class that is refused, with whatever name; and numbers that no Trainer takes."""
    draw = random.Random(2)
    places = {"callback": "callbacks", "logger": "logger"}
    for _ in range(40):
        kind = draw.choice(list(places))
        module, refused = MODULES[kind]
        name, key = draw.choice(list(refused)), f"{places[kind]}.{draw.choice(['x', 'mine', 'a_b'])}"
        line = refusal(run_with(SMALL, {key: {"_target_": f"{module.__name__}.{name}"}}))
        assert line is not None and line.startswith(f"{key}._target_={module.__name__}.{name}: not supported: "), line
    limits = [f"limit_{split}_batches" for split in ("train", "val", "test")]
    numbers = [*limits, "max_epochs", "min_epochs", "accumulate_grad_batches", "check_val_every_n_epoch",
               "log_every_n_steps", "gradient_clip_val", "val_check_interval"]  # fmt: skip
    for _ in range(30):
        key, value = f"trainer.{draw.choice(numbers)}", draw.choice([-3, -0.5, "many", [1], {"a": 1}, True, 1e400])
        line = refusal(run_with(SMALL, {key: value}))
        assert line is not None and line.startswith("trainer"), (key, value, line)
    assert features.CLASSES
    told(record_property, 70)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    where = tmp_path_factory.mktemp("finished") / "run"
    options = [*TINY, "logger=none", "instruments=none", "trainer.max_epochs=1", "optimizer.schedule=constant"]
    train(load_config(options, where))
    return where, options


def test_directories_that_hold_another_run(elsewhere, finished, record_property):
    """A setting changed at random: the directory is left as it was."""
    where, options = finished
    shutil.copytree(where, "run")
    before = {path: path.stat().st_mtime_ns for path in Path("run").rglob("*") if path.is_file()}
    draw = random.Random(3)
    others = {
        "seed": [1, 2, 77], "optimizer.lr": [0.001, 0.1], "data.train_fraction": [0.5, 0.6], "data.batch_size": [8, 64],
        "model.width": [32, 64], "embedding.scale": [0.5, 2.0], "optimizer.weight_decay": [0.01, 0.9],
        "data.max_operand": [19, 21], "trainer.gradient_clip_val": [0.5], "optimizer.warmup_steps": [3, 5],
        "embedding.freeze": [False], "data.redraw_order": [True], "test": [False], "model.n_layer": [2, 3],
    }  # fmt: skip
    for _ in range(40):
        key = draw.choice(list(others))
        value, auto = draw.choice(others[key]), draw.random() < 0.7
        settings = {key: value, **({"ckpt_path": "auto"} if auto else {})}
        line = refusal(run_with(tuple(options), settings), ("run",))
        begins = "hydra.run.dir=run: holds a run " + (f"of other settings ({key}=" if auto else "already")
        assert line is not None and line.startswith(begins), (key, value, line)
    assert {path: path.stat().st_mtime_ns for path in Path("run").rglob("*") if path.is_file()} == before
    told(record_property, 40)


def test_text_that_could_be_markup_stands_in_the_line_as_it_was_typed(elsewhere, record_property):
    draw = random.Random(4)
    keys = ["backbone.path", "split", "filter.keep", "embedding.source", "data.pairs", "ckpt_path"]
    for _ in range(30):
        text, key = draw.choice(MARKUP) + draw.choice(["", " and ", "x"]) + draw.choice(MARKUP), draw.choice(keys)
        line = refusal(run_with(("instruments=filter_grid", *SMALL[1:]), {key: f"/none/{text}"}))
        assert line is not None and f"/none/{text}" in line, (text, line)
    told(record_property, 30)


def test_options_and_files_of_the_other_commands(elsewhere, record_property):
    draw = random.Random(5)
    options = {"report": ["--output"], "figures": ["--format", "--figure"], "claims": ["--output"], "audit": ["--json"]}
    for _ in range(40):
        name = draw.choice(list(options))
        text = "nowhere-" + draw.choice(MARKUP)
        words = [name, text] if draw.random() < 0.5 else [name, f"--{''.join(draw.choices('abcz', k=5))}", text]
        line = refusal(command(*words))
        assert line is not None, words
    told(record_property, 40)
