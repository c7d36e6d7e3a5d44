"""Settings of the data that can't work, refused before anything is built."""

from fourier_lightning.data.task import Task
from fourier_lightning.errors import ConfigError, suggestion

MOST_ROWS = 10**8


def check_settings(
    task: Task,
    templates: list[str],
    train_fraction: float,
    split_seed: int,
    batch_size: int,
    eval_batch_size: int,
    shots: int,
) -> None:
    """Refuse values that no data can be made with.

    Raises:
        ConfigError: naming the first such setting.
    """
    check_templates(task, templates)
    if not 0 < train_fraction <= 0.8 + 1e-9:
        raise ConfigError(
            f"data.train_fraction={train_fraction}",
            "it is a share of all pairs, and the training split holds 0.8 of them",
            "use a value above 0 and at most 0.8",
        )
    for key, value, least in (("batch_size", batch_size, 1), ("eval_batch_size", eval_batch_size, 1)):
        if value < least:
            raise ConfigError(f"data.{key}={value}", "too small", f"use {least} or more")
    if not 0 <= split_seed < 2**32:
        raise ConfigError(f"data.split_seed={split_seed}", "out of range", "use 0 or a positive integer below 2^32")
    if shots < 0:
        raise ConfigError(f"data.shots={shots}", "negative", "use 0 or more demonstrations")


def check_rows(task: Task) -> None:
    """Refuse more rows than a computer holds, where no tokenizer bounds the numbers.

    Raises:
        ConfigError: naming the task's size.
    """
    rows = (task.largest - task.smallest + 1) ** len(task.letters)
    if rows > MOST_ROWS:
        raise ConfigError(f"data.{task.operand_key}", f"{float(rows):.0e} rows", f"lower data.{task.operand_key}")


def check_templates(task: Task, templates: list[str]) -> None:
    """Refuse names that are no templates of a task, or none at all.

    Raises:
        ConfigError: naming ``data.templates``.
    """
    unknown = [name for name in templates if name not in task.templates]
    if unknown or not templates:
        remedy = suggestion(" ".join(unknown), task.templates)
        raise ConfigError(f"data.templates={templates}", f"not templates: {unknown}", remedy)
