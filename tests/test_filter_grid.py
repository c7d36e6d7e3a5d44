"""One filter, or a grid of them in one job, on a checkpoint."""

import pytest

from fourier_lightning.config import load_config
from tests.conftest import TINY, train
from tests.records import read_table
from tests.test_instruments import assert_same_rows
from tests.test_run import run_json


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run with a checkpoint."""
    where = tmp_path_factory.mktemp("finished")
    train(load_config([*TINY, "logger=none", "instruments=none"], where))
    return where


GRID = ["fit=false", "test=false", "logger=none", "instruments=filter_grid"]


def test_a_grid_in_one_job_equals_its_filters_one_by_one(finished, tiny, tmp_path):
    where = f"ckpt_path={finished / 'checkpoints' / 'last.ckpt'}"
    options = [o for o in TINY if o != "~callbacks.progress_bar"]
    lists = ["callbacks.filter_grid.cutoffs=[2,8]", "callbacks.filter_grid.modules=[attn,mlp]"]
    train(load_config([*options, *GRID, where, *lists], tmp_path / "grid"))
    grid = read_table(tmp_path / "grid", "filter_grid")
    assert len(grid) == 1 + 2 * 2 * 2
    whole = grid[0]
    assert (whole["keep"], whole["modules"], whole["cutoff"], whole["rank"], whole["comparable"]) == (
        "all", "none", None, 0, ""
    )  # fmt: skip
    metrics = run_json(tmp_path / "grid")["metrics"]
    assert whole["accuracy"] == pytest.approx(metrics["val/accuracy"]) and whole["control_accuracy_mean"] is None
    alone = [
        "callbacks.filter_grid.keep=null",
        "callbacks.filter_grid.cutoffs=null",
        "callbacks.filter_grid.modules=null",
    ]
    one = ["filter.keep=high", "filter.cutoff=8", "filter.modules=attn"]
    train(load_config([*options, *GRID, where, *alone, *one], tmp_path / "one"))
    again, row = read_table(tmp_path / "one", "filter_grid")
    assert_same_rows([again], [whole])
    (same,) = [r for r in grid if (r["keep"], r["cutoff"], r["modules"]) == ("high", 8, "attn")]
    assert_same_rows([row], [same])
    metrics = run_json(tmp_path / "one")["metrics"]
    assert metrics["filter/accuracy"] == row["accuracy"]
    for name in ("control_accuracy_mean", "control_energy_mod_10_mean", "control_energy_within_10_std"):
        assert metrics[f"filter/{name}"] == row[name]
