"""Compare two records of one run, before and after a change of the code.

    python -m scripts.compare_records OLD_RUN_DIR NEW_RUN_DIR [--renamed OLD=NEW ...] [--rtol 1e-5]

Every table, array, line of metrics.jsonl and final metric of the old record has to be in the new one, with the same
values within the tolerance; so do the weights of checkpoints/last.ckpt, bit for bit, where both directories have one.
What the new record has beside that is named, and no difference. Exit code 1 if anything differs.
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fourier_lightning.checkpoint import load_checkpoint
from fourier_lightning.errors import ConfigError
from fourier_lightning.record.runs import Run, find_runs

SAME = ("status", "seed", "steps", "rows", "leaked_rows", "parameters", "metrics")  # of run.json; others may differ
SHOWN = 5  # differences of a file that are told one by one


class Comparison:
    """Differences found so far, and how far apart equal numbers were.

    Args:
        renamed: old names of tables, arrays, columns and metrics, with their new ones.
        rtol, atol: two numbers are the same if they are within atol + rtol times the larger.
    """

    def __init__(self, renamed: dict[str, str], rtol: float, atol: float) -> None:
        self.renamed, self.rtol, self.atol = renamed, rtol, atol
        self.found: list[str] = []
        self.added: list[str] = []
        self.largest = 0.0  # relative distance of two numbers that count as the same

    def named(self, old: str) -> str:
        """What it is called now."""
        return self.renamed.get(old, old)

    def compare(self, old: Run, new: Run) -> None:
        """Everything that two records hold."""
        for key in SAME:
            self.values(f"run.json {key}", old.info.get(key), new.info.get(key))
        self.several("metrics.jsonl", old.lines, new.lines)
        for kind in ("tables", "arrays"):
            before, after = old.names(kind), new.names(kind)
            self.added += [f"{kind}/{name}" for name in after if name not in map(self.named, before)]
            for name in before:
                where, now = f"{kind}/{name}", self.named(name)
                if now not in after:
                    self.found.append(f"{where} is gone")
                elif kind == "tables":
                    self.several(where, old.rows(name), new.rows(now))
                else:
                    self.arrays(where, old.array(name), new.array(now))
        weights = [run.dir / "checkpoints" / "last.ckpt" for run in (old, new)]
        if all(path.is_file() for path in weights):
            before, after = (load_checkpoint(str(path))["state_dict"] for path in weights)
            differ = [name for name in before if name not in after or not before[name].equal(after[name])]
            self.found += [f"checkpoints/last.ckpt {name} differs" for name in differ]

    def several(self, where: str, old: list[dict[str, Any]], new: list[dict[str, Any]]) -> None:
        """Rows in their order."""
        if len(old) != len(new):
            self.found.append(f"{where}: {len(old)} rows before, {len(new)} now")
            return
        told = [text for row in zip(old, new, strict=True) for text in self.differences("", *row)]
        self.tell(where, told)
        self.extra(where, {name for row in old for name in row}, {name for row in new for name in row})

    def values(self, where: str, old: Any, new: Any) -> None:
        """Two entries of run.json."""
        self.tell(where, list(self.differences("", old, new)))
        if isinstance(old, dict) and isinstance(new, dict):
            self.extra(where, set(old), set(new))

    def arrays(self, where: str, old: np.ndarray | None, new: np.ndarray | None) -> None:
        """Two arrays; a damaged one is a difference."""
        if old is None or new is None or old.shape != new.shape or old.dtype != new.dtype:
            told = ["damaged" if a is None else f"{a.dtype} {a.shape}" for a in (old, new)]
            self.found.append(f"{where}: {told[0]} before, {told[1]} now")
            return
        same = np.array([self.same(a, b) for a, b in zip(old.ravel().tolist(), new.ravel().tolist(), strict=True)])
        if not same.all():
            at = np.unravel_index(int(np.flatnonzero(~same)[0]), old.shape)
            first = f"first at {tuple(map(int, at))}: {old[at]} before, {new[at]} now"
            self.found.append(f"{where}: {(~same).sum()} of {same.size} numbers differ, {first}")

    def differences(self, where: str, old: Any, new: Any) -> Iterator[str]:
        """What differs in two plain values, keys that were added left out."""
        if isinstance(old, dict) and isinstance(new, dict):
            for key, value in old.items():
                if self.named(key) not in new:
                    yield f"{where}{key} is gone"
                else:
                    yield from self.differences(f"{where}{key} ", value, new[self.named(key)])
        elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            for a, b in zip(old, new, strict=True):
                yield from self.differences(where, a, b)
        elif not self.same(old, new):
            yield f"{where}{old} before, {new} now"

    def same(self, old: Any, new: Any) -> bool:
        """Whether two plain values are the same; an integer is no float, and NaN is NaN."""
        if type(old) is not float or type(new) is not float:
            return type(old) is type(new) and bool(old == new)
        if old == new or (math.isnan(old) and math.isnan(new)):
            return True
        apart, size = abs(old - new), max(abs(old), abs(new))
        if not apart <= self.atol + self.rtol * size:
            return False
        self.largest = max(self.largest, apart / size)
        return True

    def extra(self, where: str, old: set[str], new: set[str]) -> None:
        """Keys that the new record adds."""
        self.added += [f"{where} {name}" for name in sorted(new - {self.named(name) for name in old})]

    def tell(self, where: str, told: list[str]) -> None:
        """The first few differences of a file."""
        self.found += [f"{where}: {text}" for text in told[:SHOWN]]
        if len(told) > SHOWN:
            self.found.append(f"{where}: and {len(told) - SHOWN} more")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs=2, type=Path, metavar="RUN_DIR", help="the old one, the new one")
    parser.add_argument("--renamed", nargs="*", default=[], metavar="OLD=NEW", help="tables, arrays, columns, metrics")
    parser.add_argument("--rtol", type=float, default=1e-5)
    parser.add_argument("--atol", type=float, default=1e-8)
    args = parser.parse_args()
    comparison = Comparison(dict(pair.split("=") for pair in args.renamed), args.rtol, args.atol)
    try:
        (old,), (new,) = ([*find_runs([path])] for path in args.runs)
    except (ConfigError, ValueError) as error:
        parser.exit(2, f"error: two run directories, please: {error}\n")
    comparison.compare(old, new)
    for name in comparison.added:
        print(f"added: {name}")
    for text in comparison.found:
        print(f"DIFFERS: {text}")
    print(f"{len(comparison.found)} differences; numbers that agree are within {comparison.largest:.2g} (relative)")
    parser.exit(1 if comparison.found else 0)


if __name__ == "__main__":
    main()
