"""`fourier-lightning figures` and the gallery of the documents."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fourier_lightning.errors import ConfigError
from fourier_lightning.figures.catalogue import FIGURES
from fourier_lightning.figures.comparisons import COMPARISONS, figure_names
from fourier_lightning.figures.make import make_all
from fourier_lightning.record.runs import find_runs
from scripts import gallery

ROOT = Path(__file__).resolve().parents[1]


def test_names_of_figures():
    assert figure_names("3b") == ["3"] and figure_names("11") == ["11a", "11b"] and figure_names("7b") == ["7b"]
    assert figure_names("9") == [] and figure_names("7") == ["7a", "7b"]


def test_the_command_draws_what_a_record_has(tiny_runs, tmp_path, command):
    done = command("figures", tiny_runs / "0", "--output", tmp_path)
    names = {path.stem for path in tmp_path.glob("*.png")}
    assert names == {n for n in FIGURES if n not in ("6", "7a", "16", "22", "23")}  # of scratch runs, of multiplication
    assert "12" in done.out
    wanted = ["--figure", "7b", "--figure", "8", "--format", "svg", "--output", str(tmp_path)]
    command("figures", tiny_runs, *wanted)
    assert {path.name for path in tmp_path.glob("*.svg")} == {"7b.svg", "8.svg"}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ["{runs}/0", "--figure", "9"],
            "--figure 9: no such figure, or of a model or task that is not here; choose",
        ),
        (["{runs}/0", "--figure", "cutoff"], "is not here; did you mean cutoffs?"),
        (["{runs}/nowhere"], "nowhere: no such directory; give run or sweep directories"),
        (["{tmp}"], "no run in it or below"),
        ([], "RUN_DIR: no run directory"),
        (["{runs}/failed", "--figure", "5a"], "--figure 5a: "),
        (["{runs}/failed"], "no figure can be made of it"),
        (["{runs}/0", "--output", "{runs}/0/record/run.json"], "; choose a directory that can be written"),
    ],
)
def test_the_command_refuses_in_one_line(tiny_runs, tmp_path, command, args, said):
    done = command("figures", *(arg.format(runs=tiny_runs, tmp=tmp_path) for arg in args))
    assert done.code == 2 and said in done.err and done.err.count("\n") == 1


def test_an_unfinished_run_without_the_record_is_left_out_and_no_figure_is_lost(dissected, capsys):
    """Of a sweep in which one run was interrupted; and of two runs of one title, or of a title of many settings."""
    runs = find_runs([dissected / "1", dissected / "2"])
    runs[1].info["status"] = "interrupted"
    assert list(make_all(runs, ["1b"])) == ["1b_pretrained_fine_tuned_whisper_tiny_en_text_seed_0"]
    said = f"figure 1b: {runs[1].dir} left out: interrupted, no tables/final_logit_waves, arrays/heatmap_attn"
    assert capsys.readouterr().err.startswith(said)
    twins = [replace(runs[0], label=f"x{', data.max_operand=20' * 40}") for _ in range(2)]
    first, second = make_all(twins, ["5a"])
    assert second == f"{first}_2" and len(second) < 150
    runs[1].info["status"] = "finished"
    with pytest.raises(ConfigError, match="--figure 1b"):
        make_all(runs, ["1b"])


def test_the_gallery_has_every_figure_of_the_paper_that_can_be_shown(tiny_runs, tmp_path, monkeypatch):
    asked = {"of": tiny_runs / "0", "scratch": tiny_runs / "2", "as_is": tiny_runs / "1"}
    asked["multiplication"] = tiny_runs / "3"
    monkeypatch.setattr(sys, "argv", ["gallery.py", "--of", str(tiny_runs)])
    with pytest.raises(SystemExit) as stop:
        gallery.main()  # which of them?
    assert stop.value.code == 2
    runs, sweep = gallery.found_runs(asked, [tiny_runs / str(n) for n in range(4)])
    assert len(sweep) == 4 and runs["format"] is runs["of"]  # its prompts are "a,b+"
    made = {**gallery.figures_of(runs), **gallery.compared(runs, sweep)}
    assert set(made) == {*FIGURES, *COMPARISONS} - {"cutoffs", "bands"}  # of other runs, see test_cutoffs, test_bands
    assert made["6"][1] is runs["scratch"] and made["3"][1] is made["17"][1] is runs["of"]
    assert made["16"][1] is runs["multiplication"]
    assert made["15"][1] == [runs["as_is"], runs["of"], runs["scratch"]]
    alone = {"of": runs["of"]}
    left_out = set(made) - set(gallery.figures_of(alone)) - set(gallery.compared(alone, []))
    assert left_out == {"6", "7a", "16", "22", "23", "17", "18", "7b", "8", "arms"}
    committed = (ROOT / "docs/figures.md").read_text()
    for name in {*set(made), "cutoffs", "bands"} - {"16"}:  # which has no committed run yet
        assert f"](figures/{name}.png)" in committed and (ROOT / f"docs/figures/{name}.png").is_file()
