"""`fourier-lightning claims`: the ledger from records, on the terminal and as a page."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.table import markdown, number
from fourier_lightning.claims.verdict import Verdict

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
    assert text.startswith("before\n<!-- claims -->\n| claim") and text.endswith("<!-- /claims -->\nafter\n")
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


def test_the_page_of_claims_shows_the_committed_verdicts():
    verdicts = [Verdict(**json.loads(line)) for line in (ROOT / "docs/results/claims.jsonl").read_text().splitlines()]
    assert {verdict.claim for verdict in verdicts} == {one.name for one in CLAIMS}
    readme = (ROOT / "docs/claims.md").read_text()
    assert readme.split("<!-- claims -->\n")[1].split("<!-- /claims -->")[0] == markdown(verdicts)
