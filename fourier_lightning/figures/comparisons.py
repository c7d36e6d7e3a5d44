"""Figures of several runs, and the names by which all figures are asked for."""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fourier_lightning.figures import accuracy, spectra
from fourier_lightning.figures import bands as by_band
from fourier_lightning.figures import cutoffs as by_cutoff
from fourier_lightning.figures.catalogue import FIGURES, MAPS, SPECTRUM, embedding_arrays, layer_arrays
from fourier_lightning.figures.chart import Chart, colours
from fourier_lightning.readings import words
from fourier_lightning.readings.bands import is_frozen, measured, tables
from fourier_lightning.readings.cutoffs import Grid, grids
from fourier_lightning.readings.seeds import finished_first, letter_key, lettered
from fourier_lightning.record.runs import Run, by_label


@dataclass(frozen=True)
class ComparisonSpec:
    """A figure of several runs.

    Attributes:
        shows: in a line.
        make: from the runs that ``usable`` lets through, grouped by label; None where there is nothing to compare.
        usable: which runs can be in it.
        needs: what to say if there are none.
        alone: worth drawing of a single run, too.
    """

    shows: str
    make: Callable[[dict[str, list[Run]], dict[str, str]], Chart | None]
    usable: Callable[[Run], bool]
    needs: str
    alone: bool = False


def trained(run: Run) -> bool:
    """Whether the run's own training is in its record, as far as it went."""
    return bool(run.config.get("fit")) and len(run.curve("val/accuracy")[0]) > 1


def learning_curves(groups: dict[str, list[Run]], palette: dict[str, str]) -> Chart:
    """Figure 7b; of a label that no run has finished of, as far as its runs came."""
    curves: dict[str, list[accuracy.Curve]] = {}
    for label, runs in groups.items():
        done = [run for run in runs if run.status == "finished"]
        name = label if done else f"{label}, not finished"
        curves[name] = [run.curve("val/accuracy") for run in done or runs]
        palette.setdefault(name, palette[label])
    return accuracy.learning_curves(curves, palette=palette)


def compare_layers(groups: dict[str, list[Run]], palette: dict[str, str]) -> Chart:
    """Figure 8: one run of each label."""
    maps: dict[str, Any] = {}
    for label, (run, *_) in groups.items():
        maps |= layer_arrays(run, label if run.status == "finished" else f"{label}, {run.status}")
    return spectra.layer_components(maps, next(iter(groups.values()))[0].p)


def compare_embeddings(groups: dict[str, list[Run]], palette: dict[str, str]) -> Chart:
    """Figure 15: one run of each label."""
    first = {runs[0].title: embedding_arrays(runs[0]) for runs in groups.values()}
    return spectra.embedding_spectra(first, next(iter(groups.values()))[0].p)


def arms(groups: dict[str, list[Run]], palette: dict[str, str]) -> Chart:
    """Ours: final accuracy, arm by arm."""
    split = "test" if all("test/accuracy" in r.metrics for runs in groups.values() for r in runs) else "val"
    names = [f"{split}/{metric}" for metric in ("accuracy", "mod_10", "within_10")]
    values = {label: {name: [run.metrics[name] for run in runs] for name in names} for label, runs in groups.items()}
    return accuracy.arms(values, palette)


def cutoffs(groups: dict[str, list[Run]], palette: dict[str, str]) -> Chart:
    """Ours: low-pass and high-pass filters by cut-off; what tells arms and settings apart is in the panels' titles."""
    found: dict[str, Grid] = {}
    for label, runs in groups.items():
        mine = [one for one in grids(runs) if one.cutoffs]
        for one in mine:
            told = [label] if len(groups) > 1 else []
            told += [f"{one.method}, {one.split} split, {one.positions}, {one.basis}"] if len(mine) > 1 else []
            found[", ".join(told)] = one
    chart = by_cutoff.cutoffs(found)
    if len(groups) > 1:
        return chart
    ((label, runs),) = groups.items()
    which = f"seed {runs[0].seed}" if len(runs) == 1 else words.seeds(len(runs))
    return replace(chart, title="\n".join([chart.title, ", ".join(filter(None, [label, which]))]))


def has_cutoffs(run: Run) -> bool:
    """Whether a model was filtered at several cut-offs."""
    return any(len(one.cutoffs) > 1 for one in grids([run]))


def bands(groups: dict[str, list[Run]], palette: dict[str, str]) -> Chart | None:
    """Ours: tables with some of their waves, each with its controls; None where the tables don't differ."""
    found = tables(run for runs in groups.values() for run in runs)
    return by_band.bands(found) if found else None


COMPARISONS: dict[str, ComparisonSpec] = {
    "7b": ComparisonSpec("validation accuracy by epoch, with and without the pretrained embedding", learning_curves,
                         trained, "runs that were trained (fit=true)"),
    "8": ComparisonSpec("figure 3 with and without the pretrained embedding", compare_layers,
                        lambda r: r.has(arrays=MAPS), "runs with the layer_spectrum instrument"),
    "15": ComparisonSpec("embedding spectra of several models", compare_embeddings,
                         lambda r: r.has(arrays=SPECTRUM), "runs with the embedding_spectrum instrument"),
    "arms": ComparisonSpec("final accuracy, arm by arm", arms,
                           lambda r: r.status == "finished" and "val/accuracy" in r.metrics, "finished runs"),
    "cutoffs": ComparisonSpec("accuracy by the cut-off of filters, beside random directions of equal energy", cutoffs,
                              has_cutoffs, "runs with the filter_grid instrument at several cut-offs", alone=True),
    "bands": ComparisonSpec("final accuracy by the waves of the frozen table, beside each table's controls", bands,
                            lambda r: is_frozen(r) and r.status == "finished" and measured(r, "val"),
                            "finished runs with different frozen tables"),
}  # fmt: skip


def comparison(name: str, runs: Sequence[Run], labels: Container[str] | None = None) -> Chart | None:
    """A comparison figure of the runs that can be in it; None if there are none, or their number lines differ.

    Args:
        name: of COMPARISONS.
        runs: all that are looked at together.
        labels: of those that shall be in it, where not all shall.
    """
    spec = COMPARISONS[name]
    named, full = lettered(runs)
    asked = [run for run, given in zip(named, runs, strict=True) if labels is None or given.label in labels]
    usable = [run for run in finished_first(asked) if spec.usable(run)]
    if not usable or (name in ("8", "15") and len({run.p for run in usable}) > 1):
        return None
    # one colour a label in all the figures of these runs, whichever of them a figure can show
    palette = colours([run.label for run in named], {run.label: run.arm.key for run in named})
    chart = spec.make(by_label(usable), palette)
    key = letter_key(full, {run.label for run in usable})
    return replace(chart, caption=f"{chart.caption} {key}.") if key else chart


def figure_names(name: str) -> list[str]:
    """The figures that a name asks for: "3b" is part of "3", "11" is "11a" and "11b"; none if there is no such one."""
    known = [*FIGURES, *COMPARISONS]
    if name in known:
        return [name]
    if name.rstrip("abc") in known:
        return [name.rstrip("abc")]
    return [one for one in known if one.rstrip("abc") == name]
