"""Instruments: what can be measured of a model. In a notebook: ``LogitLens()(View.of(model, data)).tables``."""

from fourier_lightning.instruments.answer_phase import AnswerPhase
from fourier_lightning.instruments.answers import Answers
from fourier_lightning.instruments.base import Findings, Instrument, View
from fourier_lightning.instruments.breakdown import Breakdown
from fourier_lightning.instruments.direct_path import DirectPath
from fourier_lightning.instruments.embedding_spectrum import EmbeddingSpectrum
from fourier_lightning.instruments.filter_ablation import FilterAblation
from fourier_lightning.instruments.filter_grid import FilterGrid
from fourier_lightning.instruments.final_logits import FinalLogits
from fourier_lightning.instruments.input_waves import InputWaves
from fourier_lightning.instruments.knock_out import KnockOut
from fourier_lightning.instruments.layer_spectrum import LayerSpectrum
from fourier_lightning.instruments.logit_lens import LogitLens
from fourier_lightning.instruments.single_component import SingleComponent

__all__ = [
    "AnswerPhase", "Answers", "Breakdown", "DirectPath", "EmbeddingSpectrum", "FilterAblation", "FilterGrid",
    "FinalLogits",
    "Findings", "InputWaves", "Instrument", "KnockOut", "LayerSpectrum", "LogitLens", "SingleComponent", "View",
]  # fmt: skip
