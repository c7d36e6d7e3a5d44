"""W&B's settings of a run: ours, over them W&B's files and WANDB_* variables, over them what the user typed.

``check_wandb`` refuses what can't work before anything is written. W&B is imported only where a run of it is wanted.
"""

import netrc
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlparse
from urllib.request import getproxies

from fourier_lightning.errors import ConfigError

if TYPE_CHECKING:
    from wandb import Settings

Mode = Literal["auto", "online", "offline", "disabled"]
PROJECT = "fourier_lightning"
NAME_LENGTH, TAG_LENGTH = 128, 64  # the most that W&B's server takes
FINISH_SECONDS = 120  # the longest that a run which has ended waits for W&B's server
# W&B's field of each key below logger.wandb. Name, group and tags are the run's own, which always has some.
FIELDS = {"project": "project", "entity": "entity", "save_dir": "root_dir", "notes": "run_notes", "name": "run_name",
          "group": "run_group", "tags": "run_tags"}  # fmt: skip
RUN_WIDE = ("name", "group", "tags")
OLD_MODES = {"run": "online", "dryrun": "offline"}


def disabled(mode: Mode) -> bool:
    """Whether W&B is turned off by the setting or the environment. Does not import W&B."""
    unwanted = os.environ.get("WANDB_DISABLED", "").lower() in ("1", "true", "yes", "on")
    return mode == "disabled" or (mode == "auto" and (unwanted or os.environ.get("WANDB_MODE") == "disabled"))


def environment() -> "Settings":
    """W&B's settings of this process: ours, over them W&B's files, over them the WANDB_* variables.

    Raises:
        ConfigError: a variable whose value W&B refuses.
    """
    import wandb

    settings = wandb.Settings(
        settings_system=f"{os.environ.get('WANDB_CONFIG_DIR', '~/.config/wandb')}/settings",
        silent=True,  # the run prints its own results
        finish_timeout=FINISH_SECONDS,
        finish_timeout_raises=True,
    )
    settings.update_from_system_settings()
    for name, value in os.environ.items():
        if name.startswith("WANDB_") and name != "WANDB_API_KEY":  # W&B reads that itself, where it is needed
            with refused_by_wandb(f"{name}={value}", f"correct it, or unset {name}"):
                settings.update_from_env_vars({name: value})
                check_names(settings)
    return settings


def configured(node: Mapping[str, Any], typed: Iterable[str]) -> "Settings":
    """W&B's settings of a run.

    Args:
        node: ``logger.wandb``, its values resolved.
        typed: which of name, group and tags the user typed; the others give way to W&B's files and variables.

    Raises:
        ConfigError: a value that W&B refuses.
    """
    settings = environment()
    for key, field in FIELDS.items():
        value, elsewhere = node.get(key), field in settings.model_fields_set
        if value and not (key in RUN_WIDE and elsewhere and key not in typed):
            setting = key if key in RUN_WIDE else f"logger.wandb.{key}"
            with refused_by_wandb(f"{setting}={value}", "correct it"):
                setattr(settings, field, value)
                check_names(settings)
    settings.project = settings.project or PROJECT
    return settings


def check_names(settings: "Settings") -> None:
    """Refuse what W&B's own check lets through and its server does not take.

    Raises:
        ValueError: a name that is too long, an entity with characters that an address can't have.
    """
    for value in (settings.run_name, settings.run_group):
        if len(value or "") > NAME_LENGTH:
            raise ValueError(f"{len(value)} characters, and {NAME_LENGTH} is the most")
    if not set(settings.entity or "").isdisjoint("/\\#?%:"):
        raise ValueError("it is the name of a team or a user, without / \\ # ? % :")


@contextmanager
def refused_by_wandb(setting: str, remedy: str) -> Iterator[None]:
    """What W&B says against a value, as a ConfigError."""
    import wandb

    try:
        yield
    except (ValueError, TypeError, wandb.Error) as error:  # pydantic's is a ValueError
        reason = error.errors()[0]["msg"] if hasattr(error, "errors") else str(error)
        raise ConfigError(setting, f"W&B refuses it ({reason.removeprefix('Value error, ')})", remedy) from error


def resolve_mode(settings: "Settings", mode: Mode) -> str:
    """Follow the setting; where it is ``auto`` WANDB_MODE or W&B's files, and online only with a log-in."""
    if mode != "auto":
        return mode
    wanted = OLD_MODES.get(settings.mode, settings.mode)  # W&B's default is online
    return wanted if wanted in ("offline", "disabled") or logged_in(settings) else "offline"


def logged_in(settings: "Settings") -> bool:
    """Whether credentials for W&B's server are at hand: in the environment, W&B's files or ~/.netrc. Asks nobody."""
    if os.environ.get("WANDB_API_KEY") or settings.api_key or settings.identity_token_file:
        return True
    cloud = type(settings).model_fields["base_url"].default
    servers = [settings.base_url, *(["https://api.wandb.ai"] if settings.base_url == cloud else [])]  # its older name
    try:
        known = netrc.netrc(os.environ.get("NETRC"))
    except (OSError, netrc.NetrcParseError):
        return False
    return any(known.authenticators(urlparse(server).netloc) is not None for server in servers)


def check_wandb(node: Mapping[str, Any], several: bool = False) -> None:
    """Refuse settings of ``logger.wandb`` and WANDB_* variables that can't work, before a run begins.

    Args:
        node: ``logger.wandb``.
        several: whether they are for more than one run.

    Raises:
        ConfigError: a value that W&B or its server refuses, no log-in where the user wants to be online, a directory
            that can't be written, one id for several runs, a negative time.
    """
    if node.get("media_seconds", 0) < 0:
        raise ConfigError(f"logger.wandb.media_seconds={node['media_seconds']}", "too small", "use 0 or more seconds")
    for tag in map(str, node.get("tags") or []):
        if not 0 < len(tag) <= TAG_LENGTH:
            remedy = f"W&B takes 1 to {TAG_LENGTH} characters; shorten it, or write notes: logger.wandb.notes"
            raise ConfigError(f"tags=[{tag}]", f"{len(tag)} characters", remedy)
    mode: Mode = node.get("mode", "auto")
    if disabled(mode):
        return
    settings = configured(node, RUN_WIDE)
    check_log_in(settings, mode)
    if "root_dir" in settings.model_fields_set:
        key = "logger.wandb.save_dir" if node.get("save_dir") else "WANDB_DIR"
        check_writable(settings.root_dir, f"{key}={settings.root_dir}")
    if settings.run_id and several:
        raise ConfigError(f"WANDB_RUN_ID={settings.run_id}", "one id for several runs", "unset it: each gets its own")


def check_log_in(settings: "Settings", mode: Mode) -> None:
    """Refuse to be online without credentials where the user asked for it: W&B would prompt, or fail later.

    Raises:
        ConfigError: none are at hand, or W&B can tell that the API key is none.
    """
    asked = f"logger.wandb.mode={mode}" if mode != "auto" else f"WANDB_MODE={os.environ.get('WANDB_MODE')}"
    if asked.partition("=")[2] not in ("online", "run", "shared"):
        return
    if not logged_in(settings):
        raise ConfigError(asked, "not logged in to W&B", "run `wandb login`, or use logger.wandb.mode=offline")
    with suppress(ImportError):  # W&B's own rule, where this version of it has one
        from wandb.sdk.lib.wbauth import check_api_key

        key = os.environ.get("WANDB_API_KEY")
        if problem := key and check_api_key(key):
            raise ConfigError("WANDB_API_KEY", problem.rstrip("."), "correct it, or use logger.wandb.mode=offline")
    if mode == "online":
        try:
            check_reachable(settings)
        except ConnectionError as error:
            raise ConfigError(asked, str(error), "check the network and WANDB_BASE_URL, or leave it out") from error


def check_reachable(settings: "Settings") -> None:
    """Connect to W&B's server: W&B's own client would try again for minutes.

    Raises:
        ConnectionError: nobody answers.
    """
    if settings.http_proxy or settings.https_proxy or not {"http", "https"}.isdisjoint(getproxies()):
        return  # the way leads through somebody else
    server = urlparse(settings.base_url)
    try:
        address = server.hostname or "", server.port or (80 if server.scheme == "http" else 443)
        socket.create_connection(address, timeout=10).close()
    except (OSError, ValueError) as error:
        raise ConnectionError(f"W&B is not reachable at {settings.base_url} ({error})") from error


def check_writable(directory: str, setting: str) -> None:
    """Refuse a directory that can't be written, or made below what there is. Leaves nothing behind.

    Raises:
        ConfigError: naming the setting.
    """
    place = Path(directory).expanduser().absolute()
    place = next(path for path in (place, *place.parents) if path.exists())
    try:
        TemporaryFile(dir=place).close()
    except OSError as error:
        raise ConfigError(setting, f"can't be written ({error.strerror})", "choose another directory") from error
