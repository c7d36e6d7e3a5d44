"""What libraries say: the terminal is for what the user asked for."""

import logging
import warnings
from pathlib import Path

SILENCED = ("pytorch_lightning", "lightning_fabric", "huggingface_hub")
# Profilers, summaries and the like are in a run because somebody asked for them.
ASKED_FOR = ("pytorch_lightning.callbacks", "pytorch_lightning.profilers")
RANK_ZERO = "pytorch_lightning.utilities.rank_zero"  # says what callbacks say, too, and what nobody asked for
IGNORED = (
    ".*LeafSpec.*is deprecated.*",  # Lightning 2.6 under torch 2.13
    ".*does not have many workers.*",  # of a DataLoader, which ours isn't: it needs none
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*Experiment logs directory .* exists and is not empty.*",  # of a run that goes on: its earlier lines come first
    ".*when logging on epoch level in distributed setting.*",  # what is logged is the same on all ranks already
    ".*The dirpath has changed from.*",  # a checkpoint of another directory: the best score there is not this run's
    ".*AMP with fp16 is not supported on CPU.*",  # the run refuses it in a line of its own
)


def quiet_libraries() -> None:
    """Keep the terminal for what the user asked for. Safe to call twice."""
    from transformers.utils import logging as hf_logging

    hf_logging.disable_progress_bar()
    for name in SILENCED:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in (*ASKED_FOR, RANK_ZERO):
        logging.getLogger(name).setLevel(logging.INFO)
    logging.getLogger(RANK_ZERO).addFilter(from_a_callback)
    for message in IGNORED:
        warnings.filterwarnings("ignore", message=message)


def from_a_callback(record: logging.LogRecord) -> bool:
    """Whether a line is a warning, or one of Lightning's callbacks says it, as a timer that ends a fit."""
    return record.levelno >= logging.WARNING or "callbacks" in Path(record.pathname).parts
