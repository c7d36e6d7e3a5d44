"""What accuracy says: near before exact over the layers, near misses, how fast a run learned."""

from typing import Any

from fourier_lightning.readings.filters import ADDS
from fourier_lightning.record.runs import Run

FITS = 0.8  # accuracy on the training pairs below which a run says nothing about its arm
UNSEEN = ("test/accuracy", "val/accuracy")  # pairs that it was not trained on, the first that was measured


def near_before_exact(run: Run) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The row of ``lens_accuracy`` below the last layer that is most often near but not exact, and the last row."""
    rows = run.table("lens_accuracy")
    below = [row for row in rows if 0 <= row["layer"] < rows[-1]["layer"]]
    return (max(below, key=lambda row: row["within_10"] - row["accuracy"]), rows[-1]) if below else None


def near_misses(run: Run) -> tuple[float, int, int] | None:
    """Share of the wrong test answers that are within 2, how many were wrong, of how many (figure 23)."""
    accuracy, within = run.metrics.get("test/accuracy"), run.metrics.get("test/within_2")
    rows = run.info.get("rows", {}).get("test", 0)
    wrong = round((1 - accuracy) * rows) if accuracy is not None else 0
    return ((within - accuracy) / (1 - accuracy), wrong, rows) if wrong else None


def epochs_to(run: Run, level: float = ADDS) -> tuple[int | None, int]:
    """Epochs to a validation accuracy of ``level``, None if it was never reached, and all of its epochs."""
    x, y = run.curve("val/accuracy")
    return next((epoch for epoch, value in zip(x, y, strict=True) if value >= level), None), x[-1] if x else 0


def unfit(run: Run) -> str:
    """Why a run says nothing about its arm: it did not learn its own training pairs; "" if it did, or does not say."""
    fitted = run.metrics.get("train/accuracy", 1.0)
    return "" if fitted >= FITS else f"it did not fit its training pairs ({fitted:.0%})"


def without_mechanism(run: Run) -> str:
    """Why a run says nothing about how its arm adds: it fits nothing, or its training pairs alone, or can't add."""
    if why := unfit(run):
        return why
    unseen = next((run.metrics[name] for name in UNSEEN if name in run.metrics), None)
    if unseen is None or unseen >= ADDS:
        return ""
    memorised = run.arm.trained and "train/accuracy" in run.metrics
    return (
        f"it memorised its training pairs ({unseen:.0%} of others)" if memorised else f"it does not add ({unseen:.0%})"
    )
