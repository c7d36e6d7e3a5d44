"""Pictures of spectra: of a table, and of the layers' contributions (paper figures 3, 5a, 6, 7a)."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

LABELLED = (2.0, 2.5, 10 / 3, 5.0, 10.0)  # the periods of the paper


def table_spectra(spectra: Mapping[str, tuple[np.ndarray, np.ndarray]], p: int) -> Figure:
    """Magnitude by component, one panel a table, with the corrected 5 % limit of the permutation null.

    Args:
        spectra: by title, the magnitudes (K,) and their limit (K,).
        p: length of the number line.
    """
    figure = Figure(figsize=(8, 2.2 * len(spectra)), layout="constrained")
    panels = figure.subplots(len(spectra), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (title, (magnitude, limit)) in zip(panels, spectra.items(), strict=True):
        k = np.arange(1, len(magnitude) + 1)
        axes.plot(k, magnitude, color="#0072B2", linewidth=1, label="L2 norm over columns")
        axes.plot(k, limit, color="#999999", linewidth=1, linestyle="--", label="5 % limit, permuted rows, corrected")
        _mark_periods(axes, p)
        axes.set(title=title, ylabel="magnitude", yscale="log")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False, fontsize=8)
    panels[-1].set_xlabel(f"component k (period {p} / k numbers)")
    return figure


def layer_maps(maps: Mapping[str, Sequence[np.ndarray]], p: int) -> Figure:
    """Layer x component maps of the mean magnitude, a row an arm, attention left and MLP right.

    Args:
        maps: by arm, the maps (layers, K) of attention and of MLPs.
        p: length of the number line.
    """
    figure = Figure(figsize=(11, 2.0 * len(maps) + 0.6), layout="constrained")
    grid = figure.subplots(len(maps), 2, sharex=True, squeeze=False)
    for panels, (arm, pair) in zip(grid, maps.items(), strict=True):
        for axes, values, module in zip(panels, pair, ("attention", "MLP"), strict=True):
            extent = (0.5, values.shape[1] + 0.5, values.shape[0] - 0.5, -0.5)
            image = axes.imshow(np.log10(values + 1e-12), aspect="auto", extent=extent, cmap="viridis",
                                interpolation="nearest", vmin=np.log10(values.max()) - 3)  # fmt: skip
            _mark_periods(axes, p)
            axes.set(ylabel="layer", yticks=range(values.shape[0]))
            axes.set_title(f"{arm}: {module}", fontsize=9)
            figure.colorbar(image, ax=axes, label="log10 magnitude")
    for axes in grid[-1]:
        axes.set_xlabel(f"component k (period {p} / k numbers)")
    return figure


def _mark_periods(axes: object, p: int) -> None:
    """A tick on the upper axis at the k of each labelled period; off the grid it lies between two components."""
    top = axes.secondary_xaxis("top")  # type: ignore[attr-defined]
    top.set_xticks([p / period for period in LABELLED], [f"T={period:.3g}" for period in LABELLED], fontsize=7)
