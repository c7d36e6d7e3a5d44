"""What Hydra itself may call: it instantiates launchers, sweepers and callbacks before any check of ours can run."""

from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from fourier_lightning import targets
from fourier_lightning.config import CONF_DIR
from fourier_lightning.errors import refuse
from fourier_lightning.values import key_of

HARMLESS = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.job.chdir", "hydra.verbose")


def check_hydra(argv: Sequence[str]) -> None:
    """Refuse to let Hydra itself call anything but its own: it does so before any hook of ours.

    Asks only where something else than this package's configuration has a say.

    Raises:
        ConfigError: one line for each `_target_` below ``hydra``.
    """
    args = get_args_parser().parse_args(list(argv))
    given = [key_of(override) for override in args.overrides]
    elsewhere = args.config_dir or args.config_path or args.config_name
    asked = any(key.startswith("hydra") and key not in HARMLESS for key in given)
    if targets.FLAG in given or not (elsewhere or asked):
        return
    parsed = OverridesParser.create().parse_overrides(args.overrides)
    single = [override for override, one in zip(args.overrides, parsed, strict=True) if not one.is_sweep_override()]
    paths = [f"hydra.searchpath=[file://{Path(args.config_dir).resolve()}]"] if args.config_dir else []
    with initialize_config_dir(str(Path(args.config_path or CONF_DIR).resolve()), version_base="1.3"):
        cfg = compose(args.config_name or "train", [*paths, *single], return_hydra_config=True)
    GlobalHydra.instance().clear()
    tree = OmegaConf.to_container(cfg.hydra, resolve=False)  # what is looked up elsewhere is not ours
    refuse(targets.foreign(tree, targets.HYDRA, "hydra"))
