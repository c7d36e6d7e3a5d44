"""Checkpoints that are damaged, foreign or dangerous: one clear line, nothing earlier damaged."""

import pickle

import pytest
import torch

from fourier_lightning.errors import ConfigError
from tests.faults import composed, contents, copy, goes_on, line, trained

__all__ = ["composed", "copy", "trained"]  # fixtures


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
