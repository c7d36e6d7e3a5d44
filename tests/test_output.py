"""Standard output that takes no more: a full disk is one line, a closed pipe is none, and neither is a traceback."""

import json
import os
import sys
from pathlib import Path

import pytest

from fourier_lightning import cli
from fourier_lightning.errors import output_failed
from tests.conftest import TINY

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
LINE = "error: standard output: No space left on device; make room, or send it elsewhere\n"
COMMANDS = [
    ["--help"],
    ["figures", "--list"],
    ["claims", "RUN"],
    ["report", "RUN", "--output", "report.html"],
    ["errors", "q.csv", "--template", "3"],
    ["dashboard", "--dry-run"],
    ["train", "--cfg", "job"],
    ["train", "--info", "config"],
]
TAKES_A_PATH = [
    ["report", "LONG"],
    ["report", "RUN", "--output", "LONG"],
    ["claims", "LONG"],
    ["errors", "LONG"],
    ["errors", "LONG", "--template", "3"],
    ["calibrate", "--only", "paper", "--records", "LONG"],
    ["train", "hydra.run.dir=LONG"],
    ["train", "-m", "hydra.sweep.dir=LONG"],
    ["train", "--config-dir", "LONG"],
    ["train", "backbone=local", "backbone.path=LONG"],
]


def full_disk() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def closed_pipe() -> int:
    """The end to write to, of a pipe that nobody reads."""
    reads, writes = os.pipe()
    os.close(reads)
    return writes


@pytest.fixture(params=[False, True], ids=["buffered", "unbuffered"])
def output(request, monkeypatch):
    """Make an open file standard output, buffered or as with PYTHONUNBUFFERED."""

    def become(descriptor):
        stream = os.fdopen(descriptor, "w")
        stream.reconfigure(write_through=request.param)
        request.addfinalizer(lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno()))
        monkeypatch.setattr(sys, "stdout", stream)

    return become


def send(words, capfd) -> tuple[int, str]:
    """Exit code and what stands on standard error."""
    with pytest.raises(SystemExit) as stop:
        cli.main(words)
    return stop.value.code, capfd.readouterr().err


@pytest.mark.parametrize(("opened", "line"), [(full_disk, LINE), (closed_pipe, "")])
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command(output, dissected, capfd, monkeypatch, tmp_path, words, opened, line):
    monkeypatch.chdir(tmp_path)
    output(opened())
    assert send([str(dissected / "4") if word == "RUN" else word for word in words], capfd) == (1, line)


@pytest.mark.parametrize(("opened", "line", "status"), [(full_disk, LINE, "failed"), (closed_pipe, "", "interrupted")])
def test_a_run_and_its_record_says_how_it_ended(output, capfd, tmp_path, opened, line, status):
    output(opened())
    words = ["train", *TINY, "trainer.max_epochs=1", "logger=none", "instruments=none", f"hydra.run.dir={tmp_path}"]
    assert send(words, capfd) == (1, line)
    assert json.loads((tmp_path / "record" / "run.json").read_text())["status"] == status


def test_no_output_at_all_is_no_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    cli.main(["--help"])


def test_other_errors_are_not_blamed_on_the_output(capsys):
    assert not any(map(output_failed, [ValueError(), OSError("no number"), OSError(28, "full", "file")]))
    assert capsys.readouterr().out == ""


def test_letters_that_a_terminal_does_not_have(output, tmp_path):
    (tmp_path / "answers.csv").write_text("a,b,answer\n1,2,3\n")
    output(os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT))
    sys.stdout.reconfigure(encoding="ascii")
    cli.main(["errors", str(tmp_path / "answers.csv"), "--model", "Zähler"])
    assert (tmp_path / "out").read_text().startswith("Z?hler: 100.0 %")


def test_a_pipe_in_place_of_a_file(command, dissected):
    reads, writes = os.pipe()
    assert command("claims", dissected / "4", "--output", f"/proc/self/fd/{writes}").code == 0
    os.close(writes)
    with os.fdopen(reads) as stream:
        assert len([json.loads(line) for line in stream]) > 20


@pytest.mark.parametrize("words", TAKES_A_PATH, ids=" ".join)
def test_a_path_that_no_disk_takes(command, dissected, monkeypatch, tmp_path, words):
    monkeypatch.chdir(tmp_path)
    long = "x" * 300
    done = command(*(str(dissected / "4") if word == "RUN" else word.replace("LONG", long) for word in words))
    assert (done.code, done.err.count("\n")) == (2, 1) and long in done.err and "File name too long" in done.err
    assert not any(tmp_path.iterdir())
