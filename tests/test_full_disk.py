"""A disk that is full or can't be written: one clear line, exit code 1, nothing earlier damaged."""

import errno
import json
import os
from pathlib import Path

import pytest
import torch

from fourier_lightning.atomic import append, replacing, write_text
from fourier_lightning.config import load_config
from fourier_lightning.errors import ConfigError, RunError
from tests.conftest import train
from tests.faults import PLAIN, composed, contents, copy, goes_on, line, trained
from tests.test_run import run_json

__all__ = ["composed", "copy", "trained"]  # fixtures


class Full:
    """A file that has room for so many bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, data):
        taken = data[: self.room]
        self.room -= len(taken)
        written = self.file.write(taken)
        if len(taken) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return written


def fill(monkeypatch, end: str, room: int = 100) -> None:
    """From now on files whose name ends so take a few bytes, and no more."""
    real = Path.open

    def opened(self, mode="r", *args, **kwargs):
        file = real(self, mode, *args, **kwargs)
        return Full(file, room) if any(letter in mode for letter in "wa") and self.name.endswith(end) else file

    monkeypatch.setattr(Path, "open", opened)


FILES = [
    "metrics.jsonl",
    "last.ckpt.part",
    "best.ckpt.part",
    "embedding_components.jsonl.part",
    "spectrum.safetensors.part",
]


@pytest.mark.parametrize("file", FILES)
def test_a_full_disk_costs_nothing_earlier_and_the_run_goes_on_when_there_is_room(composed, copy, monkeypatch, file):
    (copy / "record" / "tables" / "embedding_components.jsonl").unlink()  # of the final weights: still to be written
    before = contents(copy)
    with monkeypatch.context() as patch:
        fill(patch, file)
        with pytest.raises(RunError) as error:
            goes_on(composed, copy)
    name = file.removesuffix(".part")
    last = f"{copy}/checkpoints/last.ckpt"
    said = f"{name}: No space left on device; make room, then the same command with ckpt_path={last} goes on"
    assert str(error.value).endswith(said)
    assert run_json(copy)["status"] == "failed" and "No space left" in run_json(copy)["error"]
    after = contents(copy)
    assert not [name for name in after if name.endswith(".part")]
    assert file == "metrics.jsonl" or after["record/metrics.jsonl"].startswith(history(before["record/metrics.jsonl"]))
    for name in after:
        if name.endswith(".jsonl"):  # every line is whole
            assert all(json.loads(one) for one in after[name].decode().splitlines())
    assert torch.load(last, weights_only=True)["global_step"] >= 12
    goes_on(composed, copy)
    assert run_json(copy)["status"] == "finished" and run_json(copy)["steps"] == 18


def history(lines: bytes) -> bytes:
    """What metrics.jsonl said when the last epoch's checkpoint was made, up to the epoch's own line."""
    kept = lines.splitlines(keepends=True)
    return b"".join(kept[: [b"train/lr" in one for one in kept].index(True) + 1])


def test_a_full_disk_is_one_line_with_exit_code_1(command_line, tmp_path, monkeypatch):
    fill(monkeypatch, "metrics.jsonl")
    done = command_line(*PLAIN, f"hydra.run.dir={tmp_path}")
    assert done.code == 1 and line(done).endswith("record/metrics.jsonl: No space left on device; make room\n")


def test_a_real_full_disk(tmp_path):
    """Linux's own: every write to /dev/full says that there is no room."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    for write in (append, write_text):
        with pytest.raises(OSError, match="No space left on device"):
            write("/dev/full", "a line")
    assert Path("/dev/full").is_char_device()


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_text(path, "before")
    with pytest.raises(ZeroDivisionError), replacing(path) as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]
    append(path, " and a line")
    with monkeypatch.context() as patch:
        fill(patch, "file", room=3)
        with pytest.raises(OSError) as error:
            append(path, "another")
    assert error.value.filename == str(path) and path.read_text() == "before and a line\n"
    with replacing("/dev/null") as part:  # no file, and it stays none
        part.write_text("gone")
    assert Path("/dev/null").is_char_device()
    (tmp_path / "link").symlink_to(path)
    write_text(tmp_path / "link", "through it")
    assert path.read_text() == "through it" and (tmp_path / "link").is_symlink()


def test_a_directory_that_can_not_be_written(command_line, tmp_path, monkeypatch):
    read_only = tmp_path / "read_only"
    read_only.mkdir(mode=0o555)
    real = Path.mkdir

    def mkdir(self, *args, **kwargs):  # root may write everywhere
        if read_only in (self, *self.parents):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(ConfigError, match=r"hydra.run.dir=.*: Read-only file system; make room, or choose a directory"):
        train(load_config(PLAIN, read_only / "run"))
    done = command_line(*PLAIN, f"hydra.run.dir={read_only / 'run'}")
    assert done.code == 2 and "Read-only file system" in line(done)
