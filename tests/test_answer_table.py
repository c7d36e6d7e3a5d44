"""Tables of answers: as spreadsheets and programs save them, and those that are none."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fourier_lightning.data.answer_table import read_answers
from fourier_lightning.errors import ConfigError
from tests.bad_input import command, elsewhere, refusal, told
from tests.test_bad_input import BULK

__all__ = ["elsewhere"]  # a fixture

ROWS = [[1, 2, 3], [1000, 8, 1008], [0, 0, 0], [7, 5, -12]]
# Ways to write a whole number, and the separators of tables in which they are clear.
WAYS = {
    "{0}": ",;\t", "{0}.0": ",;\t", "{0},00": ",;\t", " {0} ": ",;\t", "{0:,}": ",\t",
    "{0:,}.00": ",;\t", "{0:_}": ",;\t",
}  # fmt: skip
HEADINGS = [["a", "b", "answer"], [" A", "B ", "Answer"], ["", "a", "b", "answer"], ["a", "b", "question", "answer"]]


@st.composite
def spreadsheets(draw: st.DrawFn) -> bytes:
    """``ROWS`` as a program may save them."""
    separator, way = draw(st.sampled_from(",;\t")), draw(st.sampled_from(list(WAYS)))
    way = way if separator in WAYS[way] else "{0}"
    names = draw(st.sampled_from(HEADINGS))
    empty, declared = draw(st.integers(0, 3)), draw(st.booleans())
    cells = [[way.format(value).replace("_", "\u00a0") for value in row] for row in ROWS]
    if "question" in names:
        cells = [[*row[:2], 'what, "then"; or', row[2]] for row in cells]
    if names[0] == "":  # the index of a data frame
        cells = [[str(index), *row] for index, row in enumerate(cells)]
    text = io.StringIO()
    table = csv.writer(
        text, delimiter=separator, lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
    )  # fmt: skip
    table.writerows([*names, *[""] * empty] if index == 0 else [*row, *[""] * draw(st.integers(0, empty))]
                    for index, row in enumerate([names, *cells]))  # fmt: skip
    table.writerows([[""] * len(names)] * draw(st.integers(0, 2)))  # below the last of them
    whole = (f"sep={separator}\n" if declared else "") + text.getvalue()
    return whole.encode(draw(st.sampled_from(["utf-8", "utf-8-sig"])))


@settings(BULK, max_examples=200)
@given(spreadsheets())
def test_a_table_reads_the_same_however_it_was_saved(elsewhere, content):
    file = Path("answers.csv")
    file.write_bytes(content)
    rows = read_answers(file)
    assert [[*row["operands"], row["said"]] for row in rows] == ROWS
    assert [row["answer"] for row in rows] == [3, 1008, 0, 12]


def test_rows_may_end_before_columns_that_nobody_reads(tmp_path):
    (tmp_path / "answers.csv").write_text("a,b,answer,note,note\n1,2,3\n2,2,4,x\n")
    assert len(read_answers(tmp_path / "answers.csv")) == 2
    (tmp_path / "answers.csv").write_text("answer,a,b\n1,2\n")
    with pytest.raises(ConfigError, match="line 2: 2 cells under 3 columns"):
        read_answers(tmp_path / "answers.csv")


CSV = {
    b"": ": empty; give it the columns",
    b"\n , \n": ": empty; give it the columns",
    b"a,b\n1,2\n": ": no column answer in its first line (a, b); give it a, b, answer",
    b"a;b;answr\n1;2;3\n": ": no column answer in its first line (a, b, answr)",
    b"a|b|answer\n1|2|3\n": ": no column a, b, answer in its first line (a|b|answer)",
    b"a,b,answer,answer\n1,2,3,4\n": ": a column's name twice",
    b"a,b,answer\n1,2,1.000\n": ", line 2: answer is '1.000': 1000, or a fraction; write the number's digits alone",
    b"a;b;answer\n1;2;1,008\n": ", line 2: answer is '1,008': 1008, or a fraction",
    b"a;b;answer\n12.345;2;3\n": ", line 2: a is '12.345': 12345, or a fraction",
    b"a;b;answer\n1;2;3,5\n": ", line 2: answer is '3,5', no whole number",
    b"a,b,answer,\n1,2,1,008\n": ", line 2: 4 cells under 3 columns; quote cells that hold the separator",
    b"sep=;\n": ": empty",
    b"a,b,answer\n": ": no answers below its first line",
    b"a,b,a,answer\n1,2,3,4\n": ": a column's name twice",
    b"a,b,answer\n1,2,3\n1,3,so\n": ", line 3: answer is 'so', no whole number; put the number alone there",
    b"a,b,answer\n1,2,nan\n": ", line 2: answer is 'nan', no whole number",
    b"a,b,answer\n1,2,\n": ", line 2: answer is '', no whole number",
    b"a,b,answer\n1,inf,3\n": ", line 2: b is 'inf', no whole number",
    b"a,b,answer\n1.5,2,3\n": ", line 2: a is '1.5', no whole number",
    b"a,b,answer\n1,2\n": ", line 2: 2 cells under 3 columns",
    b"a,b,answer\n1,2,1,008\n": ", line 2: 4 cells under 3 columns; quote cells that hold the separator",
    b"a,b,answer\n1,2,3\n\n1,2,4\n": ", line 4: asks the same as line 2",
    b"a,b,answer\n1,2,\xff\n": ": not UTF-8",
    "a,b,answer\n1,2,3".encode("utf-16"): ": not UTF-8",
    b'a,b,answer\n1,2,"3\n': ": can't be read (unexpected end of data)",
    b"a,b,answer\n1,2," + b"9" * 40 + b"\n": ", line 2: answer is '" + "9" * 40 + "', no whole number",
}


def test_a_table_that_is_none(elsewhere, record_property):
    file = Path("answers.csv")
    for content, begins in CSV.items():
        file.write_bytes(content)
        line = refusal(command("errors", str(file), "--output", "record"), ("answers.csv",))
        assert line is not None and line.startswith(f"{file}{begins}"), line
    told(record_property, len(CSV))


no_numbers = st.text(st.characters(codec="utf-8", exclude_categories=["Nd", "Cs", "Cc"]), max_size=8)
cells = no_numbers | st.sampled_from(["1.5", "inf", "nan", "1e3", "0x10", "--1", "1 2 3 4 x", "9" * 50, "\0", "1/2"])


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    """Answers to a few questions, with one cell that is no number, one too many or few, or a line twice."""
    rows = [[str(a), str(b), str(a + b)] for a in range(3) for b in range(2)]
    row, column = draw(st.integers(0, 5)), draw(st.integers(0, 2))
    match draw(st.sampled_from(["cell", "long", "short", "twice", "name"])):
        case "cell":
            rows[row][column] = draw(cells)
        case "long":
            rows[row] += draw(st.lists(cells, min_size=1, max_size=3).filter(lambda more: any(map(str.strip, more))))
        case "short":
            del rows[row][column]
        case "twice":
            rows.append(rows[row])
        case "name":
            names = ["a", "b", "answer"]
            names[column] = draw(no_numbers.filter(lambda name: name.strip().lower() not in ("a", "b", "answer")))
            return [names, *rows]
    return [["a", "b", "answer"], *rows]


def test_a_table_with_one_fault(elsewhere, record_property):
    file, seen = Path("answers.csv"), set()

    @settings(BULK, max_examples=150)
    @given(tables())
    def each(rows):
        text = "\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
        file.write_text(text, encoding="utf-8", newline="")
        line = refusal(command("errors", str(file), "--output", "record"), ("answers.csv",))
        assert line is not None and line.startswith(str(file)), line
        seen.add(text)

    each()
    assert len(seen) >= 100
    told(record_property, len(seen))
