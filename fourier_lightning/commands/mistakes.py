"""What Hydra and OmegaConf complain about, as the one line that a user needs."""

import inspect
import re
from collections.abc import Sequence
from difflib import get_close_matches

from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException, OverrideParseException
from hydra.utils import get_object
from omegaconf import OmegaConf

from fourier_lightning.commands.parser import raise_complaint
from fourier_lightning.config import CONF_DIR, load_config, suggestion
from fourier_lightning.errors import ConfigError


def check_options(argv: Sequence[str]) -> None:
    """Refuse an option that Hydra has not: its own parser would print its usage."""
    parser = get_args_parser()
    options = parser._option_string_actions
    for word in argv:
        option = word.partition("=")[0]
        if option.startswith("-") and option not in options:
            near = get_close_matches(option, options, n=1)
            remedy = (
                f"did you mean {near[0]}?" if near else "settings are KEY=VALUE, see fourier-lightning train --help"
            )
            raise ConfigError(option, "no such option", remedy)
    parser.error = lambda message: raise_complaint(message, "fourier-lightning train --help")  # type: ignore[method-assign]
    parser.parse_args(argv)


def explain(error: Exception) -> ConfigError:
    """The line for an error that Hydra or OmegaConf raised while it composed the configuration."""
    text = " ".join(str(error).split("Config search path")[0].split("See https")[0].split())
    if isinstance(error, OverrideParseException):
        problem = text.removeprefix(f"Error parsing override '{error.override}'").strip()
        remedy = "quote values with = or spaces, as in 'key=\"a=b\"'"
        return ConfigError(error.override, f"not KEY=VALUE ({problem})", remedy)
    if "Ambiguous value for argument" in text:
        return ConfigError(text.split("'")[1], "several values", "add -m to run one job for each")
    if "hydra/launcher/joblib" in text or "Unknown plugin class" in text:
        return ConfigError("hydra/launcher", "not installed", "pip install 'fourier-lightning[parallel]'")
    if 'Could not detect "srun"' in text:
        remedy = "call it where jobs are submitted, or use hydra/launcher=joblib or local on this machine"
        return ConfigError("hydra/launcher=slurm", "there is no Slurm here (no srun)", remedy)
    if missing := re.search("Could not (?:find|load) '([^']+)'", text):  # load: one of a list of options
        group, _, option = missing[1].rpartition("/")
        if group == "callbacks" and (CONF_DIR / "instruments" / f"{option}.yaml").is_file():
            return ConfigError(
                f"callbacks={option}", "instruments are a group of their own", f"use instruments={option}"
            )
        options = [
            str(path.relative_to(CONF_DIR / group).with_suffix("")) for path in (CONF_DIR / group).rglob("*.yaml")
        ]
        options += ["basic", "joblib"] if group == "hydra/launcher" else []  # of other packages
        some = group and options
        remedy = f"choose from {', '.join(sorted(options))}" if some else "see fourier-lightning train --help"
        return ConfigError(f"{group}={option}", "no such choice", remedy)
    if "Could not override" in text or "Could not delete" in text or "not in struct" in text:
        key = text.split("'")[1]
        known = known_keys()
        if key in known:  # the default has it, what was chosen here has not
            return ConfigError(key, "not in the configuration that these choices make", "leave it out")
        if takes(key):
            return ConfigError(key, "not in the configuration, but its target takes it", f"add it with +{key}=VALUE")
        return ConfigError(key, "no such setting", suggestion(key, known))
    if isinstance(error, OSError) and not isinstance(error, HydraException):
        return ConfigError("hydra.run.dir or hydra.sweep.dir", text, "choose a directory that can be written")
    return ConfigError("command line", text or type(error).__name__, "see fourier-lightning train --help")


def takes(key: str) -> bool:
    """Whether the target of the key's node has a parameter of that name, as Lightning's Trainer has many."""
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(load_config(), parent) if parent else None
    return "_target_" in (node or {}) and name in inspect.signature(get_object(node._target_)).parameters


def known_keys() -> list[str]:
    """Every key of the default configuration, dotted, and every config group."""
    keys: list[str] = [d.name for d in CONF_DIR.iterdir() if d.is_dir()]

    def walk(prefix: str, node: object) -> None:
        for key, value in node.items() if isinstance(node, dict) else ():
            keys.append(f"{prefix}{key}")
            walk(f"{prefix}{key}.", value)

    walk("", OmegaConf.to_container(load_config(), resolve=False))
    return keys
