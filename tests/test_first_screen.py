"""The report's first screen: a picture and four answers, of the committed runs in the paper's regime."""

import html
from pathlib import Path

import pytest

from fourier_lightning.claims.digest import digest
from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.verdict import Outcome, Verdict, judge
from fourier_lightning.figures.comparisons import comparison
from fourier_lightning.figures.overview import overview
from fourier_lightning.readings import seeds, words
from fourier_lightning.readings.effects import Effect, Scores, effects, intact
from fourier_lightning.record.runs import Run, find_runs, label_runs
from fourier_lightning.report import sections, summary
from fourier_lightning.report.blocks import Answers, DataTable
from fourier_lightning.report.page import build
from tests.records import run_of
from tests.test_report import chromium  # noqa: F401  (a fixture)


@pytest.fixture(scope="module")
def runs(mechanism) -> list[Run]:
    return seeds.lettered(find_runs([mechanism]))[0]


@pytest.fixture(scope="module")
def verdicts(runs) -> list[Verdict]:
    return [verdict for claim in CLAIMS for verdict in judge(claim, runs)]


@pytest.fixture(scope="module")
def answers(runs, verdicts) -> dict[str, list[str]]:
    first = sections.glance(runs, verdicts, {}).blocks[0]
    assert isinstance(first, Answers) and first.chart is not None
    return {question: list(items) for question, items in first.items}


def test_four_questions_are_answered_in_sentences(answers):
    arm, periods, filters, _ = answers.values()
    assert [sentence.split(" of the test")[0] for sentence in arm] == [
        "<b>A, scratch + frozen pretrained table</b> is right in 98.91 ± 0.45 %",
        "<b>B, pretrained, fine-tuned</b> is right in 96.98 ± 0.59 %",
    ]
    assert "98.14 points ahead of <b>C, scratch</b>" in arm[0]
    assert (
        "MLPs write T = 2, 2.5, 5, 10, 200 in each of 5 seeds; attention writes T = 200 in 4 of 5 seeds" in periods[0]
    )
    assert filters[0].startswith(
        "Without long waves: the last digit survives, the magnitude is lost (input 100 / 26 %, random 58 / 78 %); "
        "compared with random directions, the last digit is right more often and the magnitude as often "
        "(MLP 93 / 50 %, random 21 / 37 %); less damaging than random directions (attention 82 / 80 %, random 18 / 36 "
        "%)."
    )
    assert "is right less often and the magnitude as often (input 57 / 100 %, random 95 / 99 %; MLP 10 /" in filters[1]
    assert "equal energy" in filters[1] and "rank" not in "".join(filters)


def test_what_differs_from_the_paper_lists_nothing_that_holds(answers, verdicts):
    *lines, counts = answers["What differs from the paper?"]
    assert len(lines) == 6 and counts == f'<a href="#claims">{digest(verdicts)[1]}</a>'
    assert counts.startswith('<a href="#claims">44 claims: 16 not here, 4 supported, ')
    differ = {claim.statement for claim in CLAIMS for one in verdicts
              if (one.claim, one.outcome) == (claim.name, "not here")}  # fmt: skip
    for line in lines:
        assert html.unescape(line.split(" <span")[0]) in differ and "holds:" not in line
    held = [Verdict(claim.name, "supported", "x", [0], 0.5, 0.4, 0.6, None, "", "") for claim in CLAIMS]
    assert summary.differing(held) == ["None of the claims that these runs decide.",
                                       '<a href="#claims">44 claims: 44 supported</a>']  # fmt: skip


def test_without_measurements_it_says_what_is_missing(trained, monkeypatch):
    """Runs that were trained and not dissected; and none at all."""
    monkeypatch.setattr(summary, "MOST", 1)  # of two tasks
    first = sections.glance(find_runs([trained]), [], {}).blocks[0]
    told = dict(first.items)
    assert first.chart is not None and len(told["Which arm wins?"]) == 2
    assert told["Which arm wins?"][-1] == "1 more in the table below."
    assert told["What does each filter break?"] == [
        "No arm that adds was measured with filter_ablation or input_waves."
    ]
    nothing = sections.glance([], [], {}).blocks[0]
    assert nothing.chart is None and nothing.items[0][1] == ["No finished run was tested."]
    assert nothing.items[1][1] == ["No finished run was measured with the answer_phase instrument."]


def verdict(claim: str, outcome: Outcome, model: str = "x", why: str = "") -> Verdict:
    return Verdict(claim, outcome, model, [0], 0.5, 0.4, 0.6, None, why, "")


def test_the_digest_lists_what_does_not_hold_and_counts_the_others():
    names = [claim.name for claim in CLAIMS]
    for here, shown in ((6, 6), (7, 6)):
        found = [verdict(name, "not here" if at < here else "supported") for at, name in enumerate(names)]
        lines, counts = digest([*found, verdict(names[0], "supported", "y")])  # holds in one model, not in another
        assert [line.claim.name for line in lines] == names[:shown]
        assert counts == f"{len(names)} claims: {here} not here, {len(names) - here} supported"
    assert lines[0].numbers == "paper 99.74 %, here 0.5 [0.4, 0.6]" and lines[1].numbers == "here 0.5 [0.4, 0.6]"
    assert lines[0].holds_in == ["y"] and lines[1].holds_in == []
    assert digest([]) == ([], "0 claims: ")
    few = [verdict(names[0], "undecided", why="one seed"), verdict(names[1], "undecided", why="seeds differ")]
    assert digest(few) == ([], "2 claims: 2 undecided (1 for want of seeds)")


def test_a_letter_stands_for_an_arm_with_long_settings(mechanism, runs):
    """The label of 20 words stands on the page twice: in the table of arms, and in the run's own settings."""
    full = seeds.lettered(find_runs([mechanism]))[1]
    assert list(full) == ["A, scratch + frozen pretrained table", "B, pretrained, fine-tuned", "C, scratch"]
    assert full["C, scratch"] == "scratch, 35 % of the pairs, data.batch_size=128"
    assert seeds.lettered(runs) == (runs, {})  # once is enough
    assert seeds.lettered(runs[:1]) == (runs[:1], {}) and seeds.lettered([]) == ([], {})
    assert seeds.letters(28)[-2:] == ["A2", "B2"]
    page = build(find_runs([mechanism])).split("<script>")[0]
    assert page.count("35 % of the pairs, data.batch_size=128") == 2  # of A and C
    table = summary.arm_table(runs, full)
    assert [(row["arm"], row["settings"]) for row in table] == [
        ("A, scratch + frozen pretrained table", "35 % of the pairs, data.batch_size=128"),
        ("B, pretrained, fine-tuned", "80 % of the pairs, data.batch_size=64"),
        ("C, scratch", "35 % of the pairs, data.batch_size=128"),
    ]
    chart = comparison("arms", find_runs([mechanism]))  # a picture alone has the key in its caption
    assert sorted(text.replace("\n", " ") for _, text in chart.panels[0].y.ticks) == list(full)
    assert chart.caption.endswith(" C: scratch, 35 % of the pairs, data.batch_size=128.")


def test_the_picture_holds_every_number_beside_its_control(runs):
    best = next(iter(seeds.grouped(runs).values()))
    found, whole = effects(best), intact(best)
    assert whole == pytest.approx((0.98214, 0.98796, 1.0), abs=1e-4)
    arms = {"a": [0.9, 0.8], "b": [0.1]}
    above, below = overview(arms, {"a": "#000001", "b": "#000002"}, whole, found).panels
    assert [bar.y for bar in above.marks[::2]] == [pytest.approx([85]), pytest.approx([10])]
    assert [text for _, text in above.y.ticks] == ["a", "b"] and len(below.y.ticks) == 1 + len(found) == 7
    bars, dots = below.marks[:3], below.marks[3:]
    for index, (bar, points) in enumerate(zip(bars, dots, strict=True)):
        assert list(bar.y) == [100 * scores[index] for scores in (whole, *(effect.found for effect in found))]
        assert list(points.x) == [100 * effect.control[index] for effect in found] and points.y == bar.x[1:]
    rank = Effect("mlp", "low", "readout", 0.9, Scores(0, 0, 0), None, "rank", "")
    assert overview(arms, dict.fromkeys(arms, "#000001"), whole, [rank]).panels[1].y.ticks[1][1].endswith("(rank)")
    many = {str(n): [0.5] for n in range(9)}
    assert len(overview(many, dict.fromkeys(many, "#000001"), None, []).panels[0].y.ticks) == 6
    assert intact([run_of()]) is None


def test_sentences_group_filters_by_what_they_do():
    scores = Scores(0.1, 0.2, 0.3)
    made = [Effect(m, r, "", 0.5, scores, c, e, said) for m, r, c, e, said in (
        ("mlp", "low", scores, "energy", "x"), ("attn", "low", None, "", "y"), ("input", "low", scores, "rank", "x"),
        ("input", "short", None, "", "z"))]  # fmt: skip
    assert words.breaks(made) == [
        "Without long waves: x (MLP 20 / 30 %, random 20 / 30 %; input 20 / 30 %, random 20 / 30 % at equal rank); "
        "y (attention 20 / 30 %).",
        "Without short waves: z (input 20 / 30 %).",
    ]  # fmt: skip
    assert words.breaks([]) == []


def test_the_ledger_says_how_often_its_rules_err(verdicts):
    ledger, calibration = sections.claims(verdicts, []).blocks
    assert isinstance(ledger, DataTable) and isinstance(calibration, DataTable)
    rows = {row["claim"]: row["its rule errs"] for row in ledger.rows if row["claim"]}
    assert rows["Some MLP acts modulo 2. (Figures 1b, 2a)"] == "0 of 13 [0, 23 %]"
    assert rows["With the pretrained embedding, frozen, it reaches 100 %. (Figure 7b)"] == "not tried"
    assert len(calibration.rows) > 20 and {"right where true", "right where false", "wrong"} < set(calibration.columns)


LOOK = """() => {
  const box = (element) => element.getBoundingClientRect();
  const ticks = [...document.querySelectorAll('#plot0 .ytick text')].map(box);
  const overlap = (a, b) => a.x < b.right && b.x < a.right && a.y < b.bottom - 1 && b.y < a.bottom - 1;
  const plot = box(document.querySelector('#plot0'));
  const words = [...document.querySelectorAll('#plot0 text')].map(box).filter((one) => one.width);
  return {
    wide: document.documentElement.scrollWidth,
    answers: box(document.querySelector('.answers')).bottom,
    picture: plot.top,
    collisions: ticks.filter((a, i) => ticks.slice(i + 1).some((b) => overlap(a, b))).length,
    clipped: words.filter((one) => one.x < plot.x - 1 || one.right > plot.right + 1 || one.bottom > plot.bottom + 1)
      .length,
  };
}"""


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_it_can_be_read_on_a_desk_and_on_a_phone(runs, tmp_path, request, width, height):
    page = Path(tmp_path / "report.html")
    page.write_text(build(runs))
    tab = request.getfixturevalue("chromium").new_page(viewport={"width": width, "height": height})
    tab.goto(page.as_uri())
    tab.locator("#plot0.js-plotly-plot").wait_for(timeout=20_000)
    found = tab.evaluate(LOOK)
    assert found["wide"] == width and found["picture"] < height / 2
    assert found["collisions"] == found["clipped"] == 0
    if width > 1000:
        assert found["answers"] <= height  # all four of them
    tab.close()


def test_where_a_run_printed_and_computed_is_no_part_of_its_arm(mechanism):
    """A sweep's launcher switches the progress bar off: its seeds are those of the same arm."""
    runs = find_runs([mechanism / "0", mechanism / "1"])
    runs[1].info["config"]["trainer"] |= {"enable_progress_bar": False, "accelerator": "cpu", "log_every_n_steps": 7}
    label_runs(runs)
    assert {run.label for run in runs} == {"scratch + frozen pretrained table"}
