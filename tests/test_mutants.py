"""The score of `make mutants`: what counts as noticed, how sure a sample is, and that a part of a sample is one."""

import json

import pytest
from scipy.stats import norm

from scripts import mutants


def test_a_score_counts_failures_and_time_outs_and_says_how_sure_it_is(tmp_path):
    results = {"claims/a.py": [1, 1, -24, 0, None, None], "fourier/b.py": [1, 33, 3, 1, 1, 1], "fourier/c.py": [None]}
    for name, codes in results.items():
        path = tmp_path / f"{name}.meta"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"exit_code_by_key": dict(enumerate(codes))}))
    heading, first, second, claims, fourier, both = mutants.table(tmp_path).splitlines()
    assert claims.split()[:5] == ["claims/", "3", "of", "4", "75.0%"] and fourier.split()[0] == "fourier/"
    assert heading.split() == ["module", "noticed", "score", "95", "%"]
    assert first.split()[:5] == ["claims/a.py", "3", "of", "4", "75.0%"] and "0 without a test, 2 not tried" in first
    assert second.split()[:5] == ["fourier/b.py", "5", "of", "6", "83.3%"] and second.endswith("(1 without a test)")
    assert both.split()[:5] == ["all", "8", "of", "10", "80.0%"]
    z, n, share = norm.ppf(0.975), 10, 0.8
    middle, reach = share + z**2 / (2 * n), z * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    low, high = ((middle + side * reach) / (1 + z**2 / n) for side in (-1, 1))
    assert f"{low:.1%} to {high:.1%}" in both


def test_a_sample_is_drawn_from_all_and_kept_in_its_order():
    def every(mutant_names):
        assert not mutant_names
        return [("file", f"m{index}", None) for index in range(100)], {"file": 1}

    picked, files = mutants.drawn(every, 20, seed=1)(mutant_names=())
    again, more = (mutants.drawn(every, size, seed=1)(mutant_names=())[0] for size in (20, 500))
    assert picked == again and files == {"file": 1} and len(set(picked)) == 20 and picked != sorted(picked)
    assert len(more) == 100 and mutants.drawn(every, 20, seed=2)(mutant_names=())[0] != picked


def test_mutmut_is_told_what_to_try(monkeypatch):
    """Its own list and its own order give way to the sample's; names go to it as they are."""
    mutmut = pytest.importorskip("mutmut.__main__")
    for name in ("collect_source_file_mutation_data", "estimated_worst_case_time"):
        monkeypatch.setattr(mutmut, name, getattr(mutmut, name))
    told = []
    monkeypatch.setattr(type(mutmut.cli), "main", lambda self, args, standalone_mode: told.append(args))
    before = mutmut.collect_source_file_mutation_data
    mutants.try_mutants(["fourier_lightning.readings.*"], sample=None, seed=0, processes=2)
    assert mutmut.collect_source_file_mutation_data is before
    mutants.try_mutants([], sample=5, seed=0, processes=1)
    assert told == [["run", "--max-children", "2", "fourier_lightning.readings.*"], ["run", "--max-children", "1"]]
    assert mutmut.collect_source_file_mutation_data is not before and mutmut.estimated_worst_case_time("any") == 0
