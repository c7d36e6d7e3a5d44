"""Random directions are uniform: the nulls' own rotations against scipy's, where a QR alone would lean to one side."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest, ortho_group

from fourier_lightning.fourier.nulls import rotated
from fourier_lightning.fourier.phase import direction_scores

WIDTH, DRAWS = 6, 2000


@pytest.fixture(scope="module")
def uniform() -> np.ndarray:
    """Rotations and reflections (draws, d, d), every one as likely."""
    return ortho_group.rvs(WIDTH, size=DRAWS, random_state=0)


def test_rotations_of_the_unembedding_are_uniform(uniform):
    """Whatever is read: each entry of Q lies on both sides of zero, the diagonal too, and so does Q's trace."""
    turns = np.stack([turn.numpy() for turn in rotated(torch.eye(WIDTH), DRAWS, seed=1)])
    assert abs(turns.mean(axis=0)).max() < 4.5 / np.sqrt(WIDTH * DRAWS)  # deviations of a mean
    assert (turns**2).mean(axis=0) == pytest.approx(1 / WIDTH, abs=0.03)
    for i, j in ((0, 0), (3, 3), (5, 5), (0, 4), (4, 0)):
        assert kstest(turns[:, i, j], uniform[:, i, j]).pvalue > 0.001, (i, j)
    trace = lambda q: np.trace(q, axis1=1, axis2=2)  # noqa: E731
    assert kstest(trace(turns), trace(uniform)).pvalue > 0.001


@pytest.mark.parametrize("signs", [(1, 1), (-1, -1), (1, -1), (-1, 1)])
def test_states_in_random_directions_write_as_much_with_the_answer_as_against_it(uniform, signs):
    """A cosine and a sine are read along two axes, and written along them: the amount of each draw by scipy's Q.

    Had every draw's axes pointed to one side, a module would have scored above the null, or never, by its sign alone.
    """
    reads = torch.eye(WIDTH, dtype=torch.float64)[None, :2]  # (1, 2, d)
    moments = torch.tensor(signs, dtype=torch.float64)[:, None] * reads
    scores, drawn = direction_scores(moments, reads, DRAWS, seed=1)
    expected = (signs[0] * uniform[:, 0, 0] + signs[1] * uniform[:, 1, 1]) / np.sqrt(2 / WIDTH)
    assert scores.item() == pytest.approx(sum(signs) / np.sqrt(2 / WIDTH))
    assert abs(float(drawn.mean())) < 4.5 / np.sqrt(DRAWS) and float(drawn.std()) == pytest.approx(1, rel=0.06)
    assert kstest(drawn.numpy(), expected).pvalue > 0.001
