"""Read what offline W&B wrote. Its format is private, so this is for tests alone; the product never does it."""

import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from wandb.proto import wandb_internal_pb2
from wandb.util import get_core_path

BLOCK = 32 * 1024  # a LevelDB log after a 7-byte header: blocks of records with crc32, length and type


def payloads(data: bytes) -> Iterator[bytes]:
    """Records of the log, joined where they span blocks."""
    assert data[:4] == b":W&B"
    at, parts = 7, b""
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:  # the padded end of a block
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        if kind == 0:
            break
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # full, last
            yield parts
            parts = b""


def wandb_run(run_dir: Path):
    """The offline run below a run directory, the keys of its history, and its exit code.

    W&B's own process may still write when ``finish`` has returned on a busy machine: wait for the last record.
    """
    (file,) = run_dir.glob("wandb/offline-run-*/*.wandb")
    deadline = time.monotonic() + 20
    while True:
        found = read_run_file(file)
        if found[2] is not None or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def read_run_file(file: Path):
    """Run, keys of the history and exit code, as far as they are written."""
    run, keys, exit_code = None, set(), None
    for payload in payloads(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(payload)
        if record.WhichOneof("record_type") == "run":
            run = record.run
        elif record.WhichOneof("record_type") == "history":
            keys |= {item.key or "/".join(item.nested_key) for item in record.history.item}
        elif record.WhichOneof("record_type") == "exit":
            exit_code = record.exit.exit_code
    return run, keys, exit_code


def wandb_cli(*args: object, **env: str) -> str:
    """What W&B's own command line prints."""
    return printed([sys.executable, "-m", "wandb", *map(str, args)], **env)


def inspected(run_dir: Path, *options: str) -> str:
    """What `wandb leet inspect --json` prints: the program that it starts, without the imports of the command line."""
    leet = [get_core_path(), "leet", "inspect", "--no-observability"]
    return printed([*leet, *options, "--json", str(run_dir / "wandb")])


def printed(command: list[str], **env: str) -> str:
    """What a program prints."""
    env = {**os.environ, "WANDB_ERROR_REPORTING": "false", **env}
    with TemporaryDirectory() as elsewhere:  # it leaves logs where it is called
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env, cwd=elsewhere)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Offline:
    """An offline run as W&B's command line (`wandb leet inspect`) reads it.

    Attributes:
        dir: the run directory.
        records: of the log, as dictionaries.
        summary, config, tags: what the records add up to.
    """

    def __init__(self, run_dir: Path) -> None:
        self.dir = run_dir
        lines = inspected(run_dir)
        self.records = [json.loads(line) for line in lines.split("\n") if line]
        seen = json.loads(inspected(run_dir, "--summary"))
        self.summary, self.config, self.tags = seen["summary"], seen["config"], set(seen["tags"])

    def rows(self) -> list[dict[str, Any]]:
        """The history."""
        return [record["history"]["item"] for record in self.records if record["type"] == "history"]

    def history(self, key: str) -> list[tuple[int, int]]:
        """Step and epoch of each row that has a key."""
        return [(r["trainer/global_step"], r["epoch"]) for r in self.rows() if key in r or f"{key}._type" in r]

    def file(self, key: str) -> Path:
        """The file that the summary's media entry points to."""
        (path,) = self.dir.glob(f"wandb/offline-run-*/files/{self.summary[key]['path']}")
        return path

    def custom_charts(self) -> dict[str, dict[str, Any]]:
        """Panels of custom charts by key."""
        updates = [record["config"]["update"] for record in self.records if record["type"] == "config"]
        prefix = "_wandb.visualize."
        return {k.removeprefix(prefix): v for one in updates for k, v in one.items() if k.startswith(prefix)}
