"""From what a model says to the number that it means."""

import re
import unicodedata

MOST_DIGITS = 30  # a longer one is no answer to a sum
# Grouped in threes ("1,008"), parted one by one ("1 0 8", as some tokenizers decode digits), or in one piece. A sign
# belongs to a number that nothing stands before; a fraction is read with it, and makes it no whole number.
NUMBER = re.compile(
    r"(?<![\d.,])(?P<sign>(?<!\w)[+-] ?)?"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?![\d,]*\d)|\d(?: \d)+(?! ?\d)|\d+)"
    r"(?P<fraction>\.\d+)?"
)


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


def parse_number(text: str) -> int | None:
    """The whole number that a text is, as ``parse_answer`` reads it, and nothing beside it; None if it is none."""
    found = NUMBER.fullmatch(plain(text).strip())
    return value(found) if found else None


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
