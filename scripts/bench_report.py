"""Measure the offline report: seconds to build, megabytes, seconds until Chromium has it open.

    python -m scripts.bench_report SWEEP_DIRS [--output FILE.json]

Targets for a sweep of 20 runs: 20 s, 8 MB, 2 s. The page counts as open when its load event is over and the first plot
that can be seen is drawn. Needs a Chromium (Debian: apt-get install chromium).
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fourier_lightning.errors import ConfigError
from fourier_lightning.record.runs import find_runs

ROUNDS = 3
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
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, default=Path("bench_report.json"))
    args = parser.parse_args()
    try:
        browser, count = chromium(), len(find_runs(args.runs))
    except ConfigError as error:
        parser.exit(2, f"error: {error}\n")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        seconds = [build(args.runs, page) for _ in range(ROUNDS)]
        opened = [open_page(browser, page) for _ in range(ROUNDS)]
        size = page.stat().st_size / 1e6
    best = min(opened, key=lambda one: one["drawn"])
    result = {"runs": count, "build_seconds": min(seconds), "megabytes": size, "load_seconds": best["load"],
              "first_plot_seconds": best["drawn"], "rounds": ROUNDS,
              "targets": {"build_seconds": 20, "megabytes": 8, "first_plot_seconds": 2}}  # fmt: skip
    args.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
