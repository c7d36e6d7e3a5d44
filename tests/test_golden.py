"""Every reading of the committed records is what it was; the planted ones too."""

import json
from typing import Any

import pytest

from fourier_lightning.record.runs import find_runs
from tests.golden_readings import GOLDEN, different, of_all, of_each, plain


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    found = json.loads(GOLDEN.read_text())
    assert len(found) > 250
    return found


@pytest.mark.parametrize("part", [*(f"dissected/{number}" for number in range(9)), "dissected", "trained"])
def test_every_reading_is_the_golden_one(golden, dissected, trained, part):
    """If a change of readings is meant, write them anew: python -m tests.golden_readings."""
    top, _, number = part.partition("/")
    runs = find_runs([{"dissected": dissected, "trained": trained}[top]])
    found = of_each([runs[int(number)]]) if number else of_all(runs)
    if part == "trained":
        found = (*of_each(runs), *found)
    expected = {key: value for key, value in golden.items() if key.startswith(f"{part}/")}
    if part == "dissected":
        expected = {key: value for key, value in expected.items() if not key.split("/")[1].isdigit()}
    changed = list(different(expected, {f"{top}/{key}": plain(value) for key, value in found}))
    assert not changed, f"{len(changed)} readings changed:\n" + "\n".join(changed[:20])
