"""Waves taken out of the operands' vectors, against a model whose input rows are edited by hand."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F

from fourier_lightning.data.addition import Addition, addition_data
from fourier_lightning.data.batches import Examples
from fourier_lightning.data.tokens import Vocabulary
from fourier_lightning.fourier.basis import period_waves
from fourier_lightning.fourier.controls import random_rows
from fourier_lightning.instruments import InputWaves, View
from fourier_lightning.models.decoder import Decoder
from tests.tiny_models import tiny_model

TASK = Addition(max_operand=15)  # p = 31: waves below k = 3 are low
OWN = torch.tensor([35, 33, *range(36, 50)])  # of " 1", " 0", " 2", ...: in the order in which the templates have them
VALUES = torch.tensor([1, 0, *range(2, 16)])


def view_of(name, spaced):
    """A random model that is asked "! a ? b", in two lengths, with the answers' tokens for a and b or their own."""
    rng, groups = torch.Generator().manual_seed(2), []
    token = torch.empty(16, dtype=torch.long)
    token[VALUES] = OWN
    for before in ([50], [51, 50]):
        operands = torch.randint(16, (40, 2), generator=rng)
        shown = token[operands] if spaced else operands
        start, middle = torch.tensor(before).expand(40, -1), torch.full((40, 1), 55)
        prompt = torch.cat([start, shown[:, :1], middle, shown[:, 1:]], dim=1)
        slots = torch.tensor([len(before), len(before) + 2]).expand(40, 2)
        groups.append(Examples(prompt, operands.sum(dim=1), operands, slots))
    none = torch.empty(0, dtype=torch.long)
    own = (OWN, VALUES) if spaced else (none, none)
    words = Vocabulary(torch.arange(60), torch.arange(31), *own)
    return View(Decoder(tiny_model(name)), TASK, words, groups, lambda operands: groups[0])


def waves_of(row, q):
    """Cosines and sines of what a row removes, not orthogonal, by the cut-off's period: k < 3 of p = 31."""
    if row["removed"] == "period":
        return period_waves([row["period"]], q)
    if row["removed"] == "short":
        return period_waves([2, 2.5, 10 / 3, 5, 10], q)
    if row["removed"] == "none":
        return torch.zeros(1, q, dtype=torch.float64)
    cutoff, low = round(3 * q / 31), row["removed"] == "low"
    return period_waves([q / k for k in range(1, q // 2 + 1) if (k < cutoff) == low], q)


def edited(view, tokens, gone):
    """Loss and metrics of an untied copy that has these vectors less in its input rows."""
    net = deepcopy(view.decoder.net)
    head, table = torch.nn.Linear(*view.decoder.head.weight.T.shape, bias=False), net.get_input_embeddings()
    head.weight = torch.nn.Parameter(view.decoder.head.weight.detach().clone())
    net.set_output_embeddings(head)
    assert table.weight is not net.get_output_embeddings().weight
    table.weight.data[tokens] -= gone.float()
    answers = torch.cat([group.answer for group in view.examples])
    logits = torch.cat([net(group.prompt).logits[:, -1] for group in view.examples])
    guess = logits[:, :31].argmax(dim=1)
    return {
        "loss": F.cross_entropy(logits, answers).item(),
        "accuracy": (logits.argmax(dim=1) == answers).float().mean().item(),
        "mod_2": ((guess - answers) % 2 == 0).float().mean().item(),
        "mae": (guess - answers).abs().float().mean().item(),
    }


@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize("name", ["gpt2", "gemma2"])  # both tied; Gemma multiplies its rows
@torch.no_grad()
def test_removing_waves_is_editing_the_input_rows_of_an_untied_copy(name, spaced):
    view = view_of(name, spaced)
    table = InputWaves(draws=2, batch_size=50, limit_batches=None)(view).tables["input_waves"]
    kinds = ["none", "low", "high", "short", *["period"] * 7]
    assert [row["removed"] for row in table] == kinds
    assert [row["period"] for row in table] == [None] * 4 + [2, 2.5, 5, 10, 30, 3, 7]
    tokens = OWN[VALUES.argsort()] if spaced else torch.arange(31)
    q, weight = len(tokens), view.decoder.table.weight.detach().double()[tokens]
    used = weight[:16] - weight[:16].mean(dim=0)
    varying = lambda gone: gone[:16] - gone[:16].mean(dim=0)  # noqa: E731
    share = lambda gone: float(varying(gone).square().sum() / used.square().sum())  # noqa: E731
    for row in table:
        assert row["line"] == ("operands" if spaced else "numbers")
        waves = waves_of(row, q)
        span = torch.linalg.svd(waves - waves.mean(dim=1, keepdim=True), full_matrices=False)
        rows = span.Vh[span.S > 1e-9]
        gone = rows.T @ rows @ weight
        assert row["rank"] == len(rows) and row["energy"] == pytest.approx(share(gone), abs=1e-6)
        assert {k: row[k] for k in ("loss", "accuracy", "mod_2", "mae")} == pytest.approx(
            edited(view, tokens, gone), abs=1e-4
        )
        assert row["control_draws"] == (0 if row["removed"] == "none" else 2)
    row = table[3]
    rank, counts = [], []
    for draw in range(2):
        turn = random_rows(q, q - 1, draw)
        held = [share(turn[:n].T @ turn[:n] @ weight) for n in range(1, q)]
        counts.append(1 + min(range(q - 1), key=lambda n: abs(held[n] - row["energy"])))
        some = turn[: row["rank"]]
        rank.append(edited(view, tokens, some.T @ some @ weight)["loss"])
        some = turn[: counts[-1]]
        counts[-1] = (counts[-1], edited(view, tokens, some.T @ some @ weight)["loss"])
    assert row["control_loss_mean"] == pytest.approx(sum(rank) / 2, abs=1e-4)
    assert row["control_energy_rows"] == sum(count for count, _ in counts) / 2
    assert row["control_energy_loss_mean"] == pytest.approx(sum(loss for _, loss in counts) / 2, abs=1e-4)


def test_few_scalars_and_no_controls_where_none_are_asked_for():
    found = InputWaves([2], draws=0)(view_of("gpt2", spaced=False))
    row = found.tables["input_waves"][1]
    assert row["control_loss_mean"] is None and row["control_draws"] == 0 and len(found.tables["input_waves"]) == 5
    assert set(found.scalars) == {
        f"input/{removed}_removed/{name}"
        for removed in ("low", "high", "short")
        for name in ("accuracy", "mod_10", "within_10")
    }
    assert found.scalars["input/low_removed/mod_10"] == row["mod_10"]


@pytest.mark.parametrize(
    ("templates", "lines"),
    [(["format"], ["numbers"]), (["total"], ["operands"]), (["format", "total"], ["operands", "numbers"])],
)
def test_the_line_is_that_of_the_prompts_tokens(pretrained, tokenizer, templates, lines):
    data = addition_data(tokenizer, templates=templates, max_operand=20, vocabulary="full")
    table = InputWaves([10], draws=0, batch_size=16)(View.of(pretrained, data)).tables["input_waves"]
    assert list(dict.fromkeys(row["line"] for row in table)) == lines
    ranks = {row["line"]: row["rank"] for row in table if row["removed"] == "low"}
    assert ranks == {line: {"numbers": 6, "operands": 2}[line] for line in lines}  # k < 4 of 41, k < 2 of 21
