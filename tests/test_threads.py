"""How many CPU threads a run uses: who decides, and that a run which goes on keeps its number."""

import os

import pytest
import torch

from fourier_lightning import threads
from fourier_lightning.checkpoint import load_checkpoint
from fourier_lightning.config import load_config
from tests.conftest import TINY, train
from tests.test_run import run_json

QUICK = [*TINY, "logger=none", "instruments=none", "optimizer.schedule=constant"]


@pytest.fixture
def free(monkeypatch):
    """Torch may use four threads, and the environment asks for none."""
    for name in threads.SET_BY:
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_candidates_are_powers_of_two_and_the_most():
    assert [threads.candidates(most) for most in (1, 2, 3, 4, 6, 16)] == [
        [1], [1, 2], [1, 2, 3], [1, 2, 4], [1, 2, 4, 6], [1, 2, 4, 8, 16]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({1: 2.0, 2: 1.1, 4: 0.6}, 4),
        ({1: 2.0, 2: 1.1, 4: 1.05}, 2),  # four gain too little
        ({1: 2.0, 2: 12.0, 4: 20.0}, 1),  # a machine that is busy
        ({1: 2.0, 2: 2.1, 4: 1.0}, 4),
        ({1: 2.0}, 1),
    ],
)
def test_more_threads_are_used_where_they_are_clearly_faster(seconds, chosen):
    assert threads.fastest(seconds) == chosen


def test_a_measurement_tries_every_number_within_its_time(free):
    seconds = threads.measure([1, 2])
    assert sorted(seconds) == [1, 2] and all(0 < value < threads.SECONDS for value in seconds.values())


def chosen(cfg, saved=None, on_cpu=True):
    with threads.thread_count(cfg, saved, on_cpu) as notes:
        return torch.get_num_threads(), notes


def test_who_decides(free, monkeypatch):
    monkeypatch.setattr(threads, "measure", lambda counts: {count: 1 / count for count in counts if count <= 2})
    auto, three = (load_config([*QUICK, f"threads={value}"], "run") for value in ("auto", "3"))
    assert chosen(three, saved=1) == (3, ())
    assert chosen(auto, saved=1) == (1, ())
    found, (note,) = chosen(auto)
    assert found == 2 and note == (
        "2 CPU threads (ms a matrix product by threads: 1: 1000.0, 2: 500.0); threads=N or OMP_NUM_THREADS sets another"
    )
    assert chosen(auto, on_cpu=False) == (4, ())
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert chosen(auto) == (4, ())
    assert torch.get_num_threads() == 4  # as it was


def test_a_fit_that_goes_on_has_the_threads_that_it_had(free, tmp_path, monkeypatch):
    monkeypatch.setattr(threads, "measure", lambda counts: pytest.fail("a number was given"))
    train(load_config([*QUICK, "threads=3", "trainer.max_epochs=1"], tmp_path))
    assert run_json(tmp_path)["device"].endswith(", 3 threads")
    last = tmp_path / "checkpoints" / "last.ckpt"
    assert load_checkpoint(str(last))["resume"]["threads"] == 3
    train(load_config([*QUICK, "ckpt_path=auto"], tmp_path))
    assert run_json(tmp_path)["device"].endswith(", 3 threads") and run_json(tmp_path)["steps"] == 12
    assert torch.get_num_threads() == 4 and "OMP_NUM_THREADS" not in os.environ
