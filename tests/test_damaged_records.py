"""Weights that become NaN, and records that are cut off or damaged: one clear line, nothing earlier damaged."""

import json
import os
import shutil

import pytest
import torch

from fourier_lightning import atomic
from fourier_lightning.errors import ConfigError
from fourier_lightning.models.module import AdditionModule
from tests.faults import composed, contents, copy, goes_on, line, trained
from tests.test_run import run_json

__all__ = ["composed", "copy", "trained"]  # fixtures


@pytest.mark.parametrize("measured", [True, False])
def test_a_loss_that_becomes_nan_ends_the_run_and_spares_the_checkpoints(composed, copy, monkeypatch, measured):
    real, before = AdditionModule.training_step, contents(copy)

    def training_step(self, batch, batch_idx):
        return real(self, batch, batch_idx) * (torch.nan if self.trainer.global_step == 15 else 1)

    monkeypatch.setattr(AdditionModule, "training_step", training_step)
    if not measured:
        (copy / "record" / "settings.json").unlink()  # else it goes on with the same instruments alone
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


def test_a_value_of_another_type_is_damage_that_is_named(tiny_runs, command, tmp_path):
    where = shutil.copytree(tiny_runs / "0", tmp_path / "run")
    table = where / "record" / "tables" / "embedding_components.jsonl"
    rows = [json.loads(one) for one in table.read_text().splitlines()]
    rows[-1]["period"] = "twenty"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert command("report", str(where), "--output", str(tmp_path / "report.html")).code == 0
    grid = where / "record" / "tables" / "filter_grid.jsonl"
    grid.write_text(json.dumps({"step": 11, "epoch": 1, "keep": "low", "cutoff": "twenty", "modules": "mlp"}) + "\n")
    done = command("figures", str(where), "--figure", "cutoffs", "--output", str(tmp_path / "figures"))
    assert done.code == 2 and line(done).rstrip() == (
        f"error: --figure cutoffs: damaged files ({where}: tables/filter_grid); "
        "measure again: fourier-lightning train fit=false ckpt_path=..."
    )
