"""``fourier-lightning errors``: from the questions to the ledger. Tables that are none: ``test_bad_files``."""

import csv

import pytest

from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.verdict import judge
from fourier_lightning.record.runs import find_runs
from fourier_lightning.report.page import build
from tests.records import run_of
from tests.test_schema import ROOT


def answered(path, wrong):
    """Fill in a table of questions; ``wrong`` gives the error of each."""
    rows = list(csv.DictReader(path.open()))
    for index, row in enumerate(rows):
        assert row["question"] == f"What is {row['a']} + {row['b']}? Answer with the number alone."
        row["answer"] = f"{int(row['a']) + int(row['b']) + wrong(index):,}"
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)


def test_from_questions_to_a_verdict(command, tmp_path):
    file, where = tmp_path / "questions.csv", tmp_path / "gpt-x"
    assert command("errors", file, "--template", 200, "--max-operand", 700).code == 0
    asked = file.read_text()
    assert len(set(asked.splitlines())) == 201
    assert command("errors", file, "--template", 5).err.startswith(f"error: {file}: is there already")
    assert command("errors", file).err.startswith(f"error: {file}, line 2: answer is ''")
    answered(file, lambda index: (0, 10, -20, 30, 3)[index % 5])
    done = command("errors", file, "--model", "gpt-x", "--output", where)
    assert done.out.startswith("gpt-x: 20.0 % [15.0, 26.1] of 200 answers are right, 0.0 % mean no number. 75.0 % ")
    assert "Most frequent errors: " in done.out and "-20 (40)" in done.out
    assert command("errors", file, "--output", where).err.startswith(f"error: --output {where}: holds a run already")
    (run,) = find_runs([where])
    verdicts = {claim.name: judge(claim, [run])[0] for claim in CLAIMS}
    closed = verdicts.pop("closed_errors")
    assert (closed.outcome, closed.model, closed.value) == ("supported", "gpt-x", 0.75)
    assert closed.low < 0.75 < closed.high and closed.control == pytest.approx(0.075)
    assert {verdict.outcome for verdict in verdicts.values()} == {"not measured"}
    assert "gpt-x" in build([run], "answers")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--template", 0], "--template 0: there are 68121 questions of 0..260; use 1 to 68121"),
        (["--template", 9, "--max-operand", 1], "--template 9: there are 4 questions of 0..1; use 1 to 4"),
        (["--template", 9, "--max-operand", -1], "--template 9: there are 0 questions of 0..-1"),
        ([], "{file}: no such file; give a CSV file with the columns a, b, answer"),
    ],
)
def test_questions_that_there_are_not(command, tmp_path, options, message):
    file = tmp_path / "q.csv"
    done = command("errors", file, *options)
    assert done.code == 2 and done.err.startswith(f"error: {message.format(file=file)}") and not file.exists()


def test_the_committed_answers_give_the_committed_summary(command):
    done = command("errors", ROOT / "docs" / "results" / "prompted_answers.csv")
    assert "15.1 % [13.0, 17.3] of 1,056 answers are right" in done.out
    assert "27.9 % [25.0, 30.9] of 897 errors are multiples of 10" in done.out and "8.5 % [6.8, 10.4]" in done.out


def test_prompted_models_are_judged_by_their_errors_and_on_number_lines_by_their_waves():
    told = {"prompts": 100, "accuracy": 0.5, "errors": 50, "tens": 45, "share": 0.9, "expected": 0.09}
    told |= {"expected_low": 0.02, "expected_high": 0.18, "p_value": 1e-9}
    data = {"shots": 4, "templates": ["equation"], "train_fraction": 0.8}
    config = {"data": data, "backbone": {"name": "tiny"}, "fit": False}
    arm = {"body": "pretrained", "table": "pretrained", "frozen": False, "trained": False}
    task = {"name": "addition_last_digit", "cyclic": True, "commutative": True}
    run = run_of({"arm": arm, "config": config, "task": task, "p": 10}, answer_summary=[told])
    claims = {claim.name: claim for claim in CLAIMS}
    (verdict,) = judge(claims["prompted_errors"], [run])
    assert (verdict.outcome, verdict.value, verdict.control) == ("supported", 0.9, 0.09) and "tiny" in verdict.model
    (few,) = judge(claims["prompted_errors"], [run_of(run.info, answer_summary=[{**told, "share": 0.1}])])
    assert few.outcome == "not here"
    none = {**told, "share": None, "errors": 0}
    (nothing,) = judge(claims["prompted_errors"], [run_of(run.info, answer_summary=[none])])
    assert nothing.outcome == "not measured" and "experiment=prompted" in nothing.why
    assert judge(claims["prompted_layers"], [run])[0].outcome == "not measured"  # digits hold all short waves
    trained = {**run.info, "arm": {**arm, "trained": True}}
    assert judge(claims["prompted_errors"], [run_of(trained, answer_summary=[told])])[0].outcome == "not measured"
