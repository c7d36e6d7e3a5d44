"""How a run of W&B ends: closed within a time, whatever happened to W&B, and where to find it."""

import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from glob import escape
from pathlib import Path
from threading import Thread
from typing import Any

from fourier_lightning.terminal import program

AT_ONCE_SECONDS = 2  # the longest that a run which was told to stop waits for W&B
_lost: set[str] = set()  # ids of the runs that W&B failed, and of which a line says so


def finish_wandb(exit_code: int, at_once: bool = False, runs: Sequence[Any] | None = None) -> str:
    """Close W&B's runs, whatever happened: the next job of a sweep must not write into them.

    A server that is not there, or not any more, costs ``FINISH_SECONDS``, and no part of a run.

    Args:
        at_once: the process is to end within seconds: what is not sent by then stays on the disk.
        runs: by default the one that is open.

    Returns:
        Lines that say where W&B has these runs, and how to send those that are offline.
    """
    wandb = sys.modules.get("wandb")  # not imported: no run
    open_runs = runs if runs is not None else [wandb.run] if wandb and wandb.run else []
    unfinished: list[Any] = []

    def finish(run: Any) -> None:
        try:
            if at_once or run.id in _lost:  # what W&B would say is in a line of ours
                wandb.termsetup(wandb.Settings(silent=True), None)
            run.finish(exit_code=exit_code)
        except TimeoutError:
            unfinished.append(run)
        except Exception:  # whatever a lost connection makes of it: the next run of this process needs another
            unfinished.append(run)
            with suppress(Exception, SystemExit):
                wandb.teardown()

    threads = [(Thread(target=finish, args=(run,), daemon=True), run) for run in open_runs]
    for thread, _ in threads:
        thread.start()
    until = time.monotonic() + AT_ONCE_SECONDS
    for thread, run in threads:
        thread.join(max(0.0, until - time.monotonic()) if at_once else None)
        if (run in unfinished or thread.is_alive()) and run.id not in _lost:
            print(f"W&B was not reached in time: the record is whole, and `{sync_command([run])}` sends what W&B lacks")
    return "".join(f"{line}\n" for line in where_to_look(open_runs))


def lose(run: Any, error: Exception) -> None:
    """Say once that W&B failed a run, which goes on without it."""
    _lost.add(run.id)
    print(f"W&B failed ({in_a_line(error)}): this run goes on without it; the record has everything")


def in_a_line(error: Exception) -> str:
    """An error's type and the start of its message."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:160]


def where_to_look(runs: Sequence[Any]) -> list[str]:
    """The addresses of runs that are online; of the others the commands that send them, and show one without a network.

    Returns:
        Lines; the commands work wherever they are pasted.
    """
    offline = [run for run in runs if run.settings.run_mode == "offline-run"]
    lines = [f"W&B: {run.url}" for run in runs if run not in offline and run.url]
    lines += [f"W&B has nothing of this run: {run.settings.sync_dir} was removed" for run in offline if not logs(run)]
    if there := [run for run in offline if logs(run)]:
        lines.append(f"To send it to W&B: {sync_command(there)}")
        shown = shlex.quote(str(logs(there[0])[-1].parent))
        lines.append(f"To look at it without a network: {program('wandb')} leet {shown}")
    return lines


def sync_command(runs: Sequence[Any]) -> str:
    """The command that sends runs to W&B, with the parts before those that were resumed offline."""
    parts = [log.parent for run in runs for log in logs(run)]
    option = "" if all(part.name.startswith("offline-") for part in parts) else " --no-skip-online"
    return f"{program('wandb')} sync{option} {shlex.join(map(str, parts))}"


def logs(run: Any) -> list[Path]:
    """W&B's files of a run, the earliest first: offline, each time that it is resumed adds one."""
    file = Path(run.settings.sync_file).absolute()
    online = run.settings.run_mode == "run"
    return [file] if online else sorted(file.parent.parent.glob(f"offline-run-*/{escape(file.name)}"))
