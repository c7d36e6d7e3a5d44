"""What the tests of faults share: a run that was interrupted, a copy of it to be damaged, and how it goes on."""

import json
import shutil
from pathlib import Path

import pytest

from fourier_lightning.config import load_config
from tests.conftest import TINY, train
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
