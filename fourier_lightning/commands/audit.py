"""Which numbers are single tokens of a backbone, how it splits the others, and which tasks and templates fit it.

    fourier-lightning audit                                       (the embedded backbone)
    fourier-lightning audit backbone=pythia backbone.size=410m
    fourier-lightning audit backbone=local backbone.path=DIR

Only the tokenizer is read. A task fits if its answers, and its operands in the template, are single tokens; sizes are
the largest that do: what data.max_operand=auto (data.modulus=auto) takes. Numbers from 0 to 1999 are looked at.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from fourier_lightning.commands.parser import CommandParser
from fourier_lightning.errors import ConfigError

NOTHING = (
    "No task fits: a number line needs 21 numbers that are single tokens, from 0. Whether such a model adds can still "
    "be asked by prompts."
)


def main(argv: Sequence[str]) -> None:
    """Command line."""
    parser = CommandParser("audit", __doc__)
    parser.add_argument("overrides", nargs="*", metavar="backbone.KEY=VALUE", help="which backbone, as of train")
    overrides = parser.parse_args(argv).overrides
    for override in overrides:
        if not override.startswith(("backbone=", "backbone.", "+backbone.")):
            raise ConfigError(override, "an audit is about a backbone alone", "give backbone=... and backbone.KEY=...")
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from fourier_lightning.commands.mistakes import explain
    from fourier_lightning.config import check_config, load_config
    from fourier_lightning.data.audit import STYLES, number_tokens, splitting
    from fourier_lightning.defaults import make

    try:
        cfg = load_config(overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise explain(error, overrides) from error
    check_config(cfg)
    backbone = make(cfg.backbone)
    tokenizer = backbone.tokenizer()
    print(f"{backbone.name}: {len(tokenizer):,} tokens ({type(tokenizer).__name__}), {backbone.path}")
    print(f"It splits numbers {splitting(tokenizer)}")
    for style in STYLES:
        found = number_tokens(tokenizer, style)
        example = "108" if style == "bare" else " 108"
        run = f"0..{found.count - 1} are" if found.count else "not even 0 is a"
        gaps = f"; not {', '.join(map(str, found.gaps))} ..." if found.gaps else ""
        print(
            f'{style} ("{example}"): {run} single token{"s" if found.count else ""}{gaps} ({found.single:,} of 2,000)'
        )
    lines = list(fits(tokenizer))
    print("\n".join(["What fits, the largest size first:", *lines] if lines else [NOTHING]))


def fits(tokenizer: Any) -> Iterator[str]:
    """A line for each task and style of its answers that fit: the settings, and how far each template goes."""
    from functools import partial

    from fourier_lightning.data.audit import STYLES, largest_size
    from fourier_lightning.defaults import sized

    for option, node, task in tasks():
        names = list(sized(task, node, node[task.size_key]).templates)
        for style in STYLES:
            sizes = {name: largest_size(partial(sized, task, node), tokenizer, [name], style)[0] for name in names}
            known = sorted({size for size in sizes.values() if size is not None}, reverse=True)
            told = [f"to {size} with {', '.join(name for name in names if sizes[name] == size)}" for size in known]
            if told:
                yield f"  data={option} data.number_style={style}: data.{task.size_key} {'; '.join(told)}"


def tasks() -> Iterator[tuple[str, dict[str, Any], Any]]:
    """The tasks of ``conf/data``: the option's name, its settings, and the task's class; each class once."""
    from hydra.utils import get_object
    from omegaconf import OmegaConf

    from fourier_lightning.config import CONF_DIR, load_config

    seen = set()
    for path in sorted((CONF_DIR / "data").glob("*.yaml")):
        node: Any = OmegaConf.to_container(load_config([f"data={path.stem}"]).data, resolve=True)
        task = getattr(get_object(node["_target_"]), "task", None)
        if task is not None and task not in seen:
            seen.add(task)
            yield path.stem, node, task
