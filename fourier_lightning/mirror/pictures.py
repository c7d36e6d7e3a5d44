"""What the instruments write, shown in W&B while the run goes on: tables, custom charts and pictures."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any, ClassVar

import torch
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from fourier_lightning.figures.catalogue import FIGURES
from fourier_lightning.figures.chart import Chart
from fourier_lightning.figures.comparisons import comparison
from fourier_lightning.mirror.charts import CHARTS, ChartSpec
from fourier_lightning.mirror.ending import in_a_line, lose
from fourier_lightning.record.runs import Run
from fourier_lightning.record.writer import RunRecord

# What no custom chart stands in for. A picture takes a third of a second; figures and report have them all.
PICTURES: dict[str, tuple[str, Callable[[Run], Chart | None]]] = {
    "answer_phase": ("tables/answer_phase", FIGURES["answer_phase"].make),
    "cutoffs": ("tables/filter_grid", lambda run: comparison("cutoffs", [run])),
}
DPI = 80
# Key in W&B, sources in the record, and what makes it: a call that hands it to W&B, None if there is nothing to show.
Item = tuple[str, Sequence[str], Callable[[], Callable[[], Any] | None]]


class MirrorLogger(WandbLogger):
    """Lightning's W&B logger, which instruments also hand what they wrote: ``mirror``.

    ``tables/<name>`` is a table of the record, less step and epoch; ``charts/<name>`` one of ``charts.CHARTS``. During
    a fit each of them is logged only if it changed (a frozen embedding keeps its spectrum), and not more often than
    every ``media_seconds``; those of the last weights always are. ``figures/<id>``, one of ``PICTURES``, is drawn of
    the last weights alone, where matplotlib is installed: a picture takes a quarter of a second.

    No failure of W&B costs the run: one that concerns media ends these, any other ends all that is sent, and a line
    says so.

    Args:
        media: false for scalars alone.
        media_seconds: least time between two of a kind during a fit.
        kwargs: of Lightning's logger.

    Attributes:
        seconds: spent here so far.
    """

    # Raise what goes wrong. A run says it in a line and goes on; tests want to know.
    strict: ClassVar[bool] = False

    def __init__(self, media: bool = True, media_seconds: float = 20, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.media, self.media_seconds = media, media_seconds
        self.seconds = 0.0
        self.lost = False  # W&B failed: it gets nothing more
        self._sources: dict[str, str] = {}  # fingerprint of the latest content
        self._failed: set[str] = set()  # items that could not be made
        self._logged: dict[str, tuple[float, list[str]]] = {}  # of each item: when, and of which content

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Send scalars."""
        self._send(lambda: super(MirrorLogger, self).log_metrics(metrics, step))

    @rank_zero_only
    def log_hyperparams(self, params: Any) -> None:
        """Send what the module was made with."""
        self._send(lambda: super(MirrorLogger, self).log_hyperparams(params))

    def _send(self, call: Callable[[], None], media: bool = False) -> None:
        if self.lost:
            return
        try:
            call()
        except Exception as error:  # of W&B, of its process, of the disk
            if self.strict:
                raise
            if media and not isinstance(error, ConnectionError):
                self.media = False
                print(f"W&B gets no more tables, charts and pictures ({in_a_line(error)}); the record has their data")
            else:
                self.lost = True
                lose(self.experiment, error)

    @rank_zero_only
    def mirror(self, record: RunRecord, written: Mapping[str, Any], step: int, epoch: int, final: bool) -> None:
        """Log what can be shown of a measurement, under the step and epoch of its scalars.

        Args:
            record: of the run; it has what was written.
            written: rows by "tables/<name>", tensors by "arrays/<name>".
            step, epoch: of the weights.
            final: whether these are the run's last weights.
        """
        if not self.media or self.lost:
            return
        began = time.perf_counter()
        self._sources |= {name: fingerprint(content) for name, content in written.items() if len(content)}
        run = Run(record.dir.parent, record.run)
        made: dict[str, Callable[[], Any]] = {}
        for key, sources, make in self._items(run, written, final):
            if all(name in self._sources for name in sources) and self._due(key, sources, final):
                shown = self._made(key, make)
                if shown is not None:
                    made[key] = shown
        if made:
            log = super().log_metrics
            self._send(lambda: log({key: shown() for key, shown in made.items()} | {"epoch": epoch}, step), media=True)
        self.seconds += time.perf_counter() - began

    def _items(self, run: Run, written: Mapping[str, Any], final: bool) -> Iterator[Item]:
        """Everything that shows something of what was written."""
        for name, content in written.items():
            if name.startswith("tables/"):
                yield name, (name,), lambda content=content: partial(table, content)
        for name, chart in CHARTS.items():
            if not written.keys().isdisjoint(chart.sources):
                yield f"charts/{name}", chart.sources, lambda chart=chart: custom_chart(chart, run)
        for name, (source, draw) in PICTURES.items() if final and find_spec("matplotlib") else ():
            if source in written:
                yield f"figures/{name}", [source], lambda draw=draw: picture(draw(run))

    def _due(self, key: str, sources: Sequence[str], final: bool) -> bool:
        now, content = time.monotonic(), [self._sources[name] for name in sources]
        at, before = self._logged.get(key, (-float("inf"), None))
        if not final and (content == before or now - at < self.media_seconds):
            return False
        self._logged[key] = (now, content)
        return True

    def _made(self, key: str, make: Callable[[], Any]) -> Any:
        if key in self._failed:
            return None
        try:
            return make()
        except Exception as error:  # our own: a picture must not cost the run
            if self.strict:
                raise
            self._failed.add(key)
            print(f"W&B does not get {key} ({in_a_line(error)}); the record has its data")
            return None


def fingerprint(content: Any) -> str:
    """A digest of a table's rows or of an array."""
    if isinstance(content, torch.Tensor):
        data = content.detach().cpu().contiguous().numpy().tobytes()
    else:
        data = json.dumps(content).encode()
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def table(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Rows as a W&B table."""
    import wandb

    columns = list(dict.fromkeys(name for row in rows for name in row))
    return wandb.Table(columns=columns, data=[[row.get(name) for name in columns] for row in rows])


def custom_chart(spec: ChartSpec, run: Run) -> Callable[[], Any] | None:
    """A table with its Vega preset, as a call that hands it to W&B; None if there is no row to show."""
    rows = spec.rows(run)
    return partial(vega_chart, spec, [list(row) for row in rows]) if rows else None


def vega_chart(spec: ChartSpec, rows: list[list[Any]]) -> Any:
    """Rows as a W&B custom chart."""
    import wandb

    return wandb.plot_table(
        spec.vega, wandb.Table(columns=list(spec.columns), data=rows), spec.fields, {"title": spec.title}
    )


def picture(chart: Chart | None) -> Callable[[], Any] | None:
    """A drawn chart, as a call that hands it to W&B; None if there is none."""
    if chart is None:
        return None
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from fourier_lightning.figures.draw import draw

    figure = draw(chart)
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return partial(image, np.asarray(canvas.buffer_rgba())[..., :3], chart.title)


def image(pixels: Any, caption: str) -> Any:
    """Pixels as a W&B image."""
    import wandb

    return wandb.Image(pixels, caption=caption)
