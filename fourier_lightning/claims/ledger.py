"""The paper's claims, each with the measurement and the bound that decide it.

Bounds and tolerances are ours: the paper prints few. A filter is judged by what stays and what goes: ``APART`` is ten
points that the one outlives the other by, beyond random directions of equal energy: more than chance makes of the 512
prompts of a control (4 points). "Harmless" leaves 95 % of the accuracy. One wave alone keeps parity if it goes half of
the way from chance to the paper's 99.6 %. Whether a module writes a wave: ``readings.phase``. Where a filter takes
nearly all that modules write, so do random directions of equal energy: then those of equal rank are the control, and
where that is most of the line as well, nothing can be told.
"""

from fourier_lightning.claims import contrasts, filtered, measures, waves
from fourier_lightning.claims.verdict import Bound, Claim
from fourier_lightning.readings import controls, paper
from fourier_lightning.readings.filters import HARMLESS
from fourier_lightning.readings.subjects import (
    ANSWERS,
    fine_tuned,
    holds_pretrained,
    is_scratch,
    of_another_family,
    only_answers,
    prompted,
    rescued,
    untouched,
    uses_format,
)

INTACT = paper.TABLE_1["none", "none"][1]
FT, SCRATCH, RESCUE = (
    "the pretrained model, fine-tuned",
    "a model from scratch",
    "scratch with the pretrained embedding",
)
HOLDS = "a model trained with the pretrained number rows"
OTHERS = (
    "the number rows of another family's model, as they come: its weights are on the hub "
    "(python train.py fit=false backbone=roberta instruments=embedding_spectrum; backbone=phi_2 test=false the same)"
)
EXACT = "accuracy on the test split"
SPECTRUM = (
    "embedding_periods, embedding_spectrum: share of T = 2, 2.5, 5, 10 at which the number rows are beyond three "
    "nulls, or beyond the detrended null and more prominent than any component away from the harmonics of 10"
)
PHASE = (
    "answer_phase: height of the wave at the answer over the largest of its negative controls (T = 3 and 7, periods "
    "just beside T), in the layer with most of it; as much as these where it is not beyond permuted answers and random "
    "directions, or its alignment with the answer below 0.5. Of T = 2, 2.5, 5, 10 the "
)
THIRD, FIRST = f"{PHASE}third largest", f"{PHASE}largest"
WRITTEN = Bound(1.0, "above", "at least twice its controls", ratio=True)
NOT_WRITTEN = Bound(1.0, "below", "at most twice its controls", specific=False, ratio=True)
THREE_OF_FOUR = Bound(0.75, "above", "at least 3 of the 4 periods")
NONE_OF_FOUR = Bound(0.0, "below", "none of the 4 periods", specific=False)
APART = Bound(controls.APART, "above", "apart by at least 10 points, beyond equal energy")
BOTH_WAYS = Bound(controls.APART, "above", "at least 10 points more than in the other, both ways")
DIRECT = "direct_path: as in the flow, but removed from what modules add to the final logits alone; "
WORDS = {"attn": "attention", "mlp": "the MLPs", "attn_mlp": "attention and the MLPs"}
LEFT = {
    "low": "the magnitude is lost and the last digit survives",
    "high": "the last digit is lost and the magnitude survives",
}
LONG = {"low": "long", "high": "short"}
STAYS = {"low": "modulo 10 less within 10", "high": "within 10 less modulo 10"}


def table_1(modules: str, removed: str) -> Claim:
    """A row of Table 1: harmless, or a dissociation of last digit and magnitude."""
    accuracy = paper.TABLE_1[modules, removed][1]
    where = f"Without the {LONG[removed]} waves in {WORDS[modules]} "
    about = ("Table 1", f"{accuracy:.2%} of {INTACT:.2%}", HOLDS, holds_pretrained)
    if accuracy / INTACT > HARMLESS:
        return Claim(
            f"table_1_{modules}_{removed}", f"{where}the answers stay right.", *about,
            "filter_ablation: accuracy over the unfiltered one; control: random directions of equal energy",
            filtered.kept_accuracy(modules, removed),
            Bound(HARMLESS, "above", f"at least {HARMLESS:.0%} of the accuracy is left", specific=False),
            fact=f"spares({modules}, {LONG[removed]})",
        )  # fmt: skip
    return Claim(
        f"table_1_{modules}_{removed}", f"{where}{LEFT[removed]}.", *about,
        f"filter_ablation: {STAYS[removed]}, less the same unfiltered and under random directions of equal energy",
        filtered.dissociation(modules, removed), APART, fact=f"dissociates({modules}, {LONG[removed]})",
    )  # fmt: skip


def direct(removed: str) -> Claim:
    """Table 1's dissociation in what the logits read."""
    return Claim(
        f"direct_attn_mlp_{removed}",
        f"Without the {LONG[removed]} waves in what the logits read of all modules {LEFT[removed]}.", "Table 1, ours",
        "-", HOLDS, holds_pretrained,
        f"{DIRECT}{STAYS[removed]}, less the same unfiltered and under random directions of equal energy",
        filtered.dissociation("attn_mlp", removed, "direct"), APART, fact=f"dissociates(attn_mlp, {LONG[removed]})",
    )  # fmt: skip


def later(name: str, statement: str, where: str, paper: str, subject: str, needs: str) -> Claim:
    """A claim about a model or a task that is not here yet."""
    return Claim(name, statement, where, paper, subject, lambda run: False, "-", None, None, needs)


MODELS = "models of the hub; not in this repository yet"
PROMPTED = "weights of the hub: train.py experiment=prompted backbone=phi_2 embedding.tie=false (or backbone=gpt_j_6b)"
CLOSED = "answers of such a model: fourier-lightning errors FILE.csv --model NAME --output DIR"
TENS = "answer_summary: share of the wrong numbers; control: errors of the same sizes by chance"
HALF = Bound(0.5, "above", "at least half of the errors")
LABOUR = (
    "without low waves modulo 10 less within 10, in MLPs less in attention; without high waves the reverse of both; "
    "the less of the two"
)
PARITY = Bound(0.75, "above", "at least 75 %: half of the way from chance to the paper's")
NEAR = Bound(0.5, "above", "at least 50 %, and more than the middle of the range gives")

CLAIMS: tuple[Claim, ...] = (
    Claim("fine_tuned_adds", "Fine-tuned, the pretrained model adds almost without error.", "section 3, Table 1",
          "99.74 %", FT, fine_tuned, EXACT, measures.metric("test/accuracy"),
          Bound(0.9874, "above", "at least 98.74 %, a point below the paper's"), about="learning"),
    Claim("near_then_exact", "Half-way up, the answer is near but not exact.", "Figure 1a", "-", HOLDS,
          holds_pretrained, "lens_accuracy: largest gap between within 10 and exact below the last layer",
          measures.lens_gap, Bound(0.3, "above", "a gap of at least 30 points"), fact="near_first"),
    Claim("mlp_parity", "Some MLP acts modulo 2.", "Figures 1b, 2a", "MLP 33 of 48", HOLDS, holds_pretrained,
          "as for figure 3, T = 2 in some MLP", waves.writes("mlp", periods=paper.MLP_PERIODS),
          WRITTEN, fact="writes(mlp, 2)"),
    Claim("attention_tens", "Some attention writes T = 5 and T = 10.", "Figure 2b", "attention 40 of 48", HOLDS,
          holds_pretrained, "as for figure 3, T = 5 and 10 in one layer's attention",
          waves.writes("attn", periods=paper.ATTENTION_PERIODS, needed=2, together=True), WRITTEN,
          fact="writes_in_one(attn, 5+10)"),
    Claim("mlp_outliers", "MLPs write waves of T = 2, 2.5, 5, 10 into the logits.", "Figure 3a", "4 of 4 periods",
          HOLDS, holds_pretrained, THIRD, waves.writes("mlp", needed=3), WRITTEN, fact="writes(mlp, short)"),
    Claim("attention_outliers", "Attention writes waves of T = 2, 2.5, 5, 10 into the logits.", "Figure 3b",
          "4 of 4 periods", HOLDS, holds_pretrained, THIRD, waves.writes("attn", needed=3), WRITTEN,
          fact="writes(attn, short)"),
    Claim("mlp_low_outliers", "MLPs write long waves, attention none.", "Figure 10", "-", HOLDS, holds_pretrained,
          "answer_phase: T = p - 1 is written by some MLP, and by no attention", waves.longest_in_mlp_alone,
          Bound(1.0, "above", "by an MLP, by no attention"), fact="long_in_mlp_alone"),
    Claim("few_waves", "The five strongest waves of the final logits add up to a peak at the answer.", "Figure 4b",
          "peak at 108 for 15 + 93", HOLDS, holds_pretrained,
          "few_waves: share of prompts whose sum peaks at the answer; control: the five strongest pairs of "
          "directions of random bases",
          waves.few_waves, Bound(0.5, "above", "for at least half of the prompts"), fact="few_waves"),
    *(table_1(modules, removed) for modules, removed in paper.TABLE_1 if removed != "none"),
    Claim("division_of_labour", "MLPs need the long waves, attention the short ones.", "Table 1",
          "0.63 (long), 0.20 (short)", HOLDS, holds_pretrained, f"filter_ablation: {LABOUR}",
          filtered.division_of_labour(), BOTH_WAYS, fact="division_of_labour"),
    direct("low"),
    direct("high"),
    Claim("direct_division_of_labour", "The logits read long waves from the MLPs, short ones from attention.",
          "Table 1, ours", "-", HOLDS, holds_pretrained, f"{DIRECT}{LABOUR}", filtered.division_of_labour("direct"),
          BOTH_WAYS, fact="division_of_labour"),
    Claim("parity_alone", "T = 2 alone keeps parity right.", "Figure 11a", "99.59 %", HOLDS, holds_pretrained,
          "single_component: parity with T = 2 kept; control: random directions of equal energy gone",
          filtered.single_wave(waves.at(2.0), "mod_2"), PARITY, fact="carries(2, parity)"),
    Claim("direct_parity_alone", "In what the logits read, T = 2 alone keeps parity right.", "Figure 11a, ours", "-",
          HOLDS, holds_pretrained, f"{DIRECT}parity with T = 2 kept",
          filtered.single_wave(waves.at(2.0), "mod_2", "direct"), PARITY, fact="carries(2, parity)"),
    Claim("longest_wave_bell", "T = 520 alone keeps the magnitude, not the answer.", "Figures 11b, 12",
          "96.6 % wrong, bell-shaped around 0", HOLDS, holds_pretrained,
          "single_component_errors: share wrong and within a tenth of the number line; control: the middle of "
          "the range", filtered.longest_wave(), NEAR, fact="carries(longest, near)"),
    Claim("direct_longest_wave", "In what the logits read, T = p - 1 alone keeps the magnitude.",
          "Figures 11b, 12, ours", "-", HOLDS, holds_pretrained,
          f"{DIRECT}share within a tenth of the number line, right ones too; control: the middle of the range",
          filtered.longest_wave("direct", exact=True), NEAR, fact="carries(longest, size)"),
    Claim("errors_multiples_of_10", "Without long waves in the MLPs, errors are multiples of 10.", "Figure 21a", "-",
          HOLDS, holds_pretrained,
          "filter_ablation: share of such errors; control: random directions of equal energy; chance 10 %",
          filtered.tens_among_errors, HALF,
          fact="left_over(mlp, long)"),
    Claim("errors_small", "Without short waves in attention, all errors are below 6.", "Figure 21b", "100 %",
          HOLDS, holds_pretrained,
          "error_histogram: share of such errors; control: errors up to 10 under random directions of equal energy",
          filtered.small_errors, Bound(0.95, "above", "at least 95 % of the errors"), fact="left_over(attn, short)"),
    Claim("input_short", "The short waves of the operands' vectors carry the last digit.", "section 4", "-", HOLDS,
          holds_pretrained,
          "input_waves: within 10 less modulo 10 without T = 2, 2.5, 10/3, 5, 10 in the operands' rows, less the same "
          "with all waves and under random directions of equal energy",
          filtered.at_the_input("short", "high"), APART, fact="uses_input(short)"),
    Claim("input_long", "The long waves of the operands' vectors carry the magnitude.", "section 4", "-", HOLDS,
          holds_pretrained,
          "input_waves: modulo 10 less within 10 without the waves below the cut-off in the operands' rows, less the "
          "same with all waves and under random directions of equal energy",
          filtered.at_the_input("low", "low"), APART, fact="uses_input(long)"),
    Claim("embedding_outliers", "The pretrained number embedding has outliers at T = 2, 2.5, 5, 10.", "Figures 5a, 15",
          "4 of 4 periods", "the pretrained number rows", untouched, SPECTRUM, waves.embedding_outliers(),
          THREE_OF_FOUR, about="table", fact="table_has_lines"),
    Claim("embedding_outliers_kept", "Fine-tuning keeps these outliers.", "Figures 5a, 15", "4 of 4 periods", FT,
          lambda run: fine_tuned(run) and not run.config["embedding"]["freeze"],
          f"{SPECTRUM}; or that were lines before training and have half of that power still",
          waves.embedding_outliers(kept=True), THREE_OF_FOUR, about="table", fact="table_has_lines"),
    Claim("embedding_clusters", "The number vectors cluster by magnitude and by multiples of 10.", "Figure 5b", "-",
          "the pretrained number rows", untouched,
          "number_embedding: how often a number's nearest neighbour is within a tenth of the range, and the nearest "
          "more than 5 away has its last digit, over chance (random orders, p at most 0.05 for both); the less",
          waves.neighbours_alike,
          Bound(2.0, "above", "both at least twice as often as by chance"), about="table", fact="table_has_order"),
    Claim("scratch_embedding_plain", "From scratch, the number embedding has no outliers at short periods.",
          "Figure 7a", "none", SCRATCH, is_scratch, SPECTRUM, waves.embedding_outliers(), NONE_OF_FOUR, about="table",
          fact="not table_has_lines"),
    Claim("scratch_layers_plain", "From scratch, the layers write no outliers at short periods.", "Figures 6, 22",
          "none", SCRATCH, is_scratch, FIRST, waves.writes("mlp", "attn"), NOT_WRITTEN,
          fact="not writes(any, short)"),
    Claim("scratch_near_misses", "From scratch, every error is within 2.", "Figure 23", "100 %", SCRATCH, is_scratch,
          "test metrics: share of the wrong answers within 2", measures.near_misses,
          Bound(0.95, "above", "at least 95 % of the errors"), about="learning"),
    Claim("scratch_behind", "From scratch, the model stays behind the fine-tuned one.", "section 4",
          "94.44 % to 99.74 %", SCRATCH, is_scratch, "test accuracy less the fine-tuned one's on the same data",
          contrasts.advantage("fine_tuned"), Bound(-0.02, "below", "at least 2 points behind"), about="learning"),
    Claim("rescue", "With the pretrained embedding, frozen, a random model does what it can't do without.", "Figure 7b",
          "100 % to 53.95 %", RESCUE, rescued, "test accuracy less the scratch arm's on the same data",
          contrasts.advantage("scratch"), Bound(0.23, "above", "at least 23 points, half of the paper's gain"),
          about="learning"),
    Claim("rescue_perfect", "With the pretrained embedding, frozen, it reaches 100 %.", "Figure 7b", "100 %", RESCUE,
          rescued, EXACT, measures.metric("test/accuracy"),
          Bound(0.98, "above", "at least 98 %, where a model counts as adding here"), about="learning"),
    Claim("rescue_speed", "With the pretrained embedding it learns far faster.", "Figure 7b", "-", RESCUE, rescued,
          "epochs to 50 % validation accuracy, over the scratch arm's", contrasts.speed("scratch"),
          Bound(0.5, "below", "in at most half of the epochs"), about="learning"),
    Claim("rescue_layers", "With the pretrained embedding, the layers write outliers at T = 2, 2.5, 5, 10.", "Figure 8",
          "4 of 4 periods", RESCUE, rescued, THIRD, waves.writes("mlp", "attn", needed=3), WRITTEN,
          fact="writes(any, short)"),
    Claim("format_task", "The format task \"a,b+\" shows the same periods in the layers.", "Figures 17, 18",
          "4 of 4 periods", f"{FT} on \"a,b+\"", lambda run: fine_tuned(run) and uses_format(run),
          THIRD, waves.writes("mlp", "attn", needed=3), WRITTEN, fact="writes(any, short)"),
    Claim("other_embeddings", "RoBERTa's and Phi-2's number embeddings have the same outliers.", "Figure 15", "-",
          OTHERS, of_another_family, SPECTRUM, waves.embedding_outliers(), THREE_OF_FOUR, about="table",
          fact="table_has_lines"),
    Claim("multiplication_accuracy", "Fine-tuned, the model multiplies.", "appendix C.2", "74.58 % (validation)",
          f"{FT} on multiplication", fine_tuned, EXACT, measures.metric("test/accuracy"),
          Bound(0.7358, "above", "at least 73.58 %, a point below the paper's"), about="learning",
          tasks=("multiplication",)),
    Claim("multiplication_periods", "Multiplication adds T = 3.3 to the periods.", "Figure 16", "T = 3.3",
          f"{HOLDS}, on multiplication", holds_pretrained, "as for figure 3, T = 10/3 in some attention or MLP",
          waves.writes("mlp", "attn", periods=paper.MULTIPLICATION_PERIODS), WRITTEN,
          tasks=("multiplication",)),
    Claim("prompted_layers", "Phi-2 and GPT-J, prompted with 4 examples, write the same periods.", "Figures 9, 19",
          "4 of 4 periods", "a pretrained model, prompted", prompted, THIRD, waves.writes("mlp", "attn", needed=3),
          WRITTEN, fact="writes(any, short)", needs=PROMPTED),
    Claim("prompted_errors", "Errors of prompted models are multiples of 10.", "section 5", "GPT-J 93 %, Phi-2 73 %",
          "a pretrained model, prompted", prompted, TENS, measures.tens_in_answers, HALF, needs=PROMPTED,
          about="learning", tasks=("addition", "addition_last_digit", "addition_first_digit")),
    Claim("closed_errors", "So are those of closed models.", "section 5", "GPT-3.5 100 %, GPT-4 100 %, PaLM-2 87 %",
          "a model of which only answers are known", only_answers, TENS, measures.tens_in_answers, HALF, needs=CLOSED,
          about="learning", tasks=(ANSWERS,)),
)  # fmt: skip
