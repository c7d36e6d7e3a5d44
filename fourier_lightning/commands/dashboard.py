"""Lay out a W&B workspace for a project of runs: rescue, spectra, ablations, errors, sweeps.

    fourier-lightning dashboard --entity TEAM --project fourier_lightning
    fourier-lightning dashboard --entity TEAM --project fourier_lightning --dry-run    (print it; no network)

It saves a new view of the project's workspace and prints its address; views that exist are left as they are. Needs
the extra `dashboard` (W&B's own wandb-workspaces) and a log-in (`wandb login`, or WANDB_API_KEY).
"""

import os
from collections.abc import Sequence

from fourier_lightning.commands.parser import CommandParser
from fourier_lightning.errors import ConfigError


def main(argv: Sequence[str]) -> None:
    """Command line."""
    parser = CommandParser("dashboard", __doc__)
    parser.add_argument("--entity", help="W&B team or user")
    parser.add_argument("--project", default="fourier_lightning", help="W&B project (default: %(default)s)")
    parser.add_argument("--dry-run", action="store_true", help="print the layout and stop")
    args = parser.parse_args(argv)
    if args.entity is None and args.dry_run:
        args.entity = "ENTITY"
    if args.entity is None:
        raise ConfigError("--entity", "not given", "name the W&B team or user, or add --dry-run")
    for key in ("entity", "project"):
        value = getattr(args, key)
        if not value.strip() or "/" in value:
            raise ConfigError(f"--{key}={value}", "not a name", "give --entity TEAM --project NAME")
    os.environ.setdefault("WANDB_SILENT", "true")  # the address is printed here
    from fourier_lightning.mirror import dashboard

    view = dashboard.workspace(args.entity, args.project)
    print(dashboard.layout(view) if args.dry_run else dashboard.save(view))
