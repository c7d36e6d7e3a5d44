"""Intervals of what seeds and controls say: how far a mean may be from what many more seeds and draws would give."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from fourier_lightning.claims.measures import Measured
from fourier_lightning.readings.controls import draw_reach
from fourier_lightning.readings.seeds import share_interval, t_interval, wilson


def interval(numbers: Sequence[Measured], alone: bool) -> tuple[float | None, float | None]:
    """95 % interval of the mean of some seeds' numbers; None, None where there is none.

    Several seeds: Student's t, of shares on the scale of their logits. One model that is all there is: Wilson's, of a
    proportion of examples. Where a number is a difference to its control already, the spread of the control's draws
    widens it.

    Args:
        numbers: one a seed.
        alone: whether one number is all there is of its kind.
    """
    values = [one.value for one in numbers]
    drawn = control_reach(numbers) if all(one.control is None for one in numbers) else 0.0
    if len(values) > 1 and all(number.n is not None for number in numbers):
        return share_interval(values, min(number.n or 0 for number in numbers))
    if len(values) > 1:
        low, high = t_interval(values)
        return widened(float(np.mean(values)), (high - low) / 2, drawn)
    if alone and numbers[0].n is not None:
        return wilson(values[0], numbers[0].n)
    return widened(values[0], 0.0, drawn) if alone and drawn else (None, None)


def widened(middle: float, *reaches: float) -> tuple[float, float]:
    """An interval around a middle that independent deviations of these half widths reach together."""
    reach = float(np.sqrt(np.square(reaches).sum()))
    return middle - reach, middle + reach


def control_reach(numbers: Sequence[Measured]) -> float:
    """How far one more draw of the control may lie from the mean of its draws, at 95 %; 0 without a spread."""
    spreads = [(one.control_std, one.draws) for one in numbers if one.control_std is not None]
    return draw_reach(spreads)


def beyond_control(numbers: Sequence[Measured], side: Literal["above", "below"]) -> bool:
    """Whether numbers less their controls are beyond zero, by the spread of seeds and of the controls' draws together.

    True where there is no control, or where the number is a difference to it already.

    Args:
        numbers: one a seed; those without a control have no say.
        side: the claim's.
    """
    pairs = [(one.value, one.control) for one in numbers if one.control is not None]
    if not pairs:
        return True
    apart = [value - control if side == "above" else control - value for value, control in pairs]
    low, high = t_interval(apart) if len(apart) > 1 else (apart[0], apart[0])
    return widened(float(np.mean(apart)), (high - low) / 2, control_reach(numbers))[0] > 0
