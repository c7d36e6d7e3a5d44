"""What the tables of a record are made of: columns, and groups of them that several tables share."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A column of a table, or an entry of run.json."""

    name: str
    kind: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """A table: the node of the instrument that writes it, what a row is, and its columns after step and epoch."""

    writer: str
    row: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Array:
    """An array: who writes it, its axes (see ``AXES``), what its numbers are."""

    writer: str
    axes: tuple[str, ...]
    meaning: str


def cols(*columns: tuple[str, str, str]) -> tuple[Column, ...]:
    """Columns from (name, kind, meaning)."""
    return tuple(Column(*column) for column in columns)


WEIGHTS = cols(
    ("step", "int", "optimizer steps before the weights that the row is about, less one (0 before any)"),
    ("epoch", "int", "their epoch, from 0; -1, as the step, of weights that a fit starts from"),
)
METRICS = {
    "loss": "cross-entropy, nats", "accuracy": "share of exact answers",
    **{f"mod_{n}": f"share that is right modulo {n}" for n in (2, 5, 10)},
    **{f"within_{n}": f"share at most {n} off" for n in (2, 10)}, "mae": "mean distance from the answer, numbers",
}  # fmt: skip
PERIOD = cols(("period", "float", "T, numbers"))
WAVE = cols(("component", "int", "k, waves over the number line"), ("period", "float", "T = p / k, numbers"))
EITHER = cols(("component", "int?", "k of the basis; null for an exact T"), ("period", "float", "T, numbers"))
ERROR = cols(("error", "int", "prediction less answer (on a circle, the short way)"), ("count", "int", "examples"))
METHOD = cols(("method", "str", "`readout` or `projection`"))
POSITIONS = cols(("positions", "str", "positions that are filtered: `last` or `all`"))
BASIS = cols(("basis", "str", "`orthonormal` or `paper`"))


def filtered(null: str = "?") -> tuple[Column, ...]:
    """Columns of a filter's size and side effects."""
    return cols(
        ("rank", f"int{null}", "directions of the residual stream that the removed waves read"),
        ("left", f"float{null}", "share of the removed waves' power that passes"),
        ("lost", f"float{null}", "share of the other waves' power that goes with them"),
    )


def measured(names: Iterable[str] = METRICS, null: str = "") -> tuple[Column, ...]:
    """Columns of metrics."""
    return cols(*((name, f"float{null}", METRICS[name]) for name in names))


def controls(names: Iterable[str] = METRICS, null: str = "?", equal: str = "rank") -> tuple[Column, ...]:
    """Columns of what random filters of equal rank, or of equal energy, do."""
    words = {"mean": "mean", "std": "sample standard deviation"}
    prefix = "control" if equal == "rank" else f"control_{equal}"
    told = "random filters" if equal == "rank" else f"random filters of equal {equal}"
    each = [(name, stat) for name in names for stat in words]
    return cols(*((f"{prefix}_{n}_{s}", f"float{null}", f"{n} with {told}: {words[s]}") for n, s in each))


FAIR = cols(
    ("energy", "float?", "share of the power of the modules' centred number logits that the filter changes"),
    ("comparable", "str", "empty if the filter is a fair question to this model, else why it isn't"),
)
TRIAL = (*filtered(), *FAIR, *measured(null="?"), *controls(), *controls(equal="energy"), *cols(
    ("control_energy_rows", "float?", "random rows of the number line that equal energy takes, on average"),
    ("control_draws", "int", "random filters of each kind; 0 where nothing is removed"),
    ("refused", "str?", "why there is no such filter; then the numbers are null"),
))  # fmt: skip
POWER = cols(
    ("power", "float", "sum of squares that the wave explains"), ("share", "float", "its part of the centred power"),
    ("z", "float", "against the permutation null, standard deviations"),
    ("p_value", "float", "against it, corrected for the waves looked at"), ("p_single", "float", "uncorrected"),
    ("z_random_init", "float", "against random initialisation"), ("p_value_random_init", "float", "corrected"),
    ("z_gaussian", "float", "against random directions of equal norm"), ("p_value_gaussian", "float", "corrected"),
    ("z_detrended", "float?", "against the power above the cut-off alone; null for the trend's own periods"),
    ("p_value_detrended", "float?", "corrected"), ("significant", "bool", "beyond all three nulls at 5 %"),
)  # fmt: skip
LINE = cols(("line", "str", "`numbers` (answers' rows), `operands` (prompts'), `unembedding` (where untied)"))
WHERE = cols(
    ("modules", "str", "`none`, `attn`, `mlp`, `attn_mlp`"), ("removed", "str", "`none`, `low` or `high` waves")
)
DIRECT = cols(
    ("modules", "str", "`none`, `attn`, `mlp`, `attn_mlp`"),
    ("removed", "str", "`none`, `low`, `high`, `period` (one wave) or `all but period`"),
    ("period", "float?", "T of the wave, numbers"),
)
