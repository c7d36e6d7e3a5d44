"""The W&B mirror: online when logged in, offline without asking otherwise, disabled on request."""

import netrc
import os
import time
from collections.abc import Mapping, Sequence
from threading import Thread
from typing import Any, Literal
from urllib.parse import urlparse

from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.selection import Selection
from fourier_lightning.metrics import NumberMetrics
from fourier_lightning.mirror.pictures import MirrorLogger
from fourier_lightning.record.arm import Arm
from fourier_lightning.record.labels import prompt_style

TAG_LENGTH = 64  # the most that W&B takes
FINISH_SECONDS = 120  # the longest that a run which has ended waits for W&B's server
AT_ONCE_SECONDS = 2  # and one that was told to stop
Mode = Literal["auto", "online", "offline", "disabled"]


def server() -> str:
    """Address of W&B's server."""
    return os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")


def logged_in() -> bool:
    """Whether an API key for W&B's server is at hand, in the environment or in ~/.netrc. Asks nobody."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(server()).hostname or ""
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def resolve_mode(mode: Mode) -> str:
    """``auto`` follows WANDB_MODE if set, else the log-in."""
    if mode != "auto":
        return mode
    return os.environ.get("WANDB_MODE") or ("online" if logged_in() else "offline")


def wandb_logger(
    project: str,
    save_dir: str,
    name: str,
    mode: Mode = "auto",
    group: str | None = None,
    tags: list[str] | None = None,
    entity: str | None = None,
    notes: str | None = None,
    config: dict[str, Any] | None = None,
    media: bool = True,
    media_seconds: float = 20,
    beside: bool = False,
) -> MirrorLogger | None:
    """Start a W&B run and wrap it for Lightning; None when disabled.

    All metadata is set at init, because an offline run can't be renamed or regrouped later. To what is given here it
    adds tags (the arm, the seed, the cut-off where one is set), ``arm``, ``label`` and ``cutoff`` in the configuration
    to group by, and a job type: "train" or "evaluate".

    Args:
        project: W&B project.
        save_dir: run directory; W&B writes ``<save_dir>/wandb``.
        name: display name of the run.
        mode: ``auto``, ``online``, ``offline`` or ``disabled``.
        group: of a sweep, so that its runs stand together.
        tags: free words.
        entity: W&B team or user.
        notes: free text.
        config: the resolved configuration, and ``p``, the length of the number line.
        media: tables, custom charts and pictures of the instruments; false for scalars alone.
        media_seconds: least time between two of a kind during a fit.
        beside: leave other runs of this process open: several seeds train in it.
    """
    resolved = resolve_mode(mode)
    if resolved == "disabled":
        return None
    import wandb

    start: dict[str, Any] = {
        "project": project,
        "dir": save_dir,
        "name": name,
        "group": group,
        "tags": [*(tags or []), *labels_of(config)],
        "entity": entity,
        "notes": notes,
        "config": None if config is None else {**config, **group_keys(config)},
        "job_type": None if config is None else "train" if config["fit"] else "evaluate",
        "reinit": "create_new" if beside else "finish_previous",
        # the run prints its own results
        "settings": wandb.Settings(quiet=True, finish_timeout=FINISH_SECONDS, finish_timeout_raises=True),
    }
    try:
        run = wandb.init(mode=resolved, **start)
    except wandb.Error as error:
        if mode != "auto" or resolved != "online":
            raise
        # logged in, but the server can't be reached or refuses the key: that must not cost the run
        print(f"W&B is not reachable ({' '.join(str(error).split())[:120]}); this run is logged offline")
        run = wandb.init(mode="offline", **start)
    define_metrics(run)
    return MirrorLogger(media, media_seconds, experiment=run, save_dir=save_dir, project=project)


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


def check_wandb(node: Mapping[str, Any]) -> None:
    """Refuse settings of ``logger.wandb`` that can't work, before a run begins.

    Raises:
        ConfigError: a tag that is empty or too long for W&B, a negative time.
    """
    if node.get("media_seconds", 0) < 0:
        raise ConfigError(f"logger.wandb.media_seconds={node['media_seconds']}", "too small", "use 0 or more seconds")
    for tag in map(str, node.get("tags") or []):
        if not 0 < len(tag) <= TAG_LENGTH:
            remedy = f"W&B takes 1 to {TAG_LENGTH} characters; shorten it, or write notes: logger.wandb.notes"
            raise ConfigError(f"tags=[{tag}]", f"{len(tag)} characters", remedy)


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


def finish_wandb(exit_code: int, at_once: bool = False, runs: Sequence[Any] | None = None) -> None:
    """Close W&B's runs, whatever happened: the next job of a sweep must not write into them.

    A server that is not there, or not any more, costs ``FINISH_SECONDS``, and no part of a run.

    Args:
        at_once: the process is to end within seconds: what is not sent by then stays on the disk.
        runs: by default the one that is open.
    """
    import wandb

    failed: list[Any] = []

    def finish(run: Any) -> None:
        try:
            run.finish(exit_code=exit_code)
        except Exception:  # TimeoutError, or whatever a lost connection makes of it
            failed.append(run)

    open_runs = runs if runs is not None else [wandb.run] if wandb.run else []
    threads = [(Thread(target=finish, args=(run,), daemon=True), run, run.settings.sync_dir) for run in open_runs]
    for thread, *_ in threads:
        thread.start()
    until = time.monotonic() + AT_ONCE_SECONDS
    for thread, run, where in threads:
        thread.join(max(0.0, until - time.monotonic()) if at_once else None)
        if run in failed or thread.is_alive():
            command = f"wandb sync --no-skip-online {where}"
            print(f"W&B was not reached in time: the record is whole, and `{command}` sends what W&B lacks")
