"""Backbones: where weights, sizes and tokens come from. All of them go the ordinary Hugging Face way."""

import os
import socket
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from huggingface_hub import constants, snapshot_download
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from fourier_lightning.errors import ConfigError
from fourier_lightning.models.architectures import architecture_of

REMEDY = (
    "set backbone.path to a local model directory, run once with network access, "
    "or use backbone=whisper_tiny_en_text, which ships with this package"
)


class Backbone:
    """A pretrained causal language model: a local directory or a hub name.

    Args:
        name: how tables and W&B runs call it.
        path: a directory written by ``save_pretrained`` or a name on the Hugging Face hub. A copy in the local
            cache is used without asking the hub.

    Raises (from every method):
        ConfigError: the directory or name can't be loaded, or is of an architecture without a row in ``architectures``.
    """

    def __init__(self, name: str, path: str) -> None:
        self.name, self.path = name, str(Path(path).expanduser()) if path.startswith("~") else path
        is_dir = Path(self.path).is_dir()
        if (is_dir or self.path.startswith((".", os.sep))) and not (Path(self.path) / "config.json").is_file():
            problem = "holds no config.json" if is_dir else "no such directory"
            raise ConfigError(f"backbone.path={path}", problem, "give a model directory or a hub name")

    def config(self) -> Any:
        """Sizes: layers, width, heads, vocabulary."""
        config = self._load(AutoConfig)
        architecture_of(config, f"backbone.path={self.path}")
        return config

    def tokenizer(self) -> Any:
        """Its tokenizer."""
        return self._load(AutoTokenizer)

    def load(self) -> Any:
        """The pretrained model, in float32 on the CPU."""
        self.config()
        return self._load(AutoModelForCausalLM, weights=True, dtype="float32")

    def _load(self, auto_class: Any, weights: bool = False, **kwargs: Any) -> Any:
        directory = self.path if Path(self.path).is_dir() else _snapshot(self.path, weights)
        try:
            return auto_class.from_pretrained(directory, **kwargs)
        except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
            raise ConfigError(f"backbone.path={self.path}", f"not a loadable model ({reason})", REMEDY) from error


@lru_cache(maxsize=8)
def _snapshot(name: str, weights: bool) -> str:
    """Directory of a hub model: the cached copy if there is one, else a download of what is needed."""
    wanted = "*.safetensors" if weights else "config.json"
    try:
        cached = Path(snapshot_download(name, local_files_only=True))
        if any(cached.glob(wanted)):
            return str(cached)
    except (OSError, ValueError):  # not cached; a malformed name fails again below
        pass
    # Asked for an unreachable host, the hub's client retries for half a minute a file: look first.
    if not hub_is_reachable():
        raise ConfigError(f"backbone.path={name}", "not in the local cache, and the hub can't be reached", REMEDY)
    try:
        return snapshot_download(name, allow_patterns=["*.json", "*.txt", *([wanted] if weights else [])])
    except (OSError, ValueError) as error:
        raise ConfigError(f"backbone.path={name}", "the hub has no such model for you", REMEDY) from error


def hub_is_reachable(timeout: float = 5.0) -> bool:
    """Whether a connection to the hub opens (assumed behind a proxy, where only the proxy knows)."""
    if constants.HF_HUB_OFFLINE:
        return False
    if any(os.environ.get(key) for key in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return True
    host = urlparse(constants.ENDPOINT)
    try:
        socket.create_connection((host.hostname or "", host.port or 443), timeout=timeout).close()
    except OSError:
        return False
    return True
