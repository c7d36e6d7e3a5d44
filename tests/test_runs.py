"""Reading runs back: in every state, named by what sets them apart."""

import json
import shutil

import pytest

from fourier_lightning.errors import ConfigError
from fourier_lightning.record.arm import Arm
from fourier_lightning.record.labels import differences, flatten, label_runs
from fourier_lightning.record.runs import by_label, find_runs, read_run


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
    changed = differences(runs)
    assert changed[1]["optimizer.lr"] == 0.5 and changed[3]["data.train_fraction"] == 0.2
    assert "data.max_operand" not in changed[0] and "paths.output_dir" not in changed[0]


def test_evaluated_runs_are_told_apart_by_filter_and_checkpoint(tiny_runs):
    def evaluated(count=2):
        runs = find_runs([tiny_runs / str(n) for n in range(2)])[:count]
        for run in runs:
            run.info["config"] |= {"fit": False, "ckpt_path": "/a/run/checkpoints/last.ckpt"}
            run.info["seed"] = 0
        return runs

    runs = evaluated()
    runs[1].config["trainer"]["max_epochs"] = 99  # of a run that trains nothing
    runs[1].config["filter"]["keep"] = "high"
    label_runs(runs)
    assert runs[0].label == runs[1].label == "scratch + frozen pretrained table"
    for run in runs:
        run.info["metrics"] = {"filter/accuracy": 0.5}
    label_runs(runs)
    assert [run.label.split(", ")[1] for run in runs] == [f"filter.keep={keep}" for keep in ("low", "high")]
    runs = evaluated()
    runs[1].config["ckpt_path"] = "/a/other/checkpoints/last.ckpt"
    label_runs(runs)
    assert runs[1].label.endswith(", other/checkpoints/last.ckpt") and runs[0].label != runs[1].label


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
