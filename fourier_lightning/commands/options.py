"""Hydra's own options on the command line of ``train``: which there are, and where they may stand."""

from collections.abc import Sequence
from pathlib import Path

from hydra._internal.utils import get_args_parser

from fourier_lightning.commands.files import search_path
from fourier_lightning.commands.parser import raise_complaint
from fourier_lightning.errors import ConfigError, suggestion

HELP = "fourier-lightning train --help"


def settings_first(argv: Sequence[str]) -> list[str]:
    """The words of a command line in the order that Hydra takes: settings, then options.

    Hydra's parser gives up on a setting that stands behind an option (``model=scratch -m seed=0,1``).

    Raises:
        ConfigError: an option that Hydra doesn't have, or that it would ignore.
    """
    parser = get_args_parser()
    options = parser._option_string_actions
    for word in argv:
        option, _, value = word.partition("=")
        if option.startswith("-") and option not in options:
            raise ConfigError(option, "no such option", meant(option, value, options))
    parser.error = lambda message: raise_complaint(message, HELP)  # type: ignore[method-assign]
    args = parser.parse_intermixed_args(argv)
    for place in search_path([word for word in args.overrides if word.startswith("hydra.searchpath=")]):
        if not Path(place).is_dir():
            raise ConfigError(f"hydra.searchpath={place}", "no such directory", "give one that holds GROUP/FILE.yaml")
    if args.config_dir and not Path(args.config_dir).is_dir():
        raise ConfigError(f"--config-dir {args.config_dir}", "no such directory", "give one that holds GROUP/FILE.yaml")
    if args.package and not args.cfg:
        raise ConfigError(f"--package {args.package}", "without --cfg it would be ignored", "add --cfg job")
    if args.experimental_rerun:
        problem = "it would run what a pickle holds"
        raise ConfigError("--experimental-rerun", problem, "give the settings, or hydra.run.dir=DIR ckpt_path=auto")
    others = list(argv)
    for setting in args.overrides:
        others.remove(setting)
    return [*args.overrides, *others]


def meant(option: str, value: str, options: Sequence[str]) -> str:
    """The remedy for an option that there isn't: a setting has no dashes before it."""
    from fourier_lightning.commands.mistakes import known_keys

    key = option.lstrip("-")
    if len(key) > 1 and key in known_keys():
        return f"did you mean {key}={value or 'VALUE'}?"
    return suggestion(option, options, f"settings are KEY=VALUE, see {HELP}")
