"""Measure the offline report: seconds to build, megabytes, seconds until Chromium has it open.

    python -m scripts.bench_report SWEEP_DIRS [--output FILE.json]
    python -m scripts.bench_report --runs 500 [--page report.html]       (records of two runs, copied)

Targets for a sweep of 20 runs: 20 s, 8 MB, 2 s; for 500 runs: 60 s, 20 MB. The page counts as open when its load event
is over and the first plot that can be seen is drawn. Needs a Chromium (Debian: apt-get install chromium).
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from fourier_lightning.errors import ConfigError
from fourier_lightning.record.runs import find_runs

ROUNDS = 3
TARGETS = {20: {"build_seconds": 20, "megabytes": 8, "first_plot_seconds": 2},
           500: {"build_seconds": 60, "megabytes": 20}}  # fmt: skip
SHORT = ["trainer.max_epochs=2", "logger=none", "~callbacks.progress_bar", "trainer.accelerator=cpu"]
OPENED = """async () => {
  document.querySelector('#plot0').scrollIntoView();
  while (!document.querySelector('#plot0.js-plotly-plot')) await new Promise(requestAnimationFrame);
  return { load: performance.timing.loadEventEnd - performance.timing.navigationStart, drawn: performance.now() };
}"""


def chromium() -> str:
    """The browser's path.

    Raises:
        ConfigError: there is none.
    """
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        raise ConfigError("chromium", "not on this machine", "Debian: apt-get install chromium")
    return found


def build(dirs: list[Path], page: Path) -> float:
    """Seconds that the whole command takes."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "fourier_lightning", "report", *map(str, dirs), "--output", str(page)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def records(where: Path, count: int) -> list[Path]:
    """As many runs: two real ones of two epochs with all instruments, under up to 25 learning rates and more seeds.

    Args:
        where: an empty directory.
    """
    from fourier_lightning.config import load_config
    from fourier_lightning.run import train

    made = []
    for arm in ("scratch", "scratch_pretrained_emb"):
        overrides = [f"model={arm}", "seed=0", *SHORT]
        made.append(train(load_config(overrides, where / f"made-{arm}"), overrides, verbose=False).run_dir)
    runs = [where / "runs" / str(number) for number in range(count)]
    for number, run in enumerate(runs):
        shutil.copytree(made[number % 2] / "record", run / "record")
        path = run / "record" / "run.json"
        lr, seed = (number // 2 % 25 + 1) / 10000, number // 50
        path.write_text(json.dumps(changed(json.loads(path.read_text()), lr, seed), indent=2) + "\n")
    return runs


def changed(info: dict[str, Any], lr: float, seed: int) -> dict[str, Any]:
    """A run's identity with another learning rate and seed."""
    for card in (info, info["model"]):
        card |= {"id": f"{card['id']}-{lr}-{seed}", "seed": seed}
        card["config"]["optimizer"]["lr"], card["config"]["seed"] = lr, seed
    return info


def open_page(path: str, page: Path) -> dict[str, float]:
    """Seconds to the load event and to the first plot, in a fresh browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.goto(page.as_uri())
        found = tab.evaluate(OPENED)
        browser.close()
    return {name: value / 1000 for name, value in found.items()}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dirs", nargs="*", type=Path, metavar="SWEEP_DIR")
    parser.add_argument("--runs", type=int, default=20, help="without SWEEP_DIR: as many are made up")
    parser.add_argument("--page", type=Path, help="keep the page")
    parser.add_argument("--output", type=Path, default=Path("bench_report.json"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            browser, dirs = chromium(), args.dirs or records(Path(folder), args.runs)
            count = len(find_runs(dirs))
        except ConfigError as error:
            parser.exit(2, f"error: {error}\n")
        page = args.page or Path(folder) / "report.html"
        seconds = [build(dirs, page) for _ in range(ROUNDS)]
        opened = [open_page(browser, page) for _ in range(ROUNDS)]
        size = page.stat().st_size / 1e6
    best = min(opened, key=lambda one: one["drawn"])
    targets = TARGETS[min((most for most in TARGETS if most >= count), default=max(TARGETS))]
    result = {"runs": count, "build_seconds": min(seconds), "megabytes": size, "load_seconds": best["load"],
              "first_plot_seconds": best["drawn"], "rounds": ROUNDS, "targets": targets}  # fmt: skip
    args.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
