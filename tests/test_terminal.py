"""What a user sees: one bar for the fit, what is measured, a summary; and no warning that helps nobody."""

import re
import subprocess
import sys
from pathlib import Path

from fourier_lightning.console import print_findings
from fourier_lightning.record.runs import find_runs
from fourier_lightning.terminal import our_command, program, terminal
from tests.conftest import TINY

OPTIONS = [option for option in TINY if option != "~callbacks.progress_bar"]


def test_one_bar_counts_the_whole_fit_and_what_is_measured_and_found_is_said(command_line, tmp_path):
    """From the command line; no warning, and a summary at the end."""
    bar = ["callbacks.progress_bar.refresh_rate=1", "logger=none", f"hydra.run.dir={tmp_path / 'run'}"]
    run = command_line(*OPTIONS, *bar)
    assert run.code == 0
    last = [text for text in re.split(r"[\r\n]", run.out) if text.startswith("Epoch")][-1]
    assert re.match(r"Epoch 2/2: 100%.*12/12 .*val=\d\.\d{3}, train=\d\.\d{3}", last), last
    counts = [int(n) for n in re.findall(r"(\d+)/12 ", run.out)]
    assert counts == sorted(counts) and counts[-1] == 12  # it does not start again
    for name in ("EmbeddingSpectrum", "FilterAblation", "KnockOut"):
        assert f"Measuring: {name}" in run.out
    assert "warn" not in (run.out + run.err).lower()
    where = [f"Everything this run wrote: {tmp_path / 'run'}", f"fourier-lightning report {tmp_path / 'run'}"]
    for line in ("Number embedding: T = ", "MLPs write ", "Attention writes ", "Costliest waves to remove: ", *where):
        assert line in run.out, line


def test_findings_name_filter_control_and_reading(tiny_runs, capsys):
    found = find_runs([tiny_runs / "0"])[0]
    for row in found.table("filter_ablation"):
        row |= {"accuracy": 0.9 if row["removed"] == "none" else 0.2, "within_10": 0.3, "mod_10": 0.95, "energy": 0.5}
        row |= {f"control_energy_{name}_mean": 0.7 for name in ("accuracy", "mod_10", "within_10")}
        row |= {f"control_energy_{name}_std": 0.01 for name in ("accuracy", "mod_10", "within_10")}
        row |= {"comparable": ""}
    found.table("filter_ablation")[0]["within_10"] = 1.0
    print_findings(terminal(), found)
    said = (
        "  long waves from MLP: 20 / 95 / 30 % (random directions of equal energy: 70 / 70 / 70 %): the last digit "
        "survives, the magnitude is lost"
    )
    assert said in capsys.readouterr().out
    print_findings(terminal(), find_runs([tiny_runs / "failed"])[0])
    assert capsys.readouterr().out == ""


def test_a_command_is_printed_as_it_can_be_typed(monkeypatch, tmp_path):
    beside = Path(sys.executable).with_name("fourier-lightning")
    monkeypatch.setenv("PATH", str(beside.parent))
    assert our_command("report", "my run") == "fourier-lightning report 'my run'"
    monkeypatch.setenv("PATH", str(tmp_path))  # an environment that is not activated
    assert our_command("report", tmp_path) == f"{beside} report {tmp_path}"
    assert program("no-such-program") == f"{sys.executable} -m no_such_program"


def test_a_notebooks_backend_of_matplotlib_stops_no_command(tiny_runs, tmp_path):
    environment = {"MPLBACKEND": "module://not_installed.backend_inline", "PATH": ""}
    words = ["figures", str(tiny_runs / "0"), "--figure", "15", "--output", str(tmp_path / "figures")]
    done = subprocess.run([sys.executable, "-m", "fourier_lightning", *words], env=environment, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"") and [*(tmp_path / "figures").iterdir()]
