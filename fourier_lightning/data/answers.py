"""From what a model says to the number that it means, and from many such numbers to what is wrong with them."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from fourier_lightning.fourier.shares import Tens, tens_among, wilson

MOST_DIGITS = 30  # a longer one is no answer to a sum
# Grouped in threes ("1,008"), parted one by one ("1 0 8", as some tokenizers decode digits), or in one piece. A sign
# belongs to a number that nothing stands before; a fraction is read with it, and makes it no whole number.
NUMBER = re.compile(
    r"(?<![\d.,])(?P<sign>(?<!\w)[+-] ?)?"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?![\d,]*\d)|\d(?: \d)+(?! ?\d)|\d+)"
    r"(?P<fraction>\.\d+)?"
)

# In a cell of a table there is nothing else.
GROUPS = re.compile(
    r"(?P<sign>[+-] ?)?(?P<digits>\d{1,3}(?P<mark>[ ',.])\d{3}(?:(?P=mark)\d{3})*)(?P<zeros>(?!(?P=mark))[.,]0+)?"
)
WHOLE = re.compile(r"(?P<sign>[+-] ?)?(?P<digits>\d(?: \d)+|\d+)(?:\.0*|,0+)?")
SPACES = re.compile("[\u00a0\u2009\u202f]")  # no-break and thin: between groups of digits


def parse_answer(text: str) -> int | None:
    """The whole number that an answer means; None if it means none.

    It is the first number of the first line that holds one, where of a line with "=" only what follows the last of them
    counts: some models say the question again ("15 + 93 = 108"). Thousands may be parted by commas ("1,008"),
    digits by single spaces ("1 0 8"), and be of any script; a minus may be U+2212. "108." and "108.0" are 108; a
    fraction, and more than 30 digits, are no answer.
    """
    for line in plain(text).splitlines():
        if found := NUMBER.search(line.rpartition("=")[2]):
            return value(found)
    return None


def parse_cell(text: str, comma_groups: bool = True) -> int | None:
    """The whole number in a cell of a table, with nothing beside it; None if it holds none.

    Groups of three digits may be parted by spaces or apostrophes ("1 008"), by commas ("1,008"), and by points where
    there are several ("1.000.000"). Zeros may follow a decimal point or comma ("108.0", "108,00"), as in
    tables of floats. As in ``parse_answer`` digits may be parted by single spaces.

    Args:
        comma_groups: take "1,008" for 1008.

    Raises:
        ValueError: what may be thousands or a fraction, as "1.000" may be 1000 or 1.
    """
    text = SPACES.sub(" ", plain(text)).strip().replace("\u2019", "'")
    if (match := GROUPS.fullmatch(text)) and match["digits"][0] != "0":
        mark, digits = match["mark"], match["digits"].replace(match["mark"], "")
        several = match["zeros"] or match["digits"].count(mark) > 1
        if not several and mark in ("." if comma_groups else ".,"):
            raise ValueError(f"{digits}, or a fraction")
    elif match := WHOLE.fullmatch(text):
        digits = match["digits"].replace(" ", "")
    else:
        return None
    if len(digits) > MOST_DIGITS:
        return None
    return -int(digits) if (match["sign"] or "").startswith("-") else int(digits)


def plain(text: str) -> str:
    """Digits of all scripts as 0-9, and the minus signs of Unicode as "-"."""
    return "".join(_plain(character) for character in text)


def value(found: re.Match[str]) -> int | None:
    """The number that was matched; None of a fraction, and of more digits than any answer has."""
    digits = re.sub(r"[ ,]", "", found["digits"])
    if len(digits) > MOST_DIGITS or (found["fraction"] or "").strip(".0"):
        return None
    return -int(digits) if (found["sign"] or "").startswith("-") else int(digits)


def _plain(character: str) -> str:
    if character in "\u2212\ufe63\uff0d":
        return "-"
    digit = unicodedata.decimal(character, None)
    return character if digit is None else str(digit)


def summary(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One row on rows with ``answer`` (right) and ``said`` (a number, or None).

    prompts; accuracy with its 95 % interval (``accuracy_low``, ``accuracy_high``); unread (share of answers that are no
    number: wrong, and of no size); and the fields of ``fourier.shares.Tens``, None where no number is wrong.
    """
    right = sum(row["said"] == row["answer"] for row in answers)
    low, high = wilson(right, len(answers))
    tens = tens_among(row["said"] - row["answer"] for row in answers if row["said"] is not None)
    found = asdict(tens) if tens else {**dict.fromkeys(field.name for field in fields(Tens)), "errors": 0, "tens": 0}
    unread = sum(row["said"] is None for row in answers) / len(answers)
    shown = {"accuracy": right / len(answers), "accuracy_low": low, "accuracy_high": high, "unread": unread}
    return {"prompts": len(answers), **shown, **found}


def errors_of(answers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How often each error (said less right, 0 too) occurs: error, count."""
    counts = Counter(row["said"] - row["answer"] for row in answers if row["said"] is not None)
    return [{"error": error, "count": counts[error]} for error in sorted(counts)]
