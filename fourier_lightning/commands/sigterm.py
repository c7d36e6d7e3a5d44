"""SIGTERM ends a run as a cluster expects it: soon, with what was done so far, and with the exit code that says so."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block at once, as Ctrl-C does, wherever it is, and the process with exit code 143.

    Lightning alone remembers the signal until a batch is done, which may be minutes of measuring away, and then ends
    with 0. A handler that someone else has installed (a cluster's launcher) is left to them, and other threads than
    the main one get no signals.

    Raises:
        SystemExit: 143, which is 128 and the signal's number.
    """
    from pytorch_lightning.utilities.exceptions import SIGTERMException

    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    told: list[int] = []

    def end(signum: int, frame: object) -> None:
        if not told:  # once: what follows is the clean-up
            told.append(signum)
            raise SIGTERMException

    if ours:
        signal.signal(signal.SIGTERM, end)
    try:
        yield
    except SIGTERMException as stop:
        raise SystemExit(128 + signal.SIGTERM) from stop
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
