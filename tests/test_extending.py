"""docs/extending.md, word for word: its files are written down and its commands and lines are run."""

import importlib
import json
import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from fourier_lightning.figures import catalogue
from fourier_lightning.models import architectures
from fourier_lightning.record.runs import read_run
from tests.conftest import TINY

ROOT = Path(__file__).resolve().parents[1]
PARTS = re.split(r"^## ", (ROOT / "docs/extending.md").read_text(), flags=re.M)[1:]
FILE = re.compile(r"^# (\S+\.(?:py|yaml))$", re.M)  # what a block's file is called: its first line, or its second
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.S)


def part(title):
    """The files and the commands of one part, in their order."""
    (text,) = [text for text in PARTS if text.startswith(f"{title}\n")]
    blocks = BLOCK.findall(text)
    files = {FILE.search(body)[1]: body for kind, body in blocks if kind in ("python", "yaml")}
    return files, [line for kind, body in blocks if kind == "bash" for line in body.splitlines()]


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write a part's files into an empty folder and go there; what they register goes away with the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    kept = [(table, dict(table)) for table in (architectures.ARCHITECTURES, catalogue.FIGURES)]
    modules = set(sys.modules)

    def write(title):
        files, commands = part(title)
        for name, body in files.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(body)
        return files, commands

    yield write
    for table, before in kept:
        table.clear()
        table.update(before)
    for name in set(sys.modules) - modules:
        if name.startswith(("my_", "check_")):
            del sys.modules[name]


def test_an_architecture(written):
    files, _ = written("An architecture")
    for name in files:
        importlib.import_module(name.removesuffix(".py"))  # the last of them checks the sum
    assert "olmo3" in architectures.ARCHITECTURES and len(files) == 2


@pytest.mark.parametrize("title", ["A task", "An instrument"])
def test_a_task_and_an_instrument(written, command_line, title, tmp_path):
    _, (command,) = written(title)
    program, arguments = shlex.split(command)[:4], shlex.split(command)[4:]
    assert program == ["python", "-m", "fourier_lightning", "train"]
    options = [*TINY, "data.train_fraction=0.6", "logger=none", f"hydra.run.dir={tmp_path / 'run'}"]
    done = command_line(*arguments, *options)
    assert done.code == 0, done.err
    run = read_run(tmp_path / "run")
    if title == "A task":
        assert run.info["task"]["name"] == "minimum" and run.p == 21
        assert run.table("filter_ablation") and run.metrics["test/accuracy"] >= 0
    else:
        rows = run.table("confidence")
        digits = [row["digit"] for row in rows]
        assert digits == sorted(set(digits)) and len(digits) > 5 and run.table("lens_accuracy") == []
        assert 0 < run.metrics["confidence/mean"] < 1
        assert (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file()


def test_a_figure(written, tiny_runs, monkeypatch, capsys):
    _, (command,) = written("A figure")
    shutil.copytree(tiny_runs / "0", "RUN")
    run_script(command, monkeypatch)
    assert Path("RUN/figures/residue_by_depth.png").stat().st_size > 5000
    assert "1 figure in RUN/figures" in capsys.readouterr().out


def test_a_claim(written, tiny_runs, monkeypatch, capsys):
    _, (command,) = written("A claim")
    for seed in "01":  # as if these runs of seconds had learned their training pairs
        info = json.loads((tiny_runs / seed / "record" / "run.json").read_text())
        info["metrics"]["train/accuracy"] = 0.9
        shutil.copytree(tiny_runs / seed, f"RUN_OR_SWEEP/{seed}")
        Path(f"RUN_OR_SWEEP/{seed}/record/run.json").write_text(json.dumps(info))
    run_script(command, monkeypatch)
    (said,) = capsys.readouterr().out.splitlines()
    assert re.match(r"(supported|not here|undecided|not comparable) -?\d\.\d+ scratch \+ frozen pretrained table", said)


def run_script(command, monkeypatch):
    """`python SCRIPT ARGUMENTS` in this process."""
    program, script, *arguments = shlex.split(command)
    assert program == "python"
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    runpy.run_path(script, run_name="__main__")
