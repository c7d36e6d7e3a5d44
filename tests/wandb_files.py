"""Read what offline W&B wrote. Its format is private, so this is for tests alone; the product never does it."""

import struct
from collections.abc import Iterator
from pathlib import Path

from wandb.proto import wandb_internal_pb2

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
    """The offline run below a run directory, the keys of its history, and its exit code."""
    (file,) = run_dir.glob("wandb/offline-run-*/*.wandb")
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
