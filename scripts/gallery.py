"""Make docs/figures.md: every figure of the paper, from real runs.

    python -m scripts.gallery --of RUN [--scratch RUN] [--format RUN] [--as-is RUN] [--multiplication RUN]
                              [--grid RUN] [--sweep RUN_OR_SWEEP_DIR ...]

Every figure that the paper shows of its fine-tuned model is made of the run behind --of, which needs all instruments;
figures 6, 7a, 22 and 23 of --scratch, 17 and 18 of --format (else of --of, if its prompts are "a,b+"), 16 of
--multiplication. Figure 15 sets --as-is beside them; the comparisons 7b, 8, "arms" and "bands" are of the runs of
--sweep, "cutoffs" is of --grid. What has no run is left out, and said.
"""

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from fourier_lightning.errors import ConfigError
from fourier_lightning.figures.catalogue import FIGURES
from fourier_lightning.figures.chart import Chart
from fourier_lightning.figures.comparisons import COMPARISONS, comparison
from fourier_lightning.figures.draw import draw
from fourier_lightning.figures.make import titled
from fourier_lightning.readings.subjects import uses_format
from fourier_lightning.record.runs import Run, find_runs

OUT = Path("docs/figures")
FROM = {  # figures that the paper shows of another model than its fine-tuned one
    "scratch": ("6", "7a", "22", "23"),
    "format": ("17", "18"),
    "multiplication": ("16",),
}
INTRO = """# The figures of the paper, from our runs

<!-- made by scripts/gallery.py -->

The paper's models are GPT-2-XL's; ours are those that each command says, with the embedded backbone (Whisper tiny.en's
text decoder, 4 layers, width 384) or its number embedding. Draw them of your own runs:
`fourier-lightning figures RUN_DIR`.

"""
KINDS = ("of", "scratch", "format", "as_is", "multiplication", "grid")


def found_runs(asked: dict[str, Path], sweep: Sequence[Path]) -> tuple[dict[str, Run], list[Run]]:
    """The run of each kind, and those of the sweep; one run may be several of them.

    Raises:
        ConfigError: no run, or several where one is asked for.
    """
    everything = find_runs([*asked.values(), *sweep])
    inside = lambda run, top: run.dir.resolve().is_relative_to(top.resolve())  # noqa: E731
    runs = {}
    for kind, top in asked.items():
        mine = [run for run in everything if inside(run, top)]
        if len(mine) != 1:
            raise ConfigError(f"--{kind} {top}", f"{len(mine)} runs in it", "give one run's directory")
        runs[kind] = mine[0]
    if "format" not in runs and uses_format(runs["of"]):
        runs["format"] = runs["of"]
    return runs, [run for run in everything if any(inside(run, top) for top in sweep)]


def figures_of(runs: dict[str, Run]) -> dict[str, tuple[Chart, Run]]:
    """Each figure of one run, with the run that it is of; without those that no run is given for."""
    made = {}
    for name, spec in FIGURES.items():
        run = runs.get(next((kind for kind, names in FROM.items() if name in names), "of"))
        if run is None:
            continue
        gone = run.lacks(spec.tables, spec.arrays)
        if gone:
            raise ConfigError(str(run.dir), f"figure {name} needs {', '.join(gone)}", "measure it with all instruments")
        made[name] = (titled(spec.make(run), run), run)
    return made


def compared(runs: dict[str, Run], sweep: list[Run]) -> dict[str, tuple[Chart, list[Run]]]:
    """Figures of several runs; without those that no runs are given for."""
    with_and_without = [run for run in sweep if run.arm.is_scratch or run.arm.is_rescue]
    picks: dict[str, list[Run]] = {
        "7b": with_and_without,
        "8": with_and_without,
        "15": list(dict.fromkeys(runs[kind] for kind in ("as_is", "of", "scratch") if kind in runs)),
        "arms": sweep,
        "bands": sweep,
        "cutoffs": [runs["grid"]] if "grid" in runs else [],
    }
    made = {}
    for name, chosen in picks.items():
        chart = comparison(name, chosen)
        if chart is not None:
            made[name] = (chart, chosen)
    return made


def command(run: Run) -> str:
    """How the run was made, without paths of this machine."""
    overrides = [re.sub(r"=[^=]*/(checkpoints/[^/]+)$", r"=RUN/\1", o) for o in run.info["overrides"]]
    return "python train.py " + " ".join(o for o in overrides if not o.startswith(("hydra.", "logger", "~callbacks")))


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
    for kind in KINDS:
        parser.add_argument(f"--{kind.replace('_', '-')}", required=kind == "of", type=Path, metavar="RUN")
    parser.add_argument("--sweep", nargs="*", default=[], type=Path, metavar="DIR")
    args = parser.parse_args()
    try:
        asked = {kind: getattr(args, kind) for kind in KINDS if getattr(args, kind)}
        runs, sweep = found_runs(asked, args.sweep)
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
    missing = [name for name in (*FIGURES, *COMPARISONS) if name not in {*single, *several}]
    if missing:
        print(f"left out, for want of runs: {', '.join(missing)}")


if __name__ == "__main__":
    main()
