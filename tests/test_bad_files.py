"""Bad files, in bulk: records, checkpoints, model directories and tables of answers. See ``test_bad_input``."""

import json
import logging
import shutil
from pathlib import Path

import torch

from fourier_lightning.config import asset_path
from fourier_lightning.record.runs import read_run
from tests.bad_input import SMALL, command, elsewhere, refusal, run_with, told
from tests.committed import settings as settings_of

__all__ = ["elsewhere"]  # a fixture

VERDICT = {
    "claim": "closed_errors", "outcome": "undecided", "model": "x", "seeds": [0], "value": 0.5, "low": 0.4, "high": 0.6,
    "control": None, "why": "", "detail": "",
}  # fmt: skip
NO_JSON = ["{", "nonsense", "[" * 100_000, "[]", "3", "null", '"x"', "{}", '{"claim": 1', "\x00", "é" * 3]


def test_verdicts_that_are_none(elsewhere, record_property):
    wrong = [json.dumps({**VERDICT, key: value}) for key in VERDICT for value in (3.5, [None], {"a": 1}, True)
             if not (key in ("value", "low", "high", "control") and value == 3.5)]  # fmt: skip
    wrong += [json.dumps({k: v for k, v in VERDICT.items() if k != key}) for key in VERDICT]
    wrong += [json.dumps({**VERDICT, **more}) for more in ({"extra": 1}, {"claim": "none"}, {"value": float("nan")})]
    for line in [*wrong, *NO_JSON]:
        Path("claims.jsonl").write_text(f"{json.dumps(VERDICT)}\n{line}\n")
        said = refusal(command("claims", "--from", "claims.jsonl", "--output", "out.jsonl"), ("claims.jsonl",))
        assert said is not None and said.startswith("--from claims.jsonl: "), (line, said)
    told(record_property, len(wrong) + len(NO_JSON))


def test_records_that_are_none(elsewhere, record_property):
    where = Path("run") / "record"
    where.mkdir(parents=True)
    config = {"config": {}, "status": "finished"}
    for text in [*NO_JSON, json.dumps(config), *(json.dumps({**config, "config": one}) for one in ([], 3, None))]:
        (where / "run.json").write_text(text)
        said = refusal(command("figures", "run"), ("run",))
        assert said is not None and said.startswith("run: no figure can be made of it"), said
        assert {path.name for path in where.parent.rglob("*")} == {"record", "run.json"}
    for words in (
        ["figures", "nowhere"],
        ["claims", "nowhere"],
        ["report", "nowhere"],
        ["report", "run/record/run.json"],
    ):
        said = refusal(command(*words), ("run",))
        assert said is not None and said.startswith(words[1]), said
    told(record_property, len(NO_JSON) + 8)


def run_json() -> dict[str, object]:
    """A run's identity card as the record has it."""
    config = json.loads(settings_of((), ()))
    arm = {"body": "random", "table": "pretrained", "frozen": True}
    model = {"id": "0" * 12, "seed": 0, "step": 3, "arm": arm, "config": config}
    task = {"name": "addition", "p": 41, "cyclic": False, "commutative": True}
    return {"status": "finished", "seed": 0, "overrides": ["seed=0"], "id": "1" * 12, "p": 41, "task": task, "arm": arm,
            "model": model, "config": config, "metrics": {"test/accuracy": 0.5}, "git": None, "steps": 3}  # fmt: skip


def test_a_record_with_one_wrong_entry_is_a_damaged_run(elsewhere, record_property):
    where, damaged, good = Path("run") / "record", 0, run_json()
    where.mkdir(parents=True)
    places = [(key,) for key in good] + [("config", key) for key in ("data", "embedding", "model", "optimizer")]
    places += [("config", "data", "templates"), ("config", "embedding", "source"), ("config", "embedding", "freeze")]
    places += [("model", "config"), ("model", "id"), ("model", "config", "data"), ("arm", "keep"), ("metrics", "x")]
    for place in places:
        for value in (None, 7, "x", [], {}, [None], True, {"a": []}):
            info = json.loads(json.dumps(good))
            node = info
            for key in place[:-1]:
                node = node[key]
            node[place[-1]] = value
            (where / "run.json").write_text(json.dumps(info))
            said = refusal(command("figures", "run"), ("run",))
            assert said is not None and said.startswith("run: no figure can be made of it"), (place, value, said)
            run = read_run(Path("run"))
            assert run.status == "failed" or (run.title and run.task and run.config is not None and run.p), place
            damaged += "can't be read" in run.info.get("error", "")
    (where / "run.json").write_text(json.dumps(good))
    assert read_run(Path("run")).status == "finished" and damaged >= 100
    told(record_property, damaged)


def checkpoints() -> dict[str, object]:
    """What somebody may give as a checkpoint, as torch saves it."""
    run = {"config": "x", "arm": {}}
    good = {"epoch": 1, "global_step": 2, "hyper_parameters": {"run": run}, "optimizer_states": []}
    changed = {f"{key}={value!r}": {**good, key: value} for key in good for value in (None, 3, "x", [], {})
               if (key, value) != ("optimizer_states", [])}  # fmt: skip
    configs = {f"config={value!r}": {**good, "hyper_parameters": {"run": {"config": value}}}
               for value in (None, 3, "x", [], {}, {"data": 3}, {"data": {}, "model": []})}  # fmt: skip
    lacks = {f"no {key}": {k: v for k, v in good.items() if k != key} for key in ("hyper_parameters", "epoch")}
    plain = {repr(value): value for value in (None, 3, "x", [], {}, torch.zeros(2), {"state_dict": {}})}
    return {**plain, **changed, **configs, **lacks}


def test_checkpoints_that_are_none(elsewhere, record_property):
    given = checkpoints()
    for name, value in given.items():
        torch.save(value, "model.ckpt")
        said = refusal(run_with(SMALL, {"ckpt_path": "model.ckpt"}), ("model.ckpt",))
        assert said is not None and said.startswith("ckpt_path=model.ckpt: "), (name, said)
    for content in (b"", b"PK", b"text", b"\x80\x04.", b"\0" * 1000):
        Path("model.ckpt").write_bytes(content)
        said = refusal(run_with(SMALL, {"ckpt_path": "model.ckpt"}), ("model.ckpt",))
        assert said is not None and said.startswith("ckpt_path=model.ckpt: not a checkpoint"), said
    assert refusal(run_with(SMALL, {"ckpt_path": "model.ckpt", "fit": False}), ("model.ckpt",)) == said
    told(record_property, len(given) + 6)


LOCAL = ("backbone=local", "backbone.path=model", *SMALL)


def copied(changes: dict[str, object]) -> Path:
    """The embedded backbone's directory, with another config.json."""
    where, source = Path("model"), Path(asset_path("whisper-tiny-en-text"))
    where.mkdir(exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(source / name, where / name)
    if not (where / "model.safetensors").exists():
        (where / "model.safetensors").symlink_to(source / "model.safetensors")
    config = json.loads((source / "config.json").read_text())
    (where / "config.json").write_text(json.dumps({**config, **changes}))
    return where


def test_model_directories_that_are_none(elsewhere, record_property):
    refused = 0
    assert refusal(run_with(LOCAL, {"backbone.path": str(copied({}))}), ("model",)) is None
    for key in (
        "model_type",
        "n_embd",
        "n_layer",
        "n_head",
        "n_positions",
        "vocab_size",
        "initializer_range",
        "n_inner",
    ):
        for value in (None, "x", -1, 0, 10**12, []):
            copied({key: value})
            said = refusal(run_with(LOCAL, {"model.width": None, "model.n_head": None}), ("model",))
            refused += said is not None
    for name, contents in {
        "config.json": NO_JSON,
        "tokenizer.json": [*NO_JSON, None],
        "tokenizer_config.json": [],
    }.items():
        for content in contents:
            file = copied({}) / name
            file.unlink() if content is None else file.write_text(content)
            (file.parent / "tokenizer_config.json").unlink(missing_ok=True)
            said = refusal(run_with(LOCAL, {}), ("model",))
            assert said is not None and said.startswith("backbone.path=model: "), (name, content, said)
            refused += 1
    assert refused >= 45
    told(record_property, refused)


def test_transformers_adds_no_lines_of_its_own(elsewhere, monkeypatch, caplog):
    """Its warnings of a strange config.json would stand above our line; where CI is set they reach every logger."""
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    copied({"vocab_size": -1})
    assert "vocab_size=-1" in refusal(run_with(LOCAL, {}), ("model",))
    assert not caplog.records


def test_a_directory_without_a_tokenizer_is_told_from_one_that_splits_numbers(command, tmp_path):
    shutil.copy(Path(asset_path("whisper-tiny-en-text")) / "config.json", tmp_path / "config.json")
    done = command("audit", "backbone=local", f"backbone.path={tmp_path}")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"error: backbone.path={tmp_path}: holds no tokenizer that knows digits; "
        "add its tokenizer.json, or use save_pretrained\n"
    )
