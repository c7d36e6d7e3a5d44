"""Make docs/figures.md: every figure of the paper, from real runs.

    python -m scripts.gallery --fine-tuned RUN --format RUN --scratch RUN --quick RUN --as-is RUN --sweep SWEEP

Runs need all instruments; the sweep has the scratch arm with and without the pretrained table.
"""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from fourier_lightning.errors import ConfigError
from fourier_lightning.figures.catalogue import FIGURES
from fourier_lightning.figures.chart import Chart
from fourier_lightning.figures.comparisons import COMPARISONS, comparison
from fourier_lightning.figures.draw import draw
from fourier_lightning.figures.make import titled
from fourier_lightning.record.runs import Run, find_runs

OUT = Path("docs/figures")
FROM = {  # figures that the paper shows of another model than its fine-tuned one
    "scratch": ("6", "7a", "22", "23"),
    "format": ("17", "18"),
    "multiplication": ("16",),
}
KINDS = ("fine_tuned", "format", "scratch", "quick", "as_is", "multiplication")
INTRO = """# The figures of the paper, from our runs

<!-- made by scripts/gallery.py -->

Where the paper has GPT-2-XL, this is the embedded backbone (Whisper tiny.en's text decoder, 4 layers, width 384), and
from scratch a 2-block GPT-2 of width 128. Figures 9 and 19, and the RoBERTa and Phi-2 spectra of figure 15, are of
models that are not here yet. Draw them of your own runs: `fourier-lightning figures RUN_DIR`.

"""


def figures_of(runs: dict[str, Run]) -> dict[str, tuple[Chart, Run]]:
    """Each figure of one run, with the run that it is of."""
    made = {}
    for name, spec in FIGURES.items():
        run = next((runs[kind] for kind, names in FROM.items() if name in names), runs["fine_tuned"])
        gone = run.lacks(spec.tables, spec.arrays)
        if gone:
            raise ConfigError(str(run.dir), f"figure {name} needs {', '.join(gone)}", "measure it with all instruments")
        made[name] = (titled(spec.make(run), run), run)
    return made


def compared(runs: dict[str, Run], sweep: list[Run]) -> dict[str, tuple[Chart, list[Run]]]:
    """Figures of several runs."""
    with_and_without = [run for run in sweep if run.arm.is_scratch or run.arm.is_rescue]
    picks: dict[str, list[Run]] = {
        "7b": with_and_without,
        "8": with_and_without,
        "15": [runs[kind] for kind in ("as_is", "fine_tuned", "quick", "scratch")],
        "arms": sweep,
    }
    made = {}
    for name, chosen in picks.items():
        chart = comparison(name, chosen)
        if chart is None:
            raise ConfigError("--sweep", f"figure {name} can't be made of these runs", COMPARISONS[name].needs)
        made[name] = (chart, chosen)
    return made


def command(run: Run) -> str:
    """How the run was made, without paths of this machine."""
    overrides = [re.sub(r"=[^=]*/(checkpoints/[^/]+)$", r"=RUN/\1", o) for o in run.info["overrides"]]
    return "python train.py " + " ".join(o for o in overrides if not o.startswith(("hydra.", "logger=", "~callbacks")))


def page(name: str, chart: Chart, shows: str, how: str) -> str:
    """One figure in Markdown."""
    title = (
        f"Figure {name}" if name[0].isdigit() else {"table_1": "Table 1"}.get(name, name.replace("_", " ").capitalize())
    )
    return (
        f"## {title}: {shows}\n\n![{chart.title.splitlines()[0]}](figures/{name}.png)\n\n{chart.caption}\n\n{how}\n\n"
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for kind in (kind.replace("_", "-") for kind in KINDS):
        parser.add_argument(f"--{kind}", required=True, type=Path, metavar="RUN")
    parser.add_argument("--sweep", required=True, type=Path)
    args = parser.parse_args()
    try:
        found = find_runs([getattr(args, kind) for kind in KINDS])
        if len(found) != len(KINDS):
            raise ConfigError("RUN", "the same run twice, or a sweep", "give one directory for each kind of run")
        runs = dict(zip(KINDS, found, strict=True))
        sweep = find_runs([args.sweep])
        single, several = figures_of(runs), compared(runs, sweep)
    except ConfigError as error:
        parser.exit(2, f"error: {error}\n")
    OUT.mkdir(parents=True, exist_ok=True)
    text = INTRO
    order: Callable[[str], tuple[int, str]] = lambda name: (  # noqa: E731
        int(re.sub(r"\D", "", name)) if name[0].isdigit() else 99, name)  # fmt: skip
    for name in sorted([*single, *several], key=order):
        if name in single:
            chart, run = single[name]
            shows, how = FIGURES[name].shows, f"`{command(run)}`"
            if FIGURES[name].paper:
                how = f"In the paper, of its model: {FIGURES[name].paper}.\n\n{how}"
        else:
            chart, chosen = several[name]
            shows = COMPARISONS[name].shows
            how = "Of: " + "; ".join(dict.fromkeys(f"{run.label}" for run in chosen)) + "."
        draw(chart).savefig(OUT / f"{name}.png", dpi=100)
        text += page(name, chart, shows, how)
    OUT.with_suffix(".md").write_text(text.rstrip() + "\n")
    print(f"{len(single) + len(several)} figures in {OUT}")


if __name__ == "__main__":
    main()
