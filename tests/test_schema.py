"""The record's schema: its document, and what real runs leave, column by column."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fourier_lightning.config import load_config
from fourier_lightning.record import columns, page, schema
from fourier_lightning.record.runs import Run, read_run
from tests.conftest import train

ROOT = Path(__file__).resolve().parents[1]
TYPES = {"int": int, "float": float, "str": str, "bool": bool, "list": list, "object": dict}
# Kept apart: entries of a run that failed, and arrays of number lines that the tiny run does not have.
SELDOM = {"error", "wandb_id"}


def fits(value: Any, kind: str) -> bool:
    """Whether a JSON value is of a kind; an integer is no float, true no integer."""
    return (value is None and kind.endswith("?")) or type(value) is TYPES[kind.removesuffix("?")]


def unfit(expected: Sequence[columns.Column], rows: Sequence[dict[str, Any]]) -> list[str]:
    """Columns that rows lack, have beside, or have of another type."""
    known = {column.name: column.kind for column in expected}
    told = [f"{name} is not in the schema" for row in rows for name in row if name not in known]
    told += [f"{name} is missing" for row in rows for name in known if name not in row]
    told += [
        f"{n}={row[n]!r} is no {known[n]}" for row in rows for n in row if n in known and not fits(row[n], known[n])
    ]
    return sorted(set(told))


@pytest.fixture(scope="module")
def left(offline_run, filtered_run, tmp_path_factory) -> dict[str, Run]:
    """Which run has the tables of which instrument."""
    every = {table.writer: read_run(offline_run.dir) for table in schema.TABLES.values()}
    where = tmp_path_factory.mktemp("prompted")
    asked = [
        "experiment=prompted",
        "data.max_operand=10",
        "callbacks.answers.most=1",
        "instruments=answers",
        "logger=none",
    ]
    train(load_config([*asked, "trainer.accelerator=cpu", "~callbacks.progress_bar"], where))
    return {**every, "filter_grid": read_run(filtered_run.dir), "answers": read_run(where)}


def test_the_document_is_made_from_the_schema():
    made = "run: python -m fourier_lightning.record.page > docs/record.md"
    assert (ROOT / "docs" / "record.md").read_text() == page.markdown(), made


@pytest.mark.parametrize("name", schema.TABLES)
def test_every_column_of_a_table_is_described_and_there(left, name):
    table = schema.TABLES[name]
    rows = left[table.writer].rows(name)
    assert rows and unfit(columns.WEIGHTS + table.columns, rows) == []


def test_no_table_or_array_is_left_undescribed(left):
    for run in left.values():
        assert set(run.names("tables")) <= schema.TABLES.keys()
        assert set(run.names("arrays")) <= schema.ARRAYS.keys()


@pytest.mark.parametrize("name", schema.ARRAYS)
def test_every_array_has_its_shape(left, name):
    array = schema.ARRAYS[name]
    run = left[array.writer]
    size = {"n": 1, "L": run.config["model"]["n_layer"], "K": run.p // 2, "p": run.p, "d": run.config["model"]["width"]}
    values = run.array(name)
    assert values is not None and values.shape == tuple(size[axis] for axis in array.axes)
    assert values.dtype == "float32"


def test_every_entry_of_run_json_is_described_and_there(left):
    for run in left.values():
        columns = [column for column in schema.RUN if column.name not in SELDOM or column.name in run.info]
        assert unfit(columns, [run.info]) == []


def test_every_metric_is_described(left):
    patterns = [pattern(name) for name in schema.SCALARS]
    for run in left.values():
        names = {name for line in run.lines for name in line} - {"step", "epoch"}
        assert all(fits(value, "float") for line in run.lines for name, value in line.items() if name in names)
        assert [name for name in names if not any(one.fullmatch(name) for one in patterns)] == []
        assert {type(line["step"]) for line in run.lines} == {int}


def pattern(name: str) -> re.Pattern[str]:
    """A name of ``SCALARS`` as a regular expression."""
    controls = [
        f"{kind}_{m}_{s}" for kind in ("control", "control_energy") for m in columns.METRICS for s in ("mean", "std")
    ]
    metric = "|".join([*columns.METRICS, *controls])
    places = {"metric": metric, "T": r"[\d.]+", "l": r"\d+", "line": "operands|unembedding",
              "period_T|k_k": r"period_[\d.]+|k_\d+"}  # fmt: skip
    optional = re.sub(r"\[(.*?)\]", r"(?:\1)?", name)
    return re.compile(re.sub(r"<(.*?)>", lambda m: f"(?:{places.get(m[1], m[1])})", optional))
