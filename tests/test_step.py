"""The training step on a device: compiled it is the same step, and it never waits for a number to come back."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fourier_lightning.errors import ConfigError
from fourier_lightning.models import gpt2_packed
from fourier_lightning.models.module import AdditionModule
from fourier_lightning.parts import prepare
from tests.conftest import train


class Waits(TorchDispatchMode):
    """Counts what makes the host wait for a device: a number read, a shape that depends on values."""

    names = ("_local_scalar_dense", "nonzero", "masked_select", "unique_dim", "_unique2", "is_nonzero", "equal")

    def __init__(self):
        super().__init__()
        self.at = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.name().split("::")[1].split(".")[0] in self.names:
            self.at.append(func.name())
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("words", [["optimizer=muon"], ["optimizer=adamw", "data=addition", "data.train_fraction=0.5"]])
def test_no_step_of_an_epoch_waits_for_the_device(tiny, monkeypatch, words):
    """Between the first step of an epoch and its last: the loop, the loss, the metrics, clipping, the optimizer."""
    cfg = tiny("instruments=none", "logger=none", "trainer.max_epochs=2", "test=false", *words)
    waits, steps, plain = Waits(), [], AdditionModule.training_step

    def step(self, batch, batch_idx):
        if batch_idx == 1:
            waits.__enter__()
        if batch_idx == self.trainer.num_training_batches - 1:
            waits.__exit__(None, None, None)
        steps.append(batch_idx)
        return plain(self, batch, batch_idx)

    monkeypatch.setattr(AdditionModule, "training_step", step)
    train(cfg)
    assert len(steps) >= 8 and waits.at == []


@pytest.mark.parametrize("words", [[], ["data=addition", "data.train_fraction=0.5"]])
def test_a_compiled_run_is_the_run(tiny, monkeypatch, words):
    """By torch's tracer with its plainest backend: the others need half a minute of a C++ compiler's time."""
    asked, compile_it = [], torch.compile

    def traced(function, mode, **how):
        asked.append(mode)
        return compile_it(function, backend="aot_eager", fullgraph=True, **how)

    monkeypatch.setattr(torch, "compile", traced)
    monkeypatch.setattr(gpt2_packed, "PAYS", 1)
    few = ("instruments=none", "logger=none", "test=false", "trainer.max_epochs=1", *words)
    one, other = (train(tiny(*few, f"compile={mode}")).module.state_dict() for mode in ("null", "default"))
    assert asked == ["default"]
    for name, weights in one.items():
        torch.testing.assert_close(other[name], weights, atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize(
    "words, problem",
    [
        (["compile=default", "fit=false"], "default: nothing is trained; leave it out"),
        (["compile=default", "seeds_in_parallel=2"], "default: the step of several seeds is not compiled; use seeds"),
        (["compile=default"], "default: torch.compile needs a compiler here, and there is no absent; install one"),
        (["compile=reduce-overhead"], "reduce-overhead: CUDA graphs are a GPU's; use compile=default"),
        (
            ["compile=default", "trainer=fsdp", "trainer.devices=2", "optimizer=adamw"],
            "default: not of a model in pieces; use trainer=ddp, or leave it out",
        ),
    ],
)
def test_what_can_not_be_compiled_is_one_line(tiny, monkeypatch, words, problem):
    monkeypatch.setenv("CXX", "absent -O2")
    with pytest.raises(ConfigError) as error:
        prepare(tiny("instruments=none", "logger=none", *words))
    assert str(error.value).startswith(f"compile={problem}")
