"""Which model a run is about: the one that it trains, or the one whose checkpoint it measures."""

import secrets
from dataclasses import asdict
from typing import Any

from fourier_lightning.record.arm import Arm

LEFT_OUT = ("paths", "logger", "callbacks", "ckpt_path", "group", "tags")  # where a run writes, not what it trains


def new_card(config: dict[str, Any]) -> dict[str, Any]:
    """The identity card of a run that begins: what its checkpoints carry as ``hyper_parameters["run"]``.

    Args:
        config: the resolved configuration, plain values.

    Returns:
        ``id`` (12 hexadecimal characters, of the operating system's randomness: no seed is touched), ``seed``,
        ``arm`` (the fields of ``Arm``) and ``config`` (less where it writes).
    """
    settings = {key: value for key, value in config.items() if key not in LEFT_OUT}
    arm = asdict(Arm.from_config(config))
    return {"id": secrets.token_hex(6), "seed": config["seed"], "arm": arm, "config": settings}
