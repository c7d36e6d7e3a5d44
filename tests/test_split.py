import pytest
import torch

from fourier_lightning.data.split import split_indices, split_sizes
from fourier_lightning.data.task import all_pairs


def test_the_papers_counts():
    pairs = all_pairs(0, 260, "unordered")
    assert len(pairs) == 34_191 == 261 * 262 // 2
    assert split_sizes(len(pairs), 0.8) == (27_352, 3_419, 3_420)
    assert len(all_pairs(0, 260, "ordered")) == 261**2


def test_pairs_are_all_different_and_in_range():
    pairs = all_pairs(3, 9, "unordered")
    assert {tuple(p) for p in pairs.tolist()} == {(a, b) for a in range(3, 10) for b in range(a, 10)}


def test_splits_cover_every_pair_once():
    parts = split_indices(34_191, 0.8, seed=0)
    assert torch.cat(parts).sort().values.equal(torch.arange(34_191))


@pytest.mark.parametrize("seed", [0, 1])
def test_smaller_training_sets_are_nested_and_evaluation_rows_stay(seed):
    train_all, val_all, test_all = split_indices(34_191, 0.8, seed)
    for fraction in (0.05, 0.1, 0.2, 0.4):
        train, val, test = split_indices(34_191, fraction, seed)
        assert len(train) == int(34_191 * fraction)
        assert train.equal(train_all[: len(train)])
        assert val.equal(val_all) and test.equal(test_all)


def test_split_seed_matters():
    assert not split_indices(1000, 0.8, 0)[1].equal(split_indices(1000, 0.8, 1)[1])
