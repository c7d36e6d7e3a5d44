"""What a resumed run measures, and when; what a new one may not overwrite."""

import pytest
import torch

from fourier_lightning.errors import ConfigError
from fourier_lightning.record.files import read_jsonl
from tests.conftest import train
from tests.records import read_array
from tests.test_instruments import ARRAYS, TABLES, assert_same_rows


def test_a_cadence_counts_epochs_since_the_last_measurement(tiny, tmp_path):
    options = ["trainer.check_val_every_n_epoch=2", "trainer.max_epochs=9", "callbacks.logit_lens.every_n_epochs=3"]
    train(tiny("logger=none", *options))
    rows = read_jsonl(tmp_path / "record" / "tables" / "lens_accuracy.jsonl")
    assert sorted({row["epoch"] for row in rows}) == [3, 7, 8]  # validations after epochs 1, 3, 5, 7; and the end


def test_a_resumed_run_keeps_the_cadence(tiny, tmp_path):
    options = ["logger=none", "callbacks.logit_lens.every_n_epochs=4", "optimizer.schedule=constant"]
    train(tiny(*options, "trainer.max_epochs=5"))
    train(tiny(*options, "trainer.max_epochs=9", f"ckpt_path={tmp_path}/checkpoints/last.ckpt", run_dir=tmp_path))
    rows = read_jsonl(tmp_path / "record" / "tables" / "lens_accuracy.jsonl")
    assert sorted({row["epoch"] for row in rows}) == [3, 4, 7, 8]  # 4 and 8: the ends


def test_a_resumed_run_leaves_the_rows_of_an_undisturbed_one_and_a_new_one_is_refused(tiny, tmp_path):
    """Of all instruments, of those that look at every epoch too; and what the first part found at its end is there."""
    options = ["logger=none", "optimizer.schedule=constant", "filter.draws=1"]
    options += ["callbacks.embedding_spectrum.draws=60"]  # more are drawn for the last weights alone: of each part
    train(tiny(*options, "trainer.max_epochs=3", run_dir=tmp_path / "whole"))
    train(tiny(*options, "trainer.max_epochs=1", run_dir=tmp_path / "parts"))
    checkpoint = tmp_path / "parts" / "checkpoints" / "last.ckpt"
    train(tiny(*options, "trainer.max_epochs=3", f"ckpt_path={checkpoint}", run_dir=tmp_path / "parts"))
    with pytest.raises(ConfigError, match="holds a run already"):
        train(tiny(*options, "trainer.max_epochs=1", run_dir=tmp_path / "parts"))
    epochs = {}
    for name in TABLES:
        ours, theirs = (
            read_jsonl(tmp_path / part / "record" / "tables" / f"{name}.jsonl") for part in ("parts", "whole")
        )
        epochs[name] = ({row["epoch"] for row in ours}, {row["epoch"] for row in theirs})
        assert_same_rows([row for row in ours if row["epoch"] in epochs[name][1]], theirs)
    assert epochs["embedding_periods"] == ({-1, 0, 1, 2}, {-1, 0, 1, 2}) and epochs["knock_out"] == ({0, 2}, {2})
    for name in ARRAYS:
        torch.testing.assert_close(*(read_array(tmp_path / part, name) for part in ("parts", "whole")))
