"""Spectra: of number embeddings, of layers, of one module (paper figures 2, 3, 5 to 8, 10, 15, 16, 18)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from fourier_lightning.figures.chart import (
    BLUE,
    GREY,
    ORANGE,
    YELLOW,
    Axis,
    Bars,
    Chart,
    Heatmap,
    Line,
    Panel,
    Points,
    component_axis,
    period_ticks,
)  # fmt: skip
from fourier_lightning.fourier.basis import fourier_basis
from fourier_lightning.fourier.spectrum import coefficients, magnitudes
from fourier_lightning.readings.waves import LEVEL, embedding_peaks, nearest_labelled, outliers, strongest_layer

MODULES = {"attn": "attention", "mlp": "MLP"}


def embedding_spectra(
    spectra: Mapping[str, tuple[np.ndarray, np.ndarray | None, Sequence[dict[str, Any]]]], p: int
) -> Chart:
    """Magnitude of the number rows by component, a panel a model (figures 5a, 7a, 15).

    Args:
        spectra: by title, the magnitudes (K,), the permutation null's corrected 5 % limit (K,) or None, and the rows
            of ``embedding_components`` or none.
        p: length of the number line.
    """
    panels = []
    for title, (magnitude, limit, rows) in spectra.items():
        k = np.arange(1, len(magnitude) + 1)
        marks: list[Any] = [Line(k, magnitude, "L2 norm over columns", BLUE)]
        if limit is not None:
            marks.append(Line(k, limit, "5 % limit of permuted rows, corrected", GREY, dashed=True))
        beyond = embedding_peaks(magnitude, rows)
        names = [period_label(c, p) if nearest_labelled(c, p) else "" for c in beyond]
        if beyond:
            marks.append(Points(beyond, magnitude[np.array(beyond) - 1], "beyond the detrended null", ORANGE, names))
        panels.append(
            Panel(title, component_axis(p), Axis("magnitude (embedding units)", log=True), marks, period_ticks(p))
        )
    return Chart(
        "Spectrum of the number embedding",
        panels,
        "Each column of the number rows is transformed over the number line; L2 norm over the columns. The dashed "
        "limit is what the largest component of rows in random order reaches, corrected for all components. A strong "
        "trend (low k) lifts that limit; dots are peaks above the cut-off beyond a null of the short waves alone.",
        height=2.6,
    )


def period_label(component: int, p: int) -> str:
    """ "T=5" for the component nearest to a labelled period, though it lies at 5.01; else its own period."""
    return f"T={nearest_labelled(component, p) or p / component:.3g}"


def layer_components(
    maps: Mapping[str, tuple[np.ndarray, np.ndarray | None, np.ndarray | None]], p: int, first: int | None = None
) -> Chart:
    """Layer x component maps of the mean magnitude in the contributions to the logits (figures 3, 6, 8, 10).

    Args:
        maps: by title, the mean magnitudes (layers, K), and their root mean squares and the rotation null's limit on
            these (both (layers, K), or None).
        p: length of the number line.
        first: show this many components alone (figure 10: the first 50).
    """
    panels, dots = [], 0
    logs = [np.log10(np.maximum(mean[:, :first], 1e-12)) for mean, _, _ in maps.values()]
    scale = (max(float(max(x.max() for x in logs)) - 4, float(min(x.min() for x in logs))),
             float(max(x.max() for x in logs)))  # fmt: skip
    for title, (mean, rms, limit) in maps.items():
        shown = mean[:, :first]
        layers, k = np.arange(shown.shape[0]), np.arange(1, shown.shape[1] + 1)
        marks: list[Any] = [Heatmap(k, layers, np.log10(np.maximum(shown, 1e-12)), "log10 magnitude", limits=scale)]
        if rms is not None and limit is not None:
            at, where = np.nonzero(rms[:, :first] > limit[:, :first])
            dots += len(at)
            if len(at):
                marks.append(Points(where + 1, at, "beyond random directions (5 %, corrected)", YELLOW, size=2.5))
        lines = sorted(outliers(shown), key=lambda k: (nearest_labelled(k, p) is None, k))  # whose names stay first
        words = [period_label(c, p) for c in lines]
        marks.append(Points(lines, [-0.75] * len(lines), "stands out from its neighbours", BLUE, words, size=2))
        ticks = () if first else period_ticks(p)
        every = max(1, len(layers) // 12)
        y = Axis("layer", ticks=[(float(n), str(n)) for n in layers[::every]], limits=(len(layers) - 0.5, -1.6))
        panels.append(Panel(title, component_axis(p), y, marks, ticks))
    return Chart(
        "Waves that attention and MLPs write into the logits",
        panels,
        "Mean magnitude over the validation examples of each module's contribution W_U x to the number logits. "
        "Components with at least twice their neighbours' power carry their period T. W_U has waves of its own; "
        + (
            "yellow dots mark what is beyond states of the same covariance in random directions, read through the same "
            "W_U. A line without dots is the unembedding's doing."
            if dots
            else "nothing here is beyond states of the same covariance in random directions, read through the same W_U "
            "(5 %, corrected)."
        ),
        columns=2,
        height=2.6 if first is None else 2.8,
        width=12,
    )


def module_spectra(contributions: Mapping[str, tuple[np.ndarray, Sequence[float]]]) -> Chart:
    """Spectrum of one attention's and one MLP's contribution for one prompt (figures 2 and 18).

    Args:
        contributions: by module ("mlp", "attn"), the contributions (layers, p), and the periods that choose the layer.
    """
    panels = []
    for module, (values, periods) in contributions.items():
        layer, p = strongest_layer(values, periods), values.shape[1]
        basis = fourier_basis(p)
        spectrum = magnitudes(coefficients(torch.as_tensor(values[layer]), basis), basis).numpy()
        k, chosen = np.arange(1, len(spectrum) + 1), " and ".join(f"{t:g}" for t in periods)
        title = f"{MODULES[module]} of layer {layer} (largest share at T = {chosen})"
        top = outliers(spectrum[None], 5)
        marks = [
            Line(k, spectrum, "one prompt", BLUE),
            Points(top, [spectrum[c - 1] for c in top], "twice its neighbours' power", ORANGE,
                   [period_label(c, p) for c in top]),
        ]  # fmt: skip
        panels.append(Panel(title, component_axis(p), Axis("magnitude (logits)"), marks, period_ticks(p)))
    return Chart(
        "Spectrum of one module's contribution",
        panels,
        "One prompt, so no control: whether such a line is the module's doing or the unembedding's, figure 3 says.",
    )


def layer_periods(rows: Sequence[dict[str, Any]]) -> Chart:
    """Power share at exact periods in each module, beside what random directions would have (ours).

    Args:
        rows: of the table ``layer_periods``.
    """
    panels = []
    for module in ("attn", "mlp"):
        mine = [row for row in rows if row["module"] == module]
        periods, layers = sorted({row["period"] for row in mine}), sorted({row["layer"] for row in mine})
        width = 0.8 / max(1, len(layers))
        shades = ["#9ecae1", "#4292c6", "#2171b5", "#08306b", "#756bb1", "#54278f"]
        marks: list[Any] = []
        over: list[Any] = []  # after the bars, in the legend too
        for index, layer in enumerate(layers):
            share = {row["period"]: row for row in mine if row["layer"] == layer}
            x = [i + (index - (len(layers) - 1) / 2) * width for i in range(len(periods))]
            y = [100 * share[t]["share"] for t in periods]
            marks.append(Bars(x, y, f"layer {layer}", shades[index % len(shades)], width))
            expected = [100 * share[t]["expected"] for t in periods]
            over.append(Points(x, expected, "random directions", GREY, size=4))
            stars = [i for i, t in enumerate(periods) if share[t]["p_value"] <= LEVEL]
            if stars:
                over.append(Points([x[i] for i in stars], [y[i] for i in stars], "beyond them (5 %)", ORANGE,
                                   size=8, star=True))  # fmt: skip
        ticks = [(float(i), f"T={t:.3g}") for i, t in enumerate(periods)]
        panels.append(Panel(MODULES[module], Axis("period", ticks=ticks), Axis("share of power (%)"), marks + over))
    return Chart(
        "Periods in what each module writes",
        panels,
        "Share of a module's power over the number line at exactly T. Grey: the share that states in random directions "
        "have through the same unembedding. A star: beyond them at 5 %, corrected.",
        columns=2,
        width=11,
    )
