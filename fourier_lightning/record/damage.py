"""Whether a run.json is what readers take it for: entries of the types that ``schema.RUN`` says, and settings."""

import math
from collections.abc import Callable
from typing import Any

from fourier_lightning.record.arm import Arm
from fourier_lightning.record.schema import RUN

GROUPS = ("backbone", "data", "embedding", "model", "optimizer", "trainer")
KINDS: dict[str, Callable[[Any], bool]] = {
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "str": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def check_run(info: Any) -> None:
    """Refuse what is no run's record.

    Args:
        info: contents of run.json. Older records lack entries, and say the others as today's do.

    Raises:
        ValueError: naming the first entry that is something else.
    """
    if not isinstance(info, dict) or not isinstance(info.get("config"), dict) or "status" not in info:
        raise ValueError("it is not a run's record")
    for column in RUN:
        check_entry(info, column.name, column.kind)
    for name, kind in (("name", "str"), ("cyclic", "bool"), ("commutative", "bool")):
        check_entry({name: None, **info["task"]} if "task" in info else {}, name, kind)
    for name, value in info.get("metrics", {}).items():
        check_entry({f"metrics.{name}": value}, f"metrics.{name}", "float?")
    if "p" in info and not 0 < info["p"] < 2**31:
        raise ValueError(f"p is {info['p']}")
    check_arm(info.get("arm"))
    check_config(info["config"])
    model = info.get("model")
    if model is not None:
        for name, kind in (("id", "str"), ("seed", "int?"), ("step", "int?"), ("config", "object")):
            check_entry({name: None, **model}, name, kind)
        check_arm(model.get("arm"))
        check_config(model["config"])
        if info["config"] and not model["config"]:
            raise ValueError("its model has no settings")
    if "p" not in info and not info["config"].get("data", {}).get("max_operand") and info["config"]:
        raise ValueError("it has no p, and no data.max_operand to make it of")


def check_entry(where: dict[str, Any], name: str, kind: str) -> None:
    """Refuse an entry of another type; one that is not there is none."""
    if name not in where or (where[name] is None and kind.endswith("?")):
        return
    value = where[name]
    if not KINDS[kind.removesuffix("?")](value) or (isinstance(value, float) and math.isinf(value)):
        raise ValueError(f"{name} is {value!r}"[:80])


def check_arm(arm: Any) -> None:
    """Refuse an arm that is none."""
    if arm is not None:
        try:
            _ = Arm(**arm).words
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"arm is {arm!r}"[:80]) from error


def check_config(config: dict[str, Any]) -> None:
    """Refuse a configuration without its groups, or without what makes an arm and a label of it."""
    if not config:
        return  # of answers that came from a table
    for group in GROUPS:
        check_entry({group: None, **config}, group, "object")
    data, embedding, model = config["data"], config["embedding"], config["model"]
    wanted = (
        (data, (("templates", "list"), ("train_fraction", "float"), ("max_operand", "int"), ("shots", "int"))),
        (embedding, (("source", "str"), ("freeze", "bool"), ("keep", "str"), ("control", "str"), ("name", "str"))),
        (model, (("body", "str"), ("name", "str"))),
    )
    for node, entries in wanted:
        for name, kind in entries:
            check_entry(node, name, kind)
    for node, name in ((data, "templates"), (data, "train_fraction"), (embedding, "source"), (embedding, "freeze"),
                       (model, "body")):  # fmt: skip
        if name not in node:
            raise ValueError(f"its settings lack {name}")
    if not all(isinstance(one, str) for one in data["templates"]):
        raise ValueError(f"data.templates is {data['templates']!r}"[:80])
    check_arm(vars(Arm.from_config(config)))
