"""Where the configuration lives, how it is composed, and the check that runs before anything else.

Every node with a ``_target_`` is bound against that target's signature: unknown names and wrong types are
reported all at once, each under its command-line key, before a directory is made or a weight is read.
"""

import inspect
import logging
import math
import types
import typing
from collections.abc import Iterator
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from beartype import BeartypeConf
from beartype.door import is_bearable
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from fourier_lightning.errors import ConfigError, ConfigErrors

PACKAGE_DIR = Path(__file__).resolve().parent
# In a wheel conf/ sits inside the package; in a checkout it is beside it.
CONF_DIR = next((d for d in (PACKAGE_DIR / "conf", PACKAGE_DIR.parent / "conf") if d.is_dir()), PACKAGE_DIR / "conf")

# Top-level settings that belong to no `_target_`.
RUN_SETTINGS: dict[str, Any] = {
    "seed": int,
    "seeds_in_parallel": int,
    "fit": bool,
    "test": bool,
    "split": Literal["train", "val", "test"],
    "ckpt_path": str | None,
    "name": str,
    "group": str | None,
    "tags": list[str],
}
TARGETS = ("backbone", "data", "embedding", "model", "optimizer", "filter", "trainer")
MODEL_CHOICES = ("model", "size", "embedding", "experiment", "sweep")  # groups that say which model a run is about
NODES = ("paths", *TARGETS, "callbacks", "logger")
_NUMERIC_TOWER = BeartypeConf(is_pep484_tower=True)  # an int is a valid float, as everywhere in Python


def asset_path(name: str) -> str:
    """Path of a directory that ships with the package, e.g. ``whisper-tiny-en-text``."""
    return str(PACKAGE_DIR / "assets" / name)


def auto_precision(accelerator: str) -> str:
    """bf16 autocast where the device computes in it (recent GPUs, CPUs with AVX512-BF16 or AMX), else float32.

    Weights, gradients and optimizer stay in float32 either way.
    """
    import torch

    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        on_cpu = accelerator == "cpu" or (accelerator == "auto" and not torch.backends.mps.is_available())
        native = on_cpu and cpu_computes_in_bf16()
    return "bf16-mixed" if native else "32-true"


def cpu_computes_in_bf16() -> bool:
    """Whether this CPU has bf16 matrix units; without them bf16 is emulated and slow."""
    import torch

    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # torch has no public name for these
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)


def register_resolvers() -> None:
    """Make ``${asset:...}`` and ``${auto_precision:...}`` available to the YAML files. Safe to call twice."""
    OmegaConf.register_new_resolver("asset", asset_path, replace=True)
    OmegaConf.register_new_resolver("auto_precision", auto_precision, replace=True)


def load_config(overrides: list[str] | None = None, output_dir: str | Path | None = None) -> DictConfig:
    """Compose the training configuration in process, as ``python train.py OVERRIDES`` would.

    Args:
        overrides: command-line overrides, e.g. ``["model=scratch", "seed=1"]``.
        output_dir: the run directory (the command line gets it from ``hydra.run.dir``); by default a new one below
            ``outputs``.

    Raises:
        ConfigError: with ``fit=false ckpt_path=...``, an override that the checkpoint has otherwise.
    """
    overrides = list(overrides or [])
    register_resolvers()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        cfg = compose("train", overrides=overrides)
    cfg.paths.output_dir = str(output_dir or f"outputs/{datetime.now():%Y-%m-%d/%H-%M-%S-%f}")
    take_settings(cfg, overrides)
    return cfg


def take_settings(cfg: DictConfig, overrides: list[str]) -> None:
    """Give an evaluation the settings of its model: of a checkpoint's, see ``checkpoint.adopt``, or of the backbone's.

    Without a checkpoint, and with no choice of a model, it is about the backbone as it comes (``model=pretrained``),
    whose unembedding is its own or its table, as it is.
    """
    if cfg.fit:
        return
    if cfg.ckpt_path is not None:
        from fourier_lightning.checkpoint import adopt

        adopt(cfg, overrides, load_config())
        return
    given = [override.lstrip("+~").partition("=")[0] for override in overrides]
    if not any(key.partition(".")[0] in MODEL_CHOICES for key in given):
        as_it_comes = load_config(["model=pretrained"])
        with open_dict(cfg):
            cfg.model, cfg.embedding = as_it_comes.model, as_it_comes.embedding
    if OmegaConf.select(cfg, "model.body") == "pretrained" and "embedding.tie" not in given:
        cfg.embedding.tie = None


def check_config(cfg: DictConfig) -> None:
    """Bind every ``_target_`` node to its signature and check the run's own settings.

    Raises:
        ConfigError: one line for each setting that is unknown or of the wrong type.
    """
    try:
        values = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(error.full_key or "config", str(error).splitlines()[0], "give it a value") from error
    assert isinstance(values, dict)
    shared = values.get("filter")
    for node in (values.get("callbacks") or {}).values():
        if isinstance(node, dict) and node.get("filter") == shared:
            del node["filter"]  # filter: ${filter} is checked where it stands
    for node in (values.get("logger") or {}).values():
        for key in RUN_SETTINGS.keys() & (node if isinstance(node, dict) else {}):
            if node[key] == values.get(key):  # so are a run's name, group and tags
                del node[key]
    problems = [*_run_problems(values), *_node_problems("", values)]
    if problems:
        raise problems[0] if len(problems) == 1 else ConfigErrors(*problems)


def _run_problems(values: dict[str, Any]) -> Iterator[ConfigError]:
    for key, value in values.items():
        if key in RUN_SETTINGS:
            if not _fits(value, RUN_SETTINGS[key]):
                yield _type_error(key, value, RUN_SETTINGS[key])
        elif key not in NODES:
            yield ConfigError(f"{key}={value}", "no such setting", suggestion(key, [*RUN_SETTINGS, *NODES]))
    for key in [*RUN_SETTINGS, *NODES]:
        if key not in values or (key in TARGETS and "_target_" not in (values[key] or {})):
            yield ConfigError(key, "missing", "choose one of its options, see fourier-lightning train --help")
    for group in ("callbacks", "logger"):
        for name, node in (values.get(group) or {}).items():
            if not isinstance(node, dict) or "_target_" not in node:
                key = f"{group}.{name}"
                yield ConfigError(f"{key}={node}", "not a node with a _target_", f"to remove it use ~{key}")
    if isinstance(values.get("seed"), int) and not 0 <= values["seed"] < 2**32:
        yield ConfigError(f"seed={values['seed']}", "out of range", "use 0 or a positive integer below 2^32")


def _node_problems(prefix: str, node: dict[str, Any]) -> Iterator[ConfigError]:
    if "_target_" in node:
        yield from _signature_problems(prefix, node)
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _node_problems(f"{prefix}.{key}" if prefix else str(key), value)


def _signature_problems(prefix: str, node: dict[str, Any]) -> Iterator[ConfigError]:
    try:
        logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # it would print the error, too
        target = get_object(node["_target_"])
    except Exception as error:  # hydra wraps whatever the import raised
        yield ConfigError(
            f"{prefix}._target_={node['_target_']}", "can't be imported", f"correct it ({' '.join(str(error).split())})"
        )
        return
    function = target.__init__ if inspect.isclass(target) else target
    parameters = inspect.signature(function).parameters
    hints = _type_hints(function)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for key, value in node.items():
        if key.startswith("_") and key.endswith("_"):
            continue
        full_key = f"{prefix}.{key}"
        if key not in parameters:
            if not takes_any:
                known = [f"{prefix}.{name}" for name in node if name in parameters]
                yield ConfigError(f"{full_key}={value}", "no such setting", suggestion(full_key, known))
        elif key in hints and not isinstance(value, dict) and not _fits(value, hints[key]):
            yield _type_error(full_key, value, hints[key])


def _type_hints(function: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except NameError:  # a library's annotation for type checkers alone: its names are still bound, types are not
        return {}


def _fits(value: Any, hint: Any) -> bool:
    if isinstance(value, float) and not math.isfinite(value):
        return False
    if isinstance(value, bool) and not is_bearable("", hint):  # Python takes true for 1; a user does not mean it
        return hint is bool or bool in typing.get_args(hint)
    return is_bearable(value, hint, conf=_NUMERIC_TOWER)


def _type_error(key: str, value: Any, hint: Any) -> ConfigError:
    return ConfigError(f"{key}={value}", f"{type(value).__name__} is not allowed here", f"use {_describe(hint)}")


def _describe(hint: Any) -> str:
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(dict.fromkeys(map(str, arguments)))
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join("null" if a is type(None) else _describe(a) for a in arguments)
    return str(hint).replace("typing.", "") if arguments else getattr(hint, "__name__", str(hint))


def suggestion(key: str, known: list[str]) -> str:
    """The end of an error line for an unknown key: the nearest known ones, or all of them."""
    known = list(dict.fromkeys(known))
    near = get_close_matches(key, known, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else f"known here: {', '.join(known)}"
