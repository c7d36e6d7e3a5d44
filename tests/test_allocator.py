"""Freed memory is kept, and the system is not asked for it again: counted in page faults of a process of its own."""

import ctypes
import platform
import resource
import subprocess
import sys

import pytest

from fourier_lightning import allocator
from tests.conftest import TINY

FAULTS = """
import resource
from fourier_lightning.allocator import keep_freed_memory
if {kept}:
    assert keep_freed_memory()
def use():
    held = bytearray(b"x") * (48 << 20)
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(kept):
    done = subprocess.run([sys.executable, "-c", FAULTS.format(kept=kept)], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator alone has the choice")
def test_large_blocks_are_used_again_and_not_asked_for_anew():
    pages = 5 * (48 << 20) // resource.getpagesize()
    assert faults(kept=False) > 0.9 * pages
    assert faults(kept=True) < 0.01 * pages


def test_other_c_libraries_have_no_such_choice(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert allocator.keep_freed_memory() is False


def test_a_job_keeps_it(command_line, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("fourier_lightning.commands.train.keep_freed_memory", lambda: asked.append(True))
    few = ["instruments=none", "logger=none", "trainer.max_steps=1", "test=false"]
    assert command_line(*TINY, *few, f"hydra.run.dir={tmp_path / 'run'}").code == 0
    assert asked == [True]
