"""Ctrl-C in a fit: Lightning makes it the end of the process, which in a notebook or a Python shell it is not."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def keyboard_interrupts() -> Iterator[None]:
    """Let a KeyboardInterrupt out of Lightning's loops as it came, in place of Lightning's SystemExit.

    The process decides what Ctrl-C means to it: a command ends with code 1 (``commands.train``), a notebook goes on.

    Raises:
        KeyboardInterrupt: the one that Lightning caught, its traceback with it.
    """
    try:
        yield
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):
            raise end.__context__ from None
        raise
