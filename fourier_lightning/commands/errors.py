"""What does a model get wrong? The errors of any model's sums, closed ones too, from a table of its answers.

    fourier-lightning errors questions.csv --template 200        (write questions to ask; put the answers in)
    fourier-lightning errors answers.csv                         (columns a, b, answer; more columns do no harm;
                                                                 separated by commas, semicolons or tabs)
    fourier-lightning errors answers.csv --model NAME --output DIR     (and write a record, for claims and report)

Accuracy, errors, and whether these are multiples of 10 more often than errors of their sizes are by chance.
"""

import csv
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
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
    from fourier_lightning.data.answer_table import read_answers
    from fourier_lightning.data.answers import errors_of, summary
    from fourier_lightning.readings.answers import in_words

    answers = read_answers(args.file)
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
