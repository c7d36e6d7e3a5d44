"""The headline over seeds and splits: planted variances, and rows of planted runs."""

from pathlib import Path

import numpy as np
import pytest

from fourier_lightning.errors import ConfigError
from scripts import headline
from tests.records import run_of


def test_planted_variances_come_out():
    rng = np.random.default_rng(0)
    seeds, splits, rest = rng.normal(0, 0.3, 80), rng.normal(0, 0.2, 60), rng.normal(0, 0.1, (80, 60))
    parts = headline.components(5 + seeds[:, None] + splits[None] + rest)
    assert [parts[name] for name in ("seed", "split", "rest")] == pytest.approx([0.3, 0.2, 0.1], rel=0.15)
    assert parts["mean"] == pytest.approx(5, abs=0.15)
    alone = headline.components(rng.normal(0, 0.1, (80, 60)))
    assert max(alone["seed"], alone["split"]) < 0.03
    errors, claimed = [], []
    for _ in range(2000):  # the error of the mean is how far means of such crosses lie apart
        cross = rng.normal(0, 0.3, (5, 1)) + rng.normal(0, 0.2, (1, 3)) + rng.normal(0, 0.1, (5, 3))
        errors.append(cross.mean())
        claimed.append(headline.components(cross)["error of the mean"] ** 2)
    assert np.mean(claimed) == pytest.approx(np.var(errors), rel=0.12)


def test_every_seed_with_every_split_once(monkeypatch):
    def run(seed, split):
        info = {
            "seed": seed,
            "id": f"{seed}-{split}",
            "arm": {"body": "random", "table": "pretrained", "frozen": True},
            "metrics": {"test/accuracy": 0.9 + seed / 100 + split / 1000},
        }
        return run_of({**info, "config": {"data": {"split_seed": split}}})

    runs = [run(seed, split) for seed in (0, 1) for split in (0, 1, 2)]
    monkeypatch.setattr(headline, "find_runs", lambda directories: runs)
    rows = headline.collect([Path("x")])
    assert len(rows) == 6 and {row["mlp_third_log2"] for row in rows} == {None}
    runs.pop()
    with pytest.raises(ConfigError, match=r"not every seed with every split, once; train seed=1 data\.split_seed=2"):
        headline.collect([Path("x")])
    for few in ([run(0, 0)], [run(0, 0), run(0, 1)], [run(0, 0), run(1, 0)]):
        monkeypatch.setattr(headline, "find_runs", lambda directories, few=few: few)
        with pytest.raises(ConfigError, match="not several seeds on several splits"):
            headline.collect([Path("x")])
