"""What does a model get wrong? The errors of any model's sums, closed ones too, from a table of its answers.

    fourier-lightning errors questions.csv --template 200        (write questions to ask; put the answers in)
    fourier-lightning errors answers.csv                         (columns a, b, answer; more columns do no harm)
    fourier-lightning errors answers.csv --model NAME --output DIR     (and write a record, for claims and report)

Accuracy, errors, and whether these are multiples of 10 more often than errors of their sizes are by chance.
"""

import csv
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from fourier_lightning.commands.parser import CommandParser
from fourier_lightning.errors import ConfigError

ANSWER, QUESTION = "answer", "What is {a} + {b}? Answer with the number alone."
SHOWN = 10  # errors that are printed


def main(argv: Sequence[str]) -> None:
    """Command line."""
    parser = CommandParser("errors", __doc__)
    parser.add_argument("file", type=Path, metavar="FILE.csv", help="answers; with --template, where the questions go")
    parser.add_argument("--template", type=int, metavar="N", help="write N questions, their answers left empty")
    parser.add_argument("--max-operand", type=int, default=260, help="of these questions (default: the paper's 260)")
    parser.add_argument("--seed", type=int, default=0, help="of their draw")
    parser.add_argument("--model", help="who answered; default: the file's name")
    parser.add_argument("--output", type=Path, metavar="DIR", help="write a record into this directory")
    args = parser.parse_args(argv)
    if args.template is not None:
        write_questions(args.file, args.template, args.max_operand, args.seed)
        return
    if args.output and (args.output / "record" / "run.json").exists():
        raise ConfigError(f"--output {args.output}", "holds a run already", "choose another directory")
    answers = read_answers(args.file)
    from fourier_lightning.data.answers import errors_of, summary
    from fourier_lightning.readings.answers import in_words

    told, errors = summary(answers), errors_of(answers)
    model = args.model or args.file.stem
    if args.output:
        tables = {"answers": answers, "answer_errors": errors, "answer_summary": [told]}
        write_record(args.output, model, args.file, tables)
    print(f"{model}: {in_words(told)}")
    largest = sorted((row for row in errors if row["error"]), key=lambda row: -row["count"])[:SHOWN]
    if largest:
        print("Most frequent errors:", ", ".join(f"{row['error']:+d} ({row['count']})" for row in largest))


def write_questions(path: Path, count: int, largest: int, seed: int) -> None:
    """A table of different questions, a + b, for somebody to fill in.

    Raises:
        ConfigError: a file that is there, or as many questions as there are not.
    """
    if path.exists():
        raise ConfigError(str(path), "is there already", "name a new file")
    most = (largest + 1) ** 2 if largest >= 0 else 0
    if not 1 <= count <= most:
        raise ConfigError(f"--template {count}", f"there are {most} questions of 0..{largest}", f"use 1 to {most}")
    import torch

    drawn = torch.randperm(most, generator=torch.Generator().manual_seed(seed))[:count].tolist()
    pairs = [divmod(one, largest + 1) for one in drawn]
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["a", "b", "question", ANSWER])
            table.writerows([a, b, QUESTION.format(a=a, b=b), ""] for a, b in pairs)
    except OSError as error:
        raise ConfigError(str(path), str(error), "choose a file that can be written") from error
    print(f"{path}: {count} questions; put the answers into its last column, then: fourier-lightning errors {path}")


def read_answers(path: Path) -> list[dict[str, Any]]:
    """Rows of a CSV file as ``data.answers.summary`` takes them: operands, answer (their sum), text and said.

    Operands are the columns a, b, and c, d, ... as far as they go on.

    Raises:
        ConfigError: no such file, or one that is no table of different questions and whole numbers; the first line
            that isn't is named.
    """
    from fourier_lightning.data.answers import parse_number

    lines = read_table(path)
    names = [name.strip().lower() for name in lines[0][1]]
    operands = []
    for letter in ascii_lowercase:
        if letter not in names:
            break
        operands.append(letter)
    missing = [name for name in ("a", "b", ANSWER) if name not in names]
    if missing or len(set(names)) < len(names):
        problem = f"no column {', '.join(missing)}" if missing else "a column's name twice"
        raise ConfigError(str(path), f"{problem} in its first line ({', '.join(names)})", "give it a, b, answer")
    rows: list[dict[str, Any]] = []
    seen: dict[tuple[int, ...], int] = {}
    for number, cells in lines[1:]:
        where = f"{path}, line {number}"
        if len(cells) != len(names):
            raise ConfigError(where, f"{len(cells)} cells under {len(names)} columns", "quote cells that hold a comma")
        found = dict(zip(names, cells, strict=True))
        read = {name: parse_number(found[name]) for name in (*operands, ANSWER)}
        for name, value in read.items():
            if value is None:
                remedy = "put the number alone there, or leave the row out"
                raise ConfigError(where, f"{name} is {found[name].strip()[:40]!r}, no whole number", remedy)
        asked = tuple(int(read[name] or 0) for name in operands)
        if asked in seen:
            raise ConfigError(where, f"asks the same as line {seen[asked]}", "leave one out: answers count once")
        seen[asked] = number
        rows.append({"operands": list(asked), "answer": sum(asked), "text": found[ANSWER], "said": read[ANSWER]})
    if not rows:
        raise ConfigError(str(path), "no answers below its first line", "give it a row a question")
    return rows


def read_table(path: Path) -> list[tuple[int, list[str]]]:
    """Lines of a CSV file that hold something, with their numbers.

    Raises:
        ConfigError: no such file, not UTF-8, empty, or no CSV.
    """
    if not path.is_file():
        problem = "a directory" if path.is_dir() else "no such file"
        raise ConfigError(str(path), problem, "give a CSV file with the columns a, b, answer")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets begin with a byte order mark
            table = csv.reader(file, strict=True)
            lines = [(table.line_num, cells) for cells in table if any(cell.strip() for cell in cells)]
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), "not UTF-8", "save it as CSV in UTF-8") from error
    except (OSError, csv.Error) as error:
        raise ConfigError(str(path), f"can't be read ({error})", "give a CSV file, commas between its cells") from error
    if not lines:
        raise ConfigError(str(path), "empty", "give it the columns a, b, answer and a row a question")
    return lines


def write_record(where: Path, model: str, source: Path, tables: dict[str, list[dict[str, Any]]]) -> None:
    """A record of answers alone: what claims and reports read.

    Raises:
        ConfigError: the directory can't be written.
    """
    from fourier_lightning.readings.subjects import ANSWERS
    from fourier_lightning.record.arm import Arm
    from fourier_lightning.record.writer import RunRecord

    p = max(1, *(row["answer"] + 1 for row in tables["answers"]))
    task = {"name": ANSWERS, "p": p, "cyclic": False, "commutative": True}
    arm = Arm(model, "unknown", frozen=False, trained=False)
    about = {"name": model, "id": secrets.token_hex(6), "task": task, "p": p, "arm": asdict(arm)}
    try:
        record = RunRecord(where, {}, [f"errors {source.name}"], about=about)
        for name, rows in tables.items():
            record.write_table(name, [{"step": 0, "epoch": 0, **row} for row in rows])
        told = tables["answer_summary"][0]
        metrics = {"answers/accuracy": told["accuracy"]}
        metrics |= {} if told["share"] is None else {"answers/multiples_of_10": told["share"]}
        record.update(status="finished", metrics=metrics)
    except OSError as error:
        raise ConfigError(f"--output {where}", str(error), "choose a directory that can be written") from error
