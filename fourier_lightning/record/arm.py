"""The arm of an experiment as data: which body, which table, what was done to it, whether it was trained."""

from dataclasses import dataclass
from typing import Any

KEPT = {"low": "low-pass", "high": "high-pass", "band": "band-pass", "periods": "five-period"}


@dataclass(frozen=True)
class Arm:
    """What makes a model's arm; runs of one arm differ in sizes, data, recipe and seed.

    Code asks for fields, ``key`` or a property; ``words`` are for readers alone.

    Attributes:
        body: ``pretrained`` or ``random`` attention and MLPs; "unknown" of a run that ended before its record began.
        table: source of the token table: ``pretrained``, ``random`` or ``fourier``.
        frozen: whether the table stays as it is.
        keep: waves that the number rows keep, see ``EmbeddingSettings``.
        control: what else is done to the number rows, see ``EmbeddingSettings``.
        trained: by this framework; false of a model that is measured as it comes.
    """

    body: str
    table: str
    frozen: bool
    keep: str = "all"
    control: str = "none"
    trained: bool = True

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Arm":
        """The arm that a resolved configuration trains or measures; records of older revisions lack some settings."""
        embedding = config["embedding"]
        return cls(
            body=config["model"]["body"],
            table=embedding["source"],
            frozen=embedding["freeze"],
            keep=embedding.get("keep", "all"),
            control=embedding.get("control", "none"),
            trained=bool(config.get("fit", True) or config.get("ckpt_path")),
        )

    @property
    def intact(self) -> bool:
        """Whether the number rows start as the backbone's, with all of their waves."""
        return (self.table, self.keep, self.control) == ("pretrained", "all", "none")

    @property
    def uses_backbone(self) -> bool:
        """Whether body or table are the backbone's, so that a reader has to know which it was."""
        return "pretrained" in (self.body, self.table)

    @property
    def is_scratch(self) -> bool:
        """From scratch, its table too."""
        return (self.body, self.table, self.frozen) == ("random", "random", False) and self.trained

    @property
    def is_rescue(self) -> bool:
        """From scratch with the pretrained table, frozen and whole (figure 7b)."""
        return self.body == "random" and self.intact and self.frozen and self.trained

    @property
    def is_fine_tuned(self) -> bool:
        """The pretrained model, trained further."""
        return self.body == "pretrained" and self.intact and self.trained

    @property
    def as_is(self) -> bool:
        """A pretrained model that nothing was trained of."""
        return self.body == "pretrained" and not self.trained

    @property
    def key(self) -> str:
        """Short, stable, fit for file names: "scratch-pretrained-frozen", "fine_tuned", "as_is", "unknown"."""
        changed = [*([self.keep] if self.keep != "all" else []), *([self.control] if self.control != "none" else [])]
        if self.body == "pretrained":
            source = [] if self.table == "pretrained" else [self.table]
            state = ["frozen"] if self.frozen and self.trained else []
            return "-".join(["fine_tuned" if self.trained else "as_is", *source, *changed, *state])
        if self.body == "random":
            plain = ["frozen"] if self.frozen else []
            state = [self.table, *changed, "frozen" if self.frozen else "trained"]
            made = [*(plain if self.table == "random" else state), *([] if self.trained else ["untrained"])]
            return "-".join(["scratch", *made])
        return self.body

    @property
    def words(self) -> str:
        """For readers: "scratch + frozen pretrained table"."""
        kept = [KEPT[self.keep]] if self.keep != "all" else []
        kept += [self.control.removesuffix("_rows").replace("_", " ")] if self.control != "none" else []
        if self.body == "pretrained":
            state = "fine-tuned" if self.trained else "as it is"
            odd = "" if self.intact else f", {' '.join([*kept, self.table])} table"
            return f"pretrained, {state}{odd}{', table frozen' if self.frozen and self.trained else ''}"
        if self.body != "random":
            return self.body
        end = ("" if self.frozen else ", trained") + ("" if self.trained else ", the model untrained")
        if self.table == "random":
            return f"scratch{', random table frozen' if self.frozen else ''}{end.removeprefix(', trained')}"
        if self.table == "fourier":
            return f"scratch + {' '.join([*kept, 'synthetic'])} Fourier table{end}"
        if self.intact:
            state = "frozen" if self.frozen else "trained"
            return f"scratch + {state} pretrained table{end.removeprefix(', trained')}"
        return f"scratch + {' '.join(kept)} pretrained table{end}"


UNKNOWN = Arm("unknown", "unknown", frozen=False)
