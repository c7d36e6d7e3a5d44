"""The W&B mirror: online when logged in, offline without asking otherwise, disabled on request."""

import netrc
import os
from typing import Any, Literal
from urllib.parse import urlparse

from pytorch_lightning.loggers import WandbLogger

Mode = Literal["auto", "online", "offline", "disabled"]


def logged_in() -> bool:
    """Whether an API key for W&B's server is at hand, in the environment or in ~/.netrc. Asks nobody."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
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
) -> WandbLogger | None:
    """Start a W&B run and wrap it for Lightning; None when disabled.

    All metadata is set at init, because an offline run can't be renamed or regrouped later.

    Args:
        project: W&B project.
        save_dir: run directory; W&B writes ``<save_dir>/wandb``.
        name: display name of the run.
        mode: ``auto``, ``online``, ``offline`` or ``disabled``.
        group: of a sweep, so that its runs stand together.
        tags: free words.
        entity: W&B team or user.
        notes: free text.
        config: the resolved configuration.
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
        "tags": tags,
        "entity": entity,
        "notes": notes,
        "config": config,
        "reinit": "finish_previous",
        "settings": wandb.Settings(quiet=True),  # the run prints its own results
    }
    try:
        run = wandb.init(mode=resolved, **start)
    except wandb.Error as error:
        if mode != "auto" or resolved != "online":
            raise
        # logged in, but the server can't be reached or refuses the key: that must not cost the run
        print(f"W&B is not reachable ({' '.join(str(error).split())[:120]}); this run is logged offline")
        run = wandb.init(mode="offline", **start)
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    return WandbLogger(experiment=run, save_dir=save_dir, project=project)


def finish_wandb(exit_code: int) -> None:
    """Close W&B's run, whatever happened: the next job of a sweep must not write into it."""
    import wandb

    wandb.finish(exit_code=exit_code)
