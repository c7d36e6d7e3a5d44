"""The schema as a page: ``python -m fourier_lightning.record.page > docs/record.md``."""

from collections.abc import Iterable, Sequence

from fourier_lightning.record.columns import WEIGHTS, Column
from fourier_lightning.record.schema import ARRAYS, AXES, LINES, RUN, SCALARS, TABLES


def markdown() -> str:
    """docs/record.md."""
    text = [INTRO, "## run.json\n", *grid(("entry", "type", "meaning"), rows_of(RUN))]
    text += ["\n## metrics.jsonl\n", "A line a step or epoch: `step`, `epoch` (where known), and any of these.\n"]
    text += grid(("name", "meaning"), [(f"`{name}`".replace("|", "\\|"), words) for name, words in SCALARS.items()])
    text += ["\n## Tables\n", "Every row begins with:\n", *grid(("column", "type", "meaning"), rows_of(WEIGHTS))]
    for name, table in TABLES.items():
        text += [f"\n### {name}\n", f"`callbacks.{table.writer}`. A row: {table.row}.\n"]
        text += grid(("column", "type", "meaning"), rows_of(table.columns))
    axes = "; ".join(f"{axis}: {words}" for axis, words in AXES.items())
    ends = " or ".join(f"`{end}`" for end in LINES)
    text += ["\n## Arrays\n", f"float32, of the latest weights that were looked at. {axes}. Of further number lines "
             f"there are `embedding_spectrum` arrays whose names end in {ends}.\n"]  # fmt: skip
    arrays = [(f"`{n}`", f"({', '.join(a.axes)})", f"`{a.writer}`", a.meaning) for n, a in ARRAYS.items()]
    return "\n".join([*text, *grid(("array", "shape", "written by", "meaning"), arrays), ""])


def rows_of(columns: Sequence[Column]) -> list[tuple[str, ...]]:
    """Columns as cells."""
    return [(f"`{column.name}`", column.kind.replace("?", " or null"), column.meaning) for column in columns]


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]


INTRO = """# The record

<!-- made by python -m fourier_lightning.record.page -->

What a run leaves in `RUN_DIR/record`: `run.json`, `settings.json` (the settings that make it this run, flat),
`metrics.jsonl`, `tables/NAME.jsonl` (a row a line) and `arrays/NAME.safetensors` (one tensor, called NAME).
`record.runs.read_run(RUN_DIR)` opens it: `.table(NAME)` gives the rows of the latest weights, `.rows(NAME)` all of
them, `.array(NAME)` an array. `record.models.models` joins the runs of `find_runs` by the model that they are about:
evaluations of a checkpoint count for the run that trained it.
"""

if __name__ == "__main__":
    print(markdown(), end="")
