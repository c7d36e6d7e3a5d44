"""Faults that are made to happen: each one clear line, the exit code that --help promises, nothing earlier damaged."""

import errno
import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch

from fourier_lightning import atomic
from fourier_lightning.atomic import append, replacing, write_text
from fourier_lightning.config import load_config
from fourier_lightning.errors import ConfigError, RunError
from fourier_lightning.models.module import AdditionModule
from fourier_lightning.run import train
from tests.conftest import TINY
from tests.test_run import run_json

PLAIN = [*TINY, "logger=none", "instruments=[embedding_spectrum,logit_lens]"]


def contents(directory: Path) -> dict[str, bytes]:
    """Every file of a run but Hydra's own."""
    found = {str(path.relative_to(directory)): path for path in directory.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith((".hydra", "train.log"))}


def line(done) -> str:
    """The one line that a command said on stderr."""
    assert done.err.count("\n") == 1 and done.err.startswith("error: ") and "Traceback" not in done.err, done.err
    return done.err


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of two epochs that was interrupted after them."""
    where = tmp_path_factory.mktemp("trained")
    train(load_config(PLAIN, where))
    info = run_json(where)
    (where / "record" / "run.json").write_text(json.dumps({**info, "status": "interrupted"}))
    return where


@pytest.fixture
def copy(trained, tmp_path):
    """It again, to be damaged."""
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path / "run"


# The disk


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


# Checkpoints


def evil(path):
    """A pickle that would make a file."""
    torch.save({"state_dict": Opens(path.with_name("hacked"))}, path)


class Opens:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def changed(change):
    """A last.ckpt with something changed."""

    def write(path):
        checkpoint = torch.load(path, weights_only=True)
        change(checkpoint)
        torch.save(checkpoint, path)

    return write


WEIGHT = "net.transformer.h.0.mlp.c_fc.weight"
CHECKPOINTS = {
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:5000]), "cut off or damaged; give a .ckpt file"),
    "empty": (lambda path: path.write_bytes(b""), "not a checkpoint of this project; give a .ckpt file that train.py"),
    "text": (lambda path: path.write_text("no checkpoint"), "not a checkpoint of this project"),
    "a pickle that runs code": (evil, "holds more than weights and plain values, and such a file can run code: it was"),
    "an old pickle": (
        lambda path: path.write_bytes(pickle.dumps(Opens(path.with_name("hacked")))),
        "not a checkpoint of this project",
    ),
    "a list": (lambda path: torch.save([1], path), "not a checkpoint of this project"),
    "another project's": (
        lambda path: torch.save({"epoch": 1, "global_step": 2, "state_dict": {}, "hyper_parameters": {"lr": 1}}, path),
        "carries no run's identity: an older revision wrote it, or another project",
    ),
    "odd settings": (changed(lambda c: c["hyper_parameters"].update(run=[1])), "not a checkpoint of this project"),
    "a missing weight": (changed(lambda c: c["state_dict"].pop(WEIGHT)), f"lacks the weight {WEIGHT}; take another"),
    "a weight too many": (
        changed(lambda c: c["state_dict"].update(x=torch.ones(1))),
        "holds x, which the model has not; take another",
    ),
    "another shape": (
        changed(lambda c: c["state_dict"].update({WEIGHT: torch.ones(2, 2)})),
        f"its {WEIGHT} is (2, 2), and the model's (16, 64)",
    ),
    "NaN": (
        changed(lambda c: c["state_dict"][WEIGHT][0].fill_(torch.nan)),
        f"{WEIGHT} holds NaN or infinity: its training diverged; take another",
    ),
}


@pytest.fixture(scope="module")
def composed():
    """The configuration of one more epoch."""
    return load_config([*PLAIN, "trainer.max_epochs=3", "ckpt_path=auto"])


def goes_on(composed, where, **settings):
    """Start it in a directory, from wherever it is, as ``ckpt_path=auto`` does."""
    cfg = composed.copy()
    cfg.paths.output_dir = str(where)
    cfg.update(settings)
    return train(cfg)


@pytest.mark.parametrize("fault", CHECKPOINTS)
def test_a_bad_checkpoint_is_refused_before_anything_is_touched(composed, copy, tmp_path, fault):
    damage, said = CHECKPOINTS[fault]
    path = copy / "checkpoints" / "last.ckpt"
    damage(path)
    before = contents(copy)
    with pytest.raises(ConfigError) as error:
        goes_on(composed, copy)
    assert str(error.value).startswith(f"ckpt_path={path}: {said}") and "\n" not in str(error.value)
    with pytest.raises(ConfigError) as error:  # to be evaluated
        goes_on(composed, tmp_path / "new", ckpt_path=str(path), fit=False)
    assert str(error.value).startswith(f"ckpt_path={path}: {said}")
    assert contents(copy) == before and not (tmp_path / "new").exists() and not list(tmp_path.rglob("hacked"))


def test_a_pickle_that_runs_code_is_one_line_and_code_2(command_line, copy, tmp_path):
    path = copy / "checkpoints" / "last.ckpt"
    evil(path)
    done = command_line("fit=false", f"ckpt_path={path}", f"hydra.run.dir={tmp_path / 'new'}")
    said = "holds more than weights and plain values, and such a file can run code: it was not opened"
    assert done.code == 2 and line(done) == f"error: ckpt_path={path}: {said}; give a .ckpt file that train.py wrote\n"
    assert not list(tmp_path.rglob("hacked")) and not (tmp_path / "new").exists()


def test_an_optimizer_that_holds_nan_is_no_good_to_resume_from(composed, copy):
    path = copy / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    state = next(iter(checkpoint["optimizer_states"][0]["state"].values()))
    next(value for value in state.values() if value.dim()).fill_(torch.inf)
    torch.save(checkpoint, path)
    with pytest.raises(ConfigError, match=r"the optimizer's state 0.state.* holds NaN or infinity"):
        goes_on(composed, copy)


def test_pickles_that_lightning_opens_are_held_to_the_same(copy):
    from fourier_lightning.callbacks.resume import AtomicCheckpoints

    path = copy / "checkpoints" / "last.ckpt"
    evil(path)
    with pytest.raises(pickle.UnpicklingError):
        AtomicCheckpoints().load_checkpoint(path, weights_only=False)
    assert not path.with_name("hacked").exists()


# Training


@pytest.mark.parametrize("measured", [True, False])
def test_a_loss_that_becomes_nan_ends_the_run_and_spares_the_checkpoints(composed, copy, monkeypatch, measured):
    real, before = AdditionModule.training_step, contents(copy)

    def training_step(self, batch, batch_idx):
        return real(self, batch, batch_idx) * (torch.nan if self.trainer.global_step == 15 else 1)

    monkeypatch.setattr(AdditionModule, "training_step", training_step)
    callbacks = {name: node for name, node in composed.callbacks.items() if measured or name != "logit_lens"}
    with pytest.raises(
        ConfigError, match=r"^optimizer: training diverged in epoch 3: weights are not finite; lower opt"
    ):
        goes_on(composed, copy, callbacks=callbacks)
    after = contents(copy)
    assert after["checkpoints/last.ckpt"] == before["checkpoints/last.ckpt"]
    assert b"NaN" not in after["record/metrics.jsonl"] and run_json(copy)["status"] == "failed"


def test_weights_of_a_backbone_that_are_no_numbers(tmp_path, backbone, command_line):
    from safetensors.torch import load_file, save_file

    shutil.copytree(backbone.path, tmp_path / "model")
    weights = load_file(tmp_path / "model" / "model.safetensors")
    weights["transformer.h.1.mlp.c_fc.weight"][0] = torch.nan
    save_file(weights, tmp_path / "model" / "model.safetensors", {"format": "pt"})
    where = ["backbone=local", f"backbone.path={tmp_path / 'model'}", f"hydra.run.dir={tmp_path / 'run'}"]
    options = ["fit=false", "data.max_operand=20", "logger=none", "instruments=logit_lens", "trainer.accelerator=cpu"]
    done = command_line(*options, *where)
    assert done.code == 2 and line(done).startswith("error: model: it holds weights that are NaN or infinite")


# Records


def test_a_line_that_was_cut_off_and_a_damaged_run_json_do_not_stop_a_run_that_goes_on(composed, copy):
    for name in ("metrics.jsonl", "tables/embedding_components.jsonl"):
        with (copy / "record" / name).open("a") as file:
            file.write('{"step": 17, "ep')
    (copy / "record" / "run.json").write_text('{"status": "runn')
    goes_on(composed, copy)
    assert run_json(copy)["steps"] == 18
    for path in (copy / "record").rglob("*.jsonl"):
        assert all(json.loads(one) for one in path.read_text().splitlines())


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda record: (record / "metrics.jsonl").unlink(), "metrics.jsonl: is missing; restore it, or go on"),
        (lambda record: (record / "metrics.jsonl").write_text("x\n{}\n"), "metrics.jsonl: can't be read (Expecting"),
        (lambda record: (record / "metrics.jsonl").write_text("{}\n{}\n"), "metrics.jsonl: can't be read ('step')"),
        (lambda record: (record / "tables" / "x.jsonl").write_text("\x00\n{}\n"), "x.jsonl: can't be read (Expecting"),
    ],
)  # fmt: skip
def test_a_run_does_not_go_on_over_a_history_that_is_gone(composed, copy, damage, said):
    damage(copy / "record")
    before = contents(copy)
    with pytest.raises(ConfigError) as error:
        goes_on(composed, copy)
    assert said in str(error.value) and "\n" not in str(error.value) and contents(copy) == before


@pytest.fixture
def some_damaged(tiny_runs, tmp_path):
    """Two whole runs, one without metrics.jsonl, one with half a run.json, one with half a list of overrides."""
    for name in "0123":
        shutil.copytree(tiny_runs / name, tmp_path / name)
    (tmp_path / "2" / "record" / "metrics.jsonl").unlink()
    whole = (tmp_path / "3" / "record" / "run.json").read_text()
    (tmp_path / "3" / "record" / "run.json").write_text(whole[: len(whole) // 2])
    (tmp_path / "4" / ".hydra").mkdir(parents=True)
    (tmp_path / "4" / ".hydra" / "overrides.yaml").write_text("- seed=7\n- 'optim")
    return tmp_path


def test_the_report_goes_on_and_says_what_it_could_not_read(command, some_damaged):
    page = some_damaged / "report.html"
    done = command("report", some_damaged, "--output", page)
    assert done.code == 0 and "5 runs" in done.out and "; 2 with damaged files, see its top" in done.out
    text = page.read_text()
    for said in ("3: damaged: run.json.", "2: damaged: metrics.jsonl (missing).", "run.json can&#39;t be read"):
        assert said in text, said


def test_verdicts_name_the_runs_that_they_lack(command, some_damaged):
    done = command("claims", some_damaged)
    said = f"warning: {some_damaged / '3'}: damaged: run.json; it counts as far as it can be read\n"
    assert ((done.code, done.err) == (0, said) and "supported" in done.out) or "not" in done.out
    alone = command("claims", some_damaged / "3")
    assert alone.code == 2 and f"{some_damaged / '3'}: no record in it can be read; give finished runs" in line(alone)


def test_a_report_that_can_not_be_written_leaves_the_earlier_one(command, tiny_runs, tmp_path, monkeypatch):
    page = tmp_path / "report.html"
    page.write_text("earlier")
    monkeypatch.setattr(atomic.Path, "write_text", lambda *args: (_ for _ in ()).throw(OSError(28, os.strerror(28))))
    done = command("report", tiny_runs / "0", "--output", page)
    assert done.code == 2 and "No space left on device" in line(done)
    assert page.read_text() == "earlier" and list(tmp_path.iterdir()) == [page]
