"""`fourier-lightning claims`: the ledger from records, on the terminal and as a page."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.table import markdown, number
from fourier_lightning.claims.verdict import Verdict
from fourier_lightning.readings import words
from fourier_lightning.terminal import our_command

ROOT = Path(__file__).resolve().parents[1]


def test_the_command_fills_the_ledger_from_real_runs(tiny_runs, tmp_path, command):
    shutil.copytree(tiny_runs, tmp_path / "runs")
    for path in (tmp_path / "runs").glob("*/record/run.json"):  # as if two epochs had been enough
        info = json.loads(path.read_text())
        path.write_text(json.dumps({**info, "metrics": {**info["metrics"], "train/accuracy": 1.0}}))
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- claims -->\nold\n<!-- /claims -->\nafter\n")
    output = tmp_path / "new" / "claims.jsonl"
    done = command("claims", tmp_path / "runs", "--output", output, "--readme", readme)
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    by_claim = {row["claim"]: row for row in rows}
    assert by_claim["rescue"]["seeds"] == [0, 1] and by_claim["rescue"]["outcome"] in (
        "not here",
        "undecided",
        "not comparable",
    )
    assert by_claim["multiplication_periods"]["outcome"] == "not measured"
    assert {row["claim"] for row in rows} == {one.name for one in CLAIMS}
    text = readme.read_text()
    assert text.startswith("before\n<!-- claims -->\n- A: ") and text.endswith("<!-- /claims -->\nafter\n")
    assert "old" not in text and f"{len(CLAIMS)} claims" in text and f"{len(CLAIMS)} claims" in done.out
    assert command("claims", "--from", output, "--readme", readme).code == 0
    assert readme.read_text() == text


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "DIR: no directory"),
        (["{tmp}"], "no run in it or below"),
        (["--from", "{tmp}/none.jsonl"], "--from"),
        (["{runs}", "--readme", "{tmp}/plain.md"], "it lacks the lines <!-- claims --> and <!-- /claims -->"),
        (["{runs}", "--output", "{runs}"], "a directory; name a file"),
    ],
)
def test_the_command_refuses_in_one_line(tiny_runs, tmp_path, command, args, said):
    (tmp_path / "plain.md").write_text("nothing\n")
    done = command("claims", *(arg.format(runs=tiny_runs, tmp=tmp_path) for arg in args))
    assert done.code == 2 and said in done.err and done.err.count("\n") == 1


def test_numbers_in_words():
    base = Verdict("x", "supported", "m", [0], 0.5, 0.4, 0.6, None, "", "")
    assert number(base) == "0.5 [0.4, 0.6]"
    assert number(replace(base, low=None, high=None, control=0.1)) == "0.5; control 0.1"
    assert markdown([replace(base, claim=CLAIMS[0].name)]).count("**supported**") == 1
    tiny = replace(base, value=1.96e-28, low=-3e-17, high=2e-4, control=-0.0)
    assert number(tiny) == "0 [0, 0.0002]; control 0"
    assert [words.p_value(p) for p in (1.96e-28, 0.0009, 0.0123, 1.0)] == [
        "p < 0.001", "p < 0.001", "p = 0.012", "p = 1"
    ]  # fmt: skip


def test_the_page_of_claims_shows_the_committed_verdicts():
    verdicts = [Verdict(**json.loads(line)) for line in (ROOT / "docs/results/claims.jsonl").read_text().splitlines()]
    assert {verdict.claim for verdict in verdicts} == {one.name for one in CLAIMS}
    readme = (ROOT / "docs/claims.md").read_text()
    assert readme.split("<!-- claims -->\n")[1].split("<!-- /claims -->")[0] == markdown(verdicts)


def test_one_run_says_that_seeds_are_missing_and_how_to_train_them(mechanism, command, tmp_path):
    """One seed of the committed runs: the reason by each claim, and one line with the command at the end."""
    shutil.copytree(mechanism / "0", tmp_path / "0")
    path = tmp_path / "0" / "record" / "run.json"
    info = json.loads(path.read_text())
    settings = {**info["config"], "fit": True}
    overrides = ["seed=0", "name='[bold]x y'", "optimizer.lr=0.01", "data.templates=[format]", "hydra.run.dir=out"]
    path.write_text(json.dumps({**info, "config": settings, "overrides": overrides}))
    done = command("claims", tmp_path)
    *rest, last = done.out.splitlines()
    waiting = [line for line in rest if line.startswith("  undecided") and line.endswith("; one seed")]
    assert len(waiting) == 20
    assert last == (
        f"scratch + frozen pretrained table (whisper-tiny-en-text): {len(waiting)} of these verdicts are undecided "
        "because 1 seed is too few. Most rules need 2 seeds, those on what modules write 3; 5 decide most claims. "
        "Train more, then give their directory, too: "
        f"{our_command('train', '-m', 'seed=1,2,3,4')} optimizer.lr=0.01 'data.templates=[format]'"
    )
    output = tmp_path / "claims.jsonl"
    assert command("claims", tmp_path, "--output", output).code == 0
    told = command("claims", "--from", output).out.splitlines()[-1]
    assert told.endswith("train -m seed=1,2,3,4 and the settings of these runs")


def test_of_several_models_a_letter_stands_for_a_long_label(mechanism, command):
    """The committed runs, five seeds an arm: labels of many settings stand once, above the claims."""
    lines = command("claims", mechanism).out.splitlines()
    assert lines[:3] == [
        "A: pretrained, fine-tuned, 80 % of the pairs, data.batch_size=64 (whisper-tiny-en-text)",
        "B: scratch + frozen pretrained table, 35 % of the pairs, data.batch_size=128 (whisper-tiny-en-text)",
        "C: scratch, 35 % of the pairs, data.batch_size=128",
    ]
    assert lines[4] == "  not here       0.97 [0.962, 0.977]  A; seeds 0, 1, 2, 3, 4"
    assert not any("data.batch_size" in line for line in lines[3:]) and lines[-1].startswith("44 claims; ")


def test_a_verdict_on_answers_alone_has_its_number_and_its_model(command, tmp_path):
    """Of a closed model no seed is known."""
    answers = tmp_path / "answers.csv"
    answers.write_text("a,b,answer\n" + "".join(f"{a},{a + 1},{2 * a + 1 + 10 * (a % 2)}\n" for a in range(40)))
    assert command("errors", answers, "--model", "GPT [total]", "--output", tmp_path / "run").code == 0
    said = command("claims", tmp_path / "run").out
    assert "  supported      1 [0.839, 1]; control 0.1  GPT [total]\n" in said
