"""Backbones: where weights, sizes and tokens come from. All of them go the ordinary Hugging Face way.

Weights are read from safetensors alone (a pickle can run code), and no code of a model's own is ever run.
"""

import contextlib
import json
import os
import socket
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse

import torch
from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import GatedRepoError, RevisionNotFoundError
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast
from transformers.utils import logging as hf_logging

from fourier_lightning.data.tokens import encode
from fourier_lightning.errors import ConfigError, suggestion
from fourier_lightning.models.architectures import ENCODERS, architecture_of
from fourier_lightning.models.directory import (
    ADAPTER,
    MERGE,
    check_files,
    check_rows,
    check_size,
    check_stored,
    check_weights,
    own_code,
    stored_tensors,
)

Dtype = Literal["float32", "bfloat16", "float16", "auto"]
REMEDY = (
    "set backbone.path to a local model directory, run once with network access, "
    "or use backbone=whisper_tiny_en_text, which ships with this package"
)
PLAIN = ("TokenizersBackend", "PreTrainedTokenizerFast")  # classes that are tokenizer.json and nothing more
SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "max_position_embeddings")


class Backbone:
    """A pretrained language model: a local directory or a hub name.

    Args:
        name: how tables and W&B runs call it.
        path: a directory written by ``save_pretrained`` or a name on the Hugging Face hub. A copy in the local
            cache is used without asking the hub.
        dtype: what its blocks compute in where it is measured as it comes: "float32", "bfloat16", "float16", or
            "auto", what its weights are stored in. Its token rows, its final norm and all sums stay in float32 and
            float64.
        revision: branch, tag or commit of the hub's copy (Pythia's training checkpoints: "step1000"); None: main.
        size: which of a family of models; ``path`` and ``name`` are made of it.
        sizes: those that there are.

    Raises (from every method):
        ConfigError: the directory or name can't be loaded, or is of an architecture without a row in ``architectures``;
            weights that are no safetensors, or that lack some.
    """

    def __init__(
        self,
        name: str,
        path: str,
        dtype: Dtype = "float32",
        revision: str | None = None,
        size: str | None = None,
        sizes: list[str] | None = None,
    ) -> None:
        if sizes and size not in sizes:
            raise ConfigError(f"backbone.size={size}", "no such size", suggestion(str(size), sizes))
        self.name, self.path = name, str(Path(path).expanduser()) if path.startswith("~") else path
        self.dtype, self.revision = dtype, revision
        is_dir = Path(self.path).is_dir()
        if (is_dir or self.path.startswith((".", os.sep))) and not (Path(self.path) / "config.json").is_file():
            adapter = (Path(self.path) / ADAPTER).is_file()
            problem = f"holds an adapter alone ({ADAPTER})" if adapter else "holds no config.json"
            remedy = MERGE if adapter else "give a model directory or a hub name"
            raise ConfigError(f"backbone.path={path}", problem if is_dir else "no such directory", remedy)
        if is_dir and revision is not None:
            remedy = "leave it out, or give a hub name as backbone.path"
            raise ConfigError(f"backbone.revision={revision}", "a directory has one revision", remedy)

    def config(self) -> Any:
        """Sizes: layers, width, heads, vocabulary."""
        config, key = self._load(AutoConfig), f"backbone.path={self.path}"
        architecture_of(config, key)
        for name in SIZES:
            if not isinstance(size := getattr(config, name, None), int) or size < 1:
                raise ConfigError(key, f"its config.json has {name}={size}", "give a whole number above 0 there")
        return config

    def is_encoder(self) -> bool:
        """Whether it reads both ways and predicts no next token: of such a model the input table alone is read."""
        return self._load(AutoConfig).model_type in ENCODERS

    def rows(self) -> int | None:
        """Rows of its token table, as its configuration says; None if that says no such number."""
        rows = getattr(self._load(AutoConfig), "vocab_size", None)
        return rows if isinstance(rows, int) and rows > 0 else None

    def precision(self) -> torch.dtype:
        """What ``dtype`` means for it.

        Raises:
            ConfigError: "auto", and weights that are stored in nothing that can be computed in here.
        """
        if self.dtype != "auto":
            return getattr(torch, self.dtype)
        stored = self._load(AutoConfig).dtype or torch.float32
        if stored not in (torch.float32, torch.bfloat16, torch.float16):
            problem = f"its weights are stored in {str(stored).removeprefix('torch.')}"
            raise ConfigError("backbone.dtype=auto", problem, "use float32, bfloat16 or float16")
        return stored

    def tokenizer(self) -> Any:
        """Its tokenizer: tokenizer.json as it stands, where that is saved without a class of its own.

        Left to choose, transformers would give any such tokenizer beside a Qwen 2 the splitting of Qwen 2's.
        """
        named = None
        with contextlib.suppress(OSError, ValueError):  # none, or a broken one: transformers says so
            named = json.loads((self._directory() / "tokenizer_config.json").read_text()).get("tokenizer_class")
        tokenizer = self._load(PreTrainedTokenizerFast if named in PLAIN else AutoTokenizer)
        ids = encode(tokenizer, ["0", "1", " 0", " 1"])["input_ids"]
        if not any(zero and zero != one for zero, one in (ids[:2], ids[2:])):  # transformers makes up an empty one
            problem, remedy = "holds no tokenizer that knows digits", "add its tokenizer.json, or use save_pretrained"
            raise ConfigError(f"backbone.path={self.path}", problem, remedy)
        tokenizer.name_or_path = self.path  # in messages, also where it is read from a snapshot
        return tokenizer

    def load(self, dtype: str = "float32") -> Any:
        """The pretrained model on the CPU.

        Args:
            dtype: "auto" leaves the weights as they are stored: then they stay on disk until they are used.
        """
        self.config()
        return self._load_weights(AutoModelForCausalLM, dtype)

    def check(self, token_ids: torch.Tensor) -> tuple[str, ...]:
        """Refuse files that don't belong together, before a run begins.

        Names, shapes and types of all weights are read, and of the values only the rows of these tokens (p,).

        Returns:
            What is left out of the directory, a line each.
        """
        table = self.load_table() if self.is_encoder() else self.load("auto").get_input_embeddings()
        check_rows(table.weight.detach()[token_ids], f"backbone.path={self.path}")
        if not own_code(self._directory()):
            return ()
        kind = self._load(AutoConfig).model_type
        return (f"{self.name} names code of its own (auto_map): it is not run, transformers' {kind} is used instead",)

    def row_width(self) -> int:
        """Columns of an encoder's input table; some have fewer than their stream."""
        config = self._load(AutoConfig)
        return getattr(config, "embedding_size", None) or config.hidden_size

    def load_table(self) -> torch.nn.Embedding:
        """The input table of an encoder, as it is stored."""
        return self._load_weights(AutoModel, "auto", ignored=("pooler.",)).get_input_embeddings()

    def _load_weights(self, auto_class: Any, dtype: str, ignored: tuple[str, ...] = ()) -> Any:
        """A model whose every weight is in its file: transformers would draw what is missing at random."""
        key = f"backbone.path={self.path}"
        check_files(directory := self._directory(weights=True), key)
        config, tensors = self._load(AutoConfig), stored_tensors(directory, key)
        check_stored(tensors, config, key)
        check_size(tensors, config, auto_class.from_config, key)
        options = {"dtype": dtype, "use_safetensors": True, "ignore_mismatched_sizes": True}
        net, report = self._load(auto_class, weights=True, output_loading_info=True, **options)
        check_weights(net, report, key, ignored)
        return net

    def _directory(self, weights: bool = False) -> Path:
        """Where its files are: itself, or a snapshot of the hub's copy."""
        here = Path(self.path)
        return here if here.is_dir() else Path(_snapshot(self.path, self.revision, weights))

    def _load(self, auto_class: Any, weights: bool = False, **kwargs: Any) -> Any:
        directory = self._directory(weights)
        shown = hf_logging.get_verbosity()
        hf_logging.set_verbosity_error()  # what is amiss is said here, in one line; heads that nobody asks for are not
        try:
            return auto_class.from_pretrained(directory, trust_remote_code=False, **kwargs)
        except Exception as error:  # a directory of another kind may raise anything
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
            raise ConfigError(f"backbone.path={self.path}", f"not a loadable model ({reason})", REMEDY) from error
        finally:
            hf_logging.set_verbosity(shown)


@lru_cache(maxsize=8)
def _snapshot(name: str, revision: str | None, weights: bool) -> str:
    """Directory of a hub model: the cached copy if there is one, else a download of what is needed."""
    wanted = "*.safetensors" if weights else "config.json"
    key = f"backbone.path={name}"
    try:
        cached = Path(snapshot_download(name, revision=revision, local_files_only=True))
        if any(cached.glob(wanted)):
            return str(cached)
    except (OSError, ValueError):  # not cached; a malformed name fails again below
        pass
    # Asked for an unreachable host, the hub's client retries for half a minute a file: look first.
    if not hub_is_reachable():
        there = f" at backbone.revision={revision}" if revision else ""
        raise ConfigError(key, f"not in the local cache{there}, and the hub can't be reached", REMEDY)
    try:
        patterns = ["*.json", "*.txt", *([wanted] if weights else [])]
        return snapshot_download(name, revision=revision, allow_patterns=patterns)
    except RevisionNotFoundError as error:
        remedy = f"see the branches and tags of huggingface.co/{name}, or leave it out"
        raise ConfigError(f"backbone.revision={revision}", f"{name} has no such revision", remedy) from error
    except GatedRepoError as error:
        remedy = f"accept its licence at huggingface.co/{name}, and log in with `hf auth login`"
        raise ConfigError(key, "gated: the hub gives it to those who accepted its licence", remedy) from error
    except (OSError, ValueError) as error:
        raise ConfigError(key, "the hub has no such model for you", REMEDY) from error


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
