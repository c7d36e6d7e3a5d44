"""Settings that nothing reads beside what else was chosen.

One that is given all the same is refused: a run would be recorded, and told from others, by a value that did nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fourier_lightning.errors import ConfigError, refuse
from fourier_lightning.values import key_of

Values = dict[str, Any]
CUTOFFS = ("low", "high", "band")  # values of ``keep`` that have a cut-off
# What each instrument that is given the filter reads of it; others, of a user's own, may read everything.
READS = {
    "FilterAblation": {"cutoff", "method", "basis", "positions", "fold_ln", "draws", "seed"},
    "FilterGrid": {"upper", "components", "periods", "method", "basis", "positions", "fold_ln", "draws", "seed"},
    "SingleComponent": {"method", "basis", "positions", "fold_ln", "draws", "seed"},
    "KnockOut": {"basis", "positions", "fold_ln", "seed"},
    "DirectPath": {"cutoff", "basis", "seed"},
}
LISTS = {"keep": "keep", "cutoff": "cutoffs", "modules": "modules"}  # of a filter grid that has none of its own


def embedding(values: Values, key: str) -> str | None:
    """Which waves the table keeps."""
    node = values["embedding"]
    keep, source = node.get("keep", "all"), node.get("source")
    needs = {"cutoff": keep in CUTOFFS, "upper": keep == "band", "periods": keep == "periods" or source == "fourier"}
    return None if needs[key] else f"embedding.keep={keep} has none"


def table_rate(values: Values, key: str) -> str | None:
    """The token table's own rate."""
    return "the table is frozen (embedding.freeze=true)" if values["embedding"].get("freeze") is True else None


def muon(values: Values, key: str) -> str | None:
    """Settings of an optimizer that there isn't."""
    return "it is of optimizer=muon" if values["optimizer"].get("name") == "adamw" else None


def decay(values: Values, key: str) -> str | None:
    """The end of a schedule."""
    schedule = values["optimizer"].get("schedule")
    return None if schedule == "wsd" else f"optimizer.schedule={schedule} has none"


def order(values: Values, key: str) -> str | None:
    """Which operand comes first, where that makes rows of their own."""
    node = values["data"]
    drawn = node.get("redraw_order") is True and node.get("pairs") == "ordered"
    return "with data.pairs=ordered each order is a row of its own" if drawn else None


def vocabulary(values: Values, key: str) -> str | None:
    """The tokens of a model that may say anything."""
    node = values["data"]
    full = node.get("vocabulary") == "compact" and (node.get("shots") or node.get("axis", "number") != "number")
    return "a prompted model has all tokens" if full else None


def filter_of(values: Values, key: str) -> str | None:
    """The filter, of which each instrument reads a part."""
    node, lists = values["filter"], []
    callbacks = {label: one for label, one in values["callbacks"].items() if isinstance(one, dict)}
    if key in ("upper", "components", "periods"):
        kept = {"upper": ("band",), "components": ("components", "notch"), "periods": ("periods", "notch")}[key]
        if node.get("keep") not in kept:
            return f"filter.keep={node.get('keep')} has none"
    for label, one in callbacks.items():
        name = str(one.get("_target_")).rpartition(".")[2]
        reads = READS.get(name, {key}) if "filter" in one else set()
        own_list = name == "FilterGrid" and key in LISTS and one.get(LISTS[key]) is None
        if key in reads or own_list or (key == "cutoff" and "cutoff" in one):
            return None
        if name == "FilterGrid" and key in LISTS:
            lists.append(f"callbacks.{label}.{LISTS[key]} says which; set that, or make it null to use this one")
    return lists[0] if lists else "no instrument of this run asks for it"


def split(values: Values, key: str) -> str | None:
    """Whose examples the instruments look at."""
    others = ("pytorch_lightning.", "fourier_lightning.callbacks.")  # checkpoints, the bar
    looks = any(not str(one.get("_target_")).startswith(others) for one in values["callbacks"].values())
    return None if looks else "no instrument looks at any"


def wandb(values: Values, key: str) -> str | None:
    """What W&B is told."""
    node = values["logger"]["wandb"]
    if node.get("mode") == "disabled" and key != "mode":
        return "logger.wandb.mode=disabled"
    return "logger.wandb.media=false" if key == "media_seconds" and node.get("media") is False else None


def bar(values: Values, key: str) -> str | None:
    """The progress bar."""
    return "trainer.enable_progress_bar=false" if values["trainer"].get("enable_progress_bar") is False else None


def answers(values: Values, key: str) -> str | None:
    """Whole answers."""
    return None if values["data"].get("shots") else "only a prompted model answers (data.shots)"


RULES: dict[str, Callable[[Values, str], str | None]] = {
    **dict.fromkeys(("embedding.cutoff", "embedding.upper", "embedding.periods"), embedding),
    "optimizer.table_lr": table_rate,
    **dict.fromkeys(("optimizer.muon_lr", "optimizer.momentum"), muon),
    "optimizer.decay": decay,
    "data.redraw_order": order,
    "data.vocabulary": vocabulary,
    **{f"filter.{key}": filter_of for key in sorted(set().union(*READS.values(), LISTS))},
    "split": split,
    **{f"logger.wandb.{key}": wandb for key in ("project", "entity", "notes", "media", "media_seconds")},
    "callbacks.progress_bar.refresh_rate": bar,
    "callbacks.answers.most": answers,
}


def idle(cfg: DictConfig, overrides: Iterable[str]) -> dict[str, ConfigError]:
    """The settings among the overrides that nothing reads, and what to say of each."""
    given = [one for one in overrides if one[:1] != "~" and key_of(one) in RULES]
    if not given:
        return {}
    try:
        values: Any = OmegaConf.to_container(cfg, resolve=True)
    except OmegaConfBaseException:  # ``check_config`` says what is wrong
        return {}
    found = {}
    for override in (one.lstrip("+") for one in given):
        name = key_of(override)
        try:
            reason = RULES[name](values, name.rpartition(".")[2])
        except (AttributeError, KeyError, TypeError):  # a node is not what it should be: ``check_config`` says so
            continue
        if reason is not None:
            found[name] = ConfigError(override, f"nothing reads it: {reason}", "leave it out")
    return found


def check_idle(cfg: DictConfig, overrides: Iterable[str], swept: Sequence[str] = ()) -> None:
    """Refuse overrides that nothing reads.

    Args:
        swept: of a sweep, the settings that have several values. What is idle in some of its jobs may be read in
            others: only a sweep is refused whose jobs differ in nothing but idle settings and seeds.

    Raises:
        ConfigError: one line for each of them.
    """
    found = idle(cfg, overrides)
    if found and {*swept} <= {*found, "seed"}:
        refuse(found.values())
