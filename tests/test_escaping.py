"""Text of users stays text: in the terminal, in Markdown, in figures, and in the report, where nothing of it runs."""

import html
import io
import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import matplotlib
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from markdown_it import MarkdownIt

from fourier_lightning import console
from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.table import markdown, print_ledger
from fourier_lightning.claims.verdict import Verdict
from fourier_lightning.figures.chart import Axis, Bars, Chart, Line, Panel, Points, Rule
from fourier_lightning.figures.draw import draw
from fourier_lightning.markdown import code, plain
from fourier_lightning.record.sweep import write_summary
from fourier_lightning.report.page import plot_json
from fourier_lightning.terminal import terminal, typed
from tests.conftest import TINY
from tests.test_report import chromium, drawn_plots  # noqa: F401  # a fixture
from tests.test_sweep import job

EVIL = (
    "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=2'>\u2028`${1}` \"quoted\" <!-- $x$ "
    "[/] [total] {} %s | :smile:"
)
# rich's markup and emoji, formulas, HTML, tables, templates, Markdown
SIGNS = "_a_ [bold]b[/] [/] [total] $x$ <b>t</b> &amp; | \\| {} {0} %s %(a)s :smile: `c` **d** ~~e~~ [f](g) $h$"


def strings(tree, change):
    """Every string in nested dictionaries and lists, changed."""
    if isinstance(tree, dict):
        return {key: strings(value, change) for key, value in tree.items()}
    if isinstance(tree, list):
        return [strings(value, change) for value in tree]
    return change(tree) if isinstance(tree, str) else tree


def spoil(run_dir, status):
    """Put it wherever a run's own text is: name, overrides, failure, settings, device, versions, files of W&B."""
    path = run_dir / "record" / "run.json"
    info = json.loads(path.read_text())
    kept = {name: info[name] for name in ("arm", "task", "id", "started", "model")}
    told = strings({name: value for name, value in info.items() if name not in kept}, lambda text: text + EVIL)
    told["config"] = {**info["config"], "name": EVIL, "tags": [EVIL], "group": EVIL, "note": {EVIL: EVIL}}
    told["config"]["data"]["templates"] = [EVIL, "format"]
    told["config"]["backbone"] |= {"name": EVIL, "path": EVIL}
    model = {**info["model"], "config": {**info["model"]["config"], "backbone": told["config"]["backbone"]}}
    told |= {"status": status, "name": EVIL, "overrides": [f"name={EVIL}", "seed=0"], "git": EVIL, "model": model}
    told["error"] = f"RuntimeError: {EVIL}"
    path.write_text(json.dumps({**info, **kept, **told}))
    (run_dir / ".hydra").mkdir(exist_ok=True)
    (run_dir / ".hydra" / "overrides.yaml").write_text(json.dumps([f"name={EVIL}"]))
    for table in (run_dir / "record" / "tables").glob("*.jsonl"):
        rows = [json.loads(row) for row in table.read_text().splitlines()]
        for row in rows:
            for column in ("comparable", "refused", "why", "reading", "prompt"):
                if column in row:
                    row[column] = EVIL
        table.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_record_full_of_scripts_is_a_page_full_of_text(tiny_runs, tmp_path, command, chromium):  # noqa: F811
    top = tmp_path / "<b>top"  # a directory's name is shown, too
    for name, status in (("0", "finished"), ("1", "failed"), ("2", "finished"), ("3", f"odd {EVIL}")):
        shutil.copytree(tiny_runs / name, top / name)
        spoil(top / name, status)
    (top / "4" / ".hydra").mkdir(parents=True)
    (top / "4" / ".hydra" / "overrides.yaml").write_text(json.dumps([EVIL]))
    page = tmp_path / "report.html"
    done = command("report", top, "--output", page, "--title", EVIL)
    assert done.code == 0, done.err
    head, _, rest = page.read_text().partition("<script>")  # plotly comes after it
    assert "<script>window" not in head + rest and "<img" not in head and "<!--" not in head.replace("<!DOCTYPE", "")
    assert head.count("&lt;/script&gt;&lt;script&gt;") > 20
    tab = chromium.new_page(viewport={"width": 1280, "height": 900})
    problems = []
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.goto(page.as_uri())
    plots = drawn_plots(tab)
    assert plots.count() > 5 and problems == []
    assert tab.evaluate("window.hacked") is None and tab.locator("img").count() == 0
    assert tab.evaluate("document.scripts.length") == plots.count() + 2  # a chart each, plotly, and the page's own
    assert "</script><script>window.hacked=1</script>" in tab.locator("h1").text_content()
    tab.set_viewport_size({"width": 390, "height": 800})  # a phone has legends of its own
    tab.reload()
    plots.nth(0).scroll_into_view_if_needed()
    tab.locator("#plot0.js-plotly-plot").wait_for(timeout=20_000)
    assert tab.evaluate("window.hacked") is None and problems == []
    tab.close()


def test_a_charts_words_can_not_end_its_script():
    panel = Panel(EVIL, Axis(EVIL), Axis(EVIL), [Line([0, 1], [1, 2], EVIL, "#000000")])
    text = plot_json(Chart(EVIL, [panel], EVIL))
    assert "$" not in text  # between two of which plotly would set a formula where there is MathJax
    assert "<" not in text and json.loads(text)["data"][0]["name"].startswith("&lt;/script&gt;")  # plotly reads markup


def cells(text: str) -> str:
    """What a terminal shows, without the lines of tables and with one space where there are several."""
    return " ".join(re.sub("[│┃┏┓┗┛┳┻━┡┩╇├┤┼─└┘┴]", " ", text).split())


def test_the_terminal_prints_text_as_it_is(command_line, tmp_path, monkeypatch):
    """A run whose name and directory hold signs of every kind, from the command line."""
    monkeypatch.setenv("COLUMNS", "200")
    where = tmp_path / "out[1] [bold] :smile: $x$ {} %s"
    given = {"name": f"{SIGNS}\nnext", "group": SIGNS, "tags": SIGNS, "hydra.run.dir": where}
    options = [shlex.split(typed(key, value))[0] for key, value in given.items()]
    options[2] = f"tags=[{options[2].removeprefix('tags=')}]"
    done = command_line(*TINY, *options, "instruments=none", "logger=none")
    assert done.code == 0, done.err
    shown = cells(done.out)
    assert f"{SIGNS} next part" in shown and f"Everything this run wrote: {where} " in shown
    assert f"fourier-lightning report {shlex.quote(str(where))}" in shown


def test_every_table_and_line_of_the_terminal_prints_text_as_it_is(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "300")
    console.print_rows([{"settings": SIGNS, f"{SIGNS}!": 1}], f"Sweep: {SIGNS}?")
    shown = cells(capsys.readouterr().out)
    assert all(text in shown for text in (f"Sweep: {SIGNS}?", f"{SIGNS}!", f"{SIGNS} 1"))
    run = tmp_path / SIGNS.replace("/", "")
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints" / "last.ckpt").touch()
    console.print_interrupted(run)
    said = capsys.readouterr().out
    assert f"What there is: {run}; " in said and typed("ckpt_path", run / "checkpoints" / "last.ckpt") in said
    verdicts = [Verdict(CLAIMS[0].name, "undecided", f"{SIGNS} {model}", [0], 1.0, None, None, None, f"{SIGNS} why", "")
                for model in ("one", "other")]  # fmt: skip
    print_ledger(verdicts)
    said = capsys.readouterr().out
    assert f"A: {SIGNS} one\n" in said and f"A; seed 0; {SIGNS} why\n" in said
    lines = io.StringIO()
    terminal(file=lines).print(SIGNS, soft_wrap=True)
    assert lines.getvalue() == f"{SIGNS}\n"


@pytest.mark.parametrize("value", [SIGNS, "a b", "a,b", "out[1]/last.ckpt", "it's", '"q" \\\\" \\', "plain/x-1.ckpt"])
def test_a_setting_is_printed_as_a_shell_and_hydra_take_it(value):
    (word,) = shlex.split(typed("ckpt_path", value))
    override = OverridesParser.create().parse_override(word)
    assert (override.key_or_group, override.value()) == ("ckpt_path", value)


def rendered(text: str) -> list[str]:
    """The cells of a Markdown table as a reader sees them."""
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)
    assert not re.search("<(a|em|strong|s|b)[ >]", page), page
    return [html.unescape(re.sub("<[^>]*>", "", cell)) for cell in re.findall("<td>(.*?)</td>", page, re.DOTALL)]


@pytest.mark.parametrize(
    "text", [SIGNS, "`", "`` a `", "a | b", "$a$ and $b$", "line\n| break", "", "_a_ snake_case __b"]
)
@pytest.mark.parametrize("write", [code, plain])
def test_a_cell_of_markdown_shows_text_as_it_is(write, text):
    cell = write(text)
    assert rendered(f"| x | y |\n| --- | --- |\n| {cell} | 1 |\n") == [" ".join(text.split()), "1"]
    assert write is code or not re.search(r"(?<!\\)\$|:[a-z]+:", cell)  # formulas and emoji of GitHub


def test_a_sweeps_summary_shows_settings_as_they_are(tmp_path):
    for number in range(2):
        job(tmp_path, number, [f"name={SIGNS}\n{number}", "seed=0"], **{"val/accuracy": 0.5})
    assert [row["settings"] for row in write_summary(tmp_path)] == [f"name={SIGNS}\n{n}" for n in range(2)]
    shown = rendered((tmp_path / "summary.md").read_text())
    assert shown[::5] == [f"name={' '.join(SIGNS.split())} {n}" for n in range(2)]


def test_the_claims_page_shows_models_as_they_are():
    verdict = Verdict(CLAIMS[0].name, "not comparable", SIGNS, [0], 1.0, None, None, None, SIGNS, "")
    shown = rendered(markdown([verdict]).replace("**not comparable**", "not comparable"))
    assert shown[2] == f"not comparable ({SIGNS}): 1; {SIGNS}; seed 0"
    several = markdown([verdict, replace(verdict, model=f"{SIGNS} 2")])
    assert f"- A: {plain(SIGNS)}\n- B: {plain(SIGNS)} 2\n" in several


def test_a_drawn_figure_shows_text_as_it_is(tmp_path):
    """Every place of a chart that holds words, as SVG with its text as text, and as PNG."""
    marks = [Line([1, 2], [1, 2], f"{SIGNS} line"), Bars([1, 2], [1, 2], f"{SIGNS} bars"),
             Points([1, 2], [1, 2], f"{SIGNS} points", text=[f"{SIGNS} word", ""]),
             Rule(1.5, f"{SIGNS} rule")]  # fmt: skip
    x = Axis(f"{SIGNS} x", ticks=[(1, f"{SIGNS} tick")])
    panel = Panel(f"{SIGNS} panel", x, Axis(f"{SIGNS} y"), marks, [(2, f"{SIGNS} top")])
    chart = Chart(f"{SIGNS} title", [panel], f"{SIGNS} caption", width=40)
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        draw(chart).savefig(tmp_path / "figure.svg")
    texts = re.findall("<text[^>]*>(.*?)</text>", (tmp_path / "figure.svg").read_text(), re.DOTALL)
    shown = {html.unescape(text) for text in texts}
    places = ("line", "bars", "points", "rule", "word", "x", "tick", "y", "panel", "top", "title", "caption")
    assert {f"{SIGNS} {place}" for place in places} <= shown
    draw(chart).savefig(tmp_path / "figure.png")


def test_a_model_of_any_name_is_a_page(tmp_path, command, chromium):  # noqa: F811
    """A closed model's name is all of its arm: on the first screen, in tables, in plotly's words and on a phone."""
    (tmp_path / "answers.csv").write_text("a,b,answer\n" + "".join(f"{a},{a},{2 * a + 10}\n" for a in range(30)))
    asked = ("--model", SIGNS, "--output", tmp_path / "run")
    said = command("errors", tmp_path / "answers.csv", *asked)
    assert said.code == 0 and said.out.startswith(f"{SIGNS}: ")
    assert f"control 0.1  {SIGNS}\n" in command("claims", tmp_path / "run").out
    page = Path(tmp_path / "report.html")
    assert command("report", tmp_path / "run", "--output", page).code == 0
    tab = chromium.new_page(viewport={"width": 390, "height": 800})
    tab.goto(page.as_uri())
    names = tab.locator("td:first-child").all_text_contents()
    assert SIGNS in [" ".join(name.split()) for name in names]
    chart = Chart(SIGNS, [Panel(SIGNS, Axis(SIGNS, ticks=[(1, SIGNS)]), Axis(SIGNS), [Bars([1], [1], SIGNS)])], SIGNS)
    source = plot_json(chart)
    tab.evaluate(
        """source => {
      const place = document.createElement("div"), text = document.createElement("script");
      place.id = "extra"; text.type = "application/json"; text.textContent = source;
      document.querySelector("main").append(place, text); draw(place);
    }""",
        source,
    )
    tab.locator("#extra.js-plotly-plot").wait_for(timeout=20_000)
    read = "selector => document.querySelector(selector).textContent.replace(/\\s+/g, ' ').trim()"
    for place in (".xtick text", ".xtitle", ".ytitle", ".annotation-text"):
        assert tab.evaluate(read, f"#extra {place}").replace(" ", "") == SIGNS.replace(" ", ""), place
    assert tab.evaluate(read, "#extra + .legend span") == SIGNS
    tab.close()
