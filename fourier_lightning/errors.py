"""The one exception that a user of the command line should ever meet."""


class ConfigError(Exception):
    """A setting that can't work. Shown as one line, and the process ends with exit code 2.

    Args:
        key: the setting as it is typed on the command line, value included where it helps
            (``"data.train_fraction=0.9"``).
        problem: what is wrong with it.
        remedy: what to type or install instead.
    """

    def __init__(self, key: str, problem: str, remedy: str) -> None:
        super().__init__(f"{key}: {problem}; {remedy}")
