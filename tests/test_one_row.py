"""Figure, ledger, report, console and W&B's charts read the same row of a record, and say by which method."""

import io

import pytest

from fourier_lightning.claims import filtered
from fourier_lightning.console import print_findings
from fourier_lightning.figures.catalogue import FIGURES
from fourier_lightning.mirror.charts import CHARTS
from fourier_lightning.readings import filters
from fourier_lightning.readings.effects import effects
from fourier_lightning.readings.paper import TABLE_1
from fourier_lightning.record.runs import Run, find_runs
from fourier_lightning.report.summary import filters_table
from fourier_lightning.terminal import terminal

FILTERED = [key for key in TABLE_1 if key[1] != "none"]


def row(key, method, accuracy, refused=None):
    """A row of Table 1."""
    metrics = dict.fromkeys(("accuracy", "mod_10", "within_10", "loss"), accuracy)
    controls = {f"control_{name}_mean": 0.9 for name in metrics} | {"control_accuracy_std": 0.1, "control_draws": 3}
    controls |= {f"control_energy_{name}_mean": 0.9 for name in metrics} | {"energy": 0.5, "comparable": ""}
    names = dict(zip(("modules", "removed"), key, strict=True))
    return names | {"method": method, "cutoff": 50, "rank": 1, "refused": refused} | metrics | controls


@pytest.fixture
def run(dissected) -> Run:
    """A record in which every row has its own accuracy, of both methods, and as many errors of its own."""
    run = find_runs([dissected / "1"])[0]
    rows = [row(("none", "none"), "readout", 0.9)]
    histogram = [{"modules": "none", "removed": "none", "method": "readout", "error": 10, "count": 1}]
    for index, key in enumerate(FILTERED):
        rows += [row(key, "readout", 0.1 + index / 100), row(key, "projection", 0.4 + index / 100)]
        for number, method in enumerate(("readout", "projection")):
            names = dict(zip(("modules", "removed", "method"), (*key, method), strict=True))
            histogram.append({**names, "error": 10, "count": 1 + index + 10 * number})
    run._read |= {"tables/filter_ablation": rows, "tables/error_histogram": histogram}
    return run


def shown(run: Run) -> dict[str, object]:
    """What each reader makes of the MLPs without long waves: accuracy, and method."""
    lines = io.StringIO()
    print_findings(terminal(file=lines, width=500), run)
    told = next(line for line in lines.getvalue().splitlines() if line.startswith("  long waves from MLP:"))
    report = next(line for line in filters_table({"x": [run]}) if line["removed"] == "long waves from MLP")
    ledger = filtered.kept_accuracy("mlp", "low")(run, [])
    labour, tens = filtered.division_of_labour()(run, []), filtered.tens_among_errors(run, [])
    small, figure = filtered.small_errors(run, []), FIGURES["21a"].make(run).panels[0]
    chart = dict(CHARTS["ablation_accuracy"].rows(run))
    share = {name: value for _, value, name in CHARTS["error_histogram"].rows(run)}
    (in_chart,) = [name for name in chart if name.startswith("no low waves in MLPs") and "random" not in name]
    assert in_chart in share and "low waves removed from MLP" in figure.title
    assert sum(FIGURES["23"].make(run).panels[0].marks[0].y) == 1
    return {
        "console": (told.split(": ")[1].split(" /")[0] + ".0 %", told.split("(")[-1].rstrip(")")),
        "report": (report["exact"], report["method"]),
        "ledger": (f"{100 * ledger.value * 0.9:.1f} %", ledger.detail.split(",")[0]),
        "W&B": (f"{100 * chart[in_chart]:.1f} %", in_chart.split(", ")[1]),
        "figure": (sum(figure.marks[0].y), figure.title.split(", ")[1]),
        "others": {labour.detail.split(":")[0], tens.detail.split(",")[0], small.detail.split(",")[0]},
    }


def test_all_of_them_take_the_projection_where_it_exists_for_every_row(run):
    assert filters.method_of(run) == "projection"
    assert shown(run) == {
        **dict.fromkeys(("console", "report", "ledger", "W&B"), ("42.0 %", "projection")),
        "figure": (13, "projection"), "others": {"projection"},
    }  # fmt: skip


@pytest.mark.parametrize("how", ["refused", "missing"])
def test_all_of_them_take_readout_if_one_row_has_no_projection(run, how):
    rows = run.table("filter_ablation")
    last = rows.index(
        next(r for r in rows if (r["modules"], r["removed"], r["method"]) == (*FILTERED[3], "projection"))
    )
    if how == "missing":
        del rows[last]
    else:
        rows[last]["refused"] = "no null space"
    assert filters.method_of(run) == "readout"
    assert shown(run) == {
        **dict.fromkeys(("console", "report", "ledger", "W&B"), ("12.0 %", "readout")),
        "figure": (3, "readout"), "others": {"readout"},
    }  # fmt: skip


def test_seeds_are_averaged_by_one_method(run, dissected):
    other = find_runs([dissected / "2"])[0]  # the projection is refused for some of its rows
    assert filters.method_of(other) == filters.method_of(run, other) == "readout"
    assert {effect.method for effect in effects([run, other])} == {"readout"}
    assert filters.method_of() == "readout"
