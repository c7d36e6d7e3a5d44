import pytest
import torch

from fourier_lightning.data import tasks


def test_the_papers_counts():
    pairs = tasks.make_pairs(0, 260, ordered=False)
    assert len(pairs) == 34_191 == 261 * 262 // 2
    assert tasks.split_sizes(len(pairs), 0.8) == (27_352, 3_419, 3_420)
    assert len(tasks.make_pairs(0, 260, ordered=True)) == 261**2


def test_pairs_are_all_different_and_in_range():
    pairs = tasks.make_pairs(3, 9, ordered=False)
    assert {tuple(p) for p in pairs.tolist()} == {(a, b) for a in range(3, 10) for b in range(a, 10)}


def test_splits_cover_every_pair_once():
    parts = tasks.split_indices(34_191, 0.8, seed=0)
    assert torch.cat(parts).sort().values.equal(torch.arange(34_191))


@pytest.mark.parametrize("seed", [0, 1])
def test_smaller_training_sets_are_nested_and_evaluation_rows_stay(seed):
    train_all, val_all, test_all = tasks.split_indices(34_191, 0.8, seed)
    for fraction in (0.05, 0.1, 0.2, 0.4):
        train, val, test = tasks.split_indices(34_191, fraction, seed)
        assert len(train) == int(34_191 * fraction)
        assert train.equal(train_all[: len(train)])
        assert val.equal(val_all) and test.equal(test_all)


def test_split_seed_matters():
    assert not tasks.split_indices(1000, 0.8, 0)[1].equal(tasks.split_indices(1000, 0.8, 1)[1])
