"""Files that are whole at every moment: a run may be killed, and a disk may fill, in the middle of any write."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PART = ".part"  # ends the name of a file that is not yet whole


@contextmanager
def replacing(path: str | Path, durable: bool = False) -> Iterator[Path]:
    """Where to write what shall become ``path``: a file beside it, which takes its place in one move.

    If the block fails, ``path`` is what it was. What is no file (/dev/stdout) is written to as it is.

    Args:
        durable: it has reached the disk before it is moved, so that a machine that loses power leaves no half of it.

    Raises:
        OSError: it can't be written; its ``filename`` is ``path``.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        yield path
        return
    path = path.resolve()
    part = path.with_name(path.name + PART)
    try:
        with named(path):
            yield part
            if durable:
                with part.open("rb") as file:
                    os.fsync(file.fileno())
            part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in one move.

    Raises:
        OSError: see ``replacing``.
    """
    with replacing(path) as part:
        part.write_text(text)


def append(path: str | Path, line: str) -> None:
    """Add a line to a text file. Of a line that the disk has no room for nothing stays.

    Raises:
        OSError: it can't be written; its ``filename`` is ``path``.
    """
    with named(Path(path)), Path(path).open("ab", buffering=0) as file:
        whole, data = file.tell(), (line + "\n").encode()
        try:
            while data:
                data = data[file.write(data) :]
        except OSError:
            with suppress(OSError):
                file.truncate(whole)
            raise


def remove_parts(directory: Path) -> None:
    """Take away what killed writers left in a directory and below."""
    for part in directory.rglob(f"*{PART}"):
        part.unlink()


@contextmanager
def named(path: Path) -> Iterator[None]:
    """What is written into an open file fails without saying which: give the error the file's name."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise
