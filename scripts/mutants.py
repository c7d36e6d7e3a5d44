"""`make mutants`: change the code line by line with mutmut; how many of the changes does a test notice?

python -m scripts.mutants                            all of the files that pyproject.toml names
python -m scripts.mutants --sample 400 --seed 1      as many, drawn at random
python -m scripts.mutants 'fourier_lightning.readings.*'

Prints the score, module by module, of all that was tried. Stopped (Ctrl-C), it prints the score so far: a sample is
tried in the order in which it was drawn, so a part of it is a sample as well. `mutmut results` lists the survivors,
`mutmut show NAME` shows one.
"""

import argparse
import json
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

MUTANTS = Path("mutants")
NOTICED, SURVIVED, UNTESTED = (1, 3, 24, 36, 152, -24), 0, 33  # exit codes: pytest's failure, time-outs; no test at all


def try_mutants(names: list[str], sample: int | None, seed: int, processes: int) -> None:
    """Run mutmut over the mutants of these names (all: none given), or over as many of all, drawn at random."""
    from mutmut import __main__ as mutmut  # changes how processes start, on import

    if sample:
        mutmut.collect_source_file_mutation_data = drawn(mutmut.collect_source_file_mutation_data, sample, seed)
        mutmut.estimated_worst_case_time = lambda name: 0  # mutmut sorts by it, the cheapest first: leave the order
    mutmut.cli.main(["run", "--max-children", str(processes), *names], standalone_mode=False)


def drawn(every: Callable[..., tuple[list, dict]], size: int, seed: int) -> Callable[..., tuple[list, dict]]:
    """mutmut's own list of mutants, shuffled and cut to ``size``."""

    def draw(**options: Any) -> tuple[list, dict]:
        mutants, files = every(**options)
        return random.Random(seed).sample(mutants, min(size, len(mutants))), files

    return draw


def score(codes: list[int | None]) -> tuple[int, int, int]:
    """Mutants that were noticed, that were tried, and that no test runs through."""
    counts = Counter(codes)
    noticed, untested = sum(counts[code] for code in NOTICED), counts[UNTESTED]
    return noticed, noticed + counts[SURVIVED] + untested, untested


def line(name: str, codes: list[int | None]) -> str:
    """A module's score with Wilson's 95 % interval, which holds for a sample; "" where no mutant was tried."""
    noticed, tried, untested = score(codes)
    if not tried:
        return ""
    interval = binomtest(noticed, tried).proportion_ci(method="wilson")
    left = f", {len(codes) - tried} not tried" if len(codes) > tried else ""
    columns = f"{f'{noticed} of {tried}':>16}{noticed / tried:9.1%}{f'{interval.low:.1%} to {interval.high:.1%}':>18}"
    return f"{name:44}{columns}  ({untested} without a test{left})"


def table(folder: Path) -> str:
    """The scores of all modules that mutmut has left in a folder, of their folders, and of all together."""
    files = {path: list(json.loads(path.read_text())["exit_code_by_key"].values()) for path in folder.rglob("*.meta")}
    lines = [line(str(path.relative_to(folder)).removesuffix(".meta"), codes) for path, codes in sorted(files.items())]
    for parent in sorted({path.parent for path in files}):
        codes = [code for path, some in files.items() if path.parent == parent for code in some]
        lines.append(line(f"{parent.relative_to(folder)}/", codes))
    lines.append(line("all", [code for codes in files.values() for code in codes]))
    return "\n".join([f"{'module':44}{'noticed':>16}{'score':>9}{'95 %':>18}", *filter(None, lines)])


def main() -> None:
    """Try mutants and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants, or patterns of them (all)")
    parser.add_argument("--sample", type=int, help="draw as many of all mutants")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (0)")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="mutants tried side by side (all cores)")
    args = parser.parse_args()
    try_mutants(args.names, args.sample, args.seed, args.processes)
    print(table(MUTANTS))


if __name__ == "__main__":
    main()
