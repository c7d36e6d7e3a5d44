"""The W&B workspace, up to where the network would begin; W&B's sweep files, up to where its agent would."""

import itertools
import json
import socket
from pathlib import Path

import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args
from wandb_workspaces.workspaces.internal import WorkspaceViewspec

from fourier_lightning.config import load_config
from fourier_lightning.mirror import dashboard
from fourier_lightning.mirror.charts import CHARTS
from fourier_lightning.run import prepare

SWEEPS = sorted((Path(dashboard.__file__).parent / "sweeps").glob("*.yaml"))


def spec():
    """What would be sent."""
    view = dashboard.workspace("team", "project")._to_model()
    return json.loads(view.spec.model_dump_json(by_alias=True, exclude_none=True))


def panels():
    """(section, panel) of each panel that would be sent."""
    sections = spec()["section"]["panelBankConfig"]["sections"]
    return [(section["name"], panel) for section in sections for panel in section["panels"]]


def flat(nested, prefix=""):
    """Nested keys as W&B addresses them, with dots."""
    keys = {f"{prefix}{key}" for key in nested}
    for key, value in nested.items():
        keys |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else set()
    return keys


def accessors(panel):
    """What a panel reads: ("history" | "summary" | "config", key)."""
    config, kind = panel["config"], panel["viewType"]
    found = []
    if kind == "Run History Line Plot":
        found = [("history", key) for key in [config["xAxis"], *config["metrics"]]]
    elif kind == "Bar Chart":
        found = [("summary", key) for key in config["metrics"]]
    elif kind == "Scatter Plot":
        found = [tuple(config[axis].split(":")) for axis in ("xAxis", "yAxis")]
    elif kind == "Parallel Coordinates Plot":
        found = [tuple(column["accessor"].split(":")) for column in config["columns"]]
    elif kind == "Parameter Importance":
        found = [("summary", config["targetKey"])]
    elif kind == "Media Browser":
        found = [("summary", key) for key in config["mediaKeys"]]
    elif kind == "Vega2":
        (table,) = [f for f in config["userQuery"]["queryFields"][0]["fields"] if f["name"] == "summaryTable"]
        found = [("summary", table["args"][0]["value"])]
    else:
        assert kind == "Run Comparer"
    return found + ([("config", config["groupBy"])] if "groupBy" in config else [])


def test_every_section_is_there_and_survives_the_wire():
    assert list(dict.fromkeys(section for section, _ in panels())) == [
        "rescue", "spectra", "ablations", "cutoffs", "errors", "sweeps"
    ]  # fmt: skip
    kinds = {panel["viewType"] for _, panel in panels()}
    assert {"Run History Line Plot", "Bar Chart", "Vega2", "Media Browser", "Run Comparer"} < kinds
    again = WorkspaceViewspec.model_validate(spec())
    assert again.section.panel_bank_config.sections[0].is_open


def test_panels_read_what_runs_log(offline_run, filtered_run, grid_run):
    runs = (offline_run, filtered_run, grid_run)
    known = {
        "history": {key for run in runs for row in run.rows() for key in row},
        "summary": {key for run in runs for key in flat(run.summary)},
        "config": {key for run in runs for key in flat(run.config)},
    }
    columns = spec()["section"]["runSets"][0]["runFeed"]["columnOrder"][1:]  # the first is the run's name
    read = [tuple(column.split(":")) for column in columns] + [a for _, panel in panels() for a in accessors(panel)]
    assert len(read) > 60
    for where, key in read:
        assert key.replace(".value", "", 1) in known[where], (where, key)
    shown = {key for where, key in read if where == "summary"}
    assert {key for run in runs for key in run.summary if key.startswith(("figures/", "charts/"))} <= shown


def test_custom_charts_ask_for_what_the_runs_own_panels_ask(offline_run, grid_run):
    found = {**offline_run.custom_charts(), **grid_run.custom_charts()}
    own = {key: panel["panel_config"] for key, panel in found.items()}

    def fields(config):
        return {json.dumps(field, sort_keys=True) for field in config["userQuery"]["queryFields"][0]["fields"]}

    for _, panel in panels():
        if panel["viewType"] == "Vega2":
            key = accessors(panel)[0][1].removesuffix("_table")
            for name in ("panelDefId", "fieldSettings", "stringSettings", "transform"):
                assert panel["config"][name] == own[key][name]
            assert fields(panel["config"]) == fields(own[key])
    assert len(own) == len(CHARTS)


def test_a_dry_run_prints_the_layout_and_asks_nobody(monkeypatch, command):
    def refuse(*args, **kwargs):
        raise AssertionError("network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    done = command("dashboard", "--entity", "team", "--dry-run")
    assert done.code == 0 and "rescue: 6 panels" in done.out and "Validation accuracy by arm" in done.out


def test_what_can_not_work_is_one_line(monkeypatch, command):
    done = command("dashboard", "--entity", "team/x")
    assert done.code == 2 and done.err == "error: --entity=team/x: not a name; give --entity TEAM --project NAME\n"
    done = command("dashboard", "--entity", "team")
    assert done.code == 2 and done.err.startswith("error: WANDB_API_KEY: not logged in") and done.err.count("\n") == 1
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # taken, but nobody listens
        monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
        done = command("dashboard", "--entity", "team")
    assert done.code == 2 and "W&B is not reachable" in done.err and done.err.count("\n") == 1


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_sweep_files_make_command_lines_that_can_work(path, tmp_path):
    """As W&B's agent makes them; W&B's server checks the rest of the file, which needs the network."""
    sweep = yaml.safe_load(path.read_text())
    assert sweep["method"] in ("grid", "bayes", "random") and sweep["program"] == "fourier_lightning"
    assert sweep["metric"] == {"name": "val/accuracy", "goal": "maximize"}
    assert create_sweep_command(sweep["command"])[1:] == [
        "${interpreter}", "-m", "${program}", "train", "${args_no_hyphens}"
    ]  # fmt: skip
    choices = []
    for name, range_of in sweep["parameters"].items():
        values = (
            range_of.get("values") or [range_of["value"]]
            if "min" not in range_of
            else [range_of["min"], range_of["max"]]
        )
        choices.append([(name, value) for value in values])
    for settings in itertools.product(*(pair[:: max(1, len(pair) - 1)] for pair in choices)):  # the corners
        made = create_sweep_command_args({"args": {name: {"value": value} for name, value in settings}})
        prepare(load_config(made["args_no_hyphens"], tmp_path))
