"""What the YAML files say: every option composes and passes the check; the paper's numbers are exact."""

import pickle
import re

import pytest

from fourier_lightning.config import CONF_DIR, auto_precision, check_config, load_config
from fourier_lightning.errors import ConfigError, ConfigErrors

EXPERIMENTS = [
    str(p.relative_to(CONF_DIR / "experiment").with_suffix("")) for p in CONF_DIR.glob("experiment/**/*.yaml")
]
PAPER = {  # backbone, model, freeze, epochs, peak learning rate (paper.md section 2)
    "paper/finetune_xl": ("gpt2_xl", "pretrained", False, 50, 1e-5),
    "paper/scratch_xl": ("gpt2_xl", "scratch", False, 500, 1e-4),
    "paper/rescue_small": ("gpt2", "scratch_pretrained_emb", True, 700, 5e-5),
    "paper/finetune_small": ("gpt2", "pretrained", False, 50, 1e-5),
}


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_passes_the_check_and_opens_with_its_command(experiment):
    check_config(load_config([f"experiment={experiment}"]))
    text = (CONF_DIR / "experiment" / f"{experiment}.yaml").read_text()
    lines = text.splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith("# python train.py")
    assert lines[1].endswith(f"experiment={experiment}")
    assert "Cost" in text or "Expected cost" in text
    assert re.search(r"The paper", text)


@pytest.mark.parametrize("experiment", PAPER)
def test_the_papers_hyper_parameters(experiment):
    cfg = load_config([f"experiment={experiment}"])
    backbone, model, freeze, epochs, lr = PAPER[experiment]
    assert (cfg.backbone.name, cfg.model.name) == (backbone, model)
    assert (cfg.trainer.max_epochs, cfg.optimizer.lr, cfg.data.batch_size) == (epochs, lr, 16)
    assert (cfg.embedding.freeze, cfg.embedding.tie, cfg.embedding.centre, cfg.embedding.scale) == (
        freeze, True, False, "raw"
    )  # fmt: skip
    assert (cfg.optimizer.name, cfg.optimizer.weight_decay, list(cfg.optimizer.betas)) == ("adamw", 0.0, [0.9, 0.999])
    assert (cfg.optimizer.schedule, cfg.optimizer.warmup_steps) == ("linear", 0)
    assert (cfg.trainer.gradient_clip_val, cfg.model.dropout, cfg.model.loss) == (1.0, 0.1, "answer")
    assert [cfg.model[key] for key in ("n_layer", "width", "n_head")] == [None] * 3
    assert list(cfg.data.templates) == ["total", "add", "calculate", "what", "put"]
    assert (cfg.data.max_operand, cfg.data.pairs, cfg.data.train_fraction) == (260, "unordered", 0.8)


def test_the_mechanism_is_the_default_and_the_rescue_has_a_name():
    assert load_config(output_dir="x") == load_config(["experiment=mechanism"], "x")
    cfg = load_config()
    assert (cfg.model.name, cfg.data.train_fraction, list(cfg.data.templates)) == (
        "scratch_pretrained_emb", 0.35, ["format"]
    )  # fmt: skip
    assert 2 * cfg.data.max_operand + 1 < cfg.model.width  # the stream has room beside the number line
    quick = load_config(["experiment=quick"])
    assert (quick.data.max_operand, quick.model.width, quick.optimizer.weight_decay) == (260, 128, 0.0)


def test_fine_tuning_has_its_recipe_unless_another_is_chosen():
    assert load_config(["model=pretrained"], "x") == load_config(["experiment=finetune"], "x")
    cfg = load_config(["model=pretrained"])
    assert (cfg.optimizer.name, cfg.optimizer.lr, cfg.optimizer.warmup_steps) == ("adamw", 1e-3, 100)
    assert (cfg.data.train_fraction, cfg.data.batch_size, cfg.trainer.max_epochs) == (0.8, 256, 50)
    assert (cfg.model.n_layer, cfg.model.width, cfg.model.n_head) == (None, None, None)
    chosen = load_config(["model=pretrained", "optimizer=muon", "data.batch_size=8"])
    assert (chosen.optimizer.name, chosen.data.batch_size, chosen.trainer.max_epochs) == ("muon", 8, 50)
    quick = load_config(["model=pretrained", "experiment=quick", "size=backbone"])
    assert (quick.optimizer.name, quick.data.train_fraction, quick.trainer.max_epochs) == ("muon", 0.2, 40)
    assert load_config(["model=scratch", "experiment=finetune"]).model.width == 256


@pytest.mark.parametrize("instruments", ["layer_spectrum", "[logit_lens,knock_out]", "none", "filter_grid"])
def test_other_instruments_drop_neither_the_checkpoints_nor_the_bar(instruments):
    always = ["best_checkpoint", "last_checkpoint", "progress_bar"]
    chosen = [name for name in instruments.strip("[]").split(",") if name != "none"]
    assert list(load_config([f"instruments={instruments}"]).callbacks) == [*always, *chosen]
    assert "knock_out" not in load_config(["~callbacks.knock_out"]).callbacks


@pytest.mark.parametrize(
    "group", ["model", "embedding", "size", "optimizer", "data", "instruments", "logger", "backbone"]
)
def test_every_option_of_every_group_passes_the_check(group):
    for path in (CONF_DIR / group).glob("*.yaml"):
        needs = ["backbone.path=DIR"] if path.stem == "local" else []
        check_config(load_config([f"{group}={path.stem}", *needs]))


def test_arms_choose_their_embedding_and_the_user_overrides_it():
    def table(*overrides):
        cfg = load_config(list(overrides)).embedding
        return cfg.source, cfg.freeze

    assert table("model=scratch") == ("random", False)
    assert table("model=scratch_pretrained_emb") == ("pretrained", True)
    assert table("model=pretrained") == ("pretrained", False)
    assert table("model=pretrained", "embedding=random") == ("random", False)
    assert load_config(["model=scratch", "optimizer=adamw"]).optimizer.name == "adamw"  # over the experiment's


def test_the_check_reads_third_party_signatures_too():
    cfg = load_config(["+callbacks.stop={_target_: pytorch_lightning.callbacks.EarlyStopping, patient: 3}"])
    with pytest.raises(ConfigError, match=r"callbacks.stop.patient=3: no such setting"):
        check_config(cfg)
    cfg = load_config(["+callbacks.stop={_target_: pytorch_lightning.callbacks.EarlyStoping, monitor: val/mae}"])
    with pytest.raises(ConfigError, match=r"callbacks.stop._target_=.*can't be imported"):
        check_config(cfg)


def test_errors_survive_the_way_back_from_a_parallel_launcher():
    one, other = ConfigError("a=1", "wrong", "use 2"), ConfigError("b", "missing", "give it")
    for error in (one, ConfigErrors(one, other)):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) and str(again) == str(error)
    assert str(ConfigErrors(one, other)) == "a=1: wrong; use 2\nb: missing; give it"


def test_precision_is_chosen_by_the_device(monkeypatch):
    import torch

    from fourier_lightning import config

    with monkeypatch.context() as patch:
        patch.setattr(config, "cpu_computes_in_bf16", lambda: False)
        assert auto_precision("cpu") == "32-true"
        patch.setattr(config, "cpu_computes_in_bf16", lambda: True)
        assert auto_precision("cpu") == "bf16-mixed"
        patch.setattr(torch.cuda, "is_available", lambda: True)
        patch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
        assert auto_precision("auto") == auto_precision("gpu") == "32-true"
        patch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
        assert auto_precision("auto") == auto_precision("gpu") == "bf16-mixed"
    assert config.cpu_computes_in_bf16() in (True, False)
    paper = ["experiment=paper/rescue_small", "trainer.accelerator=cpu"]
    assert load_config(paper).trainer.precision == auto_precision("cpu")
    assert load_config([*paper, "trainer.precision=64-true"]).trainer.precision == "64-true"
    assert load_config().trainer.precision == "32-true"  # the quick run gives the same numbers on every CPU
