"""Whatever a record says, the report shows it as text: opened in a real Chromium, nothing in it runs."""

import json
import shutil

from fourier_lightning.figures.chart import Axis, Chart, Line, Panel
from fourier_lightning.report.page import plot_json
from tests.test_report import chromium  # noqa: F401  # a fixture

EVIL = "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=2'>\u2028`${1}` \"quoted\" <!--"


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
    for fold in tab.locator("details").all():
        fold.evaluate("element => element.open = true")
    plots = tab.locator(".plot")
    for index in range(plots.count()):
        plots.nth(index).scroll_into_view_if_needed()
        tab.locator(f"#plot{index}.js-plotly-plot").wait_for(timeout=20_000)
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
    assert "<" not in text and json.loads(text)["data"][0]["name"].startswith("&lt;/script&gt;")  # plotly reads markup
