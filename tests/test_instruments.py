"""The instruments on real runs: what they write, when, that they change nothing, and what they refuse."""

import pytest
import torch

from fourier_lightning.config import load_config
from fourier_lightning.errors import ConfigError
from fourier_lightning.instruments.base import spread
from fourier_lightning.record.files import read_jsonl
from fourier_lightning.run import prepare
from tests.conftest import TINY, train
from tests.records import read_array, read_table
from tests.test_run import run_json
from tests.wandb_files import wandb_run

TABLES = {
    "answer_phase", "breakdown", "direct_errors", "direct_knock_out", "direct_path", "embedding_components",
    "embedding_periods", "error_histogram", "filter_ablation", "few_waves", "final_logit_waves", "input_waves",
    "knock_out", "layer_periods", "lens_accuracy", "single_component", "single_component_errors",
}  # fmt: skip
ARRAYS = {
    "embedding_spectrum", "embedding_spectrum_limit", "final_logits", "final_logits_topk_sum", "heatmap_attn",
    "heatmap_mlp", "number_embedding",
    *(f"layer_component_{m}{s}" for m in ("attn", "mlp") for s in ("", "_of_mean", "_rms", "_limit")),
}  # fmt: skip
INSTRUMENTS = [
    "answer_phase", "embedding_spectrum", "layer_spectrum", "logit_lens", "filter_ablation", "single_component",
    "knock_out", "direct_path", "input_waves", "final_logits", "breakdown",
]  # fmt: skip
NO_INSTRUMENTS = [f"~callbacks.{name}" for name in INSTRUMENTS]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of two epochs with everything on, W&B included."""
    where = tmp_path_factory.mktemp("finished")
    train(load_config([*TINY, "logger.wandb.mode=offline"], where))
    return where


def files(run_dir, kind):
    return {path.stem for path in (run_dir / "record" / kind).iterdir()}


def test_a_plain_run_leaves_every_table_and_array(finished):
    assert files(finished, "tables") == TABLES and files(finished, "arrays") == ARRAYS
    p, layers, components = 41, 1, 20
    assert read_array(finished, "embedding_spectrum").shape == (components,)
    for module in ("attn", "mlp"):
        assert read_array(finished, f"layer_component_{module}").shape == (layers, components)
        assert read_array(finished, f"heatmap_{module}").shape == (1, layers, p)
    assert read_array(finished, "final_logits").shape == (1, p)
    wanted = {
        "filter_ablation": "modules removed cutoff method positions rank loss accuracy mod_2 mod_5 mod_10 within_2 "
        "within_10 control_accuracy_mean control_accuracy_std",
        "embedding_periods": "line period power share z p_value significant",
        "embedding_components": "line component period power z p_value significant",
        "lens_accuracy": "layer after accuracy within_2 within_10",
        "single_component": "component period accuracy mod_2 control_accuracy_mean",
        "knock_out": "component period power left lost loss_increase control_loss_mean control_loss_std",
        "error_histogram": "modules removed method error count",
        "direct_path": "modules removed period rank energy accuracy control_mod_10_mean control_energy_mod_10_std",
        "direct_knock_out": "component period energy loss_increase limit p_value",
        "single_component_errors": "component period method error count",
        "answer_phase": "module layer period alignment amount limit p_value p_value_answers p_value_directions "
        "bracket_amount bracket_period",
        "input_waves": "line removed period rank energy accuracy mod_10 control_mod_10_std control_energy_mod_10_mean",
        "breakdown": "by low high examples accuracy mod_10 within_10 mae",
        "layer_periods": "module layer period share expected z p_value z_permutation",
    }
    for name, columns in wanted.items():
        rows = read_table(finished, name)
        assert rows and set(columns.split()) <= rows[0].keys(), name
        assert {row["step"] for row in rows} == {2 * 6 - 1} and {row["epoch"] for row in rows} == {1}
    assert [(r["modules"], r["removed"]) for r in read_table(finished, "filter_ablation")][::2] == [
        ("none", "none"), *[(m, "low") for m in ("attn_mlp", "attn", "mlp")],
        *[(m, "high") for m in ("attn_mlp", "attn", "mlp")],
    ]  # fmt: skip


def test_spectra_follow_training_and_times_are_apart(finished):
    rows = read_jsonl(finished / "record" / "tables" / "embedding_periods.jsonl")
    assert [(row["epoch"], row["period"]) for row in rows] == [(e, t) for e in (-1, 0, 1) for t in (2, 2.5, 5, 10)]
    run = run_json(finished)
    assert run["analysis_seconds"] > 0 and run["train_seconds"] > 0
    lines = read_jsonl(finished / "record" / "metrics.jsonl")
    spectra = [line for line in lines if "embedding/period_2.5/z" in line]
    validated = [line for line in lines if "val/accuracy" in line]
    assert [(s["step"], s["epoch"]) for s in spectra] == [(v["step"], v["epoch"]) for v in validated[:2]]


def test_metrics_reach_the_record_and_wandb(finished):
    wanted = {
        *(f"embedding/period_{t}/{key}" for t in ("2", "2.5", "5", "10") for key in ("power", "z")),
        *(
            f"ablation/{modules}/{removed}_removed/{key}"
            for modules in ("attn", "mlp", "attn_mlp")
            for removed in ("low", "high")
            for key in ("accuracy", "mod_10", "loss", "control_accuracy_mean", "control_energy_accuracy_mean")
        ),
        "lens/layer_0/mlp/within_10", "layers/attn/period_5/share", "knock_out/largest_loss_increase",
    }  # fmt: skip
    assert wanted <= run_json(finished)["metrics"].keys()
    assert wanted <= wandb_run(finished)[1]


def test_the_unfiltered_row_and_the_last_lens_are_the_models_own_validation(finished):
    metrics = run_json(finished)["metrics"]
    none = read_table(finished, "filter_ablation")[0]
    assert none["accuracy"] == pytest.approx(metrics["val/accuracy"]) and none["rank"] == 0
    assert none["loss"] == pytest.approx(metrics["val/loss"], rel=1e-4)
    assert read_table(finished, "lens_accuracy")[-1]["mod_10"] == pytest.approx(metrics["val/mod_10"])


@pytest.mark.parametrize("cadence", [0, 1])
def test_instruments_leave_training_as_it_is(tiny, tmp_path, cadence):
    """Bit for bit, dropout included, however often they look."""
    common = ["logger=none", "model.dropout=0.1", "~callbacks.best_checkpoint", "~callbacks.last_checkpoint"]
    often = [f"callbacks.{name}.every_n_epochs={cadence}" for name in INSTRUMENTS]
    plain = train(tiny(*common, *NO_INSTRUMENTS, run_dir=tmp_path / "plain"))
    watched = train(tiny(*common, *often, run_dir=tmp_path / "watched"))
    weights = [result.module.net.state_dict() for result in (plain, watched)]
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[0])
    assert plain.metrics.items() <= watched.metrics.items()
    tables = tmp_path / "watched" / "record" / "tables"
    epochs = {row["epoch"] for row in read_jsonl(tables / "filter_ablation.jsonl")}
    assert epochs == ({0, 1} if cadence else {1})
    assert not (tmp_path / "plain" / "record" / "tables").exists()


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_each_instrument_can_be_removed_and_runs_alone(tiny, tmp_path, name):
    others = [f"~callbacks.{other}" for other in INSTRUMENTS if other != name]
    train(tiny("logger=none", "trainer.max_epochs=1", *others, run_dir=tmp_path / "alone"))
    assert files(tmp_path / "alone", "tables") < TABLES


@pytest.mark.parametrize("fit_ends", ["trainer.max_steps=8", "trainer.check_val_every_n_epoch=5"])
def test_the_final_weights_are_always_measured(tiny, tmp_path, fit_ends):
    result = train(tiny("logger=none", fit_ends))
    step = result.trainer.global_step - 1
    for name in ("filter_ablation", "embedding_periods", "knock_out"):
        assert {row["step"] for row in read_table(tmp_path, name)} == {step}


def assert_same_rows(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            assert a[key] == (pytest.approx(b[key], rel=1e-5) if isinstance(b[key], float) else b[key]), key


def test_a_checkpoint_gives_the_record_that_its_run_left(finished, tiny, tmp_path):
    checkpoint = finished / "checkpoints" / "last.ckpt"
    train(tiny("logger=none", "fit=false", f"ckpt_path={checkpoint}"))
    assert files(tmp_path, "tables") == TABLES and files(tmp_path, "arrays") == ARRAYS
    for name in TABLES:
        assert_same_rows(read_table(tmp_path, name), read_table(finished, name))
    for name in ARRAYS:
        torch.testing.assert_close(read_array(tmp_path, name), read_array(finished, name))


def test_a_hub_model_is_analysed_without_training(tiny, tmp_path):
    sizes = ["model.n_layer=null", "model.width=null"]
    train(tiny("logger=none", "fit=false", "model=pretrained", "data=addition", "data.max_operand=20", *sizes))
    assert files(tmp_path, "tables") == TABLES
    assert read_array(tmp_path, "layer_component_mlp").shape == (4, 20)
    lens = read_table(tmp_path, "lens_accuracy")
    assert [(row["layer"], row["after"]) for row in lens[:3]] == [(-1, "embed"), (0, "attn"), (0, "mlp")]


@pytest.mark.parametrize("option", ["+trainer.fast_dev_run=true", "trainer.enable_progress_bar=false"])
def test_lightnings_own_options_go_with_instruments(option, tmp_path):
    options = [o for o in TINY if o != "~callbacks.progress_bar"]
    train(load_config([*options, option, "logger=none", "test=false"], tmp_path))


def test_sentences_have_a_second_number_line_and_an_untied_model_a_third(tiny, tmp_path):
    train(tiny("logger=none", "data=addition", "embedding.tie=false", "trainer.max_epochs=1"))
    lines = [row["line"] for row in read_table(tmp_path, "embedding_periods")]
    assert lines == [line for line in ("numbers", "operands", "unembedding") for _ in range(4)]
    assert read_array(tmp_path, "embedding_spectrum_operands").shape == (10,)
    assert "embedding/unembedding/period_5/z" in run_json(tmp_path)["metrics"]


def test_a_limited_sample_has_every_template(tiny):
    cfg = tiny("logger=none", "data=addition", "trainer.max_epochs=1", "data.max_operand=60")
    data = prepare(cfg).data
    picked = spread(data.examples("val"), 40)
    assert 35 <= sum(map(len, picked)) <= 45
    whole = {tuple(row[:2]) for group in data.examples("val") for row in group.prompt.tolist()}
    assert {tuple(row[:2]) for group in picked for row in group.prompt.tolist()} == whole  # how each template begins


def test_settings_reach_the_tables(tiny, tmp_path):
    train(
        tiny(
            "logger=none",
            "trainer.max_epochs=1",
            "callbacks.embedding_spectrum.periods=[10/3,7.7,41]",
            "callbacks.single_component.periods=[3]",
            "callbacks.single_component.components=[1,20]",
            "callbacks.knock_out.components=[4]",
            "callbacks.final_logits.prompts=[[3,4],[20,20]]",
            "filter.cutoff=3",
            "filter.basis=paper",
            "filter.positions=all",
            "filter.draws=2",
        )
    )
    assert [row["period"] for row in read_table(tmp_path, "embedding_periods")] == [10 / 3, 7.7, 41]
    assert "embedding/period_3.33333/z" in run_json(tmp_path)["metrics"]
    single = read_table(tmp_path, "single_component")
    assert [(row["component"], row["period"]) for row in single] == [(None, 3), (1, 40), (20, 2)]
    assert [row["component"] for row in read_table(tmp_path, "knock_out")] == [4]
    assert {(r["a"], r["b"], r["answer"]) for r in read_table(tmp_path, "final_logit_waves")} == {
        (3, 4, 7),
        (20, 20, 40),
    }
    row = read_table(tmp_path, "filter_ablation")[1]
    assert (row["cutoff"], row["basis"], row["positions"], row["control_draws"]) == (3, "paper", "all", 2)


def test_waves_of_the_final_logits_add_up(finished):
    logits = read_array(finished, "final_logits")[0].double()
    rows = [row for row in read_table(finished, "final_logit_waves") if row["band"] == "all"]
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5]
    x = torch.arange(41, dtype=torch.float64)
    waves = [r["amplitude"] * torch.cos(2 * torch.pi * (x - r["peak"]) / r["period"]) for r in rows]
    topk = read_array(finished, "final_logits_topk_sum")[0].double()
    torch.testing.assert_close(sum(waves), topk, atol=1e-4, rtol=1e-4)
    assert rows[0]["predicted"] == int(logits.argmax())
    assert all(abs(row["peak"] - row["answer"]) <= row["period"] / 2 + 1e-6 for row in rows)


def test_a_diverged_run_says_so_in_a_line(tiny, tmp_path):
    with pytest.raises(ConfigError, match=r"optimizer: training diverged.*lower optimizer.lr or optimizer.muon_lr"):
        train(
            tiny(
                "logger=none",
                "optimizer=muon",
                "optimizer.muon_lr=1e38",
                "optimizer.lr=1e38",
                "trainer.gradient_clip_val=null",
            )
        )
    assert run_json(tmp_path)["status"] == "failed" and "diverged" in run_json(tmp_path)["error"]
