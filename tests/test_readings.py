"""Every reading of the committed records is what it was; the planted ones too."""

import json

from tests.committed import write_trained
from tests.golden_readings import GOLDEN, different, readings


def test_every_reading_is_the_golden_one(dissected, tmp_path):
    """If a change of readings is meant, write them anew: python -m tests.golden_readings."""
    found = readings(dissected, write_trained(tmp_path))
    assert len(found) > 250
    changed = list(different(json.loads(GOLDEN.read_text()), found))
    assert not changed, f"{len(changed)} readings changed:\n" + "\n".join(changed[:20])
