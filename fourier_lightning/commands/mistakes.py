"""What Hydra and OmegaConf complain about, as the one line that a user needs."""

import inspect
import re
import string
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from hydra.errors import HydraException, OverrideParseException
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from fourier_lightning.commands.files import directories, unreadable
from fourier_lightning.config import CONF_DIR, load_config
from fourier_lightning.errors import ConfigError, suggestion
from fourier_lightning.values import GLOBAL

PLAIN = {*string.ascii_letters, *string.digits, *" =,[]{}()_-/.:+*@%$?|~\\\"'"}  # what Hydra's grammar knows

# Hydra's words for a key that is added, and there.
ADDED = re.compile(
    r"already at '(.+?)'|not supported: '\++(.+?)[='@]|Multiple values for ([^ .]+)|([^ ]+) appears more than once"
)


def explain(error: Exception, argv: Sequence[str] = ()) -> ConfigError:
    """The line for an error that Hydra or OmegaConf raised while it composed the configuration of a command line."""
    text = " ".join(str(error).split("Config search path")[0].split("See https")[0].split())
    if isinstance(error, OverrideParseException):
        return unparsed(error.override)
    if line := unreadable(error, argv) or of_a_launcher(text) or of_a_group(text, argv) or of_a_file(text):
        return line
    if any(words in text for words in ("Could not append", "force-add", "Multiple values for", "more than once")):
        return twice(text, argv)
    if "Could not delete" in text and (typed := next((word for word in argv if word[:1] == "~" and "=" in word), None)):
        return ConfigError(typed, "it has another value", f"write {typed.partition('=')[0]}")
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


def of_a_group(text: str, argv: Sequence[str]) -> ConfigError | None:
    """The line for a choice that a group doesn't have, or that is no choice."""
    if "Config group override" in text:
        given = next((one for one in argv if (CONF_DIR / one.partition("=")[0]).is_dir() and "=" in one), "group")
        return ConfigError(given, "not the name of an option", options_of(given.partition("=")[0]))
    if "Ambiguous value for argument" in text:
        return ConfigError(text.split("'")[1], "several values", "add -m to run one job for each")
    if not (missing := re.search("Could not (?:find|load) '([^']+)'", text)):  # load: one of a list of options
        return None
    typed = [word.lstrip("+").partition("=") for word in argv]
    split = next(((key, word) for key, _, word in typed if f"{key}/{word}" == missing[1]), None)
    group, option = split or (missing[1].rpartition("/")[0], missing[1].rpartition("/")[2])
    if group == "callbacks" and (CONF_DIR / "instruments" / f"{option}.yaml").is_file():
        return ConfigError(f"callbacks={option}", "instruments are a group of their own", f"use instruments={option}")
    if Path(option).suffix in (".yaml", ".yml") or "/" in option:
        return a_file(group, option, argv)
    return ConfigError(f"{group}={option}", "no such choice", options_of(group, option, argv))


def a_file(group: str, option: str, argv: Sequence[str]) -> ConfigError:
    """The line for a file, or a path, where a group's option was to be named."""
    key, path = f"{group}={option}", Path(option)
    ours = [name for name in options(group, argv) if path.with_suffix("").as_posix().endswith(f"{group}/{name}")]
    if ours:
        return ConfigError(key, "a path, not the name of an option", f"use {group}={max(ours, key=len)}")
    if any((directory / group / path).is_file() for directory in directories(argv)):  # x.yml
        return ConfigError(key, "only files named *.yaml are read", f"rename it to {path.stem}.yaml")
    if path.is_file():
        place = path.parent.parent if path.parent.name == group else f"DIR (the file in DIR/{group})"
        return ConfigError(key, "a path, not the name of an option", f"use --config-dir {place} {group}={path.stem}")
    return ConfigError(key, "no such choice", options_of(group, path.stem, argv))


def of_a_file(text: str) -> ConfigError | None:
    """The line for an option's file that can't be composed."""
    if not (match := re.match("In '([^']+/[^']+)': (?:[A-Za-z]+ raised while composing config: )?(.*)", text)):
        return None
    file, problem = f"{match[1]}.yaml", match[2]
    if overridden := re.search("Could not override '([^']+)'", problem):
        wanted, groups = overridden[1].partition("@")[0], [path.name for path in CONF_DIR.iterdir() if path.is_dir()]
        group = wanted.rpartition("/")[2]
        remedy = f"write 'override /{group}'" if group in groups else suggestion(group, groups)
        return ConfigError(file, f"it overrides {wanted}, which is not in the list of defaults", remedy)
    return ConfigError(file, problem, f"a file holds lines of KEY: VALUE below '{GLOBAL}'")


def of_a_launcher(text: str) -> ConfigError | None:
    """The line for a launcher that can't be had here."""
    if "hydra/launcher/joblib" in text or "Unknown plugin class" in text:
        return ConfigError("hydra/launcher", "not installed", "pip install 'fourier-lightning[parallel]'")
    if 'Could not detect "srun"' in text:
        remedy = "call it where jobs are submitted, or use hydra/launcher=joblib or local on this machine"
        return ConfigError("hydra/launcher=slurm", "there is no Slurm here (no srun)", remedy)
    return None


def twice(text: str, argv: Sequence[str]) -> ConfigError:
    """The line for what is added to a configuration that has it."""
    match = ADDED.search(text)
    key = match[match.lastindex or 0] if match else ""
    if typed := next((word for word in argv if word[:1] == "+" and word.lstrip("+").startswith(f"{key}=")), None):
        return ConfigError(typed, "in the configuration already", f"leave out the +: {typed.lstrip('+')}")
    return ConfigError(key, "chosen already", f"in a file's list of defaults write 'override /{key}: OPTION'")


def unparsed(override: str) -> ConfigError:
    """The line for an argument that Hydra's grammar has no place for."""
    key, _, value = override.partition("=")
    if key == override and key in known_keys():
        return ConfigError(override, "no value", f"give it one: {key}=VALUE")
    if not value or not PLAIN.issuperset(key):
        return ConfigError(override, "not KEY=VALUE", suggestion(key, known_keys(), "settings are KEY=VALUE"))
    if PLAIN.issuperset(value):
        remedy = "close every bracket, leave out spaces, and quote values with =: 'key=\"a=b\"'"
        return ConfigError(override, "not KEY=VALUE", remedy)
    quoted = value.strip("\"'").replace('"', r"\"")
    return ConfigError(override, "a value with signs that have to be quoted", f"""write '{key}="{quoted}"'""")


def options_of(group: str, wanted: str = "", argv: Sequence[str] = ()) -> str:
    """The remedy for an option that a group hasn't."""
    known = options(group, argv)
    return suggestion(wanted, known) if known else "see fourier-lightning train --help"


def options(group: str, argv: Sequence[str] = ()) -> list[str]:
    """The names of a group's options, a user's own among them."""
    places = [directory / group for directory in directories(argv)] if group else []
    others = ["basic", "joblib"] if group == "hydra/launcher" else []  # of other packages
    paths = [path.relative_to(place).with_suffix("") for place in places for path in place.rglob("*.yaml")]
    return sorted({*others, *map(str, paths)})


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
