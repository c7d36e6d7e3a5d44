"""Where the configuration lives, how it is composed, and the check that runs before anything else.

Every node with a ``_target_`` is bound against that target's signature: unknown names and wrong types are
reported all at once, each under its command-line key, before a directory is made or a weight is read.
"""

import inspect
import sys
import typing
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from fourier_lightning import targets
from fourier_lightning.errors import ConfigError, refuse, suggestion
from fourier_lightning.idle import check_idle
from fourier_lightning.names import filter_name
from fourier_lightning.values import fits, key_of, place_for, takes, type_error

PACKAGE_DIR = Path(__file__).resolve().parent
# In a wheel conf/ sits inside the package; in a checkout it is beside it.
CONF_DIR = next((d for d in (PACKAGE_DIR / "conf", PACKAGE_DIR.parent / "conf") if d.is_dir()), PACKAGE_DIR / "conf")

# Top-level settings that belong to no `_target_`.
RUN_SETTINGS: dict[str, Any] = {
    "seed": int,
    "seeds_in_parallel": int,
    "fit": bool,
    "test": bool,
    "threads": int | Literal["auto"],
    "compile": Literal["default", "reduce-overhead", "max-autotune"] | None,
    "split": Literal["train", "val", "test"],
    "ckpt_path": str | None,
    "name": str,
    "group": str | None,
    "tags": list[str],
    targets.FLAG: bool,
}
TARGETS = ("backbone", "data", "embedding", "model", "optimizer", "filter", "trainer")
MODEL_CHOICES = ("model", "size", "embedding", "experiment", "sweep")  # groups that say which model a run is about
# What a run gives these targets itself: a setting of that name would be overruled.
GIVEN = {
    "data": ("tokenizer", "seed", "rows"),
    "trainer": ("logger", "callbacks", "enable_checkpointing", "default_root_dir"),
    "logger.wandb": ("record", "config", "beside"),
}
NODES = ("paths", *TARGETS, "callbacks", "logger")


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
    """Make ``${asset:...}``, ``${auto_precision:...}`` and ``${filter_name:...}`` known to YAML. Safe to call twice."""
    OmegaConf.register_new_resolver("asset", asset_path, replace=True)
    OmegaConf.register_new_resolver("auto_precision", auto_precision, replace=True)
    OmegaConf.register_new_resolver("filter_name", filter_name, replace=True)


def load_config(overrides: list[str] | None = None, output_dir: str | Path | None = None) -> DictConfig:
    """Compose the training configuration in process, as ``python train.py OVERRIDES`` would.

    Args:
        overrides: command-line overrides, e.g. ``["model=scratch", "seed=1"]``.
        output_dir: the run directory (the command line gets it from ``hydra.run.dir``); by default a new one below
            ``outputs``.

    Raises:
        ConfigError: an override that nothing reads beside the others, see ``idle``; with ``fit=false ckpt_path=...``,
            one that the checkpoint has otherwise.
    """
    overrides = list(overrides or [])
    register_resolvers()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        cfg = compose("train", overrides=overrides)
    cfg.paths.output_dir = str(output_dir or f"outputs/{datetime.now():%Y-%m-%d/%H-%M-%S-%f}")
    take_settings(cfg, overrides)
    check_idle(cfg, overrides)
    return cfg


def take_settings(cfg: DictConfig, overrides: list[str]) -> None:
    """Give an evaluation the settings of its model: of a checkpoint's, see ``checkpoint.adopt``, or of the backbone's.

    Without a checkpoint, and with no choice of a model, it is about the backbone as it comes (``model=pretrained``),
    whose unembedding is its own or its table, as it is.

    Raises:
        ConfigError: a configuration file that lets itself name what it likes.
    """
    given = [key_of(override) for override in overrides]
    if cfg.get(targets.FLAG) and targets.FLAG not in given:
        raise targets.not_by_a_file()
    try:
        evaluates, checkpoint = cfg.get("fit") is False, cfg.get("ckpt_path")
    except OmegaConfBaseException:  # ``check_config`` says what is wrong with them
        return
    if not evaluates:
        return
    if checkpoint is not None:
        from fourier_lightning.checkpoint import adopt

        adopt(cfg, overrides, load_config())
        return
    if not any(key.partition(".")[0] in MODEL_CHOICES for key in given):
        as_it_comes = load_config(["model=pretrained"])
        with open_dict(cfg):
            cfg.model, cfg.embedding = as_it_comes.model, as_it_comes.embedding
    pretrained = isinstance(cfg.get("model"), DictConfig) and cfg.model.get("body") == "pretrained"
    if pretrained and isinstance(cfg.get("embedding"), DictConfig) and "embedding.tie" not in given:
        cfg.embedding.tie = None


def check_config(cfg: DictConfig) -> None:
    """Bind every ``_target_`` node to its signature and check the run's own settings.

    Raises:
        ConfigError: one line for each setting that is unknown or of the wrong type.
    """
    values = values_of(cfg)
    if values.get(targets.FLAG) is not True:
        refuse(targets.foreign(values))  # before any of them is imported
    shared = values.get("filter")
    for node in _nodes(values, "callbacks").values():
        if isinstance(node, dict) and node.get("filter") == shared:
            del node["filter"]  # filter: ${filter} is checked where it stands
    for node in _nodes(values, "logger").values():
        for key in RUN_SETTINGS.keys() & (node if isinstance(node, dict) else {}):
            if node[key] == values.get(key):  # so are a run's name, group and tags
                del node[key]
    refuse([*_run_problems(values), *_node_problems("", values)])


def values_of(cfg: DictConfig) -> dict[str, Any]:
    """The configuration as plain values.

    Raises:
        ConfigError: one that is missing, or that names another which there isn't.
    """
    try:
        return OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)  # type: ignore[return-value]
    except OmegaConfBaseException as error:
        raise ConfigError(error.full_key or "config", str(error).splitlines()[0], "give it a value") from error


def _nodes(values: dict[str, Any], group: str) -> dict[str, Any]:
    return values[group] if isinstance(values.get(group), dict) else {}


def _run_problems(values: dict[str, Any]) -> Iterator[ConfigError]:
    for key, value in values.items():
        if key in RUN_SETTINGS:
            if not fits(value, RUN_SETTINGS[key]):
                yield type_error(key, value, RUN_SETTINGS[key])
        elif key not in NODES:
            yield ConfigError(f"{key}={value}", "no such setting", place_for(str(key), [*RUN_SETTINGS, *NODES]))
    for key in [*RUN_SETTINGS, *NODES]:
        if key not in values or (key in NODES and values[key] is None):
            yield ConfigError(key, "missing", "choose one of its options, see fourier-lightning train --help")
        elif key in NODES and not isinstance(values[key], dict):
            yield ConfigError(f"{key}={values[key]}", "not a node", f"choose an option, or set {key}.KEY=VALUE")
        elif key in TARGETS and "_target_" not in values[key]:
            yield ConfigError(key, "has no _target_", "choose one of its options, see fourier-lightning train --help")
    for group in ("callbacks", "logger"):
        for name, node in _nodes(values, group).items():
            if not isinstance(node, dict) or "_target_" not in node:
                key = f"{group}.{name}"
                yield ConfigError(f"{key}={node}", "not a node with a _target_", f"to remove it use ~{key}")
    if isinstance(values.get("seed"), int) and not 0 <= values["seed"] < 2**32:
        yield ConfigError(f"seed={values['seed']}", "out of range", "use 0 or a positive integer below 2^32")


def _node_problems(prefix: str, node: Any) -> Iterator[ConfigError]:
    if isinstance(node, dict) and "_target_" in node:
        yield from _signature_problems(prefix, node)
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in entries:
        yield from _node_problems(f"{prefix}.{key}" if prefix else str(key), value)


def _signature_problems(prefix: str, node: dict[str, Any]) -> Iterator[ConfigError]:
    try:
        target = targets.find(node["_target_"])
    except Exception as error:  # hydra wraps whatever the import raised
        reason = suggestion(*siblings(node["_target_"]), f"correct it ({' '.join(str(error).split())})")
        yield ConfigError(f"{prefix}._target_={node['_target_']}", "can't be imported", reason)
        return
    function = target.__init__ if inspect.isclass(target) else target
    parameters = inspect.signature(function).parameters
    hints = _type_hints(function)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for key, value in node.items():
        if key.startswith("_") and key.endswith("_"):
            continue
        full_key = f"{prefix}.{key}"
        if key in GIVEN.get(prefix, ()):
            yield ConfigError(f"{full_key}={value}", "the run sets it itself", "leave it out")
        elif key not in parameters:
            if not takes_any:
                left_out = ("self", "args", "kwargs", *GIVEN.get(prefix, ()))
                known = [f"{prefix}.{name}" for name in parameters if name not in left_out]
                yield ConfigError(f"{full_key}={value}", "no such setting", suggestion(full_key, known))
        elif key in hints and not takes(value, hints[key]):
            yield type_error(full_key, value, hints[key])


def siblings(path: Any) -> tuple[str, list[str]]:
    """A dotted path that can't be imported, and those that can which are like it but for their last name."""
    module, _, _ = str(path).rpartition(".")
    names = vars(sys.modules[module]) if module in sys.modules else ()
    return str(path), [f"{module}.{name}" for name in names if name[0] != "_"]


def _type_hints(function: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except NameError:  # a library's annotation for type checkers alone: its names are still bound, types are not
        return {}
