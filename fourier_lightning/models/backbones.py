"""Backbones: where weights, sizes and tokens come from. All of them go the ordinary Hugging Face way."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from fourier_lightning.errors import ConfigError


class Backbone:
    """A GPT-2-style checkpoint: a local directory or a hub name.

    Args:
        name: how tables and W&B runs call it.
        path: a directory written by ``save_pretrained`` or a name on the Hugging Face hub.

    Raises (from every method):
        ConfigError: the directory or name can't be loaded, or is not a GPT-2-style model.
    """

    def __init__(self, name: str, path: str) -> None:
        self.name, self.path = name, os.path.expanduser(path)
        looks_local = self.path.startswith((".", os.sep)) or Path(self.path).is_dir()
        if looks_local and not (Path(self.path) / "config.json").is_file():
            problem = "holds no config.json" if Path(self.path).is_dir() else "no such directory"
            raise ConfigError(f"backbone.path={self.path}", problem, "give a model directory or a hub name")

    def config(self) -> GPT2Config:
        """Sizes: layers, width, heads, vocabulary."""
        config = _load(AutoConfig, self.path)
        if config.model_type != "gpt2":
            raise ConfigError(
                f"backbone.path={self.path}",
                f"its model_type is {config.model_type!r}",
                "give a GPT-2-style checkpoint (model_type gpt2)",
            )
        return config

    def tokenizer(self) -> Any:
        """Its tokenizer; read once in a process."""
        return _tokenizer(self.path)

    def load(self) -> GPT2LMHeadModel:
        """The pretrained model, in float32 on the CPU."""
        self.config()
        return _load(AutoModelForCausalLM, self.path, dtype="float32")


@lru_cache(maxsize=4)
def _tokenizer(path: str) -> Any:
    return _load(AutoTokenizer, path)


def _load(auto_class: Any, path: str, **kwargs: Any) -> Any:
    try:
        return auto_class.from_pretrained(path, **kwargs)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        if Path(path).is_dir():
            problem = f"not a loadable model directory ({_first_line(error)})"
        else:
            problem = "no copy in the local Hugging Face cache, and the hub did not provide one"
        raise ConfigError(
            f"backbone.path={path}",
            problem,
            "set backbone.path to a local model directory, run once with network access, "
            "or use backbone=whisper_tiny_en_text, which ships with this package",
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
