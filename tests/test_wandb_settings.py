"""What W&B is asked for, and what is refused: its environment variables, what was typed, and which of them wins."""

import re
import shlex
import sys

import pytest
import wandb
from wandb.sdk.lib import wbauth

from fourier_lightning.errors import ConfigError
from fourier_lightning.mirror import settings as mirror
from fourier_lightning.parts import prepare
from fourier_lightning.seeds import train_seeds
from tests.conftest import train
from tests.test_run import run_json
from tests.wandb_files import printed, wandb_run
from tests.wandb_server import wandb_server

KEY = "x" * 40
LONG = "n" * 129


@pytest.fixture
def fresh():
    """W&B reads the environment once a process: here once a test."""
    wandb.teardown()
    yield
    wandb.teardown()


REFUSED = [  # environment, overrides, the beginning of the line
    ({}, "logger.wandb.project=a/b", "logger.wandb.project=a/b: W&B refuses it (Invalid project name 'a/b'"),
    ({}, f"logger.wandb.project={LONG}", f"logger.wandb.project={LONG}: W&B refuses it"),
    ({"WANDB_PROJECT": "a#b"}, "", "WANDB_PROJECT=a#b: W&B refuses it (Invalid project name"),
    ({"WANDB_PROJECT": "a#b"}, "logger.wandb.project=ab", "WANDB_PROJECT=a#b: W&B refuses it"),
    ({}, "logger.wandb.entity=a/b", "logger.wandb.entity=a/b: W&B refuses it"),
    ({"WANDB_ENTITY": "a?b"}, "", "WANDB_ENTITY=a?b: W&B refuses it"),
    ({}, f"name={LONG}", f"name={LONG}: W&B refuses it (129 characters, and 128 is the most)"),
    ({"WANDB_NAME": LONG}, "", f"WANDB_NAME={LONG}: W&B refuses it (129 characters"),
    ({}, f"group={LONG}", f"group={LONG}: W&B refuses it (129 characters"),
    ({"WANDB_RUN_GROUP": LONG}, "", f"WANDB_RUN_GROUP={LONG}: W&B refuses it (129 characters"),
    ({"WANDB_TAGS": "a,,b"}, "", "WANDB_TAGS=a,,b: W&B refuses it (Tag at index 1 is empty"),
    ({"WANDB_MODE": "on"}, "", "WANDB_MODE=on: W&B refuses it (Input should be 'online', 'offline'"),
    ({}, "logger.wandb.mode=online", "logger.wandb.mode=online: not logged in to W&B; run `wandb login`, or use"),
    ({"WANDB_MODE": "online"}, "", "WANDB_MODE=online: not logged in to W&B; run `wandb login`, or use"),
    ({"WANDB_API_KEY": "abc"}, "logger.wandb.mode=online", "WANDB_API_KEY: API key must have 40+ characters, has 3;"),
    ({"WANDB_BASE_URL": "api.wandb.ai"}, "", "WANDB_BASE_URL=api.wandb.ai: W&B refuses it (Input should be a valid"),
    ({"WANDB_BASE_URL": "http://127.0.0.1:1", "WANDB_API_KEY": KEY}, "logger.wandb.mode=online",
     "logger.wandb.mode=online: W&B is not reachable at http://127.0.0.1:1 ("),
    ({"WANDB_DIR": "/dev/null/x"}, "", "WANDB_DIR=/dev/null/x: can't be written (Not a directory)"),
    ({}, "logger.wandb.save_dir=/proc/x", "logger.wandb.save_dir=/proc/x: can't be written ("),
    ({"WANDB_RUN_ID": "a/b"}, "", "WANDB_RUN_ID=a/b: W&B refuses it (Run ID cannot contain"),
    ({"WANDB_RUN_ID": "ab"}, "seeds_in_parallel=2", "WANDB_RUN_ID=ab: one id for several runs"),
    ({"WANDB_RESUME": "maybe"}, "", "WANDB_RESUME=maybe: W&B refuses it (Input should be 'allow'"),
    ({"WANDB_INIT_TIMEOUT": "soon"}, "", "WANDB_INIT_TIMEOUT=soon: W&B refuses it (Input should be a valid number"),
]  # fmt: skip


@pytest.mark.parametrize(("environment", "overrides", "line"), REFUSED, ids=[line[:40] for *_, line in REFUSED])
def test_what_wandb_would_refuse_is_one_line_before_anything_is_written(
    command_line, tmp_path, monkeypatch, environment, overrides, line
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = command_line(*overrides.split(), f"hydra.run.dir={tmp_path / 'run'}", "data.max_operand=20")
    assert (done.code, done.out) == (2, "") and done.err.startswith(f"error: {line}"), done
    assert done.err.count("\n") == 1 and not list(tmp_path.iterdir())


def test_one_id_is_refused_for_the_jobs_of_a_sweep(command_line, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_RUN_ID", "ab")
    done = command_line("-m", "seed=0,1", f"hydra.sweep.dir={tmp_path}", "data.max_operand=20")
    assert done.code == 2 and "error: WANDB_RUN_ID=ab: one id for several runs" in done.err


@pytest.mark.parametrize("off", [{"WANDB_MODE": "disabled"}, {"WANDB_DISABLED": "true"}, {}])
def test_turned_off_nothing_of_wandb_is_read_or_imported(tiny, monkeypatch, off):
    for name, value in ({"WANDB_PROJECT": "a/b"} | off).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, "wandb", None)  # an import fails
    prepare(tiny(*([] if off else ["logger.wandb.mode=disabled"])))


ASKED = {
    "WANDB_PROJECT": "theirs",
    "WANDB_ENTITY": "team",
    "WANDB_NAME": "their name",
    "WANDB_RUN_GROUP": "their group",
    "WANDB_TAGS": "one,two",
    "WANDB_NOTES": "their notes",
    "WANDB_JOB_TYPE": "trial",
    "WANDB_RUN_ID": "abc123",
    "WANDB_MODE": "dryrun",
}
LABELS = ["scratch + frozen pretrained table", "seed0"]


def test_wandbs_environment_is_obeyed(tiny, tmp_path, monkeypatch, fresh):
    for name, value in {**ASKED, "WANDB_DIR": str(tmp_path / "elsewhere")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WANDB_API_KEY", KEY)  # WANDB_MODE says offline all the same
    train(tiny("instruments=none", "trainer.max_epochs=1", run_dir=tmp_path / "run"))
    run, *_ = wandb_run(tmp_path / "elsewhere")
    assert (run.project, run.entity, run.display_name, run.run_group) == ("theirs", "team", "their name", "their group")
    assert (run.notes, run.job_type, run.run_id) == ("their notes", "trial", "abc123")
    assert [*run.tags] == ["one", "two", *LABELS]
    assert run_json(tmp_path / "run")["wandb_id"] == "abc123" and not (tmp_path / "run" / "wandb").exists()


def test_what_is_typed_wins_over_the_environment(tiny, tmp_path, monkeypatch, fresh):
    for name, value in ASKED.items():
        monkeypatch.setenv(name, value)
    typed = ["name=mine", "group=my group", "tags=[three]", "logger.wandb.project=my-project", "logger.wandb.entity=me",
             "logger.wandb.notes='[a] #1: *b*'"]  # fmt: skip
    train(tiny(*typed, "instruments=none", "trainer.max_epochs=1"), overrides=typed)
    run, *_ = wandb_run(tmp_path)
    assert (run.project, run.entity, run.display_name, run.run_group) == ("my-project", "me", "mine", "my group")
    assert (run.notes, [*run.tags]) == ("[a] #1: *b*", ["three", *LABELS])


def test_without_either_the_defaults_hold(tiny, tmp_path, fresh):
    train(tiny("instruments=none", "trainer.max_epochs=1"))
    run, *_ = wandb_run(tmp_path)
    name = "scratch_pretrained_emb-frozen-seed0"
    assert (run.project, run.display_name, run.run_group, run.notes) == ("fourier_lightning", name, "", "")
    assert run.run_id == run_json(tmp_path)["wandb_id"] == run_json(tmp_path)["id"]


def test_a_settings_file_of_wandb_stands_between(tiny, tmp_path, monkeypatch, fresh):
    """`wandb offline`, `wandb init` and `wandb login --host` write one."""
    (tmp_path / "settings").write_text("[default]\nmode = offline\nproject = of-a-file\nentity = team\n")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_ENTITY", "another")
    train(tiny("instruments=none", "trainer.max_epochs=1"))
    run, *_ = wandb_run(tmp_path)
    assert (run.project, run.entity) == ("of-a-file", "another")


def test_an_agent_of_wandb_chooses_id_and_project(tiny, tmp_path, monkeypatch, fresh):
    for name, value in {"WANDB_SWEEP_ID": "s1", "WANDB_RUN_ID": "of-agent", "WANDB_PROJECT": "swept"}.items():
        monkeypatch.setenv(name, value)
    train(tiny("instruments=none", "trainer.max_epochs=1", "logger.wandb.project=ignored"))
    run, *_ = wandb_run(tmp_path)
    assert (run.run_id, run.project, run.sweep_id) == ("of-agent", "swept", "s1")
    assert run_json(tmp_path)["wandb_id"] == "of-agent"


def test_the_log_in_that_wandb_writes_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    settings = mirror.environment()
    assert mirror.resolve_mode(settings, "auto") == "offline"
    wbauth.write_netrc_auth(host=settings.base_url, api_key=KEY)
    assert mirror.resolve_mode(settings, "auto") == "online"
    (tmp_path / "netrc").write_text(f"machine api.wandb.ai login user password {KEY}")  # of W&B's earlier versions
    assert mirror.resolve_mode(settings, "auto") == "online"
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:8080")
    assert mirror.resolve_mode(mirror.environment(), "auto") == "offline"
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert mirror.resolve_mode(mirror.environment(), "auto") == "online"
    assert mirror.resolve_mode(mirror.environment(), "offline") == "offline"
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert mirror.resolve_mode(mirror.environment(), "auto") == "offline"


def wandbs_lines(text: str) -> list[str]:
    """What is printed about W&B, or by it."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    return [line for line in plain if "W&B" in line or "wandb" in line.partition("Everything")[0]]


def test_an_offline_run_ends_with_the_two_commands_that_help(tiny, tmp_path, capfd, fresh):
    train(tiny("instruments=none", "trainer.max_epochs=1", run_dir=tmp_path / "with space"), verbose=True)
    out, err = capfd.readouterr()
    sync, leet = wandbs_lines(out + err)
    (folder,) = (tmp_path / "with space" / "wandb").glob("offline-run-*")
    with wandb_server() as server:
        printed(shlex.split(sync.removeprefix("To send it to W&B: ")), WANDB_BASE_URL=server.url, WANDB_API_KEY=KEY)
    assert any("test/loss" in row for row in server.streamed["wandb-history.jsonl"])
    words = shlex.split(leet.removeprefix("To look at it without a network: "))
    assert words[-2:] == ["leet", str(folder)]
    assert "test/loss" in printed([*words[:-1], "inspect", "--summary", words[-1]])


def test_seeds_in_one_fit_are_sent_by_one_command(tiny, tmp_path, capfd, fresh):
    train_seeds(tiny("instruments=none", "trainer.max_epochs=1", "seeds_in_parallel=2"), verbose=True)
    out, err = capfd.readouterr()
    sync, _ = wandbs_lines(out + err)
    folders = [str(path) for path in sorted(tmp_path.glob("seed*/wandb/offline-run-*"))]
    assert len(folders) == 2 and shlex.split(sync)[-2:] == folders


def test_an_online_run_ends_with_its_address(tiny, capfd, monkeypatch, fresh):
    with wandb_server() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        done = train(tiny("instruments=none", "trainer.max_epochs=1"), verbose=True)
        wandb.teardown()
    out, err = capfd.readouterr()
    assert wandbs_lines(out + err) == [f"W&B: {server.url}/team/project/runs/{done.record.run['wandb_id']}"]


def test_wandb_talks_where_it_is_asked_to(tiny, capfd, monkeypatch, fresh):
    monkeypatch.setenv("WANDB_SILENT", "false")
    train(tiny("instruments=none", "trainer.max_epochs=1"))
    assert "wandb: " in re.sub(r"\x1b\[[0-9;]*m", "", capfd.readouterr().err)


def test_what_the_server_refuses_ends_mode_online_with_a_line_and_goes_offline_otherwise(
    tiny, tmp_path, monkeypatch, capsys, fresh
):
    few = ["instruments=none", "trainer.max_epochs=1"]
    with wandb_server() as server:
        server.refuses = "no such team"
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        with pytest.raises(
            ConfigError, match=r"^logger\.wandb\.mode=online: W&B fails \(.*no such team.*\); check the"
        ):
            train(tiny("logger.wandb.mode=online", *few, run_dir=tmp_path / "online"))
        train(tiny(*few, run_dir=tmp_path / "auto"))
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "W&B" in line]
    assert "no such team" in line and line.endswith("this run is logged offline")
    assert run_json(tmp_path / "online")["status"] == "failed"
    assert "test/loss" in wandb_run(tmp_path / "auto")[1]
