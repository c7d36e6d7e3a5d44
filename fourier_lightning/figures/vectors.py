"""The number vectors in the plane (paper figure 5b)."""

import numpy as np

from fourier_lightning.figures.chart import ARM_COLOURS, OTHERS, Axis, Chart, Panel, Points
from fourier_lightning.readings.waves import clusters

COLOURS = (*OTHERS, *(colour for arm, colour in ARM_COLOURS.items()))


def number_map(table: np.ndarray) -> Chart:
    """t-SNE of the number vectors, coloured by k-means in the full space; multiples of 10 are named (figure 5b).

    Args:
        table: (p, d) number rows.
    """
    from sklearn.manifold import TSNE  # seconds to import, and the figure is drawn by hand

    centred = table - table.mean(axis=0)
    plane = TSNE(perplexity=min(30, (len(table) - 1) / 3), init="pca", random_state=0).fit_transform(centred)
    cluster = clusters(table)
    marks = [
        Points(plane[cluster == c, 0], plane[cluster == c, 1], f"{numbers.min()} to {numbers.max()}, median "
               f"{int(np.median(numbers))}", COLOURS[c % len(COLOURS)], size=3)
        for c in range(cluster.max() + 1) for numbers in [np.flatnonzero(cluster == c)]
    ]  # fmt: skip
    tens = np.arange(0, len(table), 10)
    marks.append(Points(plane[tens, 0], plane[tens, 1], "", "#444444", [str(n) for n in tens], size=1))
    return Chart(
        "Number embeddings in the plane",
        [Panel("", Axis("t-SNE 1"), Axis("t-SNE 2"), marks)],
        f"k-means with {cluster.max() + 1} clusters in the full space; each is named by the range and median of its "
        "numbers.",
        height=6,
        width=9,
    )
