"""What Hydra and OmegaConf complain about, as the one line that a user needs."""

import inspect
import re
import string
from collections.abc import Sequence
from functools import cache

from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException, OverrideParseException
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from fourier_lightning.commands.parser import raise_complaint
from fourier_lightning.config import CONF_DIR, load_config
from fourier_lightning.errors import ConfigError, suggestion

PLAIN = {*string.ascii_letters, *string.digits, *" =,[]{}()_-/.:+*@%$?|~\\\"'"}  # what Hydra's grammar knows


def check_options(argv: Sequence[str]) -> None:
    """Refuse an option that Hydra has not: its own parser would print its usage."""
    parser = get_args_parser()
    options = parser._option_string_actions
    for word in argv:
        option = word.partition("=")[0]
        if option.startswith("-") and option not in options:
            otherwise = "settings are KEY=VALUE, see fourier-lightning train --help"
            raise ConfigError(option, "no such option", suggestion(option, options, otherwise))
    parser.error = lambda message: raise_complaint(message, "fourier-lightning train --help")  # type: ignore[method-assign]
    parser.parse_args(argv)


def explain(error: Exception, overrides: Sequence[str] = ()) -> ConfigError:
    """The line for an error that Hydra or OmegaConf raised while it composed the configuration of these overrides."""
    text = " ".join(str(error).split("Config search path")[0].split("See https")[0].split())
    if isinstance(error, OverrideParseException):
        return unparsed(error.override)
    if "Config group override" in text:
        given = next((one for one in overrides if (CONF_DIR / one.partition("=")[0]).is_dir() and "=" in one), "group")
        return ConfigError(given, "not the name of an option", options_of(given.partition("=")[0]))
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
        return ConfigError(f"{group}={option}", "no such choice", options_of(group, option))
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


def unparsed(override: str) -> ConfigError:
    """The line for an argument that Hydra's grammar has no place for."""
    key, _, value = override.partition("=")
    if key == override and key in known_keys():
        return ConfigError(override, "no value", f"give it one: {key}=VALUE")
    if not value or not PLAIN.issuperset(key):
        return ConfigError(override, "not KEY=VALUE", suggestion(key, known_keys(), "settings are KEY=VALUE"))
    if PLAIN.issuperset(value):
        return ConfigError(override, "not KEY=VALUE", "close every bracket, and quote values with =: 'key=\"a=b\"'")
    quoted = value.strip("\"'").replace('"', r"\"")
    return ConfigError(override, "a value with signs that have to be quoted", f"""write '{key}="{quoted}"'""")


def options_of(group: str, wanted: str = "") -> str:
    """The remedy for an option that a group hasn't."""
    paths = (CONF_DIR / group).rglob("*.yaml") if group else ()
    others = ["basic", "joblib"] if group == "hydra/launcher" else []  # of other packages
    options = sorted([*others, *(str(path.relative_to(CONF_DIR / group).with_suffix("")) for path in paths)])
    return suggestion(wanted, options) if options else "see fourier-lightning train --help"


@cache
def default() -> DictConfig:
    """The configuration that no override makes."""
    return load_config()


def takes(key: str) -> bool:
    """Whether the target of the key's node has a parameter of that name, as Lightning's Trainer has many."""
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(default(), parent) if parent else None
    return "_target_" in (node or {}) and name in inspect.signature(get_object(node._target_)).parameters


def known_keys() -> list[str]:
    """Every key of the default configuration, dotted, and every config group."""
    keys: list[str] = [d.name for d in CONF_DIR.iterdir() if d.is_dir()]

    def walk(prefix: str, node: object) -> None:
        for key, value in node.items() if isinstance(node, dict) else ():
            if key[:1] != "_":
                keys.append(f"{prefix}{key}")
            walk(f"{prefix}{key}.", value)

    walk("", OmegaConf.to_container(default(), resolve=False))
    return keys
