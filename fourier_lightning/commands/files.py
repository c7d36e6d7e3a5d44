"""Configuration files of a user's own: what can be wrong with one, as a line that names the file."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigSource
from omegaconf import DictConfig, OmegaConf
from yaml import MarkedYAMLError

from fourier_lightning.config import CONF_DIR, NODES, RUN_SETTINGS
from fourier_lightning.errors import ConfigError
from fourier_lightning.values import GLOBAL, WHOLE_RUNS

ENCODING = "save it as UTF-8, without a byte order mark"


def check_packages(settings: DictConfig, hydra: DictConfig) -> None:
    """Refuse a file of whole runs whose settings Hydra has put below a key of its own, where nothing reads them.

    Args:
        settings: the composed configuration.
        hydra: Hydra's own.

    Raises:
        ConfigError: naming the file.
    """
    plain: dict[str, Any] = OmegaConf.to_container(settings, resolve=False)  # type: ignore[assignment]
    strays = [key for key, value in plain.items() if isinstance(value, dict) and key not in (*NODES, *RUN_SETTINGS)]
    if not strays:
        return
    for path in (path for group in WHOLE_RUNS for path in chosen(hydra, group)):
        text = path.read_text(encoding="utf-8")
        if text.startswith("\ufeff"):
            raise ConfigError(str(path), "begins with a byte order mark, which hides its first line", ENCODING)
        if ConfigSource._get_header_dict(text[:512]).get("package") != "_global_":
            problem = f"its first line isn't '{GLOBAL}': its settings are below {strays[0]}, where nothing reads them"
            raise ConfigError(str(path), problem, "make that its first line")


def chosen(hydra: DictConfig, group: str) -> Iterator[Path]:
    """The files of the options that a configuration chose in a group."""
    choice = hydra.runtime.choices.get(group) or []
    for option in [choice] if isinstance(choice, str) else choice:
        name = option.removesuffix(".yaml") + ".yaml"
        paths = (Path(source.path, group, name) for source in hydra.runtime.config_sources if source.schema == "file")
        yield from [path for path in paths if path.is_file()][:1]


def directories(argv: Sequence[str]) -> list[Path]:
    """Where Hydra looks for files: what the command line adds, and this package's."""
    args = get_args_parser().parse_args(list(argv))
    return [Path(place) for place in (args.config_dir, *search_path(args.overrides), CONF_DIR) if place]


def search_path(overrides: Sequence[str]) -> list[str]:
    """The directories of ``hydra.searchpath``."""
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException:  # refused when Hydra parses it
        return []
    lists: list[Any] = [each.value() for each in parsed if each.key_or_group == "hydra.searchpath"]
    entries = [str(entry) for places in lists if isinstance(places, list) for entry in places]
    return [entry.removeprefix("file://") for entry in entries if not entry.startswith("pkg://")]


def unreadable(error: Exception, argv: Sequence[str]) -> ConfigError | None:
    """The line for a file that Hydra could not read; None if that isn't what went wrong."""
    if isinstance(error, MarkedYAMLError) and error.problem_mark:
        where = f"{error.problem_mark.name}, line {error.problem_mark.line + 1}"
        remedy = "indent with spaces" if r"'\t'" in str(error.problem) else "correct it"
        return ConfigError(where, f"not YAML ({error.problem})", remedy)
    if isinstance(error, UnicodeDecodeError):
        path = first(argv, lambda path: not decodes(path))
        return ConfigError(str(path or "a configuration file"), "not UTF-8", ENCODING)
    if isinstance(error, ValueError) and ("header format" in str(error) or "components in" in str(error)):
        path = first(argv, lambda path: not has_header(path))
        return ConfigError(str(path or "a configuration file"), str(error), f"write '{GLOBAL}', and nothing beside it")
    return None


def first(argv: Sequence[str], wrong: Callable[[Path], bool]) -> Path | None:
    """The first file in the directories that is wrong; of those that the command line names, if there is one."""
    places = directories(argv)
    named = [place / f"{word.replace('=', '/')}.yaml" for word in argv for place in places]
    files = [*filter(Path.is_file, named), *(path for place in places for path in sorted(place.rglob("*.yaml")))]
    return next((path for path in files if wrong(path)), None)


def decodes(path: Path) -> bool:
    """Whether a file is UTF-8."""
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    return True


def has_header(path: Path) -> bool:
    """Whether Hydra can read what a file says of its package."""
    try:
        ConfigSource._get_header_dict(path.read_text(encoding="utf-8")[:512])
    except ValueError:
        return False
    return True
