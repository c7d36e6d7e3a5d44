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
from fourier_lightning.record.models import models
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
    """Figure 7b; a run that did not finish is no part of a mean."""
    curves: dict[str, list[accuracy.Curve]] = {}
    for label, runs in groups.items():
        for run in runs:
            name = label if run.status == "finished" else f"{label}, not finished"
            curves.setdefault(name, []).append(run.curve("val/accuracy"))
            palette.setdefault(name, palette[label])
    return accuracy.learning_curves(curves, palette=palette)


def compare_layers(groups: dict[str, list[Run]], palette: dict[str, str]) -> Chart:
    """Figure 8: one run of each label."""
    maps: dict[str, Any] = {}
    for label, runs in groups.items():
        maps |= layer_arrays(runs[0], label)
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
    asked = [run for run in runs if run.config and (labels is None or run.label in labels)]
    usable = [run for run in models(asked) if spec.usable(run)]
    if not usable or (name in ("8", "15") and len({run.p for run in usable}) > 1):
        return None
    # one colour a label in all the figures of these runs, whichever of them a figure can show
    return spec.make(by_label(usable), colours([run.label for run in runs], {run.label: run.arm.key for run in runs}))


def figure_names(name: str) -> list[str]:
    """The figures that a name asks for: "3b" is part of "3", "11" is "11a" and "11b"; none if there is no such one."""
    known = [*FIGURES, *COMPARISONS]
    if name in known:
        return [name]
    if name.rstrip("abc") in known:
        return [name.rstrip("abc")]
    return [one for one in known if one.rstrip("abc") == name]
