"""Phases against the answer: by hand on a planted model, by full logits on random ones, and what chance does."""
# ruff: noqa: F811  # fixtures

import numpy as np
import pytest
import torch

from fourier_lightning.data.addition import Addition, addition_data
from fourier_lightning.data.batches import Examples
from fourier_lightning.data.tokens import Vocabulary
from fourier_lightning.fourier.basis import fourier_basis, period_waves
from fourier_lightning.fourier.phase import (
    Phases,
    answer_phases,
    brackets,
    direction_scores,
    permuted_alignments,
    test_phases,
    wave_readers,
)
from fourier_lightning.instruments import AnswerPhase, View
from fourier_lightning.models.decoder import Decoder
from fourier_lightning.models.hooks import capture
from tests.test_ablation import GAIN, A, B, module, scale, view  # noqa: F401
from tests.tiny_models import tiny_model

PERIODS = [2.0, 2.5, 5.0, 10.0, 40.0, 3.0, 7.0]


def rows_by_place(instrument, view):
    table = instrument(view).tables["answer_phase"]
    return {(row["module"], row["layer"], row["period"]): row for row in table}


def test_a_planted_models_phases_are_those_of_its_formula(view):
    """Attention 0 has T = 2 on the answer s, MLP 1 T = 40, 20, 40/3 on s + 0.6; nobody else writes anything."""
    periods = [2, 10, 40, 20, "40/3", 3]
    rows = rows_by_place(AnswerPhase(periods), view)
    places = [(m, i) for i in range(2) for m in ("attn", "mlp", "resid")]
    assert list(rows) == [(*place, row) for place in [("embed", -1), *places] for row in (2, 10, 40, 20, 40 / 3, 3)]
    height = GAIN / scale(8, 2 * A**2, 6 * B**2)
    written = {("attn", 0, 2.0): 1.0}
    written |= {("mlp", 1, 40 / k): np.cos(2 * np.pi * k * 0.6 / 40) for k in (1, 2, 3)}
    for (_, _, period), aligned in list(written.items()):
        written["resid", 1, period] = aligned
    written["resid", 0, 2.0] = 1.0
    for place, row in rows.items():
        close = 1e-5 if place[2] != 3 else 0.1  # 40 numbers are no whole number of threes: T = 2 shines through
        assert row["alignment"] == pytest.approx(written.get(place, 0.0), abs=close), place
        assert row["amount"] == pytest.approx(height * written.get(place, 0.0), abs=close), place
        assert (row["p_value"] <= 0.05) == (place in written), place
        assert row["p_value"] == max(row["p_value_answers"], row["p_value_directions"])
        assert (row["alignment"] > row["limit"]) == (row["p_value_answers"] <= 0.05)
        if place[0] == "embed":  # W does not read it
            assert row["p_value_answers"] == row["p_value_directions"] == 1
    scalars = {f"phase/{m}/period_{period}/alignment": 0.0 for m in ("attn", "mlp") for period in (2, 10)}
    assert AnswerPhase(periods)(view).scalars == pytest.approx(scalars | {"phase/attn/period_2/alignment": 1}, abs=1e-5)


def random_view(name):
    """A random model that is asked "a ? b !" for numbers 0..20, in two lengths."""
    task, rng = Addition(max_operand=20), torch.Generator().manual_seed(1)
    groups = []
    for between in ([50], [51, 52]):
        operands = torch.randint(21, (45, 2), generator=rng)
        middle = torch.tensor(between).expand(45, -1)
        last = torch.randint(55, 58, (45, 1), generator=rng)  # so that the embedding varies
        prompt = torch.cat([operands[:, :1], middle, operands[:, 1:], last], dim=1)
        slots = torch.tensor([0, 1 + len(between)]).expand(45, 2)
        groups.append(Examples(prompt, operands.sum(dim=1), operands, slots))
    none = torch.empty(0, dtype=torch.long)
    words = Vocabulary(torch.arange(60), torch.arange(41), none, none)
    return View(Decoder(tiny_model(name)), task, words, groups, lambda operands: groups[0])


def fits(values, period, p):
    """Cosine's and sine's coefficient as a complex number, by least squares with all that is fitted beside."""
    x = np.arange(p)
    wave = np.exp(2j * np.pi * x / period)
    trend = [np.ones(p)]
    if p / period > 3.5:  # 50 / 521 of 41 numbers: waves below k = 4 are long
        trend += [f(2 * np.pi * k * x / p) for k in (1, 2, 3) for f in (np.sin, np.cos)] + [x / p, (x / p) ** 2]
    own = [wave.real] if period == 2 else [wave.real, wave.imag]
    coefs = np.linalg.lstsq(np.stack([*own, *trend], axis=1), values.T, rcond=None)[0]
    return coefs[0] + 1j * (coefs[1] if period != 2 else 0)


@pytest.mark.parametrize(("name", "centred"), [("gptj", True), ("gemma2", False)])
@torch.no_grad()
def test_phases_are_those_of_the_full_number_logits(name, centred):
    view = random_view(name)
    decoder, states, finals = view.decoder, {}, []
    sites = decoder.contributions()
    with capture(decoder, [*sites, decoder.final]) as seen:
        for group in view.examples:
            decoder.net(group.prompt)
            finals.append(seen[decoder.final].double().numpy())
            for site in sites:
                states.setdefault(site, []).append(seen[site].double().numpy())
    final = np.concatenate(finals)
    norm, head = decoder.norm, decoder.head.weight[:41].double().numpy()
    gain = norm.weight.double().numpy()
    if centred:  # GPT-J's LayerNorm; Gemma's is a root mean square with 1 + weight
        size = np.sqrt(final.var(axis=1, keepdims=True) + norm.eps)
        read = lambda x: (x - x.mean(axis=1, keepdims=True)) * gain / size @ head.T  # noqa: E731
    else:
        size = np.sqrt((final**2).mean(axis=1, keepdims=True) + norm.eps)
        read = lambda x: x * (1 + gain) / size @ head.T  # noqa: E731
    logits, stream = {}, 0.0
    for site, parts in states.items():
        x = np.concatenate(parts)
        logits[site.name.removesuffix("_out"), -1 if site.layer is None else site.layer] = read(x - x.mean(axis=0))
        stream = stream + x - x.mean(axis=0)
        if site.name == "mlp_out":
            logits["resid", site.layer] = read(stream)
    answers = np.concatenate([group.answer.numpy() for group in view.examples])
    rows = rows_by_place(AnswerPhase(batch_size=30), view)
    assert len(rows) == 7 * len(PERIODS)
    bins = {2: [18.5], 2.5: [18.4, 14.4], 5: [10.2, 6.2], 10: [6.1, 2.1], 40: [], 3: [41 / 3 - 3.5], 7: [41 / 7 - 3.5]}
    beside = {
        t: [41 / k for k in ks] for t, ks in bins.items()
    }  # those that are no neighbours of another decimal period
    for (where, layer, period), row in rows.items():
        coefs = fits(logits[where, layer], period, 41)
        coefs = coefs - coefs.mean()
        amount = (coefs * np.exp(-2j * np.pi * answers / period)).real.mean()
        assert row["amount"] == pytest.approx(amount, abs=1e-5)
        assert row["alignment"] == pytest.approx(amount / np.sqrt((abs(coefs) ** 2).mean()), abs=1e-5)
        controls = []
        for t in beside[period]:
            coefs = fits(logits[where, layer], t, 41)
            controls.append((((coefs - coefs.mean()) * np.exp(-2j * np.pi * answers / t)).real.mean(), t))
        largest = max(controls, default=(None, None))
        assert row["bracket_amount"] == pytest.approx(largest[0], abs=1e-5)
        assert row["bracket_period"] == pytest.approx(largest[1])


def test_periods_are_bracketed_on_both_sides_where_the_line_tells_them_apart():
    assert [round(t, 2) for t in brackets(10.0, 201)] == [9.1, 8.52, 11.1, 12.11]
    assert [round(t, 2) for t in brackets(2.5, 201)] == [2.44, 2.4, 2.56, 2.61]
    assert [round(t, 3) for t in brackets(2.0, 201)] == [2.041, 2.072]  # nothing is shorter than T = 2
    assert brackets(200.0, 201) == brackets(11.0, 201) == []  # a magnitude is a bump of long waves
    assert [round(41 / t, 1) for t in brackets(10.0, 41)] == [6.1, 2.1]  # 7.6 is next to T = 5, at 8.2
    for p in (61, 121, 521):
        apart = [p * abs(1 / t - 1 / 10) for t in brackets(10.0, p)]
        assert apart == pytest.approx([2, 3.5, 2, 3.5])
    x = torch.arange(201)
    waves = torch.cos(2 * torch.pi * (x[None] - x[:, None]) / 10).double()
    bump = torch.exp(-((x[None] - x[:, None]).double() ** 2) / 8)
    for logits, specific in ((waves, True), (bump, False)):
        periods = [10.0, *brackets(10.0, 201)]
        seen = written(logits[None, 30:170], torch.eye(201, dtype=torch.float64), x[30:170], periods)
        assert bool(seen.amount[0, 0] >= 2 * seen.amount[0, 1:].max()) == specific
        assert seen.alignment[0, 0] > 0.5 and seen.p_answers[0, 0] <= 0.05  # a bump passes all but its brackets


def test_a_last_token_that_never_varies_writes_nothing(pretrained, tokenizer):
    data = addition_data(tokenizer, templates=["format"], max_operand=20, vocabulary="full")
    rows = AnswerPhase()(View.of(pretrained, data)).tables["answer_phase"]
    embed = [row for row in rows if row["module"] == "embed"]
    assert all((row["alignment"], row["amount"], row["p_value"]) == (0, 0, 1) for row in embed)
    assert all(row["alignment"] != 0 for row in rows if row["module"] != "embed")


def written(states, unembedding, answers, periods, seed=0) -> Phases:
    """Phases of modules' states (S, n, d)."""
    readers, states = wave_readers(periods, len(unembedding)), states - states.mean(dim=1, keepdim=True)
    reads, phases = readers @ unembedding, answer_phases(answers, periods)
    coefs = torch.einsum("snd,mcd->smcn", states, reads)
    moments = torch.einsum("snd,mcn->smcd", states, phases) / len(answers)
    floor = torch.full(coefs.shape[:2], 1e-9, dtype=torch.float64)
    return test_phases(coefs, moments, reads, phases, floor, (100, 40), seed)


def test_lines_of_the_unembedding_alone_are_no_phases():
    """A decoy: W is made of T = 2, 5, 10, and modules write at random."""
    p, d, n, found = 101, 48, 200, 0
    for seed in range(20):
        rng = torch.Generator().manual_seed(seed)
        noise = lambda *shape: torch.randn(*shape, generator=rng, dtype=torch.float64)  # noqa: B023, E731
        lines = period_waves([2, 5, 10], p)
        unembedding = lines.T @ noise(6, d) + 0.1 * noise(p, d)
        answers = torch.randint(p, (n,), generator=rng)
        seen = written(noise(6, n, d), unembedding, answers, [2, 2.5, 5, 10, p - 1.0, 3, 7], seed)
        found += bool((torch.maximum(seen.p_answers, seen.p_directions) <= 0.05).any())
    assert found <= 1


def test_a_table_by_heart_has_all_periods_aligned():
    p, periods = 101, [2.0, 2.5, 5.0, 10.0, 100.0, 3.0, 7.0]
    answers = torch.arange(300) % p
    peaks = 10 * torch.eye(p, dtype=torch.float64)[answers]
    seen = written(peaks[None], torch.eye(p, dtype=torch.float64), answers, periods)
    assert seen.alignment.min() > 0.9 and seen.p_answers.max() <= 0.05


def test_long_waves_do_not_leak_into_short_ones():
    """A bump on the answer, of waves longer than 10.4 alone: summed plainly it has T = 10 with the answer's phase."""
    p, basis, periods = 521, fourier_basis(521), [10.0, 7.0, 520.0]
    answers = torch.arange(p // 4, 3 * p // 4)
    low = basis.rows[(basis.component > 0) & (basis.component < 50)]
    bump = (low.T @ low)[answers]
    between = (period_waves([520], p).T @ period_waves([520], p))[answers]
    plain = bump.to(torch.complex128) @ torch.exp(2j * torch.pi * torch.arange(p).double() / 10)
    leak = (plain - plain.mean()) * torch.exp(-2j * torch.pi * answers.double() / 10)
    assert leak.real.mean() / leak.abs().square().mean().sqrt() > 0.25
    seen = written(torch.stack([bump, between]), torch.eye(p, dtype=torch.float64), answers, periods)
    assert (seen.alignment[0, :2] == 0).all() and (seen.p_answers[0, :2] == 1).all()
    assert seen.amount[1, :2].abs().max() < 1e-5 and 0.5 < seen.amount[1, 2] < 1.01  # the answers' own mean is away
    assert seen.p_directions[1, :2].min() > 0.05 and seen.p_directions[1, 2] <= 0.05


def test_permutations_are_those_of_their_seed_and_give_the_largest_alignment():
    """By numpy, from torch's own permutations."""
    rng = np.random.default_rng(0)
    coefs, phases, rms = rng.standard_normal((3, 2, 2, 17)), rng.standard_normal((2, 2, 17)), rng.uniform(1, 2, (3, 2))
    dealt = torch.Generator().manual_seed(5)
    expected = []
    for _ in range(4):
        order = torch.randperm(17, generator=dealt).numpy()
        expected.append((np.einsum("smcn,mcn->sm", coefs, phases[..., order]) / 17 / rms).max())
    found = permuted_alignments(*(torch.tensor(x) for x in (coefs, rms, phases)), draws=4, seed=5)
    np.testing.assert_allclose(found, np.maximum(expected, 0))


def test_random_directions_have_the_spread_of_whole_rotations():
    rng = torch.Generator().manual_seed(0)
    noise = lambda *shape: torch.randn(*shape, generator=rng, dtype=torch.float64)  # noqa: E731
    reads, moments = noise(3, 2, 12), noise(4, 3, 2, 12)
    moments[0] = 2 * reads  # along what is read
    turns = [q * r.diagonal().sign() for q, r in (torch.linalg.qr(noise(12, 12)) for _ in range(4000))]
    drawn = torch.stack([(moments * (reads @ turn)).sum(dim=(-2, -1)) for turn in turns])
    scores, largest = direction_scores(moments, reads, 2000, seed=0)
    torch.testing.assert_close(scores, (moments * reads).sum(dim=(-2, -1)) / drawn.std(dim=0), rtol=0.06, atol=0.02)
    assert scores[0].min() > 3 > scores[1:].max()
    whole = (drawn / drawn.std(dim=0)).flatten(1).max(dim=1).values
    for share in (0.5, 0.95):
        assert float(largest.quantile(share)) == pytest.approx(float(whole.quantile(share)), rel=0.05)
