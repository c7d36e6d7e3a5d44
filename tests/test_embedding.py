"""Each setting of the table, on the real table of the embedded backbone."""

import pytest
import torch

from fourier_lightning.config import load_config
from fourier_lightning.errors import ConfigError
from fourier_lightning.models.embedding import EmbeddingSettings
from fourier_lightning.models.number_rows import root_mean_square
from fourier_lightning.run import build_module, prepare

FULL = ["model.width=384", "model.n_head=6", "model.n_layer=1"]  # the backbone's own width: nothing is narrowed


def build(*overrides):
    """A model of the paper's 521 numbers; of a random body the one with 128 dimensions."""
    narrow = [] if "model=pretrained" in overrides else ["size=small"]
    cfg = load_config(["data.max_operand=260", *narrow, *overrides])
    return build_module(prepare(cfg), cfg.seed)


def table(*overrides):
    """The model's number rows (521, width)."""
    module = build(*overrides)
    return module.net.transformer.wte.weight.detach()[module.numbers]


@pytest.fixture(scope="module")
def rows(pretrained, tokenizer):
    """The backbone's number rows (521, 384)."""
    ids = [tokenizer.encode(str(n), add_special_tokens=False)[0] for n in range(521)]
    return pretrained.transformer.wte.weight.detach()[ids]


def test_raw_table_is_the_backbones(rows):
    assert table(*FULL, "embedding.centre=false", "embedding.scale=raw").equal(rows)


def test_centre_removes_the_mean_of_the_number_rows(rows):
    assert rows.mean(0).norm() > 0.9 * rows.norm(dim=1).mean()  # the shared vector dominates, as documented
    centred = table(*FULL, "embedding.scale=raw")
    torch.testing.assert_close(centred, rows - rows.mean(0), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("scale", "expected"), [("init", 0.02), ("0.05", 0.05)])
def test_scale_sets_the_root_mean_square(scale, expected, rows):
    scaled = table(*FULL, f"embedding.scale={scale}")
    assert root_mean_square(scaled) == pytest.approx(expected, rel=1e-4)
    centred = rows - rows.mean(0)
    torch.testing.assert_close(scaled / scaled.norm(), centred / centred.norm(), atol=1e-6, rtol=0)


def test_init_scale_matches_the_norm_of_random_initialisation():
    random = table("model=scratch", "embedding.scale=raw")
    assert root_mean_square(table("embedding.scale=init")) == pytest.approx(root_mean_square(random), rel=0.01)


def test_scale_applies_to_a_random_table_too():
    assert root_mean_square(table("model=scratch")) == pytest.approx(0.05, rel=1e-4)


def test_narrowing_keeps_the_leading_principal_directions(rows):
    centred = (rows - rows.mean(0)).double()
    narrow = table("embedding.scale=raw").double()
    assert narrow.shape == (521, 128)
    values = torch.linalg.svdvals(centred)
    assert narrow.square().sum() == pytest.approx(values[:128].square().sum().item(), rel=1e-5)
    # rows of the narrow table have the inner products of the best rank-128 approximation
    u, s, _ = torch.linalg.svd(centred, full_matrices=False)
    best = u[:, :128] * s[:128]
    torch.testing.assert_close(narrow @ narrow.T, best @ best.T, atol=1e-5, rtol=0)


@pytest.mark.parametrize("rank", [5, None])
def test_a_wider_stream_holds_the_table_isometrically(pretrained, rank):
    """Inner products of every row with the number rows stay; beyond the table's directions the stream is empty."""
    kept = "null" if rank is None else str(rank)
    small = ["data.max_operand=20", "embedding.scale=raw", "model.n_layer=1", "model.n_head=1"]
    small.append(f"embedding.rank={kept}")
    wide = build(*small, "model.width=400", "embedding.positions=pretrained").net.transformer
    table = wide.wte.weight.detach().double()
    directions = 384 if rank is None else rank
    assert table.shape == (43, 400) and wide.wpe.weight.shape[1] == 400
    assert not table[:, directions:].any() and not wide.wpe.weight[:, directions:].any()
    data = prepare(load_config(["data.max_operand=20"])).data
    rows = pretrained.transformer.wte.weight[data.vocabulary.token_ids].double()
    rows = rows - rows[:41].mean(dim=0)
    u, s, vh = torch.linalg.svd(rows[:41], full_matrices=False)
    best = u[:, :rank] * s[:rank] @ vh[:rank]
    torch.testing.assert_close(table @ table[:41].T, rows @ best.T, atol=1e-5, rtol=0)
    narrow = build(*small[:-1], "model.width=30").net.transformer.wte.weight[:41].double()  # the width is the rank
    torch.testing.assert_close(narrow @ narrow.T, u[:, :30] * s[:30] ** 2 @ u[:, :30].T, atol=1e-5, rtol=0)


def test_shuffled_rows_keep_the_vectors_and_lose_the_order():
    ordered, shuffled = table(), table("embedding=shuffled_rows")
    assert not shuffled.equal(ordered)
    assert sorted(shuffled.tolist()) == sorted(ordered.tolist())
    assert not shuffled.equal(table("embedding=shuffled_rows", "seed=1"))
    other = [build(*o).net.transformer.wte.weight.detach()[521:] for o in ((), ("embedding=shuffled_rows",))]
    assert other[0].equal(other[1])  # comma and plus stay


def test_shuffled_rows_shuffle_the_operands_of_sentences_too():
    """There the operands (" 15") are other tokens than the answers ("15"): both number lines have to go."""
    cfg = load_config(["data=addition", "data.max_operand=260"])
    vocabulary = prepare(cfg).data.vocabulary
    ordered, shuffled = (
        build("data=addition", f"embedding={name}").net.transformer.wte.weight.detach()
        for name in ("frozen", "shuffled_rows")
    )
    assert len(vocabulary.operands) == 261
    for rows in (vocabulary.numbers, vocabulary.operands):
        moved = (ordered[rows] != shuffled[rows]).any(dim=1).float().mean()
        assert moved > 0.97 and sorted(ordered[rows].tolist()) == sorted(shuffled[rows].tolist())
    words = [
        i for i in range(len(vocabulary)) if i not in {*vocabulary.numbers.tolist(), *vocabulary.operands.tolist()}
    ]
    assert ordered[words].equal(shuffled[words])


def test_pretrained_positions_keep_their_size_relative_to_a_pretrained_table():
    def sizes(*overrides):
        net = build("embedding.positions=pretrained", *overrides).net.transformer
        return net.wpe.weight.norm().item(), net.wte.weight.norm().item()

    raw, scaled = sizes("embedding.scale=raw"), sizes("embedding.scale=0.05")
    assert scaled[0] / scaled[1] == pytest.approx(raw[0] / raw[1], rel=1e-4) and scaled[0] != raw[0]
    assert sizes("embedding=shuffled_rows") == pytest.approx(sizes("embedding=frozen"))
    assert sizes("embedding=random")[0] == pytest.approx(sizes("embedding=random", "embedding.scale=raw")[0])


def test_positions_pretrained_or_random(pretrained):
    module = build(*FULL, "embedding.positions=pretrained", "embedding.scale=raw")
    assert module.net.transformer.wpe.weight.equal(pretrained.transformer.wpe.weight)
    random = build(*FULL).net.transformer.wpe.weight
    assert random.std().item() == pytest.approx(0.02, rel=0.02)
    narrow = build("embedding.positions=pretrained", "embedding.scale=raw").net.transformer.wpe.weight
    assert narrow.shape == (448, 128)
    assert 0 < narrow.norm() <= pretrained.transformer.wpe.weight.norm()


def test_depth_and_width_of_the_scratch_arms():
    module = build("model=scratch", "model.n_layer=3", "model.width=48", "model.n_head=4")
    config = module.net.config
    assert (config.n_layer, config.n_embd, config.n_head) == (3, 48, 4)
    assert len(module.net.transformer.h) == 3
    own = build("model=scratch", "model.n_layer=null", "model.width=null", "model.n_head=null").net.config
    assert (own.n_layer, own.n_embd, own.n_head) == (4, 384, 6)


def test_scratch_arms_share_their_random_blocks():
    """The same seed gives the same blocks whatever the table, so arms differ in the table alone."""
    with_table, without = build(), build("model=scratch")
    for a, b in zip(with_table.net.transformer.h.parameters(), without.net.transformer.h.parameters(), strict=True):
        assert a.equal(b)
    other = build("seed=1").net.transformer.h[0].attn.c_attn.weight
    assert not with_table.net.transformer.h[0].attn.c_attn.weight.equal(other)


def test_model_scratch_is_the_rescue_with_a_random_table():
    one, other = build("model=scratch"), build("embedding=random")
    for a, b in zip(one.net.parameters(), other.net.parameters(), strict=True):
        assert a.equal(b) and a.requires_grad == b.requires_grad


@pytest.mark.parametrize("model", ["pretrained", "scratch_pretrained_emb"])
@pytest.mark.parametrize("freeze", [True, False])
@pytest.mark.parametrize("tie", [True, False])
def test_freeze_and_tie_are_independent(model, freeze, tie):
    module = build(f"model={model}", f"embedding.freeze={freeze}", f"embedding.tie={tie}")
    table, head = module.net.transformer.wte.weight, module.net.lm_head.weight
    before = table.detach().clone(), head.detach().clone()
    assert (head is table) == tie
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.1)
    batch = {"prompt": torch.tensor([[1, 521, 2, 522], [30, 521, 4, 522]]), "answer": torch.tensor([3, 34])}
    module.loss_and_logits(batch)[0].backward()
    optimizer.step()
    assert table.equal(before[0]) == freeze
    assert head.equal(before[1]) == (freeze and tie)


def test_untied_head_starts_as_a_copy_under_a_pretrained_body_and_random_under_a_random_one():
    fine_tuned = build("model=pretrained", "embedding.tie=false").net
    assert fine_tuned.lm_head.weight.equal(fine_tuned.transformer.wte.weight)
    rescued = build("embedding.tie=false").net
    assert rescued.lm_head.weight.std().item() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize("tie", [True, False])
def test_centring_a_pretrained_model_does_not_change_its_function(tie):
    prompt = torch.tensor([[1, 521, 2, 522], [250, 521, 4, 522]])
    options = ["model=pretrained", f"embedding.tie={tie}"]
    raw, centred = (build(*options, f"embedding.centre={c}").eval() for c in (False, True))
    with torch.no_grad():
        a, b = (module(prompt).log_softmax(-1) for module in (raw, centred))
    torch.testing.assert_close(a, b, atol=2e-4, rtol=0)


@pytest.mark.parametrize(
    "bad",
    [
        {"scale": -1.0},
        {"scale": 0},
        {"source": "random", "centre": True},
        {"source": "random", "control": "shuffled_rows"},
        {"source": "random", "rank": 5},
        {"rank": 0},
    ],
)
def test_impossible_settings_name_their_key(bad):
    with pytest.raises(ConfigError, match=r"^embedding\."):
        EmbeddingSettings(**{"source": "pretrained", "freeze": True, **bad})
