"""Every command line of README and docs, run as it is written there: in a clean folder, against the installed wheel.

Settings that make a run short are appended to its words (``docs_server.short``); a sweep runs its first and last job.
"""

import csv
import json
import re
import shlex
from collections import Counter
from pathlib import Path

import pytest

from tests.docs_pages import HOW, PAGES, ROOT, Block, blocks, in_settings, in_text, indented
from tests.docs_server import RUN, SWEEP, SWEEPS
from tests.docs_shell import Shell, install, serving
from tests.tiny_tokenizers import save_digit_model

TO_RUN = [page for page in PAGES if any(block.kind in ("bash", "python") for block in blocks(page))]
LEAST = {"": 60, "checked": 20, "not run": 3}  # commands between fences, by mark
# Words of a text that stand for the reader's own, and what is meant by them here.
MEANT = {
    "RUN_OR_SWEEP_DIR...": "RUN_OR_SWEEP_DIR",
    "ckpt_path=...": "ckpt_path=RUN/checkpoints/last.ckpt",
    "backbone=...": "backbone=gpt2",
    "backbone=NAME": "backbone=gpt2",
    "KEY=VALUE ...": "seed=1",
    "scripts.NAME": "scripts.kills",
}
OTHERS = re.compile(r"pip |wandb |\S*python -m (pytest|mutmut|tests)\b")  # programs of others, and the tests themselves
# Names of files and folders that do: links to what ``named`` makes.
LINKS = {
    "run": ("RUN", *RUN, "outputs/DATE/TIME"),
    "sweep": (*SWEEP, *SWEEPS, "FINE_TUNED"),
    "model": ("DIR",),
    "digits": ("DIR_OF_DIGITS",),
    "answers.csv": ("answers.csv", "docs/results/prompted_answers.csv"),
}
FILE = re.compile(r"(?:# @package.*\n)?# (\S+\.(?:py|yaml))\n")  # how a block begins that is a file
OF_PAGE = {"docs/instruments.md": {"RUN": "wide"}, "docs/results/prompted.md": {"DIR": "digits"}}
# What a command leaves, by its first words: a glob below its folder.
LEAVES = {
    "make run": "outputs/*/*/record/run.json",
    "make report": "report.html",
    "fourier-lightning figures": "RUN*/figures/*.png",
    "fourier-lightning errors questions.csv --template": "questions.csv",
    "fourier-lightning errors questions.csv --model": "outputs/gpt-x/record/run.json",
    "python -m scripts.results": "docs/results/tables/*.md",
    "python -m scripts.mechanism": "docs/results/tables/*.md",
}


def meant(text: str) -> str:
    """A text with what is meant by the words in it that are the reader's own."""
    for words, instead in MEANT.items():
        text = text.replace(words, instead)
    return text


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def shell(wheel: Path, tmp_path_factory: pytest.TempPathFactory):
    python = install(wheel, tmp_path_factory.mktemp("installed"))
    with serving(python, tmp_path_factory.mktemp("home")) as shell:
        yield shell


@pytest.fixture(scope="module")
def named(shell: Shell, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs of seconds, models and answers, by the keys of ``LINKS``."""
    where = shell.folder(tmp_path_factory.mktemp("named") / "here")
    asset = "from fourier_lightning.config import asset_path\nprint(asset_path('whisper-tiny-en-text'))\n"
    (where / "asset.py").write_text(asset)
    done = shell.run("""
        python train.py hydra.run.dir=run logger=wandb
        python train.py hydra.run.dir=wide data.max_operand=100 instruments=none
        python train.py -m hydra.sweep.dir=sweep model=scratch_pretrained_emb,scratch logger=none
        python asset.py
    """, where)  # fmt: skip
    assert done.code == 0, done.out
    (where / "model").symlink_to(done.out.splitlines()[-1])
    (where / "answers.csv").write_text("a,b,answer\n15,93,108\n20,35,45\n")
    save_digit_model(where / "digits")
    return {key: where / key for key in LINKS | {"wide": ()}}


def test_every_block_says_what_it_is():
    """A new command needs a fence of kind bash, and a mark where it can't run here."""
    wrong = [problem for page in PAGES for block in blocks(page) for problem in block.problems()]
    wrong += [f"{name(page)}: an indented command ({line.strip()}); put it between fences of kind bash: {HOW}"
              for page in PAGES for line in indented(page)]  # fmt: skip
    assert not wrong, "\n" + "\n".join(wrong)


def test_most_commands_run(record_property):
    commands = [one for page in PAGES for block in blocks(page) for one in block.commands()]
    counted = Counter(command.mark for command in commands)
    reasons = Counter(f"{command.mark} ({command.reason})" for command in commands if command.mark)
    told = [f"{counted['']} run", *(f"{count} {reason}" for reason, count in reasons.most_common())]
    record_property("commands of README and docs", "; ".join(told))
    assert all(counted[mark] >= least for mark, least in LEAST.items()), counted


@pytest.mark.parametrize("page", TO_RUN, ids=name)
def test_the_commands_of_a_page_run(shell: Shell, named: dict[str, Path], page: Path, tmp_path: Path):
    links = {link: named[key] for key, names in LINKS.items() for link in names if link in page.read_text()}
    links |= {link: named[key] for link, key in OF_PAGE.get(name(page), {}).items()}
    where = shell.folder(tmp_path / "here", links)
    for block in blocks(page):
        if file := FILE.match(block.text):
            (where / file[1]).parent.mkdir(parents=True, exist_ok=True)
            (where / file[1]).write_text(block.text)
        elif block.kind == "python" and name(page) != "docs/notebook.md":  # test_notebook runs those
            (where / "snippet.py").write_text(meant(block.text))
            done = shell.run("python snippet.py", where)
            assert done.code == 0, f"{block.where}\n{done.out}"
        elif block.kind == "bash":
            run_block(shell, block, where)


def run_block(shell: Shell, block: Block, where: Path) -> None:
    """Run a block in a folder, and look for what its commands leave there."""
    before = records(where)
    done = shell.run(meant(block.script()), where)
    assert done.code == 0, f"{block.where} ended with exit code {done.code}\n{done.out}"
    run = [shlex.split(command.text.replace(".venv/bin/", ""), comments=True) for command in block.commands()
           if not command.mark]  # fmt: skip
    trained = [
        words
        for words in run
        if words[:2] == ["python", "train.py"] and not {"--help", "+trainer.fast_dev_run=true"} & {*words}
    ]
    made = records(where).keys() - before.keys()
    assert len(made) >= len(trained), f"{block.where}: {len(trained)} commands train, {len(made)} records\n{done.out}"
    assert set(records(where).values()) <= {"finished"}, f"{block.where}\n{done.out}"
    for words in run:
        for start, left in LEAVES.items():
            if " ".join(words).startswith(start):
                assert list(where.glob(left)), f"{block.where}: {start} left no {left}\n{done.out}"
    questions = where / "questions.csv"
    if questions.is_file():  # the reader puts the answers in
        rows = [[a, b, text, int(a) + int(b)] for a, b, text, _ in csv.reader(questions.read_text().splitlines()[1:])]
        with questions.open("w", newline="") as file:
            csv.writer(file).writerows([["a", "b", "question", "answer"], *rows])


def records(where: Path) -> dict[Path, str]:
    """The status of each run that a folder's commands left, links left out."""
    below = ("outputs/20*/*", "outputs/20*/*/seed*", "multirun/20*/*/*", "multirun/arms/*")
    paths = [path for folder in below for path in where.glob(f"{folder}/record/run.json")]
    return {path: json.loads(path.read_text())["status"] for path in paths}


def test_commands_in_running_text_and_in_settings_name_what_there_is(shell: Shell, named, tmp_path: Path):
    """They are checked, not run: their commands, options and settings exist."""
    links = {link: named[key] for key, names in LINKS.items() for link in names}
    where = shell.folder(tmp_path / "here", links)
    found = {command: name(page) for page in PAGES for command in in_text(page)}
    settings = sorted((ROOT / "conf").glob("**/*.yaml"))
    found |= {command: name(path) for path in settings for command in in_settings(path)}
    assert len(found) > 60
    wrong = []
    for command, page in found.items():
        if OTHERS.match(command):
            wrong += [f"{page}: `{command}`: no {word}" for word in command.split()
                      if "/" in word and word[0] != "." and not (ROOT / word).exists()]  # fmt: skip
            continue
        done = shell.run(meant(command), where, DOCS="check")
        if done.code:
            wrong.append(f"{page}: `{command}`: {done.out.strip()}")
    assert not wrong, "\n" + "\n".join(wrong)
