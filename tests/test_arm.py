"""Arms as data: their words are for readers, and say as much as their keys."""

import re
from dataclasses import replace
from itertools import product
from typing import get_args

import pytest

from fourier_lightning.config import load_config
from fourier_lightning.figures.chart import ARM_COLOURS
from fourier_lightning.models.embedding import EmbeddingSettings
from fourier_lightning.record.arm import UNKNOWN, Arm
from fourier_lightning.record.files import read_jsonl
from scripts.results import OUT


def choices(name: str) -> tuple[str, ...]:
    """The values that a setting of the table can have."""
    return get_args(EmbeddingSettings.__annotations__[name])


FIELDS = (
    ("random", "pretrained"),
    choices("source"),
    (True, False),
    choices("keep"),
    choices("control"),
    (True, False),
)
ARMS = [Arm(*values) for values in product(*FIELDS)]
ARMS = [
    arm for arm in ARMS if arm.table != "random" or (arm.keep, arm.control) == ("all", "none")
]  # others are refused
SCRATCH = Arm("random", "random", frozen=False)
RESCUE = Arm("random", "pretrained", frozen=True)
FINE_TUNED = Arm("pretrained", "pretrained", frozen=False)


def test_arms_of_one_key_have_one_name_and_no_two_keys_share_it():
    words = {arm.key: arm.words for arm in ARMS}
    assert len(set(words.values())) == len(words) > 200
    assert all(words[arm.key] == arm.words for arm in ARMS)
    assert all(re.fullmatch(r"[a-z_-]+", key) for key in words)
    assert {ARM.key for ARM in (SCRATCH, RESCUE, FINE_TUNED)} == {"scratch", "scratch-pretrained-frozen", "fine_tuned"}
    assert set(ARM_COLOURS) <= set(words) and UNKNOWN.key == UNKNOWN.words == "unknown"


def test_predicates_hold_of_their_arms_alone():
    keys = lambda name: {arm.key for arm in [*ARMS, UNKNOWN] if getattr(arm, name)}  # noqa: E731
    assert keys("is_scratch") == {"scratch"} and keys("is_rescue") == {"scratch-pretrained-frozen"}
    assert keys("is_fine_tuned") == {"fine_tuned", "fine_tuned-frozen"}
    assert not SCRATCH.uses_backbone and RESCUE.uses_backbone and FINE_TUNED.uses_backbone
    assert replace(FINE_TUNED, trained=False).as_is and not replace(SCRATCH, trained=False).as_is
    assert not replace(RESCUE, control="shuffled_rows").intact and not replace(RESCUE, keep="low").intact


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        ([], "scratch-pretrained-frozen"),
        (["model=scratch"], "scratch"),
        (["model=pretrained"], "fine_tuned"),
        (["model=pretrained", "fit=false"], "as_is"),
        (["model=pretrained", "fit=false", "ckpt_path=x.ckpt"], "fine_tuned"),
        (["embedding=shuffled_rows"], "scratch-pretrained-shuffled_rows-frozen"),
        (["embedding=low", "embedding.freeze=false"], "scratch-pretrained-low-trained"),
        (["embedding=fourier"], "scratch-fourier-frozen"),
    ],
)
def test_presets_make_their_arms(overrides, key, tmp_path):
    assert Arm.from_config(load_config(overrides, tmp_path)).key == key


def test_committed_rows_name_known_arms():
    known = {arm.key: arm.words for arm in ARMS}
    rows = [row for path in (OUT / "rows").glob("*.jsonl") for row in read_jsonl(path)]
    rows = [row for row in rows if "arm" in row]  # times to 98 % are of recipes, on one arm
    assert rows and all(row["words"] == known[row["arm"]] for row in rows)
