"""What is typed: its key, whether its value is what a signature asks for, and what to say where it isn't."""

import math
import types
import typing
from collections.abc import Iterator
from typing import Any

from beartype import BeartypeConf
from beartype.door import is_bearable

from fourier_lightning.errors import ConfigError, suggestion

_NUMERIC_TOWER = BeartypeConf(is_pep484_tower=True)  # an int is a valid float, as everywhere in Python
NO_NUMBERS = ("nan", "inf", "infinity")  # Hydra reads YAML's spellings of them, .nan and -.inf, as words
WHOLE_RUNS = ("experiment", "sweep", "recipe")  # groups whose files set keys anywhere, by their first line
GLOBAL = "# @package _global_"
MOST = 2**63  # beyond what an integer tensor holds


def key_of(override: str) -> str:
    """The key of an override as it is typed: ``~a.b``, ``+a.b=1`` and ``++a.b=1`` are about ``a.b``."""
    return override.lstrip("+~").partition("=")[0]


def place_for(key: str, known: list[str]) -> str:
    """The remedy for a key at the top of a configuration that isn't known there: files have such keys."""
    if key in WHOLE_RUNS:
        return f"make '{GLOBAL}' the first line of the file of {key}="
    parent, _, name = key.partition("=")[0].rpartition(".")
    if parent:
        return f"in a file write it as two lines, {parent}: and below it, indented, {name}: VALUE"
    return suggestion(key, known)


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain value is of an annotated type, finite and of a size that can be computed with."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, one) for one in arguments)
    if origin is list and isinstance(value, list):  # beartype would look at one entry, drawn at random
        return all(fits(one, arguments[0]) for one in value)
    if origin is dict and isinstance(value, dict):
        return all(fits(name, arguments[0]) and fits(entry, arguments[1]) for name, entry in value.items())
    if isinstance(value, bool) and not is_bearable("", hint):  # Python takes true for 1; a user does not mean it
        return hint is bool
    return _extreme(value) is None and is_bearable(value, hint, conf=_NUMERIC_TOWER)


def takes(value: Any, hint: Any) -> bool:
    """Whether a parameter of an annotated type takes a value: one that fits, a node, or nodes where it takes a list."""
    if isinstance(value, list):
        value = [entry for entry in value if not _is_node(entry)]
    return _is_node(value) or fits(value, hint)


def _is_node(value: Any) -> bool:
    return isinstance(value, dict) and "_target_" in value


def type_error(key: str, value: Any, hint: Any) -> ConfigError:
    """The error of a value that does not fit."""
    words, typed = f"{key}={value}", f"{type(value).__name__} is not allowed here"
    spelled = str(value).lower().lstrip("+-.")
    if isinstance(value, str) and spelled in NO_NUMBERS and is_bearable(1.0, hint):
        return ConfigError(words, "not a finite number", f"use {describe(hint)}")
    problem = _extreme(value) or typed
    near = suggestion(str(value), _choices(hint), "")
    return ConfigError(words, problem, f"use {describe(hint)}" + (f"; {near}" if near else ""))


def describe(hint: Any) -> str:
    """A type in a user's words."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(dict.fromkeys(map(str, arguments)))
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join("null" if a is type(None) else describe(a) for a in arguments)
    return str(hint).replace("typing.", "") if arguments else getattr(hint, "__name__", str(hint))


def _extreme(value: Any) -> str | None:
    """What is wrong with a number, or with one in a list, that no computer calculates with."""
    numbers = list(_numbers(value))
    if not all(map(math.isfinite, (n for n in numbers if isinstance(n, float)))):
        return "not a finite number"
    return "too large a number" if any(abs(n) >= MOST for n in numbers if isinstance(n, int)) else None


def _numbers(value: Any) -> Iterator[int | float]:
    if isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _numbers(one)
    elif isinstance(value, int | float):
        yield value


def _choices(hint: Any) -> list[str]:
    """The words that a type names."""
    if typing.get_origin(hint) is typing.Literal:
        return [word for word in typing.get_args(hint) if isinstance(word, str)]
    return [word for argument in typing.get_args(hint) for word in _choices(argument)]
