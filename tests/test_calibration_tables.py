"""What built models are made of: sizes of a table's waves, whose answer a role writes, and what noise does to facts."""

import numpy as np
import pytest
import torch

from fourier_lightning.calibration.models import Case, P, plant
from fourier_lightning.calibration.tables import BACKGROUND, LINES, make_table
from fourier_lightning.calibration.truth import holds
from fourier_lightning.models.decoder import Decoder
from fourier_lightning.models.hooks import capture
from tests.test_calibration import OPERANDS, PROMPTS, written


def amplitude(rows: np.ndarray, period: float) -> float:
    """Of a wave in table rows (p, d): of its cosine's and its sine's vector, root mean square."""
    angle = 2 * np.pi * np.arange(len(rows)) / period
    design = np.stack([np.ones(len(rows)), np.cos(angle), np.sin(angle)], axis=1)
    _, cosine, sine = np.linalg.lstsq(design, rows, rcond=None)[0]
    return float(np.sqrt((cosine @ cosine + sine @ sine) / 2))


def test_a_table_has_strong_long_waves_lines_and_a_background():
    rows = [make_table(201, 300, LINES["lines"], 0, torch.Generator().manual_seed(seed)).numbers.numpy()
            for seed in range(4)]  # fmt: skip
    for k in (1, 2, 9):  # 0.6 over the root of k
        assert np.mean([amplitude(table, 201 / k) for table in rows]) == pytest.approx(0.6 / k**0.5, rel=0.08)
    level = (2 * BACKGROUND / 201) ** 0.5
    for period in (2.5, 5.0, 10.0):  # three times a background's wave, with its own
        assert np.mean([amplitude(table, period) for table in rows]) == pytest.approx(3.1 * level, rel=0.2)
    plain = make_table(201, 300, LINES["plain"], 0, torch.Generator().manual_seed(0)).numbers.numpy()
    assert amplitude(plain, 5.0) < 1.8 * level


@torch.no_grad()
def test_the_long_waves_of_edges_stand_at_another_number():
    """a - b has them, and not the answer."""
    decoder = Decoder(plant(Case("edges", "wide", "low"), seed=0))
    with capture(decoder, [*decoder.contributions(), decoder.final]) as states:
        decoder.answer_logits(PROMPTS)
    wave = written(decoder, states, "attn") @ np.exp(2j * np.pi * np.arange(P) / P)
    wave = wave - wave.mean()
    heights = {}
    for name, sign in (("sum", 1), ("difference", -1)):
        number = (OPERANDS[:, 0] + sign * OPERANDS[:, 1]).numpy()
        heights[name] = float((wave * np.exp(-2j * np.pi * number / P)).real.mean())
    assert heights["difference"] > 5 * abs(heights["sum"])


def test_noise_changes_what_is_true():
    """With much noise these stand on a plain table, and a magnitude alone misses the answer."""
    for name, low, high in (("magnitude", True, False), ("memory", True, False), ("paper", True, True)):
        facts = {noise: Case(name, "wide", noise).facts for noise in ("low", "high")}
        assert [holds("table_has_lines", facts[noise]) for noise in ("low", "high")] == [low, high]
    assert Case("magnitude", "wide", "low").facts.adds and not Case("magnitude", "wide", "high").facts.adds
    long = Case("paper", "wide", "low", 100).facts
    assert holds("table_has_order", long) is None and holds("table_has_lines", long)
    assert holds("table_has_order", Case("decoy_memory", "wide", "low", 100).facts) is True
