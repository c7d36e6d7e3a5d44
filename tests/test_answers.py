"""The answer parser: examples by hand, and properties over what models may say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fourier_lightning.data.answers import MOST_DIGITS, errors_of, parse_answer, parse_cell, summary

SAID = {
    "108": 108, "-5": -5, "+5": 5, "\u22125": -5, "- 5": -5, "007": 7, "108.": 108, "108.0": 108, "10.5": None,
    "1,008": 1008, "1,234,567.": 1234567, "12,34": 12, "1 0 8": 108, "1 2 34": 1, "12 34": 12, "3, 4 and 5": 3,
    "The answer is 108.": 108, "15 + 93 = 108": 108, "15+93=108=108": 108, "15 + 93 =": None, "15 + 93 =\n108": 108,
    "10-5": 10, "\n\n108": 108, "5\n6": 5, "": None, "\n": None, "abc": None, "=": None, "-": None,
    "\uff11\uff10\uff18": 108, "\u0661\u0660\u0668": 108, "\u0967\u0966\u096e": 108,
    "\u00b2": None, "9" * MOST_DIGITS: int("9" * MOST_DIGITS),
    "9" * (MOST_DIGITS + 1): None, "9" * 10_000: None, "about 20-ish": 20, "5=5=5=5=": None,
}  # fmt: skip

NUMBERS = st.integers(-(10**12), 10**12)
WORDS = st.text(st.characters(whitelist_categories=("Lu", "Ll", "Po"), blacklist_characters=".,=-"), max_size=20)
SCRIPTS = st.sampled_from([0x0660, 0x0966, 0xFF10, 0x1D7CE])  # zeros of other scripts


@pytest.mark.parametrize(("text", "number"), SAID.items())
def test_what_a_text_means(text, number):
    assert parse_answer(text) == number


@given(NUMBERS, st.booleans(), WORDS, WORDS, NUMBERS, st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_the_first_number_counts_whatever_stands_around_it(number, commas, before, after, another, breaks):
    written = f"{number:,}" if commas else str(number)
    text = "\n" * breaks + f"{before} {written} {after}"
    assert parse_answer(text) == number
    assert parse_answer(f"{text}\n{another}") == number  # lines below have no say
    assert parse_answer(f"{text} and {another}") == number
    assert parse_answer(f"{another} = {text}") == number  # a question said again
    assert parse_cell(f" {written}\t") == number


CELLS = {
    "108": 108, "108.0": 108, "108.": 108, "108,00": 108, "1000.000": 1000, "0.000": 0, "1,008": 1008, "1,008.00": 1008,
    "1.008,00": 1008, "1 008": 1008, "1\u00a0008": 1008, "1\u202f008": 1008, "1'008": 1008, "1.000.000": 10**6,
    "1,000,000": 10**6, "1 0 8": 108, "-1,008": -1008, "\u22125": -5, "- 5": -5, "007": 7, "\uff11\uff10\uff18": 108,
    "1.5": None, "0.500": None, "12,34": None, "1 2 34": None, "1.000.00": None, "1e3": None, "108 x": None, "": None,
    "9" * (MOST_DIGITS + 1): None, "1,0,8": None, "1\n008": None, "15 + 93 = 108": None,
}  # fmt: skip


@pytest.mark.parametrize(("text", "number"), CELLS.items())
def test_what_a_cell_holds(text, number):
    assert parse_cell(text) == number


@pytest.mark.parametrize(("text", "comma_groups"), [("1.000", True), ("-12.345", False), ("1,008", False)])
def test_a_cell_that_may_mean_two_numbers(text, comma_groups):
    digits = text.lstrip("-").replace(".", "").replace(",", "")
    with pytest.raises(ValueError, match=rf"^{digits}, or a fraction$"):
        parse_cell(text, comma_groups)


@given(st.text(st.sampled_from("0123456789.,' -+e"), max_size=12), st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_cell_holds_its_own_digits_or_none(text, comma_groups):
    try:
        number = parse_cell(text, comma_groups)
    except ValueError:
        return
    if number is not None:
        digits = "".join(character for character in text if character.isdigit()).lstrip("0")
        behind = digits.removeprefix(str(abs(number)) if number else "")
        assert not behind.strip("0") and (number == 0 or len(behind) < len(digits))


@given(st.integers(0, 10**12), SCRIPTS)
@settings(max_examples=200, deadline=None)
def test_digits_may_be_split_and_of_any_script(number, zero):
    digits = str(number)
    assert parse_answer(" ".join(digits)) == number
    assert parse_answer("".join(chr(zero + int(digit)) for digit in digits)) == number


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_means_a_whole_number_or_none(text):
    found = parse_answer(text)
    assert found is None or (type(found) is int and abs(found) < 10**MOST_DIGITS)
    if not any(character.isdecimal() for character in text):
        assert found is None


def test_answers_are_summed_up():
    said = [(5, 5), (5, 15), (5, None), (5, 6), (5, -5)]
    rows = [{"answer": answer, "said": number} for answer, number in said]
    told = summary(rows)
    assert (told["prompts"], told["accuracy"], told["unread"], told["errors"], told["tens"]) == (5, 0.2, 0.2, 3, 2)
    assert errors_of(rows) == [{"error": e, "count": 1} for e in (-10, 0, 1, 10)]
    assert summary(rows[:1])["share"] is None and summary(rows[:1])["errors"] == 0
