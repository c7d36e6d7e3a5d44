"""A table of somebody's answers, as spreadsheets and programs save it."""

import csv
import re
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from fourier_lightning.data.answers import parse_cell
from fourier_lightning.errors import ConfigError

ANSWER = "answer"
COLUMNS = ("a", "b", ANSWER)  # at least
SEPARATORS = ",;\t"
DECLARED = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # a first line that Excel writes


def read_answers(path: Path) -> list[dict[str, Any]]:
    """Rows of a table as ``data.answers.summary`` takes them: operands, answer (their sum), text and said.

    Operands are the columns a, b, and c, d, ... as far as they go on. Other columns are ignored.

    Raises:
        ConfigError: no such file, or one that is no table of different questions and whole numbers; the first line
            that isn't is named.
    """
    separator, lines = read_table(path)
    names = column_names(path, lines[0][1])
    operands = [*takewhile(names.__contains__, ascii_lowercase)]
    rows: list[dict[str, Any]] = []
    line_of: dict[tuple[int, ...], int] = {}
    for number, cells in lines[1:]:
        where = f"{path}, line {number}"
        row = row_of(where, names, cells, (*operands, ANSWER))
        values = {name: number_of(where, name, text, separator) for name, text in row.items()}
        question = tuple(values[name] for name in operands)
        if question in line_of:
            raise ConfigError(where, f"asks the same as line {line_of[question]}", "leave one out: answers count once")
        line_of[question] = number
        answers = {"answer": sum(question), "text": row[ANSWER], "said": values[ANSWER]}
        rows.append({"operands": list(question), **answers})
    if not rows:
        raise ConfigError(str(path), "no answers below its first line", "give it a row a question")
    return rows


def column_names(path: Path, cells: Sequence[str]) -> list[str]:
    """The names in a table's first line, in lower case; those of columns without a name are empty.

    Raises:
        ConfigError: a column that is missing, or there twice.
    """
    names = [cell.strip().lower() for cell in cells]
    missing = [name for name in COLUMNS if name not in names]
    twice = any(names.count(name) > 1 for name in (*ascii_lowercase, ANSWER))
    if missing or twice:
        problem = f"no column {', '.join(missing)}" if missing else "a column's name twice"
        raise ConfigError(str(path), f"{problem} in its first line ({', '.join(names)})", "give it a, b, answer")
    return names


def row_of(where: str, names: Sequence[str], cells: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
    """The wanted cells of a line, by name.

    Raises:
        ConfigError: they are not there, or something stands behind the last column that has a name.
    """
    named = 1 + max(index for index, name in enumerate(names) if name)
    if any(cell.strip() for cell in cells[named:]) or len(cells) <= max(map(names.index, wanted)):
        raise ConfigError(where, f"{len(cells)} cells under {named} columns", "quote cells that hold the separator")
    return {name: cells[names.index(name)] for name in wanted}


def number_of(where: str, name: str, text: str, separator: str) -> int:
    """The whole number in a cell.

    Raises:
        ConfigError: it holds none, or may mean two.
    """
    try:
        value = parse_cell(text, comma_groups=separator != ";")  # where commas are decimal, cells are parted by ";"
    except ValueError as error:
        raise ConfigError(where, f"{name} is {text.strip()!r}: {error}", "write the number's digits alone") from error
    if value is None:
        remedy = "put the number alone there, or leave the row out"
        raise ConfigError(where, f"{name} is {text.strip()[:40]!r}, no whole number", remedy)
    return value


def read_table(path: Path) -> tuple[str, list[tuple[int, list[str]]]]:
    """What separates the cells of a file, and its lines that hold something, with their numbers.

    Raises:
        ConfigError: no such file, not UTF-8, empty, or no table.
    """
    if not path.is_file():
        problem = "a directory" if path.is_dir() else "no such file"
        raise ConfigError(str(path), problem, "give a CSV file with the columns a, b, answer")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets begin with a byte order mark
            separator = separator_of(file.readline())
            file.seek(0)
            table = csv.reader(file, delimiter=separator, strict=True)
            lines = [(table.line_num, cells) for cells in table if any(cell.strip() for cell in cells)]
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), "not UTF-8", "save it as CSV in UTF-8") from error
    except (OSError, csv.Error) as error:
        raise ConfigError(str(path), f"can't be read ({error})", "give a CSV file, commas between its cells") from error
    if lines and DECLARED.fullmatch(separator.join(lines[0][1])):
        del lines[0]
    if not lines:
        raise ConfigError(str(path), "empty", "give it the columns a, b, answer and a row a question")
    return separator, lines


def separator_of(line: str) -> str:
    """What separates the cells of a table that begins with this line: what gives it most of the columns."""
    if declared := DECLARED.fullmatch(line.rstrip("\r\n")):
        return declared[1]
    names = {separator: {cell.strip().strip('"').lower() for cell in line.split(separator)} for separator in SEPARATORS}
    return max(SEPARATORS, key=lambda separator: len(names[separator].intersection(COLUMNS)))
