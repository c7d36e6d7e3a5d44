"""Which runs a report draws, and how its words and numbers stand on a desk and on a phone."""

import re

import pytest

from fourier_lightning.figures.catalogue import FIGURES
from fourier_lightning.figures.comparisons import comparison
from fourier_lightning.readings.seeds import finished_first
from fourier_lightning.record.runs import find_runs
from fourier_lightning.report import sections
from fourier_lightning.report.blocks import Plot
from fourier_lightning.report.page import build
from fourier_lightning.report.sections import table_1
from tests.test_report import chromium, drawn_plots  # noqa: F401  # a fixture


def test_a_run_that_did_not_finish_is_drawn_only_where_no_finished_one_can_be(dissected):
    """Two seeds; the first was interrupted, and has records that the second lacks."""
    runs = find_runs([dissected / "1", dissected / "2"])
    runs[0].info["status"] = "interrupted"
    headings = {
        block.heading for make in (sections.embedding, sections.layers, sections.prompt, sections.errors)
        for block in make(runs).blocks if isinstance(block, Plot)
    }  # fmt: skip
    arm, only_it_has = "pretrained, fine-tuned", {"1b", "1c", "4a", "4b", "23", "21a", "21b"}
    assert {f"{arm}, seed 1: {FIGURES[name].shows} (figure {name})" for name in ("5a", "3", "1a")} <= headings
    assert {f"{arm}, seed 0, interrupted: {FIGURES[name].shows} (figure {name})" for name in only_it_has} <= headings
    assert not any(heading.startswith(f"{arm}, seed 0:") for heading in headings)
    for name in ("8", "15"):
        assert repr(comparison(name, runs)) == repr(comparison(name, runs[1:]))
    assert [panel.title for panel in comparison("8", runs[:1]).panels] == [
        f"{arm}, interrupted: MLP", f"{arm}, interrupted: attention"
    ]  # fmt: skip
    assert comparison("15", runs[:1]).panels[0].title.endswith("seed 0, interrupted")
    assert comparison("arms", runs[:1]) is None
    text = (
        "It counts in no mean and no verdict, and is drawn only where no finished run of its arm has the same record."
    )
    assert sections.troubles(runs)[0].endswith(f"/1 interrupted. {text}")


def test_a_finished_evaluation_goes_before_the_killed_run_that_trained_its_model(dissected):
    """And learning curves show a run that did not finish only where none of its arm did."""
    killed, evaluated = find_runs([dissected / "1", dissected / "2"])
    killed.info |= {"status": "running", "id": "a", "model": {**killed.model, "id": "a"}}
    evaluated.info |= {"id": "b", "model": {**killed.model, "id": "a"}}
    first, second = finished_first([killed, evaluated])
    assert first is evaluated and second is killed
    curves = {"step": 1, "epoch": 0, "val/accuracy": 0.1}, {"step": 2, "epoch": 1, "val/accuracy": 0.2}
    for run in (killed, evaluated):
        run._read["metrics"] = list(curves)
        run.info["config"] |= {"fit": True}
    named = lambda chart: {mark.name for mark in chart.panels[0].marks if not mark.faint}  # noqa: E731
    assert named(comparison("7b", [killed])) == {f"{killed.label}, not finished (1 seed)"}
    evaluated.info["model"] = {**evaluated.model, "id": "b"}
    assert named(comparison("7b", [killed, evaluated])) == {f"{killed.label} (1 seed)"}


COLLISIONS = """() => {
  const found = [], seen = (text) => text.textContent.trim() && getComputedStyle(text).visibility !== "hidden";
  for (const plot of document.querySelectorAll(".plot")) {
    const words = [...plot.querySelectorAll("text")].filter((text) => seen(text) && !text.closest(".legend"));
    const boxes = words.map((text) => text.getBoundingClientRect()), all = plot.getBoundingClientRect();
    boxes.forEach((a, i) => {
      if (a.x < all.x - 2 || a.right > all.right + 2 || a.bottom > all.bottom + 2) found.push(words[i].textContent);
      boxes.slice(0, i).forEach((b, j) => {
        const across = Math.min(a.right, b.right) - Math.max(a.x, b.x);
        const up = Math.min(a.bottom, b.bottom) - Math.max(a.y, b.y);
        if (across > 3 && up > 5) found.push(`${plot.ariaLabel}: ${words[i].textContent} / ${words[j].textContent}`);
      });
    });
  }
  return found;
}"""


@pytest.mark.parametrize("width", [1280, 390])
def test_no_words_of_a_plot_cover_others_or_leave_it(dissected, tmp_path, chromium, width):  # noqa: F811
    """Ticks, titles, scales and words beside points, of all plots of two arms, on a desk and on a phone."""
    page = tmp_path / "report.html"
    page.write_text(build(find_runs([dissected / "1", dissected / "4"])))
    tab = chromium.new_page(viewport={"width": width, "height": 900})
    tab.goto(page.as_uri())
    plots = drawn_plots(tab)
    assert plots.count() > 15 and tab.evaluate(COLLISIONS) == []
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    tab.close()


def test_no_number_of_a_table_is_the_rounding_of_a_computer(mechanism):
    """The readout leaves 1e-28 of the waves that it removes."""
    runs = find_runs([mechanism / "0"])
    assert any(0 < (row["left"] or 0) < 1e-20 for row in runs[0].table("filter_ablation"))
    page = build(runs).split("<script>")[0]
    assert not re.search(r"\d+e-\d+", re.sub(r"<[^>]*>", " ", page.split("Every run")[0]))
    assert table_1(runs)[1]["left"] == "0.0 %"
