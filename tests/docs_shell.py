"""A folder in which the commands of README and docs run against the installed package, and a bash to run them in."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ("python", "fourier-lightning", "wandb", "torchrun")
SECONDS = 1800  # of a block, on however busy a machine
CLIENT = """#!{python} -SE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({socket!r})
    command = {{"argv": ["{name}", *sys.argv[1:]], "cwd": os.getcwd(), "env": dict(os.environ)}}
    socket.send_fds(server, [json.dumps(command).encode()], [0, 1, 2])
    sys.exit(int(server.recv(64)))
"""


MAKE = """#!/bin/sh
exec {make} ${{DOCS:+--dry-run}} "$@"
"""


@dataclass(frozen=True)
class Finished:
    """How a script ended, and what it printed, errors among the rest."""

    code: int
    out: str


class Shell:
    """Runs scripts in a folder whose ``.venv/bin`` leads to the installed package.

    Args:
        programs: folder of the programs that a script finds first.
        home: an empty folder: no log-in and no settings of the developer's.
    """

    def __init__(self, programs: Path, home: Path) -> None:
        self.programs, self.home = programs, home

    def folder(self, where: Path, links: Mapping[str, Path] = MappingProxyType({})) -> Path:
        """Make a clean folder: what a checkout has beside the package, and what other names (RUN) lead to."""
        where.mkdir(parents=True)
        for name in ("train.py", "Makefile", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, where)
        shutil.copytree(ROOT / "scripts", where / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        (where / ".venv").mkdir()
        (where / ".venv" / "bin").symlink_to(self.programs)
        (where / ".venv" / ".installed").touch()  # for make: newer than what it would install from
        for name, target in links.items():
            (where / name).parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir():
                (where / name).symlink_to(target)
            else:
                shutil.copy(target, where / name)
        return where

    def run(self, script: str, where: Path, **environment: str) -> Finished:
        """A script in bash, up to its first command that fails."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "PYTEST_"))}
        path = f"{self.programs}{os.pathsep}{os.environ['PATH']}"
        settings = {"PATH": path, "HOME": str(self.home), "HF_HUB_OFFLINE": "1", "COLUMNS": "120", **environment}
        done = subprocess.run(["bash", "-eu", "-c", script], cwd=where, env={**kept, **settings}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS)  # fmt: skip
        return Finished(done.returncode, done.stdout)


@contextmanager
def serving(python: Path, home: Path) -> Iterator[Shell]:
    """A shell whose programs are those of an environment, warm: see ``docs_server``."""
    with tempfile.TemporaryDirectory(prefix="docs") as top:  # a socket's path has to be short
        address = f"{top}/socket"
        programs = Path(top) / "bin"
        programs.mkdir()
        texts = {name: CLIENT.format(python=python, socket=address, name=name) for name in PROGRAMS}
        for name, text in {**texts, "make": MAKE.format(make=shutil.which("make"))}.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        words: Sequence[object] = [python, "-P", ROOT / "tests" / "docs_server.py", address]
        single = {**os.environ, "OMP_NUM_THREADS": "1"}  # before torch is imported; a command can't change it
        server = subprocess.Popen([*map(str, words)], stdout=subprocess.PIPE, text=True, cwd=home, env=single)
        try:
            assert server.stdout is not None and server.stdout.readline() == "ready\n", "the server didn't start"
            yield Shell(programs, home)
        finally:
            server.kill()
            server.wait()


def install(wheel: Path, home: Path) -> Path:
    """Make an environment of a wheel alone, its dependencies those of this process, behind it; returns its Python."""
    import venv

    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    (site,) = home.glob("lib/*/site-packages")
    # A path file adds this process's packages; an editable install among them is not followed from there.
    (site / "dependencies.pth").write_text("".join(f"{path}\n" for path in sys.path if path.endswith("site-packages")))
    return python
