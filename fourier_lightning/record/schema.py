"""What a record holds, as data: every table, array, metric and entry of run.json. ``record.page`` makes a page of it.

Types are JSON's: int, float, str, bool, list, object; a "?" after one allows null.
"""

from typing import Any

from fourier_lightning.record.columns import (
    BASIS,
    DIRECT,
    EITHER,
    ERROR,
    FAIR,
    LINE,
    METHOD,
    METRICS,
    PERIOD,
    POSITIONS,
    POWER,
    TRIAL,
    WAVE,
    WHERE,
    Array,
    Table,
    cols,
    controls,
    filtered,
    measured,
)

TABLES: dict[str, Table] = {
    "embedding_periods": Table("embedding_spectrum", "a period asked for, at each measurement", LINE + PERIOD + POWER),
    "embedding_components": Table("embedding_spectrum", "a component, of the final weights", LINE + WAVE + POWER),
    "lens_accuracy": Table("logit_lens", "a place in the residual stream", cols(
        ("layer", "int", "from 0; -1 is the embedding"), ("after", "str", "`embed`, `attn` or `mlp`"),
    ) + measured()),
    "breakdown": Table("breakdown", "questions of one kind: with as many carries, or of about one size", cols(
        ("by", "str", "`carries` (columns that carry), `answer` (its size) or `operand` (the largest one's size)"),
        ("low", "int", "the least of this kind"), ("high", "int", "the most"), ("examples", "int", "of this kind"),
    ) + measured()),
    "layer_periods": Table("layer_spectrum", "a period in what a module writes", cols(
        ("module", "str", "`attn` or `mlp`"), ("layer", "int", "from 0")) + PERIOD + cols(
        ("share", "float", "its part of the power over the number line"),
        ("expected", "float", "the same of random directions, states of the same covariance"),
        ("z", "float", "against these, standard deviations"), ("p_value", "float", "against these, one-sided"),
        ("z_permutation", "float", "against a shuffled number line"),
        ("p_value_permutation", "float", "against it, corrected"),
    )),
    "answer_phase": Table("answer_phase", "a period in what a module writes, against the answer's phase", cols(
        ("module", "str", "`embed`, `attn`, `mlp`; `resid` is the stream after a layer"),
        ("layer", "int", "from 0; -1 is the embedding")) + PERIOD + cols(
        ("alignment", "float", "1: the wave always peaks at the answer (mean over prompts removed)"),
        ("amount", "float", "mean height of the wave at the answer, logits"),
        ("limit", "float", "alignment above which p_value_answers is at most 5 %"),
        ("p_value", "float", "the larger of the two"),
        ("p_value_answers", "float", "of the alignment, against permuted answers; corrected for modules and periods"),
        ("p_value_directions", "float", "of the amount, against states in random directions; corrected likewise"),
        ("bracket_amount", "float?", "the largest amount at the periods just beside T; null of long waves"),
        ("bracket_period", "float?", "which of them has it"),
    )),
    "input_waves": Table("input_waves", "waves removed from the operands' input rows alone", cols(
        ("line", "str", "`numbers` (operands are the answers' tokens) or `operands` (tokens of their own)"),
        ("removed", "str", "`none`, `low`, `high`, `short` (T = 2, 2.5, 10/3, 5, 10 together) or `period`"),
        ("period", "float?", "T of the wave, numbers"), ("rank", "int", "rows of the number line that go"),
        ("energy", "float", "what goes, as a share of the operands' centred power"),
    ) + measured() + controls() + controls(equal="energy") + cols(
        ("control_draws", "int", "random controls of each kind; 0 where nothing is removed"),
        ("control_energy_rows", "float?", "random rows that equal energy takes, mean"),
    )),
    "final_logit_waves": Table("final_logits", "a strong wave of a prompt's final logits", cols(
        ("a", "int", "first operand"), ("b", "int", "second operand"),
        ("c", "int?", "third operand; null of two"), ("answer", "int", "the right number"),
        ("predicted", "int", "the model's"), ("band", "str", "`all`, `low` (k < cut-off) or `high`"),
        ("rank", "int", "from 1, by amplitude within the band")) + WAVE + cols(
        ("amplitude", "float", "of the wave, logits"), ("peak", "float", "where it is highest next to the answer"),
        ("value", "float", "the wave at the answer, logits"),
    )),
    "few_waves": Table("final_logits", "the strongest waves of many prompts' final logits", cols(
        ("waves", "int", "how many are added up"), ("prompts", "int", "of the validation split"),
        ("accuracy", "float", METRICS["accuracy"]), ("exact", "float", "share whose sum peaks at the answer"),
        ("control_exact_mean", "float", "the same of the strongest pairs in random bases, mean over these"),
        ("control_exact_std", "float", "sample standard deviation"), ("control_draws", "int", "random bases"),
    )),
    "filter_ablation": Table("filter_ablation", "a row of Table 1 by one method", WHERE + cols(
        ("cutoff", "int", "k from which waves are high")) + METHOD + POSITIONS + BASIS + cols(
        ("fold_ln", "bool", "whether the final norm's gain is part of the unembedding")) + TRIAL),
    "error_histogram": Table("filter_ablation", "an error under one such filter", WHERE + METHOD + ERROR),
    "filter_grid": Table("filter_grid", "a filter; the first is the unfiltered model: `modules` is `none`", cols(
        ("keep", "str", "`low`, `high`, `band`, `components`, `periods`, `notch` or `all`"),
        ("cutoff", "int?", "k between low and high; null of the unfiltered model"),
        ("modules", "str", "`attn`, `mlp`, `attn_mlp` or `none`"),
    ) + METHOD + POSITIONS + BASIS + TRIAL),
    "single_component": Table("single_component", "a wave kept alone", EITHER + METHOD + POSITIONS + TRIAL),
    "single_component_errors": Table("single_component", "an error with it", EITHER + METHOD + ERROR),
    "knock_out": Table("knock_out", "a component removed from all modules", WAVE + cols(
        ("power", "float", "mean squared magnitude in the unfiltered final logits")) + filtered("") + FAIR
        + measured(("loss", "accuracy", "mod_10", "within_10")) + cols(
        ("loss_increase", "float", "loss less the unfiltered model's"),
        ("z", "float", "of the loss, against random directions, standard deviations"),
        ("limit", "float", "loss increase that the largest of as many random ones would have in 5 % of the cases"),
        ("p_value", "float", "against the largest random one: corrected for all components looked at"),
    ) + controls(("loss", "accuracy"), null="") + METHOD),
    "direct_path": Table("direct_path", "waves removed from what modules add to the final number logits", DIRECT + cols(
        ("cutoff", "int", "k from which waves are high"), ("rank", "int", "rows of the number line that go"),
        ("energy", "float", "their share of the centred power of what the modules add"),
    ) + measured() + controls() + controls(equal="energy") + cols(
        ("control_draws", "int", "random controls of each kind; 0 where nothing is removed"),
        ("control_energy_rows", "float?", "random rows that equal energy takes, mean"),
    )),
    "direct_errors": Table("direct_path", "an error without the waves of Table 1, or with one alone", DIRECT + ERROR),
    "direct_knock_out": Table("direct_path", "a component removed from what both modules add", WAVE + cols(
        ("energy", "float", "its share of the centred power of what they add")) + measured(("loss",)) + cols(
        ("loss_increase", "float", "loss less the whole model's, of the same examples"),
    ) + measured(("accuracy", "mod_10", "within_10")) + cols(
        ("limit", "float", "loss increase that the costliest of all components has in 5 % of random rotations"),
        ("p_value", "float", "against these rotations, corrected for all components"),
    )),
    "answers": Table("answers", "a question to a prompted model, answered in its own words", cols(
        ("operands", "list", "as they stand in the question"), ("answer", "int", "the right number"),
        ("text", "str", "what the model said, to the end of the line"),
        ("said", "int?", "the number that it means; null if it means none"),
    )),
    "answer_errors": Table("answers", "an error of these answers, 0 too", cols(
        ("error", "int", "said less right"), ("count", "int", "answers"))),
    "answer_summary": Table("answers", "these answers together", cols(
        ("prompts", "int", "questions"), ("accuracy", "float", "share of right answers"),
        ("accuracy_low", "float", "its 95 % interval (Wilson)"), ("accuracy_high", "float", "its other end"),
        ("unread", "float", "share of answers that mean no number"), ("errors", "int", "wrong numbers"),
        ("tens", "int", "multiples of ten among the errors"), ("share", "float?", "tens / errors; null without errors"),
        ("low", "float?", "its 95 % interval (Wilson)"), ("high", "float?", "its other end"),
        ("expected", "float?", "the share that errors of these sizes have by chance"),
        ("expected_low", "float?", "what holds 95 % of such draws"), ("expected_high", "float?", "its other end"),
        ("p_value", "float?", "chance of as many multiples of ten, or more"),
    )),
}  # fmt: skip

AXES = {"n": "prompts", "L": "layers", "K": "components k = 1..K", "p": "numbers 0..p-1", "d": "width"}
BEYOND = "magnitude from which a component is beyond the null at 5 %, corrected (orthonormal basis)"
SPECTRA = {"": "magnitudes of the number rows' waves", "_limit": BEYOND}
MAPS = {
    "": "mean magnitude over the examples", "_of_mean": "magnitude of the mean contribution",
    "_rms": "root mean square over the examples", "_limit": BEYOND.replace("magnitude", "root mean square"),
}  # fmt: skip
ARRAYS: dict[str, Array] = {
    **{f"embedding_spectrum{end}": Array("embedding_spectrum", ("K",), words) for end, words in SPECTRA.items()},
    "number_embedding": Array("embedding_spectrum", ("p", "d"), "the answers' rows of the input table"),
    **{f"layer_component_{module}{end}": Array("layer_spectrum", ("L", "K"), f"what {module} adds to logits: {words}")
       for module in ("attn", "mlp") for end, words in MAPS.items()},
    "final_logits": Array("final_logits", ("n", "p"), "logits of the numbers"),
    "final_logits_topk_sum": Array("final_logits", ("n", "p"), "the sum of their strongest waves"),
    **{f"heatmap_{module}": Array("final_logits", ("n", "L", "p"), f"what each layer's {module} adds to them")
       for module in ("attn", "mlp")},
}  # fmt: skip
LINES = ("_operands", "_unembedding")  # ends of further ``embedding_spectrum`` arrays, of number lines of their own

SCALARS: dict[str, str] = {  # of metrics.jsonl, beside step and epoch
    "<train|val|test>/<metric>": "; ".join(f"{name}: {words}" for name, words in METRICS.items()),
    "train/lr": "learning rate at the end of the epoch",
    "embedding[/<line>]/period_<T>/<power|z>": "`embedding_periods`, other lines named",
    "embedding[/<line>]/top_10_share": "share of the power in the ten strongest components",
    "layers/<attn|mlp>/period_<T>/share": "`layer_periods`, the largest over the layers",
    "phase/<attn|mlp>/period_<T>/alignment": "`answer_phase`, the largest over the layers (T = 2, 10, p - 1)",
    "lens/layer_<l>/<attn|mlp>/<metric>": "`lens_accuracy`",
    "ablation/<attn|mlp|attn_mlp>/<low|high>_removed/<metric>": "`filter_ablation` by `filter.method`, with controls",
    "single/<period_T|k_k>/<metric>": "`single_component`",
    "knock_out/<largest_loss_increase|component>": "the costliest component of `knock_out`",
    "direct/attn_mlp/<low|high>_removed/<metric>": "`direct_path`",
    "input/<low|high|short>_removed/<metric>": "`input_waves`",
    "answers/<accuracy|multiples_of_10>": "`answer_summary`: accuracy, share",
    "filter/<metric>": "`filter_grid` of one filter, with both kinds of controls",
    "filter/unfiltered_<accuracy|mod_10|within_10>": "its first row: the unfiltered model",
    "filter/<cutoff|period>": "k of a low-pass or high-pass, and its T = p / k",
    "filter/comparable": "1, or 0 where the column `comparable` says why not",
}  # fmt: skip

RUN = cols(
    ("status", "str", "`running` (or killed), `finished`, `failed`, `interrupted`"),
    ("started", "str", "UTC, ISO 8601"), ("name", "str", "of the run"), ("seed", "int?", "null of a table's"),
    ("overrides", "list", "of the command line"), ("id", "str", "12 hexadecimal characters, of this run alone"),
    ("wandb_id", "str", "id of its W&B run, kept where it goes on in its directory; only with W&B"),
    ("task", "object", "name, p, cyclic, commutative"), ("p", "int", "length of the number line"),
    ("arm", "object", "of the model: body, table, frozen, keep, control, trained"),
    ("model", "object", "the model that is measured: id and seed of the run that trained it, step of the weights (of a "
     "training run that has not finished, where it began), arm, and the configuration that it was trained with"),
    ("metrics", "object", "final metrics by name; empty unless finished"),
    ("versions", "object", "of the libraries"), ("git", "str?", "commit of the code, `+changes` if it differs"),
    ("config", "object", "the resolved configuration of this run"),
    ("parameters", "list", "part, parameters, trainable"),
    ("rows", "object", "examples of each split: those of an epoch, which `trainer.limit_*_batches` makes fewer"),
    ("leaked_rows", "int", "rows of val and test whose mirror is trained on"), ("device", "str", "in words"),
    ("fit_seconds", "float", "of the fit"), ("train_seconds", "float", "of it, without the instruments"),
    ("analysis_seconds", "float", "of the instruments"),
    ("first_step_seconds", "float?", "from the start of the process; null without a fit"),
    ("total_seconds", "float", "of the process so far"), ("steps", "int", "optimizer steps"),
    ("error", "str", "why it failed; only then"),
)  # fmt: skip


TYPES = {"int": int, "float": (int, float), "str": str, "bool": bool, "list": list, "object": dict}


def checked(name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a table, as they are; columns that the schema does not know are left alone.

    Raises:
        ValueError: a value that is not of its column's type.
    """
    table = TABLES.get(name)
    kinds = {column.name: column.kind for column in table.columns} if table else {}
    for row in rows:
        for key in row.keys() & kinds.keys():
            kind, value = kinds[key], row[key]
            expected = TYPES.get(kind.removesuffix("?"), object)
            if value is not None and not isinstance(value, expected):
                raise ValueError(f"{name}: {key} is {value!r}, and should be {kind}")
    return rows
