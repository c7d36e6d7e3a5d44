"""The score of `make mutants`, module by module: the share of changed lines that a test noticed.

python -m scripts.mutants              (after mutmut has run; `.venv/bin/python -m mutmut results` lists survivors)
"""

import json
from collections import Counter
from pathlib import Path

MUTANTS = Path("mutants")
NOTICED, SURVIVED, UNTESTED = (1, 3, 24, 36, 152, -24), 0, 33  # exit codes: pytest's failure, time-outs; no test at all


def score(codes: list[int | None]) -> tuple[int, int, int]:
    """Mutants that were noticed, that were tried, and that no test runs through."""
    counts = Counter(codes)
    noticed, untested = sum(counts[code] for code in NOTICED), counts[UNTESTED]
    return noticed, noticed + counts[SURVIVED] + untested, untested


def main() -> None:
    """Print the table."""
    all_codes: list[int | None] = []
    print(f"{'module':44}{'noticed':>16}{'score':>9}")
    for path in sorted(MUTANTS.rglob("*.meta")):
        codes = list(json.loads(path.read_text())["exit_code_by_key"].values())
        all_codes += codes
        line(str(path.relative_to(MUTANTS)).removesuffix(".meta"), codes)
    line("all", all_codes)


def line(name: str, codes: list[int | None]) -> None:
    """A module's score; nothing where no mutant was tried."""
    noticed, tried, untested = score(codes)
    if tried:
        left = f", {len(codes) - tried} not tried" if len(codes) > tried else ""
        print(f"{name:44}{f'{noticed} of {tried}':>16}{noticed / tried:9.1%}  ({untested} without a test{left})")


if __name__ == "__main__":
    main()
