"""Runs the command lines of README and docs: a process that has imported the installed package, and forks for each.

    python -P tests/docs_server.py SOCKET

A command arrives with its working directory, its environment and its standard streams, and gets its exit code back.
A fork does what a process of its own would do, without the seconds that the imports take. With DOCS=check in its
environment a command is checked, not run: its options, or all settings of its runs.
"""

import argparse
import inspect
import json
import os
import runpy
import socket
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import Any

import joblib
from joblib._parallel_backends import SequentialBackend

BIN = Path(sys.executable).parent
MODULES = {"wandb": "wandb", "torchrun": "torch.distributed.run"}  # what a program starts
# Imported before the first command: what the commands import when they are asked for.
WARM = ("fourier_lightning.commands.train", "fourier_lightning.run", "fourier_lightning.seeds", "wandb",
        "fourier_lightning.figures.draw", "fourier_lightning.claims.ledger",
        "fourier_lightning.report.page")  # fmt: skip

# Names for the last run that instruments looked at, for the last sweep, and for all of them.
RUN = ("RUN_DIR",)
SWEEP = ("SWEEP", "SWEEP_DIR", "RUN_OR_SWEEP", "RUN_OR_SWEEP_DIR", "multirun/DATE/TIME")
SWEEPS = ("SWEEPS", "SWEEP_DIRECTORIES", "RUNS")
# What makes a run short. It is appended to a command's words, less what the command sets itself.
TRAINING = {"trainer.max_steps": 2, "+trainer.limit_train_batches": 2, "trainer.accelerator": "cpu"}
NUMBERS: dict[str, dict[str, Any]] = {  # by data=
    "modular_addition": {"data.modulus": 23},
    "multiplication": {"data.max_operand": 10, "data.max_product": 40},
    "three_operands": {"data.max_operand": 9},
}
SMALL = {"data.max_operand": 20}  # of all other tasks
WIDE = {"embedding.cutoff", "embedding.periods"}  # settings that want more numbers than these
INSTRUMENTS = {"filter.draws": 2, "callbacks.knock_out.draws": 2, "callbacks.input_waves.draws": 2,
               "callbacks.final_logits.draws": 2, "callbacks.direct_path.draws": 2}  # fmt: skip


def serve(path: str) -> None:
    """Fork for each command that arrives, one after the other."""
    for name in WARM:
        __import__(name)
    config: Any = sys.modules["fourier_lightning.config"]
    config.check_config(config.load_config())
    joblib.register_parallel_backend("loky", SequentialBackend)  # starts no Python for each job: test_launchers does
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        print("ready", flush=True)
        while True:
            connection, _ = listening.accept()
            with connection:
                message, streams, _, _ = socket.recv_fds(connection, 2**20, 3)
                child = os.fork()
                if not child:
                    os._exit(run(json.loads(message), streams))
                for stream in streams:
                    os.close(stream)
                _, status = os.waitpid(child, 0)
                connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def run(command: dict[str, Any], streams: list[int]) -> int:
    """One command, in this process from now on. Returns its exit code."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.environ.clear()
    os.environ.update(command["env"])
    os.chdir(command["cwd"])
    link_latest()
    code = 0
    try:
        (check if os.environ.get("DOCS") == "check" else execute)(command["argv"])
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def link_latest() -> None:
    """Let the names for runs and sweeps lead to those that were made in this folder, if there are any."""
    runs, sweeps = (sorted(Path(top).glob("20*/*")) for top in ("outputs", "multirun"))
    runs = [run for run in runs if any(run.glob("record/tables/*"))]
    for names, target in ((RUN, runs[-1:]), (SWEEP, sweeps[-1:]), (SWEEPS, [Path("multirun")] if sweeps else [])):
        for link in map(Path, names if target else ()):
            if link.is_symlink():
                link.unlink()
                link.symlink_to(target[0].resolve())


def execute(argv: list[str]) -> None:
    """``python FILE ...``, ``python -m MODULE ...``, or a program that a package installs, with small settings."""
    words = settings_of(argv)
    if words is not None:
        cut_sweeps()
        argv = [*argv, *short(words)]
    start = {"fourier-lightning": [str(BIN / "fourier-lightning")], "python": []}
    name, *words = [*start.get(argv[0], ["-m", MODULES.get(argv[0], "")]), *argv[1:]]
    if name == "-m":
        sys.argv, sys.path[:0] = words, [str(Path.cwd())]
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[:0] = [name, *words], [str(Path(name).resolve().parent)]
        runpy.run_path(name, run_name="__main__")


def settings_of(argv: list[str]) -> list[str] | None:
    """The words of a command that trains or evaluates; None of any other."""
    if "train.py" in argv:
        return argv[argv.index("train.py") + 1 :]
    for start in (["fourier-lightning", "train"], ["python", "-m", "fourier_lightning", "train"]):
        if argv[: len(start)] == start:
            return argv[len(start) :]
    return None


def short(words: list[str]) -> list[str]:
    """The settings that make a run with these words short."""
    if any(word in ("--help", "--cfg") for word in words):
        return []
    given = dict(word.lstrip("+~").partition("=")[::2] for word in words if word[:2] != "--")
    evaluates = given.get("fit") == "false" or given.get("sweep") == "cutoffs" or given.get("experiment") == "prompted"
    added: dict[str, Any] = {} if evaluates else {**TRAINING}
    if "ckpt_path" not in given and not given.keys() & WIDE:
        added |= NUMBERS.get(given.get("data", ""), SMALL)
    if given.get("sweep") == "cutoffs":
        added |= {"filter.cutoff": 5, "filter.draws": 2}
    elif given.get("instruments") == "filter_grid":
        added |= {"callbacks.filter_grid.cutoffs": "[2,5]", "filter.draws": 2}
    elif "auto" in given.values():
        added |= {"instruments": "none", "test": "false"}
    elif given.get("experiment") == "prompted":
        added["instruments"] = "answers"
    elif "instruments" not in given:  # all of them where a checkpoint is dissected, and in the default run
        every = "ckpt_path" in given or given.keys() <= {"hydra.run.dir", "logger"}
        added |= INSTRUMENTS if every else {"instruments": "none"}
    if "logger" not in given:
        added["logger.wandb.mode"] = "disabled"
    return [f"{key}={value}" for key, value in added.items() if key.lstrip("+") not in given]


def cut_sweeps() -> None:
    """Let a sweep run its first and its last job alone."""
    from hydra.core.plugins import Plugins
    from hydra.plugins.sweeper import Sweeper

    def ends(split: Any, *args: Any) -> list[list[list[str]]]:
        jobs = [job for batch in split(*args) for job in batch]
        return [jobs if len(jobs) < 2 else [jobs[0], jobs[-1]]]

    for sweeper in Plugins.instance().discover(Sweeper):
        split = inspect.getattr_static(sweeper, "split_arguments", None)
        if isinstance(split, staticmethod):  # the package's own sweeper calls Hydra's
            sweeper.split_arguments = staticmethod(partial(ends, split.__func__))


def check(argv: list[str]) -> None:
    """All but what takes time, a GPU, a network: settings are composed and checked, other words parsed."""
    words = settings_of(argv)
    if words is not None and "--cfg" not in words:
        check_settings([word for word in words if word not in ("-m", "--multirun")])
        return
    parse = argparse.ArgumentParser.parse_args

    def parsed(*args: Any, **kwargs: Any) -> None:
        parse(*args, **kwargs)
        raise SystemExit(0)

    argparse.ArgumentParser.parse_args = parsed  # type: ignore[assignment, method-assign]
    execute(argv)


def check_settings(words: list[str]) -> None:
    """Compose the first and the last run of a command, and check all of their settings."""
    from hydra import compose, initialize_config_dir
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    from fourier_lightning.config import CONF_DIR, check_config, load_config, register_resolvers
    from fourier_lightning.defaults import defer_batch

    parser = OverridesParser.create()
    register_resolvers()
    parsed = zip(words, parser.parse_overrides(words), strict=True)
    fixed = [word for word, override in parsed if not override.is_sweep_override()]
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        listed = compose("train", overrides=fixed, return_hydra_config=True).hydra.sweeper.params or {}
    given = {word.partition("=")[0] for word in words}
    words = [*words, *(f"{key}={value}" for key, value in listed.items() if key not in given)]
    jobs = [job for batch in BasicSweeper.split_arguments(parser.parse_overrides(words), None) for job in batch]
    for job in [jobs[0], jobs[-1]][: len(jobs)]:
        cfg = load_config(job, "run")
        defer_batch(cfg)
        check_config(cfg)


if __name__ == "__main__":
    serve(sys.argv[1])
