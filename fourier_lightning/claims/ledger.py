"""The paper's claims, each with the measurement and the bound that decide it.

Bounds and tolerances are ours: the paper prints few. Where it prints an accuracy under a filter, a row that "breaks"
the model has to lose at least half as much of its accuracy as the paper's, and a "harmless" one at most 5 %.
"""

from fourier_lightning.claims import filtered, measures, waves
from fourier_lightning.claims.verdict import Bound, Claim
from fourier_lightning.readings import paper
from fourier_lightning.readings.filters import HARMLESS
from fourier_lightning.readings.subjects import fine_tuned, is_scratch, rescued, untouched, uses_format

INTACT = paper.TABLE_1["none", "none"][1]


FT, SCRATCH, RESCUE = (
    "the pretrained model, fine-tuned",
    "a model from scratch",
    "scratch with the pretrained embedding",
)
EXACT = "accuracy on the test split"
SPECTRUM = (
    "share of T = 2, 2.5, 5, 10 at which the number rows are beyond three nulls, or stand out from their neighbours "
    "more than any component away from the harmonics of 10"
)
LAYERS = (
    "layer_component_*_rms, layer_periods: share of T = 2, 2.5, 5, 10 that stand out in what some layer writes; "
    "control: lines that states in random directions show too, through the same unembedding"
)
THREE_OF_FOUR = Bound(0.75, "above", "at least 3 of the 4 periods")
NONE_OF_FOUR = Bound(0.0, "below", "none of the 4 periods", specific=False)


def table_1(modules: str, removed: str) -> Claim:
    """A row of Table 1: the share of the accuracy that is left without these waves."""
    accuracy = paper.TABLE_1[modules, removed][1]
    ratio, names = accuracy / INTACT, {"attn": "attention", "mlp": "the MLPs", "attn_mlp": "attention and the MLPs"}
    waves_of, where = ("long" if removed == "low" else "short"), names[modules]
    if ratio > HARMLESS:
        statement = f"Without the {waves_of} waves in {where} the answers stay right."
        test = Bound(HARMLESS, "above", f"at least {HARMLESS:.0%} of the accuracy is left", specific=False)
    else:
        limit = 1 - (1 - ratio) / 2
        statement = f"Without the {waves_of} waves in {where} the model fails."
        test = Bound(limit, "below", f"at most {limit:.0%} of the accuracy is left, half of the paper's loss")
    return Claim(
        f"table_1_{modules}_{removed}", statement, "Table 1", f"{accuracy:.2%} of {INTACT:.2%}", FT, fine_tuned,
        "filter_ablation: accuracy over the unfiltered one; control: random filters of equal rank",
        filtered.kept_accuracy(modules, removed, HARMLESS if ratio > HARMLESS else None), test,
        fact=f"{'spares' if ratio > HARMLESS else 'needs'}({modules}, {'long' if removed == 'low' else 'short'})",
    )  # fmt: skip


def later(name: str, statement: str, where: str, paper: str, subject: str, needs: str) -> Claim:
    """A claim about a model or a task that is not here yet."""
    return Claim(name, statement, where, paper, subject, lambda run: False, "-", None, None, needs)


MODELS = "models of the hub; not in this repository yet"
TASK = "the multiplication task; not in this repository yet"

CLAIMS: tuple[Claim, ...] = (
    Claim("fine_tuned_adds", "Fine-tuned, the pretrained model adds almost without error.", "section 3, Table 1",
          "99.74 %", FT, fine_tuned, EXACT, measures.metric("test/accuracy"),
          Bound(0.9874, "above", "at least 98.74 %, a point below the paper's"), about="learning"),
    Claim("near_then_exact", "Half-way up, the answer is near but not exact.", "Figure 1a", "-", FT, fine_tuned,
          "lens_accuracy: largest gap between within 10 and exact below the last layer", measures.lens_gap,
          Bound(0.3, "above", "a gap of at least 30 points")),
    Claim("mlp_parity", "Some MLP acts modulo 2.", "Figures 1b, 2a", "MLP 33 of 48", FT, fine_tuned,
          "as for figure 3, T = 2 in some MLP", waves.layer_outliers("mlp", periods=(2.0,)),
          Bound(1.0, "above", "T = 2 stands out"), fact="writes(mlp, 2)"),
    Claim("attention_tens", "Some attention writes T = 5 and T = 10.", "Figure 2b", "attention 40 of 48", FT,
          fine_tuned,
          "as for figure 3, T = 5 and 10 in one layer's attention",
          waves.layer_outliers("attn", periods=(5.0, 10.0), together=True), Bound(1.0, "above", "both periods"),
          fact="writes(attn, 5+10)"),
    Claim("mlp_outliers", "MLPs write waves of T = 2, 2.5, 5, 10 into the logits.", "Figure 3a", "4 of 4 periods", FT,
          fine_tuned, LAYERS, waves.layer_outliers("mlp"), THREE_OF_FOUR, fact="writes(mlp, short)"),
    Claim("attention_outliers", "Attention writes waves of T = 2, 2.5, 5, 10 into the logits.", "Figure 3b",
          "4 of 4 periods", FT, fine_tuned, LAYERS, waves.layer_outliers("attn"), THREE_OF_FOUR,
          fact="writes(attn, short)"),
    Claim("mlp_low_outliers", "Below k = 50, MLPs have outliers and attention has none.", "Figure 10", "-", FT,
          fine_tuned, "layer_component_*_rms: components below the cut-off beyond random directions in MLPs; 0 if "
          "attention has any", waves.low_outliers, Bound(1.0, "above", "at least one in MLPs, none in attention"),
          fact="long_in_mlp_alone"),
    Claim("few_waves", "The five strongest waves of the final logits add up to a peak at the answer.", "Figure 4b",
          "peak at 108 for 15 + 93", FT, fine_tuned, "final_logits_topk_sum: distance of its peak from the answer",
          waves.wave_sum_error, Bound(0.5, "below", "the peak is the answer"), fact="few_waves"),
    *(table_1(modules, removed) for modules, removed in paper.TABLE_1 if removed != "none"),
    Claim("division_of_labour", "MLPs need the long waves, attention the short ones.", "Table 1",
          "0.63 (long), 0.20 (short)", FT, fine_tuned,
          "filter_ablation: accuracy lost by removing low waves, MLPs' less attention's; high waves, the other way "
          "round; the less of both", filtered.division_of_labour, Bound(0.1, "above", "at least 0.1 both ways"),
          fact="division_of_labour"),
    Claim("parity_alone", "T = 2 alone keeps parity right.", "Figure 11a", "99.59 %", FT, fine_tuned,
          "single_component: parity with T = 2 kept; control: random waves of equal rank",
          filtered.single_wave(lambda run: 2.0, "mod_2"), Bound(0.9, "above", "at least 90 %"),
          fact="carries(2, parity)"),
    Claim("longest_wave_inexact", "T = 520 alone loses the exact answer.", "Figure 11b", "96.6 % wrong", FT,
          fine_tuned, "single_component: wrong answers with T = p - 1 kept; control: random waves of equal rank",
          filtered.single_wave(lambda run: run.p - 1.0, "accuracy", wrong=True),
          Bound(0.9, "above", "at least 90 % wrong"), fact="carries(longest, size)"),
    Claim("longest_wave_bell", "With T = 520 alone the errors are bell-shaped around 0.", "Figure 12", "-", FT,
          fine_tuned, "single_component_errors: share of answers within a tenth of the number line",
          filtered.longest_wave_near,
          Bound(0.5, "above", "at least 50 %; always answering the middle of the range gives 36 %"),
          fact="carries(longest, size)"),
    Claim("errors_multiples_of_10", "Without long waves in the MLPs, errors are multiples of 10.", "Figure 21a", "-",
          FT, fine_tuned, "filter_ablation: share of such errors; control: random filters of equal rank; chance 10 %",
          filtered.tens_among_errors, Bound(0.5, "above", "at least half of the errors"), fact="needs(mlp, long)"),
    Claim("errors_small", "Without short waves in attention, all errors are below 6.", "Figure 21b", "100 %", FT,
          fine_tuned, "error_histogram: share of such errors", filtered.small_errors,
          Bound(0.95, "above", "at least 95 % of the errors"), fact="needs(attn, short)"),
    Claim("embedding_outliers", "The pretrained number embedding has outliers at T = 2, 2.5, 5, 10.", "Figures 5a, 15",
          "4 of 4 periods", "the pretrained number rows", untouched,
          f"embedding_periods, embedding_spectrum: {SPECTRUM}",
          waves.embedding_outliers, THREE_OF_FOUR, about="table", fact="table_has_lines"),
    Claim("embedding_outliers_kept", "Fine-tuning keeps these outliers.", "Figures 5a, 15", "4 of 4 periods", FT,
          lambda run: fine_tuned(run) and not run.config["embedding"]["freeze"],
          f"embedding_periods, embedding_spectrum: {SPECTRUM}",
          waves.embedding_outliers, THREE_OF_FOUR, about="table", fact="table_has_lines"),
    Claim("embedding_clusters", "The number vectors cluster by magnitude and by multiples of 10.", "Figure 5b", "-",
          "the pretrained number rows", untouched,
          "number_embedding: adjusted mutual information of k-means clusters with magnitude and with the last digit",
          waves.cluster_order, Bound(0.1, "above", "both at least 0.1, where chance is 0"),
          about="table", fact="table_has_order"),
    Claim("scratch_embedding_plain", "From scratch, the number embedding has no outliers at short periods.",
          "Figure 7a", "none", SCRATCH, is_scratch, f"embedding_periods, embedding_spectrum: {SPECTRUM}",
          waves.embedding_outliers, NONE_OF_FOUR, about="table", fact="not table_has_lines"),
    Claim("scratch_layers_plain", "From scratch, the layers write no outliers at short periods.", "Figures 6, 22",
          "none", SCRATCH, is_scratch, LAYERS, waves.layer_outliers("mlp", "attn"), NONE_OF_FOUR,
          fact="not writes(any, short)"),
    Claim("scratch_near_misses", "From scratch, every error is within 2.", "Figure 23", "100 %", SCRATCH, is_scratch,
          "test metrics: share of the wrong answers within 2", measures.near_misses,
          Bound(0.95, "above", "at least 95 % of the errors"), about="learning"),
    Claim("scratch_behind", "From scratch, the model stays behind the fine-tuned one.", "section 4",
          "94.44 % to 99.74 %", SCRATCH, is_scratch, "test accuracy less the fine-tuned one's on the same data",
          measures.advantage("fine_tuned"), Bound(-0.02, "below", "at least 2 points behind"), about="learning"),
    Claim("rescue", "With the pretrained embedding, frozen, a random model does what it can't do without.", "Figure 7b",
          "100 % to 53.95 %", RESCUE, rescued, "test accuracy less the scratch arm's on the same data",
          measures.advantage("scratch"), Bound(0.23, "above", "at least 23 points, half of the paper's gain"),
          about="learning"),
    Claim("rescue_perfect", "With the pretrained embedding, frozen, it reaches 100 %.", "Figure 7b", "100 %", RESCUE,
          rescued, EXACT, measures.metric("test/accuracy"), Bound(0.99, "above", "at least 99 %"), about="learning"),
    Claim("rescue_speed", "With the pretrained embedding it learns far faster.", "Figure 7b", "-", RESCUE, rescued,
          "epochs to 50 % validation accuracy, over the scratch arm's", measures.speed("scratch"),
          Bound(0.5, "below", "in at most half of the epochs"), about="learning"),
    Claim("rescue_layers", "With the pretrained embedding, the layers write outliers at T = 2, 2.5, 5, 10.", "Figure 8",
          "4 of 4 periods", RESCUE, rescued, LAYERS, waves.layer_outliers("mlp", "attn"),
          THREE_OF_FOUR, fact="writes(any, short)"),
    Claim("format_task", "The format task \"a,b+\" shows the same periods in the layers.", "Figures 17, 18",
          "4 of 4 periods", f"{FT} on \"a,b+\"", lambda run: fine_tuned(run) and uses_format(run),
          LAYERS, waves.layer_outliers("mlp", "attn"), THREE_OF_FOUR, fact="writes(any, short)"),
    later("other_embeddings", "RoBERTa's and Phi-2's number embeddings have the same outliers.", "Figure 15", "-",
          "RoBERTa, Phi-2", MODELS),
    later("multiplication_accuracy", "Fine-tuned, the model multiplies.", "appendix C.2", "74.58 %", FT, TASK),
    later("multiplication_periods", "Multiplication adds T = 3.3 to the periods.", "Figure 16", "T = 3.3",
          FT, TASK),
    later("prompted_layers", "Phi-2 and GPT-J, prompted with 4 examples, write the same periods.", "Figures 9, 19", "-",
          "Phi-2, GPT-J", MODELS),
    later("prompted_errors", "Errors of prompted models are multiples of 10.", "section 5", "GPT-J 93 %, Phi-2 73 %",
          "GPT-J, Phi-2", MODELS),
    later("closed_errors", "So are those of closed models.", "section 5", "GPT-3.5 100 %, GPT-4 100 %, PaLM-2 87 %",
          "GPT-3.5, GPT-4, PaLM-2", "models behind an interface; not in this repository"),
)  # fmt: skip
