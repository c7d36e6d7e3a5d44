"""The one exception that a user of the command line should ever meet."""

import errno
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from typing import TypeGuard


class ConfigError(Exception):
    """A setting that can't work. Shown as one line, and the process ends with exit code 2.

    Args:
        key: the setting as it is typed on the command line, value included where it helps
            (``"data.train_fraction=0.9"``).
        problem: what is wrong with it.
        remedy: what to type or install instead.
    """

    code = 2  # of the process

    def __init__(self, key: str, problem: str, remedy: str) -> None:
        super().__init__(key, problem, remedy)  # all of them: a sweep's launcher may pickle it

    def __str__(self) -> str:
        key, problem, remedy = self.args
        return " ".join(f"{key}: {problem}; {remedy}".splitlines())  # a value may hold line breaks

    def _render_traceback_(self) -> list[str]:
        """What IPython and Jupyter show in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]

    def under(self, node: str) -> "ConfigError":
        """The same error, its key below a node of the configuration: callbacks don't know what they are called."""
        key, problem, remedy = self.args
        return ConfigError(f"{node}.{key}", problem, remedy)


class ConfigErrors(ConfigError):
    """Several settings that can't work: one line each."""

    def __init__(self, *problems: ConfigError) -> None:
        Exception.__init__(self, *problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.args))


class RunError(ConfigError):
    """What ended a run whose settings were right, as a full disk does: one line, too, but exit code 1.

    Args:
        key: what could not be done, or where.
    """

    code = 1


def refuse(problems: Iterable[ConfigError]) -> None:
    """Raise what can't work, all of it at once; nothing where there is none."""
    found = list(problems)
    if found:
        raise found[0] if len(found) == 1 else ConfigErrors(*found)


# Packages that only some commands need, and the extra of pyproject.toml that installs each.
EXTRAS = {
    "matplotlib": "figures",
    "sklearn": "figures",
    "plotly": "report",
    "jinja2": "report",
    "scipy": "report",
    "wandb_workspaces": "dashboard",
}


def suggestion(word: str, known: Iterable[object], otherwise: str | None = None) -> str:
    """The remedy for a name that there isn't: the nearest known ones.

    Of a dotted name these are its siblings, then those of the same last name elsewhere, then what is written alike.

    Args:
        otherwise: what to say where none is near; by default all of them, or all siblings.
    """
    names, (parent, _, last) = list(dict.fromkeys(map(str, known))), word.rpartition(".")
    parts = {name: name.rpartition(".") for name in names}
    siblings = {end.lower(): name for name, (start, _, end) in parts.items() if start == parent}
    near = [siblings[one] for one in get_close_matches(last.lower(), siblings, cutoff=0.6)]
    near = near or [name for name, (_, _, end) in parts.items() if end == last][:3]
    if not near and not (parent and siblings):
        near = get_close_matches(word, names, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    some = list(siblings.values()) or [name for name in names if "." not in name] or names
    return f"choose from {', '.join(some)}" if otherwise is None else otherwise


def fail(error: ConfigError, prefix: str = "") -> int:
    """Print an error's line(s) and return the exit code."""
    with suppress(OSError):  # nobody reads them; the exit code counts all the same
        print("\n".join(f"error: {prefix}{line}" for line in str(error).splitlines()), file=sys.stderr)
    return error.code


# What an operating system answers to a path that it can't follow.
UNUSABLE = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM)


def unusable(error: OSError) -> ConfigError:
    """The line for a path that can't be followed, or may not be."""
    return ConfigError(str(error.filename), error.strerror or str(error), "give another path")


def output_failed(error: BaseException) -> TypeGuard[OSError]:
    """Whether an error is that standard output takes no more, as with a full disk or a closed pipe: tries once more."""
    if not isinstance(error, OSError) or error.errno is None or error.filename is not None:
        return False
    try:
        print(flush=True)
    except OSError:
        return True
    return False


def give_up(error: OSError) -> int:
    """Say why standard output takes no more, leave nothing for Python to write at exit, and return the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):  # as ``| head`` does: no error
        return 1
    return fail(RunError("standard output", error.strerror or str(error), "make room, or send it elsewhere"))
