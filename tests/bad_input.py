"""How bad input is sent, and a strategy of it made from the configuration's own schema.

A refusal is one line on stderr, exit code 2, and nothing written.
"""

import copy
import inspect
import io
import math
import types
import typing
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.utils import get_object
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

from fourier_lightning import cli
from fourier_lightning.commands import train
from fourier_lightning.commands.train import Lifecycle
from fourier_lightning.config import CONF_DIR, RUN_SETTINGS, register_resolvers

SMALL = ("instruments=knock_out", "logger=none", "data.max_operand=20", "data.train_fraction=0.8")


def refusal(send: Callable[[], object], written: tuple[str, ...] = ()) -> str | None:
    """What a refusal says; None where nothing is refused.

    Args:
        send: does what the command line does with the input.
        written: names that are in the working directory all along.

    Raises:
        AssertionError: more or less than one line, another exit code, or something was written.
    """
    code, out, err = 0, io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            send()
        except SystemExit as stop:
            code = stop.code
    if code == 0:
        return None
    said = err.getvalue()
    assert (code, said.count("\n"), out.getvalue()) == (2, 1, ""), (code, said, out.getvalue())
    assert said.startswith("error: ") and ": " in said[7:] and "; " in said, said
    left = sorted(path.name for path in Path().iterdir())
    assert left == sorted(written), left
    return said.removeprefix("error: ").rstrip("\n")


def command(*words: str) -> Callable[[], None]:
    """The command line itself."""
    return lambda: cli.main(list(words))


@cache
def composed(*overrides: str) -> DictConfig:
    """A configuration as Hydra hands it over before a run; composing is what takes the time."""
    register_resolvers()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        cfg = compose("train", list(overrides), return_hydra_config=True)
    OmegaConf.set_struct(cfg, False)
    cfg.hydra.run.dir = "run"
    return cfg


def run_with(base: tuple[str, ...], settings: dict[str, Any]) -> Callable[[], None]:
    """The start of a run: what Hydra calls before it makes a directory.

    Args:
        base: what it is composed with; ``a.b=value`` is set afterwards, and ``only=NAME`` leaves one callback alone,
            which is faster than composing anew.
        settings: added or changed as if they had been typed.
    """
    set_after = [
        one for one in base if one.startswith("only=") or ("." in one.partition("=")[0] and one[0] not in "~+")
    ]
    cfg = copy.deepcopy(composed(*(one for one in base if one not in set_after)))
    for key, value in typed(" ".join(set_after)).items():
        if key == "only":
            cfg.callbacks = {name: node for name, node in cfg.callbacks.items() if name == value}
        else:
            OmegaConf.update(cfg, key, value, merge=False)
    for key, value in settings.items():
        OmegaConf.update(cfg, key, value, merge=False)
        cfg.hydra.overrides.task.append(f"{key}={value}")

    def start() -> None:
        try:
            Lifecycle().on_run_start(cfg)
        finally:
            train._session.held.close()  # as the command does at its end

    return start


def typed(line: str) -> dict[str, Any]:
    """Overrides as the command line reads them, parted by spaces."""
    parsed = OverridesParser.create().parse_overrides(line.split())
    return {one.key_or_group: one.value() for one in parsed}


def schema(cfg: DictConfig) -> dict[str, Any]:
    """Every setting of a composed configuration, dotted, with the type that its target's signature gives it."""
    hints: dict[str, Any] = dict(RUN_SETTINGS)

    def walk(prefix: str, node: Any) -> None:
        if not isinstance(node, DictConfig):
            return
        if "_target_" in node:
            target = get_object(node._target_)
            known = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
            hints.update({f"{prefix}.{key}": hint for key, hint in known.items() if key in node})
        for key in node:
            walk(f"{prefix}.{key}" if prefix else key, node._get_node(key))

    for key in cfg:
        if key != "hydra":
            walk(key, cfg._get_node(key))
    return hints


def allows(hint: Any, value: Any) -> bool:
    """Whether a type allows a plain value, as its user understands it: the check's own rules, written once more."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(allows(one, value) for one in arguments)
    if origin is typing.Literal:
        return any(type(value) is type(one) and value == one for one in arguments)
    if origin in (list, tuple) or hint in (list, tuple):
        inner = [one for one in arguments if one is not ...] or [Any]
        return isinstance(value, list) and all(any(allows(one, each) for one in inner) for each in value)
    if hint in (None, type(None)):
        return value is None
    if hint in (bool, str):
        return type(value) is hint
    if hint is int:
        return type(value) is int and abs(value) < 2**63
    if hint is float:
        return type(value) in (int, float) and math.isfinite(value)
    return True  # a library's own types: can't be told from here


words = st.text(st.characters(codec="utf-8", exclude_characters="$?"), max_size=12)  # ${...} and ??? mean something
numbers = st.integers() | st.sampled_from([10**30, -(10**30), 2**63]) | st.floats()
scalars = (
    st.none() | st.booleans() | numbers | words | st.sampled_from(["auto", "null", ".nan", "-inf", "1e400", "0x10"])
)
values = st.recursive(
    scalars, lambda one: st.lists(one, max_size=3) | st.dictionaries(words, one, max_size=2), max_leaves=4
)


def wrong_types(hints: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """For each setting a value that is not of its type, where a type can be told."""
    told_apart = {key: hint for key, hint in hints.items() if not all(allows(hint, value) for value in (None, [None]))}
    wrong = {key: values.filter(lambda value, hint=hint: not allows(hint, value)) for key, hint in told_apart.items()}
    return st.fixed_dictionaries(wrong)


@st.composite
def typos(draw: st.DrawFn, keys: list[str]) -> tuple[str, str]:
    """A key, and the same with a letter lost, doubled, or changed places with the next."""
    right = draw(st.sampled_from([key for key in keys if len(key.rpartition(".")[2]) > 3]))
    parent, _, name = right.rpartition(".")
    at, how = draw(st.integers(0, len(name) - 2)), draw(st.sampled_from(["lost", "doubled", "swapped"]))
    middle = {"lost": "", "doubled": name[at] * 2, "swapped": name[at + 1] + name[at]}[how]
    wrong = name[:at] + middle + name[at + 1 + (how == "swapped") :]
    return right, f"{parent}.{wrong}" if parent else wrong


def absurd(hints: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Values of the right type that hardly anybody means, of every setting that has a number or a word."""
    for key, hint in hints.items():
        for value in (0, -1, -7, 2**40, 2**62, -(2**40), -1.5, 1e300, 1e-300, "", " ", "x" * 300, "ü\n", [], [[]]):
            if allows(hint, value):
                yield key, value


def told(record_property: Callable[[str, object], None], count: int) -> None:
    """Add to the count that the end of the test session prints."""
    record_property("bad inputs refused", count)


@pytest.fixture
def elsewhere(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty working directory. What is not refused does not run, either."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fourier_lightning.run.train", lambda *args, **kwargs: pytest.fail("not refused"))
    return tmp_path
