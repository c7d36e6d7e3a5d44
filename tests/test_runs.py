"""Reading runs back: in every state, named by what sets them apart."""

import json
import shutil

import pytest

from fourier_lightning.errors import ConfigError
from fourier_lightning.record.arm import Arm
from fourier_lightning.record.labels import differences, flatten
from fourier_lightning.record.models import models
from fourier_lightning.record.runs import by_label, find_runs, label_runs, read_run
from fourier_lightning.report.single_filters import table as single_filters
from fourier_lightning.report.summary import arm_table, winner


def test_runs_are_found_labelled_and_sorted(tiny_runs):
    runs = find_runs([tiny_runs])
    assert [run.dir.name for run in runs] == ["0", "1", "2", "3", "failed"]
    assert [run.label for run in runs] == ["scratch + frozen pretrained table"] * 2 + ["scratch"] * 2 + ["unknown"]
    assert [run.seed for run in runs] == [0, 1, 0, 1, None] and runs[0].p == 41
    assert runs[-1].status == "failed" and runs[-1].info["overrides"] == ["seed=7", "optimizer.lr=1e9"]
    assert runs[-1].table("lens_accuracy") == [] and runs[-1].array("final_logits") is None
    epochs, values = runs[0].curve("val/accuracy")
    assert epochs == [1, 2] and values[-1] == runs[0].metrics["val/accuracy"]
    assert find_runs([tiny_runs, tiny_runs / "0"])[0].dir == tiny_runs / "0"  # once, though given twice
    assert len(find_runs([tiny_runs, tiny_runs / "0"])) == 5
    assert {label: len(members) for label, members in by_label(runs[:4]).items()} == {
        "scratch + frozen pretrained table": 2, "scratch": 2,
    }  # fmt: skip


def test_ten_comes_after_nine(tmp_path):
    for name in ("10", "9", "1"):
        (tmp_path / name / ".hydra").mkdir(parents=True)
        (tmp_path / name / ".hydra" / "overrides.yaml").write_text("[]")
    assert [run.dir.name for run in find_runs([tmp_path])] == ["1", "9", "10"]


def test_a_record_cut_off_in_the_middle_still_reads(tiny_runs, tmp_path):
    shutil.copytree(tiny_runs / "0", tmp_path / "cut")
    record = tmp_path / "cut" / "record"
    info = json.loads((record / "run.json").read_text())
    (record / "run.json").write_text(json.dumps({**info, "status": "running", "metrics": {}}))
    for name in ("metrics.jsonl", "tables/lens_accuracy.jsonl"):
        (record / name).write_text((record / name).read_text()[:-10])
    array = record / "arrays" / "final_logits.safetensors"
    array.write_bytes(array.read_bytes()[:20])
    run = find_runs([tmp_path])[0]
    whole = read_run(tiny_runs / "0")
    assert run.status == "running" and run.curve("val/accuracy") == whole.curve("val/accuracy")  # less its last line
    assert run.table("lens_accuracy") == whole.table("lens_accuracy")[:-1]
    gone = run.lacks(["lens_accuracy", "knock_out"], ["final_logits", "heatmap_mlp"])
    assert gone == ["arrays/final_logits (damaged)"]
    assert run.damage() == ["arrays/final_logits"]
    (record / "tables" / "knock_out.jsonl").write_text("{\n{}\n")  # damaged in the middle
    damaged = find_runs([tmp_path])[0]
    assert damaged.table("knock_out") == [] and damaged.damage() == ["tables/knock_out", "arrays/final_logits"]
    for text in ("[1, 2]", "{}", '{"status": "finished", "config": null}'):
        (record / "run.json").write_text(text)
        assert "not a run's record" in find_runs([record])[0].info["error"]  # RUN/record is RUN
    (record / "run.json").write_text("{")
    assert read_run(tmp_path / "cut").status == "failed" and "can't be read" in read_run(tmp_path / "cut").info["error"]


def test_labels_name_what_varies_within_an_arm(tiny_runs):
    runs = find_runs([tiny_runs])[:4]
    runs[1].config["optimizer"]["lr"] = 0.5
    runs[3].config["data"]["train_fraction"] = 0.2
    label_runs(runs)
    table = "scratch + frozen pretrained table, 60 % of the pairs"
    lr = runs[0].config["optimizer"]["lr"]
    assert [run.label for run in runs] == [
        f"{table}, optimizer.lr={lr}", f"{table}, optimizer.lr=0.5", "scratch, 60 % of the pairs",
        "scratch, 20 % of the pairs",
    ]  # fmt: skip
    changed = differences([run.config for run in runs])
    assert changed[1]["optimizer.lr"] == 0.5 and changed[3]["data.train_fraction"] == 0.2
    assert "data.max_operand" not in changed[0] and "paths.output_dir" not in changed[0]


def evaluations(trained, top, *changes):
    """Records as an evaluation of a run's last checkpoint leaves them, each with changes of run.json."""
    info = json.loads((trained / "record" / "run.json").read_text())
    for number, (name, change) in enumerate(changes):
        shutil.copytree(trained, top / name)
        config = {**info["config"], "fit": False, "ckpt_path": "x.ckpt", **change.pop("config", {})}
        # what an evaluation says of training is of no run: the model's own settings count
        config["trainer"] = {**config["trainer"], "max_epochs": 99}
        config["filter"] = {**config["filter"], "cutoff": 3 + number}
        new = {**info, "id": f"{number:012}", "config": config, "seed": 7, "started": f"2100-01-0{number + 1}"}
        (top / name / "record" / "run.json").write_text(json.dumps({**new, **change}))
    return find_runs([trained, top])


def test_an_evaluation_is_shown_under_the_model_that_it_measured(tiny_runs, tmp_path):
    runs = evaluations(tiny_runs / "0", tmp_path, ("a", {}), ("b", {}))
    assert {run.label for run in runs} == {"scratch + frozen pretrained table"}
    assert {run.seed for run in runs} == {0} and {run.config["trainer"]["max_epochs"] for run in runs} == {2}
    (model,) = models(runs)
    assert (model.dir, model.seed, models([model, runs[1]])[0].runs) == (tiny_runs / "0", 0, runs)
    assert model.curve("val/accuracy") == runs[0].curve("val/accuracy") and model.arm.is_rescue
    (row,) = arm_table(runs)
    assert row["seeds"] == 1
    (sentence,) = winner(runs)
    assert "points ahead" not in sentence and "1 seed" in sentence


def test_what_any_run_of_a_model_measured_counts_for_it_the_latest_first(tiny_runs, tmp_path):
    shutil.copytree(tiny_runs / "0", tmp_path / "trained")
    runs = evaluations(
        tmp_path / "trained", tmp_path / "more", ("a", {"started": "2100-01-02"}), ("b", {"started": "2100-01-01"})
    )
    trained, latest, earlier = runs
    for run in (trained, latest):
        run.path("tables", "knock_out").unlink()
    trained.path("arrays", "final_logits").unlink()
    for run in runs:
        run.path("tables", "lens_accuracy").write_text(json.dumps({"step": 11, "of": run.dir.name}) + "\n")
    earlier.path("arrays", "final_logits").write_bytes(b"cut off")
    (model,) = models(runs)
    assert trained.table("knock_out") == [] and model.table("knock_out") == earlier.table("knock_out") != []
    assert model.table("lens_accuracy") == [{"step": 11, "of": "a"}] and model.array("final_logits") is not None
    assert model.lacks(["error_histogram", "none"], ["final_logits"]) == ["tables/none"]
    latest.path("arrays", "final_logits").unlink()
    assert models(find_runs([tmp_path]))[0].lacks([], ["final_logits"]) == ["arrays/final_logits (damaged)"]


def test_filter_jobs_are_one_table_of_one_model(tiny_runs, tmp_path):
    runs = evaluations(tiny_runs / "0", tmp_path, ("a", {}), ("b", {}))
    columns = {"modules": "mlp", "method": "readout", "energy": 0.3, "control_accuracy_mean": 0.1, "refused": None}
    for run, cutoff in zip(runs[1:], (3, 4), strict=True):
        row = {"step": 11, "keep": "low", "cutoff": cutoff, "accuracy": 0.2, "mod_10": 0.3, "within_10": 0.4, **columns}
        run.path("tables", "filter_grid").write_text(json.dumps(row) + "\n")
        run.info["metrics"]["filter/accuracy"] = 0.2
    (model,) = models(runs)
    assert [row["cutoff"] for row in model.table("filter_grid")] == [3, 4] and "filter/accuracy" not in model.metrics
    table = single_filters(runs)
    assert [(row["kept"], row["exact / modulo 10 / within 10, %"], row["seeds"]) for row in table] == [
        ("k < 3 (T > 13.7)", "20 / 30 / 40", 1), ("k < 4 (T > 10.2)", "20 / 30 / 40", 1),
    ]  # fmt: skip


def test_weights_of_another_step_and_other_questions_are_told_apart(tiny_runs, tmp_path):
    model = json.loads((tiny_runs / "0" / "record" / "run.json").read_text())["model"]
    data = {**model["config"]["data"], "templates": ["total"], "batch_size": 7}
    runs = evaluations(
        tiny_runs / "0", tmp_path, ("best", {"model": {**model, "step": 5}}), ("text", {"config": {"data": data}})
    )
    base = "scratch + frozen pretrained table"
    assert [run.label for run in runs] == [
        f"{base}, step {model['step']}", f"{base}, step 5", f"{base}, asked prompts total, step {model['step']}",
    ]  # fmt: skip
    assert len(models(runs)) == 3


@pytest.mark.parametrize(
    ("changes", "arm"),
    [
        ({}, "scratch + frozen pretrained table"),
        ({"embedding.freeze": False}, "scratch + trained pretrained table"),
        ({"embedding.keep": "low"}, "scratch + low-pass pretrained table"),
        ({"embedding.control": "shuffled_rows"}, "scratch + shuffled pretrained table"),
        ({"embedding.source": "fourier"}, "scratch + synthetic Fourier table"),
        ({"embedding.source": "random", "embedding.freeze": False}, "scratch"),
        ({"embedding.source": "random"}, "scratch, random table frozen"),
        (
            {"embedding.keep": "low", "embedding.control": "shuffled_rows"},
            "scratch + low-pass shuffled pretrained table",
        ),
        (
            {"embedding.control": "shuffled_rows", "embedding.freeze": False},
            "scratch + shuffled pretrained table, trained",
        ),
        ({"model.body": "pretrained", "embedding.freeze": False}, "pretrained, fine-tuned"),
        ({"model.body": "pretrained", "embedding.freeze": True}, "pretrained, fine-tuned, table frozen"),
        ({"model.body": "pretrained", "fit": False}, "pretrained, as it is"),
        (
            {"model.body": "pretrained", "fit": False, "ckpt_path": "x", "embedding.freeze": False},
            "pretrained, fine-tuned",
        ),
    ],
)
def test_arms_in_words(tiny_runs, changes, arm):
    config = json.loads(json.dumps(find_runs([tiny_runs])[0].config))
    for key, value in changes.items():
        node, _, name = key.rpartition(".")
        (config[node] if node else config)[name] = value
    assert Arm.from_config(config).words == arm and flatten(config)["embedding.source"]


def test_the_task_is_in_every_label_if_it_varies(tiny_runs):
    runs = find_runs([tiny_runs])[:4]
    runs[0].config["data"]["max_operand"] = 60
    label_runs(runs)
    assert [run.label.split(", ")[1] for run in runs] == [f"data.max_operand={n}" for n in (60, 20, 20, 20)]


def test_a_finished_run_is_not_replaced_by_a_failed_one(tiny_runs):
    first, again = (find_runs([tiny_runs / "0"])[0] for _ in range(2))
    again.info["status"] = "failed"
    for runs in ([first, again], [again, first]):
        assert by_label(runs)[first.label] == [first]


def test_directories_without_runs_are_refused(tmp_path):
    (tmp_path / "file").touch()
    cases = ((tmp_path, "no run in it or below"), (tmp_path / "x", "no such directory"), (tmp_path / "file", "a file"))
    for folder, said in cases:
        with pytest.raises(ConfigError, match=said):
            find_runs([folder])
