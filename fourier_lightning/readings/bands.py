"""What a model learns from a frozen table that holds some of the waves, and which control belongs to which table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fourier_lightning.fourier.selection import Selection
from fourier_lightning.readings.cutoffs import SIGNS
from fourier_lightning.readings.seeds import finished
from fourier_lightning.record.runs import Run, by_label

KEPT = ("all", "low", "high", "band", "periods")
CONTROLS = {  # what a control does to the number rows, and what of them it leaves as it was
    "shuffled_rows": ("rows shuffled", "equal rank and energy"),
    "random_same_spectrum": ("random directions", "equal power of each wave"),
    "phase_scrambled": ("random phases", "equal amplitudes in each column"),
    "gaussian_same_norm": ("random directions", "equal norms"),
}
METRICS, SPLITS = ("accuracy", "mod_10", "within_10"), ("test", "val")


@dataclass(frozen=True)
class Table:
    """The seeds that were trained on one frozen table.

    Attributes:
        kept: its waves in words: "low-pass: k < 19 (T > 10.6)".
        more: what else sets it apart from others of these waves, in words.
        control: what was done to its rows beside that, with what is equal; "" if nothing.
        values: of the seeds, by metric with its split: "test/accuracy".
    """

    kept: str
    more: str
    control: str
    values: dict[str, list[float]]

    @property
    def words(self) -> str:
        """For readers: the waves, and the control of them that it is."""
        return f"{self.kept}{self.more}" + (f", control: {self.control}" if self.control else "")


def tables(runs: Iterable[Run]) -> list[list[Table]]:
    """Frozen tables under random models that were trained, each with its controls behind it.

    A control belongs to the table that keeps the same waves. Where that is not among the runs it stands alone. Empty
    where all runs have the same waves and no control.
    """
    groups: dict[tuple[Any, ...], list[tuple[int, Table]]] = {}
    order, trained = list(CONTROLS), [run for run in finished(list(runs)) if is_frozen(run)]
    split = next((one for one in SPLITS if all(measured(run, one) for run in trained)), None)
    for label, seeds in by_label(trained).items() if split else ():
        first = seeds[0]
        embedding, arm = first.config["embedding"], first.arm
        waves = (arm.table, arm.keep, *(str(embedding.get(key)) for key in ("cutoff", "upper", "periods")))
        more = label.removeprefix(arm.words)
        values = {f"{split}/{name}": [run.metrics[f"{split}/{name}"] for run in seeds] for name in METRICS}
        words, equal = CONTROLS.get(arm.control, ("", ""))
        table = Table(kept_words(first), more, f"{words} ({equal})" if words else "", values)
        place = order.index(arm.control) if arm.control in order else -1
        groups.setdefault((*waves, more), []).append((place, table))
    ranked = sorted(groups, key=lambda key: (key[0] != "pretrained", KEPT.index(key[1])))
    found = [[table for _, table in sorted(groups[key], key=lambda one: one[0])] for key in ranked]
    return found if len({(one.kept, one.control) for group in found for one in group}) > 1 else []


def measured(run: Run, split: str) -> bool:
    """Whether a run has all of the metrics of a split."""
    return all(f"{split}/{name}" in run.metrics for name in METRICS)


def is_frozen(run: Run) -> bool:
    """Trained from scratch on a frozen table with a number line."""
    arm = run.arm
    return arm.body == "random" and arm.frozen and arm.trained and arm.table != "random"


def kept_words(run: Run) -> str:
    """The waves that a run's table keeps."""
    embedding = run.config["embedding"]
    periods = ", ".join(f"{period:g}" if isinstance(period, float | int) else period
                        for period in embedding.get("periods") or [])  # fmt: skip
    if run.arm.table == "fourier":
        return f"synthetic: T = {periods}"
    keep = run.arm.keep
    if keep == "periods":
        return f"only T = {periods}"
    cutoff = Selection(cutoff=embedding.get("cutoff")).cutoff_at(run.p)
    if keep == "band":
        return f"band: {cutoff} <= k < {embedding['upper']}"
    if keep in SIGNS:
        of_k, of_period = SIGNS[keep]
        return f"{keep}-pass: k {of_k} {cutoff} (T {of_period} {run.p / cutoff:.3g})"
    return "all waves"


def uncontrolled(groups: Sequence[Sequence[Table]]) -> list[str]:
    """The pretrained tables with some of their waves that have no control of equal rank and energy, in words."""
    wanted = "{} ({})".format(*CONTROLS["shuffled_rows"])
    return [group[0].kept for group in groups if group[0].kept != "all waves"
            and not group[0].kept.startswith("synthetic") and wanted not in [one.control for one in group]]  # fmt: skip
