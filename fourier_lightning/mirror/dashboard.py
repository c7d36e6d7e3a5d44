"""A W&B workspace for a project of runs, as an object: its sections and panels. Needs the extra `dashboard`."""

from typing import Any

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from fourier_lightning.errors import ConfigError
from fourier_lightning.mirror.charts import CHARTS
from fourier_lightning.mirror.settings import check_reachable, environment, logged_in

LABEL, STEP = wr.Config("label"), "trainer/global_step"  # the arm, share of the pairs, prompts
PERIODS = ("2", "2.5", "5", "10")  # of callbacks/embedding_spectrum.yaml
COLUMNS = ["config:arm.value", "config:seed.value", "config:cutoff.value", "summary:val/accuracy.max",
           "summary:test/accuracy", "summary:test/mod_10", "summary:test/within_10"]  # fmt: skip


def by_arm(metric: str, title: str, **kwargs: Any) -> wr.LinePlot:
    """A metric over training: mean of each arm, with the standard deviation over its seeds."""
    return wr.LinePlot(
        title=title, x=STEP, y=[metric], groupby=LABEL, groupby_aggfunc="mean", groupby_rangefunc="stddev", **kwargs
    )


def bars(metrics: list[str], title: str) -> wr.BarPlot:
    """Final values, the mean of each arm."""
    return wr.BarPlot(title=title, metrics=metrics, groupby=LABEL, groupby_aggfunc="mean", groupby_rangefunc="stddev")


def chart(name: str) -> wr.CustomChart:
    """A custom chart that runs log, with all runs that are switched on in one picture."""
    spec = CHARTS[name]
    query = {"summaryTable": {"tableKey": f"charts/{name}_table"}, "id": None, "name": None, "_defaultColorIndex": None}
    return wr.CustomChart(
        query=query, chart_name=spec.vega, chart_fields=spec.fields, chart_strings={"title": spec.title}
    )


def pictures(*figures: str, title: str) -> wr.MediaBrowser:
    """Pictures of the latest weights."""
    return wr.MediaBrowser(title=title, media_keys=[f"figures/{name}" for name in figures], num_columns=2)


def rescue() -> list[Any]:
    """Does the pretrained table help, and with how much data?"""
    return [
        by_arm("val/accuracy", "Validation accuracy by arm", range_y=(0, 1)),
        by_arm("val/loss", "Validation loss by arm", log_y=True),
        by_arm("train/accuracy", "Training accuracy by arm", range_y=(0, 1)),
        bars(["test/accuracy"], "Test accuracy by arm"),
        bars(["test/mod_10"], "Last digit right by arm"),
        wr.ScatterPlot(
            title="Test accuracy by share of the pairs",
            x=wr.Config("data.train_fraction"),
            y=wr.SummaryMetric("test/accuracy"),
        ),
    ]


def spectra() -> list[Any]:
    """Which waves are in the embedding and in the layers, and where does the answer appear?"""
    z_scores = [f"embedding/period_{period}/z" for period in PERIODS]
    return [
        chart("embedding_spectrum"),
        wr.LinePlot(title="Periods in the embedding, z over shuffled rows", x=STEP, y=z_scores),
        pictures("answer_phase", title="Who writes which wave"),
        chart("layer_periods"),
        chart("lens_accuracy"),
    ]


def ablations() -> list[Any]:
    """What is lost without low or high waves, and what can one wave do alone?"""
    without = [f"ablation/attn_mlp/{removed}_removed" for removed in ("low", "high")]
    entering = [f"input/{removed}_removed" for removed in ("low", "short")]
    return [
        chart("ablation_accuracy"),
        bars([f"{name}/accuracy" for name in without], "Accuracy without low or high waves"),
        bars(
            [f"{name}/control_energy_accuracy_mean" for name in without],
            "Accuracy with as much energy of random directions gone",
        ),
        bars([f"{name}/mod_10" for name in entering], "Last digit right without long or short waves at the input"),
        bars([f"{name}/within_10" for name in entering], "Within 10 without long or short waves at the input"),
        chart("single_wave_accuracy"),
        chart("single_wave_parity"),
        chart("knock_out"),
        chart("knock_out_power"),
    ]


def errors() -> list[Any]:
    """How wrong are wrong answers?"""
    return [
        chart("error_histogram"),
        by_arm("val/mae", "Mean absolute error by arm", log_y=True),
        by_arm("val/within_10", "Within 10 by arm", range_y=(0, 1)),
        by_arm("val/mod_10", "Last digit right by arm", range_y=(0, 1)),
    ]


def sweeps() -> list[Any]:
    """What do settings change?"""
    settings = {"arm": False, "data.train_fraction": False, "optimizer.lr": True, "optimizer.weight_decay": True}
    columns = [
        wr.ParallelCoordinatesPlotColumn(metric=wr.Config(name), display_name=name, log=log)
        for name, log in settings.items()
    ]
    best = wr.ParallelCoordinatesPlotColumn(
        metric=wr.SummaryMetric("val/accuracy.max"), display_name="best val/accuracy"
    )
    return [
        wr.ParallelCoordinatesPlot(title="Settings and best validation accuracy", columns=[*columns, best]),
        wr.ParameterImportancePlot(with_respect_to="val/accuracy.max"),
        wr.RunComparer(diff_only="split"),
    ]


def cutoffs() -> list[Any]:
    """What do filters leave, by their cut-off? Grids in one job, and sweeps of one filter a job."""
    scores = {"accuracy": "Exact", "mod_10": "Right modulo 10", "within_10": "Within 10"}
    grids = [chart(name) for name in CHARTS if name.startswith("filter_grid")]
    return [pictures("cutoffs", title="By cut-off, beside random directions of equal energy"), *grids, *(
        by_filter(f"{start}{name}{end}", f"{title}{words}")
        for name, title in scores.items()
        for start, end, words in (("filter/", "", " under one filter, by its cut-off k"),
                                  ("filter/control_energy_", "_mean", " with random directions of equal energy gone"))
    )]  # fmt: skip


def by_filter(metric: str, title: str) -> wr.ScatterPlot:
    """A dot for each run of a sweep over cut-offs."""
    return wr.ScatterPlot(title=title, x=wr.SummaryMetric("filter/cutoff"), y=wr.SummaryMetric(metric), log_x=True,
                          range_y=(0, 1))  # fmt: skip


def workspace(entity: str, project: str) -> ws.Workspace:
    """The workspace as an object; nothing is sent.

    Args:
        entity: W&B team or user.
        project: W&B project, which has to exist when it is saved.
    """
    sections = [
        ws.Section(name=part.__name__, panels=part(), is_open=part is rescue)
        for part in (rescue, spectra, ablations, cutoffs, errors, sweeps)
    ]
    return ws.Workspace(
        entity=entity,
        project=project,
        name="Fourier features in addition",
        sections=sections,
        settings=ws.WorkspaceSettings(x_axis=STEP, max_runs=50),
        runset_settings=ws.RunsetSettings(pinned_columns=list(COLUMNS)),
    )


def layout(view: ws.Workspace) -> str:
    """Sections and their panels, a line each."""
    lines = []
    for section in view.sections:
        lines.append(f"{section.name}: {len(section.panels)} panels")
        lines += [f"  {type(panel).__name__:24}{describe(panel)}" for panel in section.panels]
    return "\n".join(lines)


def describe(panel: Any) -> str:
    """A panel's title, or what it is about."""
    strings = getattr(panel, "chart_strings", {})
    return getattr(panel, "title", "") or strings.get("title") or getattr(panel, "with_respect_to", "")


def save(view: ws.Workspace) -> str:
    """Save it on the server and return its address.

    Raises:
        ConfigError: not logged in, no such project, no server.
    """
    settings = environment()
    if not logged_in(settings):
        raise ConfigError("WANDB_API_KEY", "not logged in to W&B", "run `wandb login`, or look at it with --dry-run")
    try:
        check_reachable(settings)
    except ConnectionError as error:
        raise ConfigError(settings.base_url, str(error), "check the network and WANDB_BASE_URL") from error
    try:
        return str(view.save().url)
    except Exception as error:  # of the library, of its transport, of the server
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        remedy = "check the log-in and the names; a project exists once it has a run"
        raise ConfigError(f"{view.entity}/{view.project}", f"W&B refused: {reason}", remedy) from error
