"""Which runs a figure or a claim is about."""

from fourier_lightning.record.runs import Run

ANSWERS = "answers"  # the task of a record that holds no more than these


def is_scratch(run: Run) -> bool:
    """From scratch, its table too."""
    return run.arm.is_scratch


def fine_tuned(run: Run) -> bool:
    """The pretrained arm, trained."""
    return run.arm.is_fine_tuned


def rescued(run: Run) -> bool:
    """From scratch with the pretrained token embedding, frozen."""
    return run.arm.is_rescue


def holds_pretrained(run: Run) -> bool:
    """Trained with the pretrained number rows: the pretrained model, or a random one with its table, frozen."""
    return run.arm.is_fine_tuned or run.arm.is_rescue


def untouched(run: Run) -> bool:
    """Models that hold the pretrained number rows as they are."""
    return run.arm.intact and (run.arm.as_is or run.arm.is_rescue)


def of_another_family(run: Run) -> bool:
    """A pretrained model as it comes that is neither a GPT-2 nor the embedded backbone."""
    name = str(run.config.get("backbone", {}).get("name", ""))
    return run.arm.as_is and run.arm.intact and not name.startswith(("gpt2", "whisper"))


def uses_format(run: Run) -> bool:
    """Whether the prompts are "a,b+" (appendix C.3)."""
    return bool(run.config["data"]["templates"] == ["format"])


def prompted(run: Run) -> bool:
    """A pretrained model as it is, asked with demonstrations."""
    return run.arm.as_is and run.config.get("data", {}).get("shots", 0) > 0


def only_answers(run: Run) -> bool:
    """Answers of a model that nothing else is known of (``fourier-lightning errors``)."""
    return bool(run.task["name"] == ANSWERS)


def multiplies(run: Run) -> bool:
    """Whether the task is multiplication (appendix C.2)."""
    return bool(run.task["name"] == "multiplication")
