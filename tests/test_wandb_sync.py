"""`wandb sync` of a real offline run, and the dashboard's save, against a stand-in for W&B's server on 127.0.0.1.

What is read here is what W&B's own tools send; see ``wandb_server`` for what that proves and what not.
"""

import json

import pytest

from fourier_lightning.mirror.charts import CHARTS
from tests.test_instruments import TABLES
from tests.wandb_files import wandb_cli
from tests.wandb_server import wandb_server

KEY = {"WANDB_API_KEY": "x" * 40}


@pytest.fixture(scope="module")
def synced(offline_run):
    """What the server has of the offline run."""
    (folder,) = offline_run.dir.glob("wandb/offline-run-*")
    with wandb_server() as server:
        wandb_cli("sync", folder, WANDB_BASE_URL=server.url, **KEY)
    return server


def test_the_run_arrives_with_its_tags_and_configuration(synced, offline_run):
    run = synced.variables("UpsertBucket")[0]
    assert (run["project"], run["jobType"]) == ("fourier_lightning", "train")
    assert set(run["tags"]) == {"scratch + frozen pretrained table", "seed0"}
    config = {key: entry["value"] for key, entry in json.loads(run["config"]).items() if key != "_wandb"}
    assert (config["arm"], config["cutoff"], config["seed"]) == ("scratch + frozen pretrained table", 4, 0)
    assert config["data"]["max_operand"] == 20


def test_scalars_images_and_tables_arrive_on_their_steps(synced):
    rows = [json.loads(line) for line in synced.streamed["wandb-history.jsonl"]]
    keys = {key for row in rows for key in row}
    assert {"val/accuracy", "train/loss", "test/mae", "ablation/mlp/low_removed/control_accuracy_std"} <= keys
    charts = [name for name in CHARTS if not name.startswith("filter_grid")]
    tables = {*(f"tables/{name}" for name in TABLES), *(f"charts/{name}_table" for name in charts)}
    media = {"table-file": tables, "image-file": {"figures/answer_phase"}}
    for kind, wanted in media.items():
        for key in wanted:
            shown = [row for row in rows if key in row]
            assert shown and {row[key]["_type"] for row in shown} == {kind}, key
            assert {(row["trainer/global_step"], row["epoch"]) for row in shown} <= {(5, 0), (11, 1), (17, 2)}, key


def test_every_file_arrives(synced, offline_run):
    (files,) = offline_run.dir.glob("wandb/offline-run-*/files")
    media = {str(path.relative_to(files)): path.read_bytes() for path in (files / "media").rglob("*.*")}
    assert len(media) > len(TABLES)
    assert {name: data for name, data in synced.uploaded.items() if name.startswith("media/")} == media
    assert synced.uploaded[offline_run.summary["figures/answer_phase"]["path"]].startswith(b"\x89PNG")
    summary = json.loads(synced.uploaded["wandb-summary.json"])
    assert summary["val/accuracy"].keys() == {"max", "last"} and summary["val/loss"].keys() == {"min", "last"}
    collections = {asked["input"]["artifactCollectionName"] for asked in synced.variables("CreateArtifact")}
    assert any("tablesfilter_ablation" in name for name in collections)


@pytest.fixture
def server(monkeypatch):
    """A server that the dashboard is to be saved on."""
    with wandb_server() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY["WANDB_API_KEY"])
        yield server


def test_the_dashboard_is_sent_as_one_view(server, command):
    done = command("dashboard", "--entity", "team", "--project", "project")
    (sent,) = server.variables("UpsertView2")
    assert (sent["entityName"], sent["projectName"], sent["type"]) == ("team", "project", "project-view")
    sections = json.loads(sent["spec"])["section"]["panelBankConfig"]["sections"]
    assert [section["name"] for section in sections] == [
        "rescue",
        "spectra",
        "ablations",
        "cutoffs",
        "errors",
        "sweeps",
    ]
    assert done.out.splitlines()[-1].startswith(f"{server.url}/team/project?nw=")


def test_a_refused_key_is_one_line(server, command):
    server.knows_you = False
    done = command("dashboard", "--entity", "team", "--project", "project")
    assert done.code == 2 and "W&B refused" in done.err and "check the log-in" in done.err
    assert done.err.count("\n") == 1
