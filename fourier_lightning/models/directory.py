"""What the files of a model's directory say of each other: whether its weights are those of its configuration."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from fourier_lightning.errors import ConfigError
from fourier_lightning.models.architectures import ARCHITECTURES

PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")
ADAPTER, CONFIG = "adapter_config.json", "config.json"
MERGE = "merge it first: PeftModel.from_pretrained(...).merge_and_unload().save_pretrained(DIR)"
SAVED = "give a directory that save_pretrained wrote"
TOGETHER = f"{SAVED}: weights and {CONFIG} of one model"
UNPACKED = "give the directory of the model before it was quantised"
FLOATS = ("F64", "F32", "BF16", "F16")  # safetensors' names of what weights can be computed with
# Masks and angles that older files have beside the weights; transformers computes them.
COMPUTED = (".attn.bias", ".attention.bias", ".masked_bias", ".rotary_emb.inv_freq")


def check_files(directory: Path, key: str) -> None:
    """Refuse a directory whose weights are not all in its safetensors.

    Raises:
        ConfigError: naming the files that there are.
    """
    if (directory / ADAPTER).is_file():  # left out by transformers without peft, and loaded with it
        raise ConfigError(key, f"holds an adapter ({ADAPTER}) beside the model", MERGE)
    if any(directory.glob("*.safetensors")):
        return
    if others := sorted(path.name for pattern in PICKLES for path in directory.glob(pattern)):
        problem = f"its weights are no safetensors but {', '.join(others[:3])}, and such a file can run code"
        remedy = "save it again with transformers' save_pretrained, where you trust it, and give that directory"
        raise ConfigError(key, problem, remedy)
    remedy = f"{SAVED}, or a backbone.revision of the hub's that has them (refs/pr/N)"
    raise ConfigError(key, "holds no weights (*.safetensors)", remedy)


def stored_tensors(directory: Path, key: str) -> dict[str, tuple[str, list[int]]]:
    """Type and shape of every tensor in a directory's safetensors, by name. Reads no values.

    Raises:
        ConfigError: a file that is damaged.
    """
    tensors = {}
    for path in sorted(directory.glob("*.safetensors")):
        try:
            with safe_open(path, "pt") as file:
                for name in sorted(file.keys()):
                    entry = file.get_slice(name)
                    tensors[name] = (entry.get_dtype(), entry.get_shape())
        except (OSError, SafetensorError) as error:
            raise ConfigError(key, f"not a loadable model ({path.name}: {error})", SAVED) from error
    return tensors


def check_stored(tensors: Mapping[str, tuple[str, list[int]]], config: Any, key: str) -> None:
    """Refuse weights that are stored as something else than numbers of their own.

    Raises:
        ConfigError: a quantised model.
    """
    settings = getattr(config, "quantization_config", None)
    if settings:
        method = settings.get("quant_method", "?") if isinstance(settings, Mapping) else type(settings).__name__
        problem = f"its weights are quantised ({method}, quantization_config in its {CONFIG})"
        raise ConfigError(key, problem, UNPACKED)
    for name, (stored, _) in tensors.items():
        if name.endswith(".weight") and stored not in FLOATS:
            raise ConfigError(key, f"its weights are quantised ({name} is stored in {stored})", UNPACKED)


def check_size(
    tensors: Mapping[str, tuple[str, list[int]]], config: Any, build: Callable[[Any], Any], key: str
) -> None:
    """Refuse a configuration of a model far larger than its files: transformers would make up the rest, and never end.

    Args:
        build: makes the model of a configuration; it is called on the meta device.

    Raises:
        ConfigError: with both numbers.
    """
    if config.model_type in ARCHITECTURES and config.num_hidden_layers > len(tensors):
        problem = f"its {CONFIG} says num_hidden_layers={config.num_hidden_layers}"
        problem += f", and its files have {len(tensors)} tensors"
        raise ConfigError(key, problem, TOGETHER)
    try:
        with torch.device("meta"):
            wanted = sum(weight.numel() for weight in build(config).parameters())
    except Exception as error:  # sizes that don't fit each other may raise anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise ConfigError(key, f"not a loadable model ({reason})", f"correct its {CONFIG}") from error
    stored = sum(math.prod(shape) for _, shape in tensors.values())
    if wanted > 2 * stored + 1e6:  # what is missing in a smaller way is named by check_weights
        problem = f"its {CONFIG} describes {wanted:.2g} weights, and its files have {stored:.2g}"
        raise ConfigError(key, problem, TOGETHER)


def check_weights(net: Any, report: Mapping[str, Any], key: str, ignored: tuple[str, ...] = ()) -> None:
    """Refuse a model whose file is not the one of its configuration.

    transformers would draw what the file lacks at random, and leave out what the configuration has no place for.

    Args:
        report: what ``from_pretrained`` gave with ``output_loading_info`` and ``ignore_mismatched_sizes``.
        ignored: how the names of weights begin that nobody reads.

    Raises:
        ConfigError: naming the weights.
    """
    if wrong := sorted(report["mismatched_keys"]):
        name, stored, wanted = wrong[0]
        problem = f"{name} is {tuple(stored)} in its file, and {tuple(wanted)} by its {CONFIG}"
        raise ConfigError(key, problem, TOGETHER)
    if missing := sorted(name for name in report["missing_keys"] if not name.startswith(ignored)):
        raise ConfigError(key, f"its file lacks {len(missing)} weights of the model ({some(missing)})", SAVED)
    row = ARCHITECTURES.get(net.config.model_type)
    if row is None:  # an encoder: its table is all that is read
        return
    own = (f"{row.blocks}.", f"{row.ln_final}.", "lm_head.")
    left = sorted(name for name in report["unexpected_keys"] if name.startswith(own) and not name.endswith(COMPUTED))
    if left:
        problem = f"its file has {len(left)} weights that its {CONFIG} leaves out ({some(left)})"
        raise ConfigError(key, problem, TOGETHER)
    tied = net.get_output_embeddings().weight is net.get_input_embeddings().weight
    if net.config.tie_word_embeddings and not tied:
        problem = f"its file has an unembedding of its own (lm_head.weight), and its {CONFIG} ties it to the table"
        raise ConfigError(key, problem, f"set tie_word_embeddings to false in its {CONFIG}")


def check_rows(rows: Tensor, key: str) -> None:
    """Refuse number rows (p, d) from which no number can be told.

    Raises:
        ConfigError: rows with NaN or infinity, or all the same.
    """
    if not rows.isfinite().all():
        problem = "its token table has NaN or infinity in the rows of numbers"
        raise ConfigError(key, problem, "give a model whose weights are finite")
    if (rows == rows[0]).all():
        raise ConfigError(key, "its token table has the same row for every number", "give a trained model")


def own_code(directory: Path) -> bool:
    """Whether a configuration names code of the model's own, which is never run."""
    try:
        return bool(json.loads((directory / CONFIG).read_text(encoding="utf-8")).get("auto_map"))
    except (OSError, ValueError, AttributeError):  # refused where transformers loads it
        return False


def some(names: Iterable[str]) -> str:
    """The first three names."""
    return ", ".join(list(names)[:3])
