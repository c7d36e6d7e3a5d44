"""The W&B mirror: online when logged in, offline without asking otherwise, disabled on request."""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.selection import Selection
from fourier_lightning.metrics import NumberMetrics
from fourier_lightning.mirror.ending import in_a_line
from fourier_lightning.mirror.pictures import MirrorLogger
from fourier_lightning.mirror.settings import (
    RUN_WIDE,
    TAG_LENGTH,
    Mode,
    check_reachable,
    configured,
    disabled,
    resolve_mode,
)
from fourier_lightning.record.arm import Arm
from fourier_lightning.record.labels import prompt_style
from fourier_lightning.record.writer import RunRecord
from fourier_lightning.values import key_of


def wandb_logger(
    record: RunRecord,
    config: dict[str, Any],
    beside: bool = False,
    project: str | None = None,
    save_dir: str | None = None,
    name: str | None = None,
    mode: Mode = "auto",
    group: str | None = None,
    tags: list[str] | None = None,
    entity: str | None = None,
    notes: str | None = None,
    media: bool = True,
    media_seconds: float = 20,
) -> MirrorLogger | None:
    """Start a W&B run and wrap it for Lightning; None when disabled, or when W&B does not start.

    All metadata is set at init, because an offline run can't be renamed or regrouped later. To what is given here it
    adds tags (the arm, the seed, the cut-off where one is set), ``arm``, ``label`` and ``cutoff`` in the configuration
    to group by, and a job type: "train" or "evaluate". A run that goes on in its directory goes on in its W&B run.

    Args:
        record: of the run. W&B's id goes into its ``wandb_id``.
        config: the resolved configuration, and ``p``, the length of the number line.
        beside: leave other runs of this process open: several seeds train in it.
        project: W&B project; None: of the environment, else ``fourier_lightning``.
        save_dir: W&B writes ``<save_dir>/wandb``; None: of the environment, else the run's directory.
        name: display name of the run.
        mode: ``auto``, ``online``, ``offline`` or ``disabled``.
        group: of a sweep, so that its runs stand together.
        tags: free words.
        entity: W&B team or user; None: of the environment, else the user's default.
        notes: free text.
        media: tables, custom charts and pictures of the instruments; false for scalars alone.
        media_seconds: least time between two of a kind during a fit.

    Raises:
        ConfigError: W&B does not start online, and ``mode`` is ``online``.
    """
    if disabled(mode):
        return None
    node = {"project": project, "save_dir": save_dir, "name": name, "group": group, "tags": tags, "entity": entity,
            "notes": notes}  # fmt: skip
    settings = run_settings(node, record, config, mode)
    settings.reinit = "create_new" if beside else "finish_previous"
    run = start(settings, {**config, **group_keys(config)}, required=mode == "online")
    if run is None:
        return None
    record.update(wandb_id=run.id)
    return MirrorLogger(media, media_seconds, experiment=run, save_dir=settings.root_dir, project=settings.project)


def run_settings(node: Mapping[str, Any], record: RunRecord, config: dict[str, Any], mode: Mode) -> Any:
    """W&B's settings of a run, complete.

    Args:
        node: of ``logger.wandb`` what W&B has a setting for.
        record, config, mode: see ``wandb_logger``.
    """
    overridden = [key_of(override).removeprefix("logger.wandb.") for override in record.run["overrides"]]
    settings = configured(node, [key for key in RUN_WIDE if key in overridden])
    settings.mode = resolve_mode(settings, mode)
    if "root_dir" not in settings.model_fields_set:
        settings.root_dir = str(record.dir.parent)
    settings.root_dir = str(Path(settings.root_dir).expanduser().absolute())
    settings.run_tags = (*(settings.run_tags or ()), *labels_of(config))
    settings.run_job_type = settings.run_job_type or ("train" if config["fit"] else "evaluate")
    if settings.sweep_id:  # the agent chooses these, in the environment
        settings.project = settings.entity = settings.run_id = None
    else:
        settings.run_id = settings.run_id or record.run.get("wandb_id") or record.run["id"]
    if record.resumed_at:
        settings.resume = settings.resume or "allow"  # offline, too: `wandb sync` appends what it else replaces
    return settings


def start(settings: Any, config: Mapping[str, Any], required: bool) -> Any:
    """Start W&B's run: as the settings say, offline where online fails, None where it is disabled or W&B fails.

    Args:
        required: raise where online fails.

    Raises:
        ConfigError: see ``required``.
    """
    import wandb

    for mode in dict.fromkeys((settings.mode, "offline")) if settings.mode != "disabled" else ():
        settings.mode = mode
        try:
            if mode != "offline":
                check_reachable(settings)
            Path(settings.root_dir).mkdir(parents=True, exist_ok=True)  # W&B would warn, and go to /tmp where it can't
            wandb.setup(wandb.Settings(show_info=not settings.silent))
            run = wandb.init(settings=settings, config=dict(config))
            define_metrics(run)
        except Exception as error:  # of W&B, its service, its server, the disk: that must not cost the run
            if mode == "offline":
                print(f"W&B does not start ({in_a_line(error)}): this run goes on without it")
            elif required:
                remedy = "check the network, the key and WANDB_BASE_URL, or use logger.wandb.mode=auto"
                raise ConfigError("logger.wandb.mode=online", f"W&B fails ({in_a_line(error)})", remedy) from error
            else:
                print(f"W&B does not start online ({in_a_line(error)}); this run is logged offline")
                give_up(settings)
        else:
            return run
    return None


def give_up(settings: Any) -> None:
    """Forget a run that did not start: to W&B's process its id is taken."""
    import wandb

    if settings.reinit == "create_new":  # other runs of that process are open
        settings.run_id = secrets.token_hex(6)
    else:
        with suppress(Exception, SystemExit):
            wandb.teardown()


def define_metrics(run: Any) -> None:
    """Steps for the x axis, and the best value of each validation metric in the summary.

    ``val/accuracy`` becomes ``val/accuracy.max`` and ``val/accuracy.last`` there, ``val/loss`` and ``val/mae`` have
    ``.min``. Test metrics are measured once and keep their plain names.
    """
    step = {"step_metric": "trainer/global_step", "step_sync": True}
    run.define_metric("trainer/global_step")
    run.define_metric("*", **step)
    for name in NumberMetrics.names:
        best = "min" if name in ("loss", "mae") else "max"
        run.define_metric(f"val/{name}", summary=f"{best},last", **step)


def cutoff_of(config: dict[str, Any]) -> int | None:
    """The cut-off in k that was asked for: of the table that is trained on, else of the filters."""
    embedding = config["embedding"]
    trained_on = embedding.get("cutoff") if embedding.get("keep", "all") != "all" else None
    return config["filter"]["cutoff"] if trained_on is None else trained_on


def group_keys(config: dict[str, Any]) -> dict[str, Any]:
    """Top-level entries of the configuration to group runs by.

    ``label`` keeps apart what should not be averaged: the arm, the share of the pairs, the prompts, and whether the run
    trained. ``cutoff`` is the effective one.
    """
    data, asked = config["data"], cutoff_of(config)
    share = f"{100 * data['train_fraction']:g} % of the pairs"
    words = [Arm.from_config(config).words, share, prompt_style(config), *([] if config["fit"] else ["evaluated"])]
    cutoff = Selection(cutoff=asked).cutoff_at(config["p"])
    return {"arm": Arm.from_config(config).words, "label": ", ".join(words), "cutoff": cutoff}


def labels_of(config: dict[str, Any] | None) -> list[str]:
    """Tags that set runs apart: the arm, the seed, and the cut-off where one is set."""
    if config is None:
        return []
    cutoff = cutoff_of(config)
    words = [Arm.from_config(config).words, f"seed{config['seed']}", *([] if cutoff is None else [f"cutoff{cutoff}"])]
    return [word[:TAG_LENGTH] for word in words]
