"""Configuration files of a user's own, beside this package's: what works, and the line where one can't."""

import itertools
from pathlib import Path
from types import SimpleNamespace

import pytest

from fourier_lightning.commands.options import settings_first
from tests.bad_input import command, elsewhere, refusal, told

__all__ = ["elsewhere"]  # a fixture
GOOD = "# @package _global_\ndata:\n  max_operand: 20\n"
FEW = ("logger=none", "instruments=none")

# What a file experiment/mine.yaml holds, and how its line goes on behind its name.
WRONG = {
    "no package line": ("data:\n  max_operand: 20\n", ": its first line isn't '# @package _global_'"),
    "a colon too many": (GOOD.replace("package", "package:"), ": its first line isn't '# @package _global_'"),
    "another package": (GOOD.replace("_global_", "global"), ": its first line isn't '# @package _global_'"),
    "below other lines": ("# mine\n" + GOOD, ": its first line isn't '# @package _global_'"),
    "more beside it": (GOOD.replace("_global_", "_global_ mine"), ": Too many components in '@package _global_ mine'"),
    "byte order mark": (GOOD.encode("utf-8-sig"), ": begins with a byte order mark, which hides its first line; save"),
    "UTF-16": (GOOD.encode("utf-16"), ": not UTF-8; save it as UTF-8, without a byte order mark"),
    "Latin-1": ((GOOD + "name: Zähler").encode("latin-1"), ": not UTF-8; save it as UTF-8"),
    "tabs": (GOOD.replace("  ", "\t"), ", line 3: not YAML (found character '\\t' that cannot start any token)"),
    "indentation": (GOOD + " seed: 1\n", ", line 4: not YAML (expected <block end>"),
    "a list": ("# @package _global_\n- seed\n", ": Cannot merge DictConfig with ListConfig"),
    "a group that isn't": ("# @package _global_\ndefaults:\n  - override /dta: format\n", ": it overrides dta, which"),
}  # fmt: skip
TWICE = "# @package _global_\ndefaults:\n  - /data: addition\n"


def experiment(content: str | bytes) -> Path:
    """The experiment ``mine`` in a directory of the user's."""
    path = Path("own/experiment/mine.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("name", WRONG)
def test_an_experiment_of_a_users_own_that_can_not_work(elsewhere, record_property, name):
    content, goes_on = WRONG[name]
    path = experiment(content)
    line = refusal(command("train", "--config-dir", "own", "experiment=mine", *FEW), ("own",))
    assert line is not None and path.name.removesuffix(".yaml") in line.partition(goes_on)[0] and goes_on in line, line
    told(record_property, 1)


def test_a_key_that_is_written_as_on_the_command_line_or_twice(elsewhere, record_property):
    experiment("# @package _global_\ndata.max_operand: 20\n")
    line = refusal(command("train", "-cd", "own", "experiment=mine", *FEW), ("own",))
    assert line == (
        "data.max_operand=20: no such setting; in a file write it as two lines, data: and below it, indented, "
        "max_operand: VALUE"
    )
    experiment(TWICE)
    line = refusal(command("train", "-cd", "own", "experiment=mine", *FEW), ("own",))
    assert line == "data: chosen already; in a file's list of defaults write 'override /data: OPTION'"
    told(record_property, 2)


def test_a_path_or_an_old_ending_in_place_of_a_name(elsewhere, record_property):
    path = experiment(GOOD)
    line = refusal(command("train", f"experiment={path}", *FEW), ("own",))
    assert line == f"experiment={path}: a path, not the name of an option; use --config-dir own experiment=mine"
    path.rename(path.with_suffix(".yml"))
    line = refusal(command("train", "experiment=mine.yml", "-cd", "own", *FEW), ("own",))
    assert line == "experiment=mine.yml: only files named *.yaml are read; rename it to mine.yaml"
    experiment(GOOD)
    line = refusal(command("train", "experiment=min", "-cd", "own", *FEW), ("own",))
    assert line == "experiment=min: no such choice; did you mean mine?"
    told(record_property, 3)


@pytest.mark.parametrize("content", [GOOD.replace("\n", "\r\n"), GOOD + "name: Zähler\n"])
@pytest.mark.parametrize("words", [("--config-dir", "own"), ("hydra.searchpath=[file://own]",)])
def test_an_experiment_of_a_users_own_works(elsewhere, monkeypatch, content, words):
    seen = []
    monkeypatch.setattr(
        "fourier_lightning.run.train", lambda cfg, *_, **__: seen.append(cfg) or SimpleNamespace(metrics={})
    )
    experiment(content)
    command("train", "experiment=mine.yaml", *words, *FEW)()
    assert seen[0].data.max_operand == 20


def test_options_may_stand_anywhere(command):
    settings, options = ["seed=3", "data.max_operand=20"], ["-m", "--cfg=job", "-p", "seed"]
    for order in set(itertools.permutations([*settings, "-m", "--cfg=job", "-p seed"])):
        words = settings_first([word for part in order for word in part.split()])
        assert sorted(words[:2]) == sorted(settings) and sorted(words[2:]) == sorted(options)
        assert words.index("seed") == words.index("-p") + 1
    done = command("train", "seed=3", "--cfg", "job", "data.max_operand=20", "-p", "seed", "fit=false")
    assert (done.code, done.out) == (0, "3\n")
