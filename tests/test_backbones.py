import json
import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.errors import GatedRepoError, RevisionNotFoundError
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel, MambaConfig

from fourier_lightning.config import CONF_DIR, load_config
from fourier_lightning.errors import ConfigError
from fourier_lightning.models import backbones
from fourier_lightning.models.backbones import Backbone
from fourier_lightning.parts import prepare


@pytest.fixture(autouse=True)
def forget_snapshots():
    backbones._snapshot.cache_clear()


def test_the_embedded_backbone_is_a_working_language_model(pretrained, tokenizer):
    assert pretrained.dtype == torch.float32
    ids = [tokenizer.bos_token_id, *tokenizer.convert_tokens_to_ids(["<|notimestamps|>"])]
    ids += tokenizer(" 1 2 3 4 5 6 7 8 9 10 11 12 13", add_special_tokens=False)["input_ids"]
    top = pretrained(torch.tensor([ids])).logits[0, -1].topk(5).indices
    assert all(tokenizer.decode([i]).strip().isdigit() for i in top.tolist())


def test_its_provenance_and_licence_ship_with_it(backbone):
    text = (Path(backbone.path) / "README.md").read_text()
    assert "MIT License" in text and "It is not GPT-2" in text


def test_directories_that_are_no_model(tmp_path):
    with pytest.raises(ConfigError, match=r"^backbone.path=.*: holds no config.json"):
        Backbone("x", str(tmp_path))
    with pytest.raises(ConfigError, match=r"^backbone.path=/no/such: no such directory"):
        Backbone("x", "/no/such")
    MambaConfig().save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="no architecture 'mamba' is known here"):
        Backbone("x", str(tmp_path)).config()
    with pytest.raises(ConfigError, match=r"^backbone.revision=step1: a directory has one revision"):
        Backbone("x", str(tmp_path), revision="step1")


def test_a_directory_without_weights_or_with_broken_ones(tmp_path, backbone):
    shutil.copy(Path(backbone.path) / "config.json", tmp_path)
    with pytest.raises(ConfigError, match=r"holds no weights \(\*.safetensors\)"):
        Backbone("x", str(tmp_path)).load()
    (tmp_path / "model.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(ConfigError, match="not a loadable model"):
        Backbone("x", str(tmp_path)).load()


def test_a_pickle_is_never_opened(tmp_path, backbone, monkeypatch):
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: pytest.fail("a pickle was opened"))
    shutil.copy(Path(backbone.path) / "config.json", tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"cos\nsystem\n")
    with pytest.raises(ConfigError) as error:
        Backbone("x", str(tmp_path)).load()
    assert "its weights are no safetensors but pytorch_model.bin" in str(error.value) and "\n" not in str(error.value)


def test_code_of_a_models_own_is_never_run(tmp_path, backbone):
    settings = json.loads((Path(backbone.path) / "config.json").read_text())
    settings |= {"model_type": "theirs", "auto_map": {"AutoConfig": "theirs.Theirs"}}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    (tmp_path / "theirs.py").write_text("raise SystemExit('their code was run')")
    with pytest.raises(ConfigError, match="not a loadable model"):
        Backbone("x", str(tmp_path)).config()


def test_weights_that_the_file_lacks_are_not_drawn_at_random(tmp_path, backbone):
    shutil.copytree(backbone.path, tmp_path, dirs_exist_ok=True)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["transformer.h.1.mlp.c_fc.weight"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ConfigError, match=r"its file lacks 1 weights of the model \(transformer.h.1.mlp.c_fc.weight\)"):
        Backbone("x", str(tmp_path)).load()


def test_a_hub_name_without_copy_or_network_says_what_to_set(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(backbones, "hub_is_reachable", lambda: False)
    with pytest.raises(ConfigError) as error:
        Backbone("gpt2", "openai-community/gpt2").tokenizer()
    line = str(error.value)
    assert line.startswith("backbone.path=openai-community/gpt2: not in the local cache")
    assert "set backbone.path" in line and "backbone=whisper_tiny_en_text" in line and "\n" not in line


def test_offline_mode_is_known_without_asking(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert not backbones.hub_is_reachable()


def test_a_cached_hub_model_is_used_without_the_hub(monkeypatch, tmp_path):
    net = GPT2LMHeadModel(GPT2Config(vocab_size=30, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0))
    snapshot = tmp_path / "models--someone--tiny" / "snapshots" / "abc"
    net.save_pretrained(snapshot)
    refs = tmp_path / "models--someone--tiny" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(backbones, "hub_is_reachable", lambda: pytest.fail("the hub was asked"))
    loaded = Backbone("tiny", "someone/tiny").load()
    assert loaded.transformer.wte.weight.equal(net.transformer.wte.weight)


PRESETS = {
    **{name: name for name in ("gpt2", "gpt2_medium", "gpt2_large", "gpt2_xl", "gpt_j_6b", "phi_2")},
    "pythia": "pythia_160m", "llama_3": "llama_3_1B", "gemma_2": "gemma_2_2b", "qwen": "qwen_0.6B",
    "olmo_2": "olmo_2_0425-1B", "roberta": "roberta_base", "pythia backbone.size=12b": "pythia_12b",
    "pythia backbone.revision=step1000": "pythia_160m",
}  # fmt: skip


def test_every_preset_is_listed_here():
    own = {"local", "whisper_tiny_en_text"}
    assert {path.stem for path in (CONF_DIR / "backbone").glob("*.yaml")} == {*own, *(n.split()[0] for n in PRESETS)}


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_composes_and_gets_as_far_as_the_cache(preset, monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(backbones, "hub_is_reachable", lambda: False)
    cfg = load_config([*f"backbone={preset}".split(), "fit=false", "backbone.dtype=bfloat16"], tmp_path / "run")
    assert cfg.backbone.name == PRESETS[preset] and "/" in cfg.backbone.path
    with pytest.raises(ConfigError) as error:
        prepare(cfg)
    there = " at backbone.revision=step1000" if "revision" in preset else ""
    assert str(error.value).startswith(f"backbone.path={cfg.backbone.path}: not in the local cache{there}, and the hub")


def test_a_size_that_there_is_not_is_named_with_those_that_there_are():
    cfg = load_config(["backbone=pythia", "backbone.size=13b"])
    with pytest.raises(ConfigError, match=r"^backbone.size=13b: no such size; did you mean 1b or 12b"):
        prepare(cfg)


def test_the_embedded_backbone_ships_as_a_gpt2(backbone):
    assert json.loads((Path(backbone.path) / "config.json").read_text())["model_type"] == "gpt2"


@pytest.mark.parametrize(
    ("raised", "line"),
    [
        (RevisionNotFoundError, "backbone.revision=step3: someone/x has no such revision; see the branches and tags"),
        (GatedRepoError, "backbone.path=someone/x: gated: the hub gives it to those who accepted its licence; accept"),
        (OSError, "backbone.path=someone/x: the hub has no such model for you"),
    ],
)
def test_what_the_hub_refuses_is_one_line(monkeypatch, tmp_path, raised, line):
    def answer(name, revision, local_files_only=False, **_):
        if local_files_only:
            raise OSError("not cached")
        assert revision == "step3"
        raise raised("no", response=Mock()) if raised is not OSError else OSError("no")

    monkeypatch.setattr(backbones, "hub_is_reachable", lambda: True)
    monkeypatch.setattr(backbones, "snapshot_download", answer)
    with pytest.raises(ConfigError) as error:
        Backbone("x", "someone/x", revision="step3").config()
    assert str(error.value).startswith(line) and "\n" not in str(error.value)
