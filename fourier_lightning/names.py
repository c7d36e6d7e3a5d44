"""What a run is called by its settings."""

from collections.abc import Mapping, Sequence
from typing import Any

MODULES = {"attn": "attention", "mlp": "MLPs", "attn_mlp": "attention and MLPs"}


def filter_name(settings: Mapping[str, Any]) -> str:
    """A filter in words: "low-pass k<20 in attention and MLPs".

    Args:
        settings: of ``filter.*``, as they are typed: what is wrong with them others say.
    """
    keep, cutoff, upper, modules = (settings.get(key) for key in ("keep", "cutoff", "upper", "modules"))
    lists = {"k": settings.get("components"), "T": settings.get("periods")}
    listed = ", ".join(f"{name}={value}" for name, values in lists.items() if isinstance(values, Sequence)
                       for value in values)  # fmt: skip
    waves = {
        "low": f"low-pass k<{cutoff}",
        "high": f"high-pass k>={cutoff}",
        "band": f"band {cutoff}<=k<{upper}",
        "notch": f"all but {listed}",
        "all": "no filter",
    }
    words = waves.get(str(keep), listed).replace("None", "the paper's cut-off")
    return f"{words} in {MODULES.get(str(modules), modules)}"
