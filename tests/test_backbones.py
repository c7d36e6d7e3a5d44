import json
import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from transformers import BertConfig, GPT2Config, GPT2LMHeadModel

from fourier_lightning.errors import ConfigError
from fourier_lightning.models import backbones
from fourier_lightning.models.backbones import Backbone


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
    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="no architecture 'bert' is known here"):
        Backbone("x", str(tmp_path)).config()


def test_a_directory_without_weights_or_with_broken_ones(tmp_path, backbone):
    shutil.copy(Path(backbone.path) / "config.json", tmp_path)
    with pytest.raises(ConfigError, match="not a loadable model"):
        Backbone("x", str(tmp_path)).load()
    (tmp_path / "model.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(ConfigError, match="not a loadable model"):
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


def test_every_backbone_yaml_names_a_hub_model_or_the_embedded_one():
    from fourier_lightning.config import CONF_DIR, load_config

    for path in (CONF_DIR / "backbone").glob("*.yaml"):
        name = path.stem
        cfg = load_config([f"backbone={name}", *(["backbone.path=somewhere"] if name == "local" else [])]).backbone
        assert cfg.name == name
        assert "/" in cfg.path or cfg.path == "somewhere"
        if name == "whisper_tiny_en_text":
            assert json.loads((Path(cfg.path) / "config.json").read_text())["model_type"] == "gpt2"
