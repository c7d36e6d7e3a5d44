"""How a run ends that did not finish: what its record says, and what its user is told."""

import errno
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fourier_lightning import console
from fourier_lightning.errors import RunError, output_failed
from fourier_lightning.record.writer import RunRecord

# What a disk answers when it takes no more, or nothing at all.
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


def ended(error: BaseException, records: Sequence[RunRecord], run_dir: str | Path, verbose: bool) -> bool:
    """Write down how a run ended that did not finish, and say so where it was stopped.

    Returns:
        Whether it was stopped from outside.

    Raises:
        RunError: in place of what a disk refused.
    """
    stopped = not isinstance(error, Exception)  # KeyboardInterrupt, or SIGTERM's
    reason = "stopped from outside" if stopped else f"{type(error).__name__}: {error}"
    for record in records:
        with suppress(OSError):  # the disk may be what failed
            record.update(status="interrupted" if stopped else "failed", error=reason)
    if stopped and verbose:
        console.print_interrupted(run_dir)
    if isinstance(error, OSError) and error.errno in UNWRITABLE and not output_failed(error):
        raise unwritable(error, run_dir) from error
    return stopped


def unwritable(error: OSError, run_dir: str | Path) -> RunError:
    """What the disk refused, and how the run goes on: its files are what they were before."""
    last = Path(run_dir) / "checkpoints" / "last.ckpt"
    remedy = f"make room, then the same command with ckpt_path={last} goes on" if last.is_file() else "make room"
    return RunError(str(error.filename or run_dir), error.strerror or str(error), remedy)
