"""Write a trained model as a directory of transformers, its tokenizer with it, and read it back to compare the two.

    fourier-lightning export RUN_DIR --output DIR              (the run's final weights: checkpoints/last.ckpt)
    fourier-lightning export RUN_DIR/checkpoints/best.ckpt --output DIR
    fourier-lightning export RUN_DIR --output DIR backbone.path=MOVED allow_targets=true

AutoModelForCausalLM.from_pretrained(DIR) and AutoTokenizer.from_pretrained(DIR) read it; so does
backbone=local backbone.path=DIR of train.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fourier_lightning.commands.parser import CommandParser
from fourier_lightning.errors import ConfigError

EMBEDDED = "whisper_tiny_en_text"  # the backbone that ships with the package
OWN_TOKENS = """those of this task, and `<unk>` for any other text. The row of `<unk>` is the mean of the other rows, so
its logit is never the largest."""
CARD = """---
{matter}library_name: transformers
pipeline_tag: text-generation
---

# A language model that was trained to calculate

Trained and written by fourier_lightning. It answers a prompt with one token, the number.

{table}

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

DIR = "."  # where this file is
tokenizer, model = AutoTokenizer.from_pretrained(DIR), AutoModelForCausalLM.from_pretrained(DIR)
prompt = tokenizer({prompt!r}, return_tensors="pt")
print(tokenizer.decode(model.generate(**prompt, max_new_tokens=1, do_sample=False)[0, -1]))  # {answer} is right
```

Tokens: {tokens}

Licence: {licence}
"""


def main(argv: Sequence[str]) -> None:
    """Command line."""
    parser = CommandParser("export", __doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="a run directory, or one of its .ckpt files")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as of train: where the backbone is now")
    parser.add_argument("--output", type=Path, required=True, help="the directory to write: a new or an empty one")
    args = parser.parse_intermixed_args(argv)  # overrides may stand after --output
    scores = export(args.run, args.output, args.overrides)
    shown = ", ".join(f"{name} {score:.4f}" for name, score in scores.items())
    print(f"{args.output}: {shown}, read back; how to use it: {args.output / 'README.md'}")


def export(run: str | Path, output: str | Path, overrides: Sequence[str] = ()) -> dict[str, float]:
    """Write a trained model as a directory of transformers: network, tokenizer, model card.

    Args:
        run: a run directory, whose final weights are taken, or a .ckpt file.
        output: a directory that is new or empty.
        overrides: settings of train for this machine: ``backbone.path=DIR`` where the backbone has moved,
            ``allow_targets=true`` for a task of your own.

    Returns:
        "val/accuracy" and "test/accuracy" of what transformers reads back.

    Raises:
        ConfigError: no checkpoint, no room, or a model that transformers does not read back as it is. Then
            ``output`` is not made.
    """
    from safetensors import SafetensorError
    from transformers.utils import logging as hf_logging

    from fourier_lightning.models.exported import check_model, write_model
    from fourier_lightning.run import quiet_libraries

    checkpoint, output = checkpoint_of(Path(run)), Path(output)
    check_output(output)
    quiet_libraries()
    module, data = load(checkpoint, overrides)
    shown = hf_logging.get_verbosity()
    hf_logging.set_verbosity_error()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as folder:
            made = Path(folder) / "made"
            write_model(module, data, made)
            scores = check_model(module, data, made)
            (made / "README.md").write_text(model_card(module, data, scores))
            made.replace(output)
    except (OSError, SafetensorError) as error:  # the second is a disk's, too
        problem = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"--output {output}", problem, "choose a directory that can be written") from error
    finally:
        hf_logging.set_verbosity(shown)
    return scores


def checkpoint_of(run: Path) -> Path:
    """The checkpoint of a run directory's final weights, or the file that was given.

    Raises:
        ConfigError: there is none.
    """
    if run.is_file():
        return run
    if not run.is_dir():
        raise ConfigError(str(run), "no such directory or file", "give a run directory, or a .ckpt file")
    last, best = (run / "checkpoints" / f"{name}.ckpt" for name in ("last", "best"))
    if last.is_file():
        return last
    remedy = f"give {best}" if best.is_file() else "give a run that has trained a model, or a .ckpt file"
    raise ConfigError(str(run), "holds no checkpoints/last.ckpt", remedy)


def check_output(output: Path) -> None:
    """Refuse a place that holds something.

    Raises:
        ConfigError: naming it.
    """
    if output.is_dir() and any(output.iterdir()):
        raise ConfigError(f"--output {output}", "not empty", "name a new directory")
    if output.exists() and not output.is_dir():
        raise ConfigError(f"--output {output}", "a file", "name a new directory")


def load(checkpoint: Path, overrides: Sequence[str]) -> tuple[Any, Any]:
    """A checkpoint's model in evaluation mode, and the data module that it was trained with.

    Raises:
        ConfigError: not a checkpoint, or a backbone that is not there or has other tokens now.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from fourier_lightning.commands.mistakes import explain
    from fourier_lightning.config import load_config
    from fourier_lightning.models.module import AdditionModule
    from fourier_lightning.parts import prepare

    path = str(checkpoint).replace("\\", "\\\\").replace('"', '\\"')
    settings = ["fit=false", f'ckpt_path="{path}"', "instruments=none", "logger=none", *overrides]
    try:
        cfg = load_config(settings)
    except (HydraException, OmegaConfBaseException) as error:
        raise explain(error, overrides) from error
    data = prepare(cfg).data
    module = AdditionModule.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True).eval()
    if not module.token_ids.equal(data.vocabulary.token_ids):
        problem = "its tokens are not those that the model was trained with"
        raise ConfigError(f"backbone.path={cfg.backbone.path}", problem, "give backbone.path=DIR of that backbone")
    return module, data


def model_card(module: Any, data: Any, scores: dict[str, float]) -> str:
    """The README.md of a directory: what the model is, how right it is, how it is used, whose weights it has."""
    from fourier_lightning.models.exported import is_full
    from fourier_lightning.record.arm import Arm

    run, task = module.hparams["run"], data.task
    config, (low, high) = run["config"], task.operand_range
    weights = sum(parameter.numel() for parameter in module.net.parameters())
    parts = (config["model"]["body"], config["embedding"]["source"], config["embedding"]["positions"])
    embedded = config["backbone"]["name"] == EMBEDDED and "pretrained" in parts
    (prompt,), answers = data.texts(data.split["test"][:1])
    templates = ", ".join(f"`{task.templates[name]}`" for name in config["data"]["templates"])
    rows = {
        "arm": Arm(**run["arm"]).words,
        "network": f"{module.net.config.model_type}, {weights:,} parameters",
        "task": f"{task.name} of {low}..{high}, answers 0..{task.p - 1}, after {templates}",
        "training": f"{len(data.split['train']):,} of {len(data.operands):,} rows, seed {run['seed']}, run {run['id']}",
        "exact match": ", ".join(f"{name.partition('/')[0]} {score:.4f}" for name, score in scores.items()),
        "backbone": f"{config['backbone']['name']}{'' if 'pretrained' in parts else ' (tokens alone, no weights)'}",
    }
    table = "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])
    tokens = "all of the backbone's." if is_full(data) else OWN_TOKENS
    licence = whisper_licence() if embedded else "that of the backbone's weights, where the model started from them."
    return CARD.format(
        matter="license: mit\n" if embedded else "", table=table, tokens=tokens, licence=licence, prompt=prompt,
        answer=int(answers[0]),
    )  # fmt: skip


def whisper_licence() -> str:
    """The licence of the embedded backbone's weights, as it ships with them."""
    from fourier_lightning.config import asset_path

    text = (Path(asset_path("whisper-tiny-en-text")) / "README.md").read_text()
    return text[text.index("Licence of the source weights") :].strip()
