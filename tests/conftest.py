"""Shared fixtures: the embedded backbone, small configurations, and the command line in process."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from omegaconf import DictConfig

from fourier_lightning import cli, run
from fourier_lightning.config import asset_path, load_config
from fourier_lightning.mirror.pictures import MirrorLogger
from fourier_lightning.models.backbones import Backbone
from fourier_lightning.record.result import TrainingResult
from fourier_lightning.record.runs import Run, find_runs
from tests.committed import write_dissected, write_mechanism, write_trained
from tests.wandb_files import Offline

ROOT = Path(__file__).resolve().parents[1]
# A run of a second: small numbers, a tiny model, nothing on the screen. The record is always written.
TINY = [
    "data.max_operand=20",
    "data.batch_size=32",
    "data.train_fraction=0.8",
    "model.n_layer=1",
    "model.width=16",
    "trainer.max_epochs=2",
    "trainer.accelerator=cpu",
    "optimizer.warmup_steps=2",
    "~callbacks.progress_bar",
]


def train(cfg: DictConfig, overrides: Sequence[str] = (), verbose: bool = False) -> TrainingResult:
    """``run.train`` with nothing on the screen."""
    return run.train(cfg, overrides, verbose)


# Fixtures that train: a test that asks for one of them waits for it, so `make quicktest` leaves it out.
TRAINING = {"tiny_runs", "offline_run", "filtered_run", "grid_run", "tiny", "command_line"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not TRAINING.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("trains")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many bad inputs were refused, in one line each, and how many of the documents' commands were run."""
    reports = [one for group in terminalreporter.stats.values() for one in group]
    counted = [value for one in reports for name, value in getattr(one, "user_properties", ())
               if name == "bad inputs refused" and one.when == "call"]  # fmt: skip
    if counted:
        terminalreporter.write_line(f"bad inputs refused, in one line each: {sum(counted)}")
    for one in reports:
        told = dict(getattr(one, "user_properties", ())).get("commands of README and docs")
        if told and one.when == "call":
            terminalreporter.write_line(f"commands of README and docs: {told}")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No log-in of the developer's reaches a test, and none of W&B's caches is touched. Nothing goes wrong silently."""
    monkeypatch.setattr(MirrorLogger, "strict", True)
    mine = [name for name in os.environ if name.startswith("WANDB_") and name != "WANDB_SERVICE"]
    for name in (*mine, "HYDRA_FULL_ERROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path_factory.getbasetemp() / "no-netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path_factory.getbasetemp() / "no-settings"))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's wheel, built from the checkout."""
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--no-build-isolation", "-q", "-w", str(out)]
    subprocess.run(build, check=True, capture_output=True)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def backbone() -> Backbone:
    return Backbone("whisper_tiny_en_text", asset_path("whisper-tiny-en-text"))


@pytest.fixture(scope="session")
def tokenizer(backbone: Backbone):
    return backbone.tokenizer()


@pytest.fixture(scope="session")
def pretrained(backbone: Backbone):
    """The embedded backbone's model. Session-wide: never change it."""
    return backbone.load().eval()


@pytest.fixture
def tiny(tmp_path: Path):
    """Compose the tiny run with further overrides: into ``tmp_path``, or beside it where that has a run."""

    def compose(*overrides: str, run_dir: Path | None = None) -> DictConfig:
        taken = len(list(tmp_path.glob("**/run.json")))
        return load_config([*TINY, *overrides], run_dir or (tmp_path / f"run{taken}" if taken else tmp_path))

    return compose


@pytest.fixture(scope="session")
def tiny_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of real runs: 0, 1 with the pretrained table, 2, 3 from scratch, and what is left of a failed one."""
    top = tmp_path_factory.mktemp("tiny_runs")
    for number, overrides in enumerate(
        (["seed=0"], ["seed=1"], ["model=scratch", "seed=0"], ["model=scratch", "seed=1"])
    ):
        cfg = load_config([*TINY, "logger=none", "data.train_fraction=0.6", *overrides], top / str(number))
        train(cfg, overrides=overrides)
    (top / "failed" / ".hydra").mkdir(parents=True)
    (top / "failed" / ".hydra" / "overrides.yaml").write_text("- seed=7\n- optimizer.lr=1e9\n")
    return top


@pytest.fixture(scope="session")
def dissected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of the nine committed dissections, rebuilt from their rows and arrays."""
    return write_dissected(tmp_path_factory.mktemp("dissected"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of the committed quick runs (0 to 4 with the pretrained table, 5 to 9 from scratch) and others."""
    return write_trained(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="session")
def mechanism(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of the committed runs in the paper's regime: 0 to 4 rescued, 5 fine-tuned, 6 to 10 from scratch."""
    return write_mechanism(tmp_path_factory.mktemp("mechanism"))


@dataclass
class Finished:
    code: int
    out: str
    err: str


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]):
    """`fourier-lightning ARGS` in this process: exit code and what it printed."""

    def call(*args: object) -> Finished:
        capfd.readouterr()
        code = 0
        try:
            cli.main([str(arg) for arg in args])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capfd.readouterr()
        return Finished(code, out, err)

    return call


@pytest.fixture
def command_line(command):
    """`python train.py ARGS` in this process."""
    return partial(command, "train")


@pytest.fixture(scope="session")
def offline_run(tmp_path_factory: pytest.TempPathFactory) -> Offline:
    """Three epochs with a frozen table and all instruments, W&B's media as often as they change."""
    where = tmp_path_factory.mktemp("offline")
    often = ["trainer.max_epochs=3", "callbacks.logit_lens.every_n_epochs=1", "logger.wandb.media_seconds=0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MirrorLogger, "strict", True)
        train(load_config([*TINY, *often, "logger.wandb.mode=offline"], where))
    return Offline(where)


@pytest.fixture(scope="session")
def filtered_run(offline_run: Offline, tmp_path_factory: pytest.TempPathFactory) -> Offline:
    """Its weights under one filter, without a fit."""
    where = tmp_path_factory.mktemp("filtered")
    checkpoint = offline_run.dir / "checkpoints" / "last.ckpt"
    one = [f"callbacks.filter_grid.{key}=null" for key in ("keep", "cutoffs", "modules")]
    options = ["fit=false", f"ckpt_path={checkpoint}", "instruments=filter_grid", *one, "filter.cutoff=5"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MirrorLogger, "strict", True)
        train(load_config([*TINY, *options, "logger.wandb.mode=offline"], where))
    return Offline(where)


@pytest.fixture(scope="session")
def grid_run(offline_run: Offline, tmp_path_factory: pytest.TempPathFactory) -> Offline:
    """Its weights under a grid of filters."""
    where = tmp_path_factory.mktemp("grid")
    checkpoint = offline_run.dir / "checkpoints" / "last.ckpt"
    lists = [f"callbacks.filter_grid.{key}" for key in ("cutoffs=[1,5,20]", "modules=[attn,mlp]")]
    options = ["fit=false", f"ckpt_path={checkpoint}", "instruments=filter_grid", *lists]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MirrorLogger, "strict", True)
        train(load_config([*TINY, *options, "logger.wandb.mode=offline"], where))
    return Offline(where)


@pytest.fixture
def planted(dissected) -> Run:
    """A committed record whose tables a test may overwrite in memory, as if of a number line of 41."""
    run = find_runs([dissected / "4"])[0]
    run.info["p"] = 41
    return run
