"""W&B's side of real offline runs, read back with W&B's own command line (`wandb leet inspect`).

It prints every record of the log that `wandb sync` would upload, and the summary and configuration that they add up
to. What the browser makes of them can't be seen here.
"""

import json

import pytest
from PIL import Image

from fourier_lightning.errors import ConfigError
from fourier_lightning.mirror import pictures as mirror
from fourier_lightning.mirror.charts import CHARTS
from fourier_lightning.mirror.pictures import PICTURES, MirrorLogger
from fourier_lightning.mirror.wandb import labels_of
from fourier_lightning.record.files import read_jsonl
from fourier_lightning.run import prepare
from tests.conftest import train
from tests.records import read_table
from tests.test_instruments import NO_INSTRUMENTS, TABLES
from tests.wandb_files import Offline


def test_tables_are_the_records(offline_run):
    assert {key for key in offline_run.summary if key.startswith("tables/")} == {f"tables/{name}" for name in TABLES}
    for name in ("filter_ablation", "knock_out", "final_logit_waves"):
        shown = json.loads(offline_run.file(f"tables/{name}").read_text())
        rows = [dict(zip(shown["columns"], row, strict=True)) for row in shown["data"]]
        recorded = [
            {k: v for k, v in row.items() if k not in ("step", "epoch")} for row in read_table(offline_run.dir, name)
        ]
        assert rows == recorded and rows


def test_pictures_can_be_seen(offline_run, grid_run):
    for run, name in zip((offline_run, grid_run), PICTURES, strict=True):
        assert {key for key in run.summary if key.startswith("figures/")} == {f"figures/{name}"}
        with Image.open(run.file(f"figures/{name}")) as image:
            assert image.format == "PNG" and image.width >= 500
            assert len(image.convert("L").getcolors()) > 20, name  # not an empty page


def test_custom_charts_are_tables_with_a_preset(offline_run):
    """W&B overlays runs in a chart that asks for the table of every run, coloured by run."""
    panels = {}
    for record in offline_run.records:
        if record["type"] == "config":
            panels |= {
                k.removeprefix("_wandb.visualize."): v
                for k, v in record["config"]["update"].items()
                if "visualize" in k
            }
    assert panels.keys() == {f"charts/{name}" for name in CHARTS if not name.startswith("filter_grid")}
    for key, panel in panels.items():
        spec, config = CHARTS[key.removeprefix("charts/")], panel["panel_config"]
        assert panel["panel_type"] == "Vega2" and config["panelDefId"] == spec.vega
        shown = json.loads(offline_run.file(f"{key}_table").read_text())
        assert set(config["fieldSettings"].values()) == set(shown["columns"]) and shown["data"]
        assert config["userQuery"]["queryFields"][0]["args"][0]["value"] == "${runSets}"


def test_charts_show_what_was_measured(offline_run):
    def shown(name):
        return [tuple(row) for row in json.loads(offline_run.file(f"charts/{name}_table").read_text())["data"]]

    table = [row for row in read_table(offline_run.dir, "filter_ablation") if row["method"] == "readout"]
    ablation = {row["modules"]: row for row in table if row["removed"] in ("low", "none")}
    bars = dict(shown("ablation_accuracy"))
    assert len(bars) == 7 + 2 * 6 and bars["no filter"] == ablation["none"]["accuracy"]  # each filter and its controls
    assert bars["no low waves in MLPs, readout"] == ablation["mlp"]["accuracy"]
    for words, control in (("rank", "control"), ("energy", "control_energy")):
        name = f"no low waves in MLPs, readout (random, equal {words})"
        assert bars[name] == ablation["mlp"][f"{control}_accuracy_mean"]
        parity = dict(shown("single_wave_parity"))[f"T = 2 (random, equal {words})"]
        assert parity == read_table(offline_run.dir, "single_component")[0][f"{control}_mod_2_mean"]
    lens = [row for row in shown("lens_accuracy") if row[2] == "exact"]
    assert [row[0] for row in lens] == [0, 0.5, 1]  # the embedding, after attention, after the MLP
    assert lens[-1][1] == read_table(offline_run.dir, "lens_accuracy")[-1]["accuracy"]
    errors = [row for row in read_table(offline_run.dir, "error_histogram") if row["method"] == "readout"]
    total = sum(row["count"] for row in errors) / 7  # validation examples
    assert [row[:2] for row in shown("error_histogram")] == [
        (row["error"], pytest.approx(row["count"] / total)) for row in errors
    ]
    knock_out = read_table(offline_run.dir, "knock_out")
    lines = shown("knock_out")
    assert lines[0] == (1, knock_out[0]["loss_increase"], "without component k")
    assert lines[-1][1:] == (knock_out[-1]["limit"], "the most that random ones cost (5 %)")


def test_charts_of_a_grid_have_a_line_for_each_filter_and_its_control(grid_run):
    rows = read_table(grid_run.dir, "filter_grid")
    for name, metric in (("filter_grid", "accuracy"), ("filter_grid_mod_10", "mod_10")):
        shown = [tuple(row) for row in json.loads(grid_run.file(f"charts/{name}_table").read_text())["data"]]
        assert [row for row in shown if row[2] == "no filter"] == [(k, rows[0][metric], "no filter") for k in (1, 20)]
        for row in rows[1:]:
            line = f"{row['keep']}-pass in {'attention' if row['modules'] == 'attn' else 'MLPs'}"
            beside = (row["cutoff"], row[f"control_energy_{metric}_mean"], f"{line}, random directions of equal energy")
            assert (row["cutoff"], row[metric], line) in shown and (beside in shown) == (beside[1] is not None)
    assert len(rows) == 1 + 2 * 3 * 2


def test_the_summary_of_one_filter_has_what_a_chart_over_a_sweep_needs(filtered_run):
    whole, row = read_table(filtered_run.dir, "filter_grid")
    summary = filtered_run.summary
    assert (summary["filter/cutoff"], summary["filter/period"]) == (5, pytest.approx(41 / 5))
    assert summary["filter/comparable"] == (row["comparable"] == "")
    for name in ("accuracy", "mod_10", "within_10"):
        assert summary[f"filter/{name}"] == row[name]
        assert summary[f"filter/unfiltered_{name}"] == whole[name] == pytest.approx(summary[f"val/{name}"]["last"])
        for kind in ("control", "control_energy"):
            assert summary[f"filter/{kind}_{name}_mean"] == row[f"{kind}_{name}_mean"]
            assert summary[f"filter/{kind}_{name}_std"] == row[f"{kind}_{name}_std"]


def test_media_come_at_their_instruments_cadence_on_the_scalars_steps(offline_run):
    validated = offline_run.history("val/accuracy")[:3]
    assert [epoch for _, epoch in validated] == [0, 1, 2]
    assert offline_run.history("charts/lens_accuracy_table") == validated
    assert offline_run.history("figures/answer_phase") == validated[-1:]  # a picture is of the last weights
    assert offline_run.history("tables/filter_ablation") == validated[-1:]
    # a frozen table keeps its spectrum: once at first, once with the last weights
    assert offline_run.history("tables/embedding_periods") == [validated[0], validated[-1]]
    assert offline_run.history("embedding/period_5/z") == validated


def test_the_summary_has_the_best_values(offline_run):
    lines = [line for line in read_jsonl(offline_run.dir / "record" / "metrics.jsonl") if "val/accuracy" in line]
    for name, best in (("accuracy", max), ("mod_2", max), ("loss", min), ("mae", min)):
        values = [line[f"val/{name}"] for line in lines]
        assert offline_run.summary[f"val/{name}"] == {
            best.__name__: pytest.approx(best(values)), "last": pytest.approx(values[-1])
        }  # fmt: skip
    assert 0 <= offline_run.summary["test/accuracy"] <= 1


def test_arm_seed_and_cutoff_are_a_click_away(offline_run, filtered_run):
    arm = "scratch + frozen pretrained table"
    assert offline_run.tags == {arm, "seed0"} and filtered_run.tags == {arm, "seed0", "cutoff5"}
    keys = ("arm", "seed", "cutoff")
    assert tuple(offline_run.config[key] for key in keys) == (
        arm,
        0,
        4,
    )  # 50 at p = 521
    assert offline_run.config["label"] == f'{arm}, 80 % of the pairs, "a,b+"'
    assert filtered_run.config["label"] == f'{arm}, 80 % of the pairs, "a,b+", evaluated'
    assert filtered_run.config["cutoff"] == 5
    jobs = [run.records[1]["run"]["job_type"] for run in (offline_run, filtered_run)]
    assert jobs == ["train", "evaluate"]


def test_labels_fit_wandbs_tags(tiny):
    from omegaconf import OmegaConf

    filtered = OmegaConf.to_container(
        tiny("embedding=low", "embedding.cutoff=7", "filter.cutoff=3", "seed=4"), resolve=True
    )
    assert labels_of(filtered) == ["scratch + low-pass pretrained table", "seed4", "cutoff7"]
    assert labels_of(None) == []
    with pytest.raises(ConfigError, match=r"^tags=\[x{65}\]: 65 characters"):
        prepare(tiny(f"tags=[ok,{'x' * 65}]"))


def test_media_can_be_turned_off(tiny, tmp_path):
    scalars = ["logger.wandb.mode=offline", "logger.wandb.media=false", "instruments=knock_out"]
    train(tiny(*scalars, "trainer.max_epochs=1"))
    run = Offline(tmp_path)
    assert "knock_out/component" in run.summary
    assert not [key for key in run.summary if key.split("/")[0] in ("tables", "figures", "charts")]


def test_a_trained_tables_media_wait_for_their_turn(tiny, tmp_path):
    kept = [option for option in NO_INSTRUMENTS if "embedding_spectrum" not in option]
    train(
        tiny(
            "logger.wandb.mode=offline",
            "model=scratch",
            "trainer.max_epochs=4",
            "logger.wandb.media_seconds=1000",
            *kept,
        )
    )
    run = Offline(tmp_path)
    assert [epoch for _, epoch in run.history("tables/embedding_periods")] == [0, 3]
    assert [epoch for _, epoch in run.history("embedding/period_5/z")] == [0, 1, 2, 3]


def test_a_picture_that_fails_is_said_and_costs_nothing(tiny, tmp_path, monkeypatch, capsys):
    def fail(chart):
        raise ValueError("no ink")

    monkeypatch.setattr(mirror, "picture", fail)
    options = ["logger.wandb.mode=offline", "trainer.max_epochs=1"]
    with pytest.raises(ValueError, match="no ink"):
        train(tiny(*options, run_dir=tmp_path / "strict"))
    monkeypatch.setattr(MirrorLogger, "strict", False)
    train(tiny(*options, run_dir=tmp_path / "run"))
    said = "W&B does not get figures/answer_phase (ValueError: no ink); the record has its data"
    assert said in capsys.readouterr().out
    run = Offline(tmp_path / "run")
    assert "tables/layer_periods" in run.summary and "figures/answer_phase" not in run.summary


def test_without_matplotlib_tables_and_charts_are_left(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(mirror, "find_spec", lambda name: None)
    train(tiny("logger.wandb.mode=offline", "trainer.max_epochs=1"))
    groups = {key.split("/")[0] for key in Offline(tmp_path).summary}
    assert {"tables", "charts"} <= groups and "figures" not in groups
