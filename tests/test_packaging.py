"""The wheel: built, installed into an empty environment, and used from another directory."""

import subprocess
import zipfile
from pathlib import Path

from tests.docs_shell import install

ROOT = Path(__file__).resolve().parents[1]


def test_wheel_holds_the_configuration_the_backbone_and_its_licence(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    code = [*ROOT.glob("fourier_lightning/**/*.py"), *ROOT.glob("hydra_plugins/*.py")]
    for path in [*ROOT.glob("conf/**/*.yaml"), *code]:
        inside = path.relative_to(ROOT)
        assert str(inside if inside.parts[0] != "conf" else Path("fourier_lightning") / inside) in names
    asset = "fourier_lightning/assets/whisper-tiny-en-text"
    assert {f"{asset}/model.safetensors", f"{asset}/tokenizer.json", f"{asset}/README.md"} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_installed_wheel_composes_and_trains_from_another_directory(wheel, tmp_path):
    """Only the wheel is installed; its dependencies come from this environment, behind it on the path."""
    home = tmp_path / "venv"
    python = install(wheel, home)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    where = "import fourier_lightning; print(fourier_lightning.__file__)"
    found = subprocess.run([python, "-c", where], cwd=elsewhere, capture_output=True, text=True, check=True)
    assert found.stdout.startswith(str(home))

    command = home / "bin" / "fourier-lightning"
    composed = subprocess.run([command, "train", "--cfg", "job"], cwd=elsewhere, capture_output=True, text=True)
    assert composed.returncode == 0, composed.stderr
    assert "name: scratch_pretrained_emb" in composed.stdout and "whisper_tiny_en_text" in composed.stdout
    assert not list(elsewhere.iterdir())

    tiny = ["data.max_operand=20", "model.n_layer=1", "model.width=16", "trainer.max_steps=1", "logger=none"]
    ran = subprocess.run([command, "train", *tiny, "hydra.run.dir=run"], cwd=elsewhere, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert (elsewhere / "run" / "record" / "run.json").is_file()
    wrong = subprocess.run([command, "train", "modl=scratch"], cwd=elsewhere, capture_output=True, text=True)
    assert (wrong.returncode, wrong.stderr) == (2, "error: modl: no such setting; did you mean model?\n")
