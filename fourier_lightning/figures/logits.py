"""One prompt's logits: what each layer adds, and the sum as waves (paper figures 1b, 1c, 4, 13, 14, 17, 20, 22)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from fourier_lightning.figures.chart import BLACK, BLUE, GREEN, OTHERS, Axis, Chart, Heatmap, Line, Panel, Rule
from fourier_lightning.figures.spectra import MODULES
from fourier_lightning.fourier.basis import fourier_basis
from fourier_lightning.fourier.spectrum import strongest_waves
from fourier_lightning.readings.waves import strongest_layer

NUMBER_AXIS = Axis("number")
PALETTE = (BLUE, "#D55E00", GREEN, *OTHERS)


def contribution_maps(contributions: Mapping[str, np.ndarray], answer: int) -> Chart:
    """Layer x number maps of the modules' contributions to the logits (figures 1b, 1c, 17, 22).

    Args:
        contributions: by module ("mlp", "attn"), (layers, p).
        answer: the right sum.
    """
    panels = []
    for module, values in contributions.items():
        layers, p = values.shape
        marks = [Heatmap(range(p), range(layers), values, "logit", diverging=True),
                 Rule(answer, f"answer {answer}", "x", BLACK)]  # fmt: skip
        panels.append(Panel(MODULES[module], NUMBER_AXIS, Axis("layer"), marks))
    return Chart(
        "What each layer adds to the number logits",
        panels,
        "One prompt; the final LayerNorm's scale is that of the real forward pass, so that all contributions and the "
        "embedding's add up to the logits. Stripes are waves over the number line.",
        width=9,
        height=1.6 + 0.25 * len(next(iter(contributions.values()))),
    )


def module_over_numbers(contributions: Mapping[str, tuple[np.ndarray, Sequence[float]]], answer: int) -> Chart:
    """One module's contribution over the number line, with its best wave of the chosen periods (figure 20).

    Args:
        contributions: by module, the contributions (layers, p) and the periods that choose the layer.
        answer: the right sum.
    """
    panels = []
    for (module, (values, periods)), colour in zip(contributions.items(), PALETTE, strict=False):
        layer, x = strongest_layer(values, periods), np.arange(values.shape[1])
        fit = fitted(values[layer], periods)
        name = " + ".join(f"T={t:g}" for t in periods)
        marks = [Line(x, values[layer], "contribution", "#999999"), Line(x, fit, f"least-squares wave {name}", colour),
                 Rule(answer, f"answer {answer}", "x", BLACK)]  # fmt: skip
        window = (max(0, answer - 40), min(len(x) - 1, answer + 40))
        title = f"{MODULES[module]} of layer {layer}"
        panels.append(Panel(title, Axis("number", limits=window), Axis("logit"), marks))
    return Chart(
        "One module over the numbers around the answer",
        panels,
        "The layers are those with the largest share of power at these periods; the wave is fitted over all numbers.",
    )


def fitted(signal: np.ndarray, periods: Sequence[float]) -> np.ndarray:
    """Least squares of a signal (p,) on a constant, and sine and cosine of each period."""
    angle = 2 * np.pi * np.arange(len(signal))[:, None] / np.array(periods)
    design = np.hstack([np.ones((len(signal), 1)), np.cos(angle), np.sin(angle)])
    return design @ np.linalg.lstsq(design, signal.astype(np.float64), rcond=None)[0]


def waves(rows: Sequence[dict[str, Any]], p: int, band: str) -> Chart:
    """The strongest components of the final logits, each as a wave (figures 4a, 13a, 13b, 14).

    Args:
        rows: of ``final_logit_waves`` about one prompt.
        p: length of the number line.
        band: "all", "low" (k < cut-off) or "high".
    """
    chosen = [row for row in rows if row["band"] == band]
    x = np.arange(p)
    answer = rows[0]["answer"]
    marks: list[Any] = [
        Line(x, row["amplitude"] * np.cos(2 * np.pi * (x - row["peak"]) / row["period"]),
             f"T = {row['period']:.4g} (k = {row['component']})", colour)
        for row, colour in zip(chosen, PALETTE, strict=False)
    ]  # fmt: skip
    marks.append(Rule(answer, f"answer {answer}", "x", BLACK))
    names = {"all": "of all", "low": "of the long ones, k below the cut-off", "high": "of the short ones"}
    around = (max(0, answer - 40), min(p - 1, answer + 40))
    window = Axis("number", limits=(0, p - 1) if band == "low" else around)
    return Chart(
        f"Strongest waves in the final logits, {names[band]}",
        [Panel(f"{rows[0]['a']} + {rows[0]['b']}; predicted {rows[0]['predicted']}", window, Axis("logit"), marks)],
        "Each wave by itself. Waves that peak at the answer vote for it.",
    )


def longest_wave(logits: np.ndarray, answer: int) -> Chart:
    """The component k = 1 of the final logits (figure 14).

    Args:
        logits: (p,) the final number logits.
        answer: the right sum.
    """
    p, signal = len(logits), torch.as_tensor(logits, dtype=torch.float64)
    wave = strongest_waves(signal, fourier_basis(p), 1, range(1, 2))
    marks = [Line(range(p), wave.wave[0].numpy(), f"T = {p}, peak at {float(wave.peak[0]):.0f}", BLUE),
             Rule(answer, f"answer {answer}", "x", BLACK)]  # fmt: skip
    return Chart(
        "The longest wave in the final logits",
        [Panel("", NUMBER_AXIS, Axis("logit"), marks)],
        "Component k = 1: it says roughly how large the answer is.",
    )


def wave_sum(total: np.ndarray, logits: np.ndarray, answer: int, top_k: int) -> Chart:
    """The sum of the strongest waves beside the whole logits (figure 4b).

    Args:
        total: (p,) the waves' sum.
        logits: (p,) the final number logits.
        answer: the right sum.
        top_k: waves in the sum.
    """
    x = np.arange(len(total))
    peak = int(total.argmax())
    marks = [Line(x, logits - logits.mean(), "all of the logits, less their mean", "#999999"),
             Line(x, total, f"sum of the {top_k} strongest waves, peak at {peak}", BLUE),
             Rule(answer, f"answer {answer}", "x", BLACK)]  # fmt: skip
    return Chart(
        "The strongest waves of the final logits, added up",
        [Panel("", NUMBER_AXIS, Axis("logit"), marks)],
        f"The sum peaks at {peak}, the answer is {answer}.",
    )
