"""The offline report, built from real records and opened in a real Chromium."""

import os
import re
import shutil
from pathlib import Path

import pytest

from fourier_lightning.cli import main
from fourier_lightning.record.runs import Run, find_runs
from fourier_lightning.report import sections
from fourier_lightning.report.blocks import DataTable, Plot
from fourier_lightning.report.page import build
from fourier_lightning.report.sections import all_sections, table_1
from fourier_lightning.report.summary import arm_table, periods_table, spread, winner

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def page(tiny_runs, tmp_path_factory) -> Path:
    """The report on the tiny runs: two arms, one of them with a run that never ended and one that lost a record."""
    top = tmp_path_factory.mktemp("report") / "runs"
    shutil.copytree(tiny_runs, top)
    shutil.rmtree(top / "3" / "record" / "arrays")
    info = (top / "3" / "record" / "run.json").read_text()
    (top / "3" / "record" / "run.json").write_text(info.replace('"finished"', '"running"'))
    (top / "1" / "record" / "tables" / "knock_out.jsonl").write_text("garbage\n{}\n")
    for number in "23":
        (top / number / "record" / "tables" / "lens_accuracy.jsonl").unlink()
    main(["report", str(top), "--output", str(top / "report.html")])
    return top / "report.html"


@pytest.fixture(scope="module")
def chromium():
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs a Chromium: apt-get install chromium")
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, page):
    """The report in a tab; console errors and requests are kept."""
    tab = chromium.new_page(viewport={"width": 1280, "height": 900})
    tab.problems, tab.requested = [], []
    tab.on("console", lambda message: tab.problems.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: tab.problems.append(str(error)))
    tab.on("request", lambda request: tab.requested.append(request.url))
    tab.goto(page.as_uri())
    yield tab
    tab.close()


def drawn_plots(tab):
    """The plots of a page, each unfolded, scrolled to and drawn."""
    for fold in tab.locator("details").all():
        fold.evaluate("element => element.open = true")
    plots = tab.locator(".plot")
    for index in range(plots.count()):
        plots.nth(index).scroll_into_view_if_needed()
        tab.locator(f"#plot{index}.js-plotly-plot").wait_for(timeout=20_000)
    return plots


def test_it_loads_alone_and_without_errors(opened, page):
    plots = drawn_plots(opened)
    assert plots.count() > 20 and opened.locator("#claims").count() == 1
    assert opened.problems == []
    assert {url for url in opened.requested if not url.startswith(("data:", "blob:"))} == {page.as_uri()}


def test_a_plot_answers_the_mouse(opened):
    plot = opened.locator("#plot2")
    plot.scroll_into_view_if_needed()
    opened.locator("#plot2.js-plotly-plot").wait_for(timeout=20_000)
    shown = "() => document.getElementById('plot2').data.filter(t => t.visible !== 'legendonly').length"
    before = opened.evaluate(shown)
    opened.locator("#plot2 .legendtoggle").first.click()  # an arm off
    opened.wait_for_function(f"({shown})() < {before}", timeout=10_000)
    point = opened.evaluate("""() => {
        const place = document.getElementById('plot2'), { xaxis, yaxis } = place._fullLayout;
        const line = place.data.findLast((t) => t.visible !== 'legendonly' && t.line.width === 2);
        const box = place.getBoundingClientRect(), at = (axis, v) => axis._offset + axis.d2p(v);
        return [box.x + at(xaxis, place.calcdata.find((c) => c[0].trace.name === line.name)[0].x),
                box.y + at(yaxis, place.calcdata.find((c) => c[0].trace.name === line.name)[0].y)];
    }""")
    opened.mouse.move(*point)
    opened.locator("#plot2 .hoverlayer .hovertext").first.wait_for(timeout=10_000)
    limits = "() => document.getElementById('plot2')._fullLayout.xaxis.range.join()"
    box, old = opened.locator("#plot2 .nsewdrag").first.bounding_box(), opened.evaluate(limits)
    opened.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    opened.mouse.down()
    opened.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.5 * box["height"], steps=8)
    opened.mouse.up()  # a zoom
    opened.wait_for_function(f"({limits})() !== '{old}'", timeout=10_000)


def test_what_is_missing_is_said(opened, page):
    notices = opened.locator(".notice").all_text_contents()
    assert any("failed" in text and "ended before its record began" in text for text in notices)
    assert any("runs/3 has not finished: it still runs, or it was killed" in text for text in notices)
    assert any("runs/1: damaged: tables/knock_out." in text for text in notices)
    assert any("scratch: nothing to draw from; the record has no tables/lens_accuracy" in text for text in notices)


def test_it_has_what_a_reader_looks_for(page, tiny_runs):
    text = page.read_text()
    assert not re.search(r'(src|href)="(?!#|data:)', text.split("<script>")[0])
    for wanted in ("Which arm wins?", "Which periods carry the answer, in which modules?",
                   "What does each filter break?", "What differs from the paper?", "How often is each rule wrong?",
                   "python train.py model=scratch seed=0", "optimizer.lr=1e9",
                   "no null space", "Supported or not here"):  # fmt: skip
        assert wanted in text, wanted
    assert len(text) < 8e6


def test_numbers_of_the_summary(tiny_runs):
    runs = find_runs([tiny_runs])
    for run, accuracy in zip(runs[:4], (0.9, 0.8, 0.1, 0.2), strict=True):
        run.info["metrics"] = {"test/accuracy": accuracy, "val/accuracy": 0.5}
    table = arm_table(runs)
    assert [row["arm"] for row in table] == ["scratch + frozen pretrained table", "scratch", "unknown"]
    assert table[0]["test exact"] == "85.00 ± 7.07 % [3.36, 99.90]" and table[2]["not finished"] == 1
    (sentence,) = winner(runs)
    assert sentence.startswith(
        "<b>scratch + frozen pretrained table</b> is right in 85.00 ± 7.07 % of the test split (2"
    )
    assert sentence.endswith("Addition, answers 0 to 40, &quot;a,b+&quot;, 60 % of the pairs.</span>")
    assert "70.00 points ahead of <b>scratch</b>" in sentence and "overlap" not in sentence
    runs[2].info["metrics"]["test/accuracy"] = 0.85
    assert "seeds of the first two overlap" in winner(runs)[0]
    assert spread([]) == "-" and spread([0.5]) == "50.00 %"


def test_evaluations_and_filter_jobs_of_a_checkpoint_are_its_model(offline_run, filtered_run, tiny_runs):
    runs = find_runs([offline_run.dir, filtered_run.dir, tiny_runs / "2"])
    trained, filtered, scratch = runs
    assert trained.label == filtered.label != scratch.label
    made = {section.name: section.blocks for section in all_sections(runs, [])}
    (tried,) = [block for block in made["filters"] if getattr(block, "heading", "") == "Filters tried one by one"]
    assert [(row["arm"], row["kept"], row["seeds"]) for row in tried.rows] == [(trained.label, "k < 5 (T > 8.2)", 1)]
    table = next(block.rows for block in made["glance"] if isinstance(block, DataTable))
    assert {row["arm"]: row["seeds"] for row in table} == {trained.label: 1, scratch.label: 1}
    assert "filter/accuracy" in filtered.metrics and len(made["runs"][0].rows) == 3


def test_plots_go_to_the_arms_that_have_data(tiny_runs, monkeypatch):
    runs = find_runs([tiny_runs])[:4]
    for run in runs[:2]:  # the best arm lost its tables
        run.info["metrics"]["test/accuracy"] = 1.0
        run._read |= {f"tables/{name}": [] for name in run.names("tables")}
        run._read |= {f"arrays/{name}": None for name in run.names("arrays")}
    monkeypatch.setattr(sections, "MOST", 1)
    for make in (sections.layers, sections.filters):
        plots = [block.heading for block in make(runs).blocks if isinstance(block, Plot)]
        assert plots and all(heading.startswith("scratch, seed 0: ") for heading in plots)


def test_tables_are_means_over_seeds(tiny_runs):
    runs = find_runs([tiny_runs])[:2]
    rows = [run.table("filter_ablation")[1] for run in runs]
    line = table_1(runs)[1]
    assert (line["filtered"], line["removed"], line["method"]) == ("attention and MLP", "low", "readout")
    assert line["exact"] == f"{50 * sum(row['accuracy'] for row in rows):.2f} %" and line["paper exact"] == "5.94 %"
    (periods,) = periods_table({"x": runs})
    assert periods["arm"] == "x" and periods["MLPs: lines in the power"].endswith("% of it in long waves")


def test_a_report_of_failures_alone_still_builds(tiny_runs):
    text = build(find_runs([tiny_runs / "failed"]))
    assert "No finished run was tested." in text and "1 failed" in text


def test_names_can_not_break_the_page(tiny_runs, tmp_path, chromium):
    """Names, arms, overrides and errors of records are text: in the page, in its charts' JSON, in plotly's drawings."""
    evil = "<!--<script>x</script><img src=x onerror=window.hacked=1><b>bold"
    runs = find_runs([tiny_runs])
    for run, name in zip(runs[:2], ("arm", "other"), strict=True):  # two labels of one arm: both are shown in full
        run.label = f"{name} {evil}"
        run.info["arm"] = {**run.info["arm"], "body": run.label}  # as a closed model's name is
    runs[0].info |= {"overrides": [f"name={evil}"], "device": evil, "git": evil}
    runs[0].info["config"] |= {"name": evil, "extra": {evil: evil}}
    for row in runs[0].table("filter_ablation"):
        row |= {"comparable": evil, "accuracy": 0.9}
    runs[2].info |= {"status": f"failed {evil}", "error": evil}
    runs[3].label = evil
    page = tmp_path / "report.html"
    page.write_text(build(runs, title=evil))
    body = page.read_text().split("<script>")[0]  # plotly itself comes after it
    assert not re.search(r"<img|<b>bold|<!--", body) and "arm &lt;!--" in body and body.count("&lt;img src=x") > 8
    tab = chromium.new_page(viewport={"width": 1280, "height": 900})
    problems = []
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.goto(page.as_uri())
    tab.locator("#plot0.js-plotly-plot").wait_for(timeout=20_000)
    assert tab.evaluate("window.hacked") is None and not problems and tab.locator("img").count() == 0
    assert "<!--<script>x" in "".join(tab.locator("#plot0 .ytick").all_text_contents())  # in letters
    tab.close()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["{tmp}/x"], "no such directory"),
        (["{runs}", "--output", "{tmp}"], "a directory; name a file, e.g. report.html"),
        (["{runs}", "--output", "{runs}/0/record/run.json/x.html"], "choose a file that can be written"),
    ],
)
def test_the_command_refuses_in_one_line(tiny_runs, tmp_path, command, args, said):
    done = command("report", *(arg.format(runs=tiny_runs, tmp=tmp_path) for arg in args))
    assert done.code == 2 and said in done.err and done.err.count("\n") == 1


def test_of_many_arms_the_most_accurate_are_drawn_and_a_long_table_scrolls(trained):
    (run, *_) = find_runs([trained / "0"])
    runs = []
    for number in range(50):
        metrics = {**run.metrics, "test/accuracy": number / 50}
        identity = {"id": str(number), "model": {**run.model, "id": str(number)}}
        runs.append(Run(run.dir, {**run.info, **identity, "metrics": metrics}, f"arm {number}."))
    notice, *plots = sections.arms(runs).blocks
    assert notice.text == "The 12 most accurate of 50 arms; all are in the table at the top."
    assert len(plots) == 2
    for plot in plots:
        assert "arm 49." in repr(plot.chart) and "arm 38." in repr(plot.chart)
        assert "arm 37." not in repr(plot.chart) and "arm 0." not in repr(plot.chart)
    page = build(runs)
    assert page.count('<div class="scroll tall">') >= 2  # arms, runs


def test_many_unfinished_runs_are_counted(trained):
    (run, *_) = find_runs([trained / "0"])
    runs = [Run(run.dir, {**run.info, "status": "failed"}, "arm") for _ in range(30)]
    lines = sections.troubles(runs)
    assert len(lines) == 13 and lines[-1].startswith("18 more did not finish or are damaged")
