"""Every figure of the paper that a record can show, and what of a record it needs.

Figures 9 and 19, and the RoBERTa and Phi-2 spectra of 15, are of models that are not here yet.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fourier_lightning.figures import accuracy, errors, logits, phases, spectra, vectors
from fourier_lightning.figures.chart import Chart
from fourier_lightning.readings import filters, paper, words
from fourier_lightning.readings.subjects import is_scratch, multiplies, uses_format
from fourier_lightning.readings.waves import first_prompt
from fourier_lightning.record.runs import Run


@dataclass(frozen=True)
class FigureSpec:
    """A figure of one run.

    Attributes:
        shows: in the paper, in a line.
        make: from a run that has all of ``tables`` and ``arrays``.
        of: the runs that the paper shows it of, where that is not any run.
        paper: what the paper sees in it, of its own models.
    """

    shows: str
    make: Callable[[Run], Chart]
    tables: Sequence[str] = ()
    arrays: Sequence[str] = ()
    of: Callable[[Run], bool] = lambda run: True
    paper: str = ""


def answer_of(run: Run) -> int:
    """The sum of the run's first prompt."""
    return int(first_prompt(run)[0]["answer"])


def contribution_maps(run: Run, *modules: str) -> Chart:
    """Figures 1b, 1c, 17, 22."""
    return logits.contribution_maps({name: run.array(f"heatmap_{name}")[0] for name in modules}, answer_of(run))


def both_modules(run: Run) -> dict[str, Any]:
    """The contributions that figures 2 and 20 look at, with the periods that choose the layer."""
    chosen = {"mlp": paper.MLP_PERIODS, "attn": paper.ATTENTION_PERIODS}
    return {name: (run.array(f"heatmap_{name}")[0], periods) for name, periods in chosen.items()}


def module_spectra(run: Run) -> Chart:
    """Figures 2, 18."""
    return spectra.module_spectra(both_modules(run))


def layer_map(run: Run, first: int | None = None) -> Chart:
    """Figures 3, 6, 10."""
    return spectra.layer_components(layer_arrays(run), run.p, first)


def layer_arrays(run: Run, title: str = "") -> dict[str, Any]:
    """Maps with their control, by panel title."""
    return {
        f"{title}{': ' if title else ''}{spectra.MODULES[name]}": tuple(
            run.array(f"layer_component_{name}{suffix}") for suffix in ("", "_rms", "_limit")
        )
        for name in ("mlp", "attn")
    }


def embedding_spectrum(run: Run) -> Chart:
    """Figures 5a, 7a."""
    return spectra.embedding_spectra({"": embedding_arrays(run)}, run.p)


def embedding_arrays(run: Run) -> tuple[Any, Any, list[dict[str, Any]]]:
    """Spectrum, limit and components of the number rows."""
    limit = run.array("embedding_spectrum_limit")
    return run.array("embedding_spectrum"), limit, run.table("embedding_components")


def wave_chart(run: Run, band: str) -> Chart:
    """Figures 4a, 13."""
    return logits.waves(first_prompt(run), run.p, band)


def wave_sum(run: Run) -> Chart:
    """Figure 4b."""
    top_k = max(row["rank"] for row in first_prompt(run) if row["band"] == "all")
    return logits.wave_sum(run.array("final_logits_topk_sum")[0], run.array("final_logits")[0], answer_of(run), top_k)


def filter_errors(run: Run, modules: str, removed: str) -> Chart:
    """Figures 21, 23: errors under one filter."""
    rows = filters.errors_of(run, modules, removed)
    waves = f"{removed} waves removed from {words.MODULES[modules]}"
    return errors.error_histogram(rows, "no filter" if removed == "none" else f"{waves}, {rows[0]['method']}")


def single_waves(run: Run, metric: str) -> Chart:
    """Figure 11."""
    return errors.single_waves(filters.waves_kept(run, metric), metric)


def longest_wave_errors(run: Run) -> Chart:
    """Figure 12."""
    longest, chosen = filters.wave_errors(run)
    return errors.wide_histogram(chosen, f"only T = {longest:g} kept in attention and MLPs", run.p)


PROMPT = ("heatmap_attn", "heatmap_mlp")
WAVES, ERRORS, SPECTRUM = ("final_logit_waves",), ("error_histogram",), ("embedding_spectrum",)
MAPS = ("layer_component_attn", "layer_component_mlp")
FIGURES: dict[str, FigureSpec] = {
    "1a": FigureSpec("logit-lens accuracy by layer", lambda r: accuracy.lens_accuracy(r.table("lens_accuracy")),
                     ("lens_accuracy",)),
    "1b": FigureSpec("each MLP's contribution to one prompt's logits", lambda r: contribution_maps(r, "mlp"),
                     WAVES, PROMPT),
    "1c": FigureSpec("each attention's contribution", lambda r: contribution_maps(r, "attn"), WAVES, PROMPT),
    "2": FigureSpec("spectrum of one MLP's and one attention's contribution", module_spectra, (), PROMPT,
                    paper="an MLP of T = 2, an attention of T = 5 and 10"),
    "3": FigureSpec("layer x component, mean over the examples", layer_map, (), MAPS,
                    paper="outliers at T = 2, 2.5, 5, 10"),
    "4a": FigureSpec("the strongest waves of the final logits", lambda r: wave_chart(r, "all"), WAVES),
    "4b": FigureSpec("these waves added up", wave_sum, WAVES, ("final_logits", "final_logits_topk_sum"),
                     paper="their sum peaks at the answer"),
    "5a": FigureSpec("spectrum of the number embedding", embedding_spectrum, (), SPECTRUM,
                     paper="outliers at T = 2, 2.5, 5, 10"),
    "5b": FigureSpec("t-SNE of the number embeddings, ten clusters",
                     lambda r: vectors.number_map(r.array("number_embedding")), (), ("number_embedding",)),
    "6": FigureSpec("figure 3 from scratch", layer_map, (), MAPS, is_scratch, "no outliers"),
    "7a": FigureSpec("figure 5a from scratch", embedding_spectrum, (), SPECTRUM, is_scratch,
                     "no outliers at short periods"),
    "10": FigureSpec("figure 3, the first 50 components", lambda r: layer_map(r, first=50), (), MAPS,
                     paper="outliers in MLPs, none in attention"),
    "11a": FigureSpec("one wave kept: parity", lambda r: single_waves(r, "mod_2"),
                      ("single_component",), paper="right in 99.59 % with T = 2"),
    "11b": FigureSpec("one wave kept: wrong answers",
                      lambda r: single_waves(r, "accuracy"), ("single_component",),
                      paper="96.6 % wrong with T = 520"),
    "12": FigureSpec("errors with the longest wave alone", longest_wave_errors, ("single_component_errors",),
                     paper="bell-shaped around 0"),
    "13a": FigureSpec("long waves of the final logits", lambda r: wave_chart(r, "low"), WAVES),
    "13b": FigureSpec("short waves of the final logits", lambda r: wave_chart(r, "high"), WAVES),
    "14": FigureSpec("the longest wave of the final logits",
                     lambda r: logits.longest_wave(r.array("final_logits")[0], answer_of(r)), WAVES, ("final_logits",)),
    "16": FigureSpec("figure 3 for multiplication", layer_map, (), MAPS, multiplies,
                     "outliers at T = 2, 2.5, 10/3, 5, 10"),
    "17": FigureSpec("figures 1b and 1c for the format task", lambda r: contribution_maps(r, "mlp", "attn"), WAVES,
                     PROMPT, uses_format),
    "18": FigureSpec("figure 2 for the format task", module_spectra, (), PROMPT, uses_format),
    "20": FigureSpec("one module's contribution over the numbers",
                     lambda r: logits.module_over_numbers(both_modules(r), answer_of(r)), WAVES, PROMPT),
    "21a": FigureSpec("errors without low waves in MLPs", lambda r: filter_errors(r, "mlp", "low"), ERRORS,
                      paper="multiples of 10"),
    "21b": FigureSpec("errors without high waves in attention", lambda r: filter_errors(r, "attn", "high"), ERRORS,
                      paper="all below 6"),
    "22": FigureSpec("figures 1b and 1c from scratch",
                     lambda r: contribution_maps(r, "mlp", "attn"), WAVES, PROMPT, is_scratch,
                     "no periodic structure"),
    "23": FigureSpec("errors of the model as it is", lambda r: filter_errors(r, "none", "none"), ERRORS, (), is_scratch,
                     "from scratch, all are within 2"),
    "table_1": FigureSpec("accuracy without low or high waves",
                          lambda r: errors.table_1(filters.tables(r)), ("filter_ablation",)),
    "knock_out": FigureSpec("effect of each wave against its power",
                            lambda r: errors.knock_outs(r.table("knock_out")), ("knock_out",)),
    "answer_phase": FigureSpec("which module writes which wave of the answer",
                               lambda r: phases.answer_phase(r.table("answer_phase")), ("answer_phase",)),
    "layer_periods": FigureSpec("periods in each module beside random directions",
                                lambda r: spectra.layer_periods(r.table("layer_periods")), ("layer_periods",)),
}  # fmt: skip
