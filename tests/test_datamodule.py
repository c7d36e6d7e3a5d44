import pytest
import torch

from fourier_lightning.data.addition import Addition, addition_data
from fourier_lightning.data.batches import Batches, Examples, drawn_orders
from fourier_lightning.errors import ConfigError

FIVE = ["total", "add", "calculate", "what", "put"]


def make(tokenizer, **kwargs):
    return addition_data(tokenizer, **{"templates": ["format"], "max_operand": 20, **kwargs})


def texts(data, tokenizer, groups):
    """Prompts and sums of examples, as words."""
    for group in groups:
        ids = data.vocabulary.token_ids[group.prompt]
        yield from zip(tokenizer.batch_decode(ids), group.answer.tolist(), strict=True)


@pytest.mark.parametrize("vocabulary", ["compact", "full"])
def test_every_prompt_is_what_the_tokenizer_makes_of_the_text(tokenizer, vocabulary):
    """All 34,191 pairs with their templates: assembled token rows against the real tokenizer on the real text."""
    data = addition_data(tokenizer, templates=FIVE, vocabulary=vocabulary)
    seen = 0
    for split in ("train", "val", "test"):
        rows = data.split[split]
        wanted = {}
        for pair, template in zip(data.shown[rows].tolist(), data.template_of_row[rows].tolist(), strict=True):
            wanted[Addition.templates[FIVE[template]].format(a=pair[0], b=pair[1])] = sum(pair)
        encoded = tokenizer(list(wanted), add_special_tokens=False)["input_ids"]
        expected = {(tuple(ids), total) for ids, total in zip(encoded, wanted.values(), strict=True)}
        got = set()
        for group in data.examples(split):
            ids = data.vocabulary.token_ids[group.prompt].tolist()
            got |= {(tuple(row), total) for row, total in zip(ids, group.answer.tolist(), strict=True)}
        assert got == expected
        seen += len(got)
    assert seen == 34_191


def test_counts_templates_and_number_axis(tokenizer):
    data = addition_data(tokenizer, templates=FIVE)
    assert {name: len(rows) for name, rows in data.split.items()} == {"train": 27_352, "val": 3_419, "test": 3_420}
    assert data.p == 521
    shares = torch.bincount(data.template_of_row) / len(data.operands)
    assert (shares - 0.2).abs().max() < 0.01
    assert [group.prompt.shape[1] for group in data.examples("val")] == [8, 9, 11]


@pytest.mark.parametrize("again", [False, True])
def test_templates_are_drawn_whatever_a_rows_place(tokenizer, again):
    """A row's template has nothing to do with its number, its answer or the row before, and another seed draws others.

    ``again``: drawn anew where a model is asked something else. Each template is as frequent among the rows of every
    remainder: counts within five deviations of a fair draw.
    """
    made = [make(tokenizer, templates=FIVE, max_operand=120, split_seed=seed, vocabulary="full") for seed in (0, 0, 1)]
    for data in made if again else ():
        data.ask(FIVE[:3], 0, 120)
    first, same, other = (data.template_of_row for data in made)
    count, rows = 3 if again else 5, torch.arange(len(first))
    assert len(rows) == 121 * 122 // 2 and first.equal(same)
    fair = lambda share, n: abs(share * n - n / count) < 5 * (n * (count - 1)) ** 0.5 / count  # noqa: E731
    assert fair(float((first == other).double().mean()), len(rows))
    for places in (rows % count, rows * count // len(rows), made[0].task.answers(made[0].operands) % count):
        for place in range(count):
            inside = first[places == place]
            assert all(fair(float((inside == template).double().mean()), len(inside)) for template in range(count))
    assert fair(float((first[1:] == first[:-1]).double().mean()), len(rows) - 1)


def test_order_inside_unordered_pairs_is_random_and_fixed(tokenizer):
    data = make(tokenizer, max_operand=260)
    different = data.shown[data.operands[:, 0] != data.operands[:, 1]]
    assert 0.48 < (different[:, 0] > different[:, 1]).float().mean() < 0.52
    assert make(tokenizer, max_operand=260, seed=5).shown.equal(data.shown)


def test_ordered_pairs_leak_and_unordered_do_not(tokenizer):
    assert make(tokenizer).leaked() == 0
    ordered = make(tokenizer, pairs="ordered")
    assert len(ordered.operands) == 21 * 21
    assert ordered.leaked() > 0.5 * (len(ordered.split["val"]) + len(ordered.split["test"]))
    assert ordered.shown.equal(ordered.operands)


def test_batches_hold_each_row_once_without_padding(tokenizer):
    data = make(tokenizer, templates=FIVE, max_operand=40, batch_size=64, seed=3)
    batches = list(data.train_dataloader())
    assert len(batches) == len(data.train_dataloader())
    assert all(len(batch["answer"]) <= 64 for batch in batches)
    rows = [(tuple(p), s) for b in batches for p, s in zip(b["prompt"].tolist(), b["answer"].tolist(), strict=True)]
    expected = [
        (tuple(p), s) for g in data.examples("train") for p, s in zip(g.prompt.tolist(), g.answer.tolist(), strict=True)
    ]
    assert sorted(rows) == sorted(expected)
    lengths = [batch["prompt"].shape[1] for batch in batches]
    assert set(lengths) == {8, 9, 11} and lengths != sorted(lengths)  # batches of all lengths are mixed


def test_shuffling_depends_on_seed_and_epoch_alone(tokenizer):
    groups = make(tokenizer).examples("train")

    def first(seed, epoch):
        return next(iter(Batches(groups, 16, seed, lambda: epoch, redraw_order=True)))["prompt"]

    assert first(0, 0).equal(first(0, 0))
    assert not first(0, 0).equal(first(0, 1))
    assert not first(0, 0).equal(first(1, 0))


def test_evaluation_is_in_order(tokenizer):
    data = make(tokenizer, eval_batch_size=50)
    prompts = torch.cat([batch["prompt"] for batch in data.val_dataloader()])
    assert prompts.equal(data.examples("val")[0].prompt)


def test_redrawn_order_changes_prompts_and_never_sums(tokenizer):
    data = make(tokenizer, redraw_order=True, max_operand=40)
    batches = Batches(data.on_device("train"), 10_000, 0, redraw_order=True)
    redrawn = next(iter(batches))
    for text, total in zip(
        tokenizer.batch_decode(data.vocabulary.token_ids[redrawn["prompt"]]), redrawn["answer"].tolist(), strict=True
    ):
        a, b = text.removesuffix("+").split(",")
        assert int(a) + int(b) == total
    words = tokenizer.batch_decode(data.vocabulary.token_ids[redrawn["prompt"]])
    assert words == [f"{a},{b}+" for a, b in redrawn["operands"].tolist()]  # what a batch says of them stays true
    first = redrawn["prompt"][:, 0] > redrawn["prompt"][:, 2]
    assert 0.4 < first.float().mean() < 0.6
    assert not make(tokenizer, redraw_order=True, pairs="ordered").redraw_order  # there the order is the row


def test_swapping_moves_only_the_operands():
    prompt, operands = torch.tensor([[5, 9, 6, 8], [1, 9, 2, 8]]), torch.tensor([[15, 16], [11, 12]])
    examples = Examples(prompt, torch.tensor([31, 23]), operands, torch.tensor([[0, 2], [0, 2]]))
    swapped = examples.reordered(torch.tensor([[1, 0], [0, 1]]))
    assert swapped.prompt.tolist() == [[6, 9, 5, 8], [1, 9, 2, 8]]
    assert swapped.operands.tolist() == [[16, 15], [11, 12]] and swapped.answer.tolist() == [31, 23]


def test_three_operands_go_where_they_are_told_and_every_order_is_drawn():
    prompt, operands = torch.tensor([[5, 9, 6, 9, 7, 8]] * 6000), torch.tensor([[15, 16, 17]] * 6000)
    examples = Examples(prompt, torch.full((6000,), 48), operands, torch.tensor([[0, 2, 4]] * 6000))
    moved = examples.reordered(torch.tensor([[2, 0, 1]] * 6000))
    assert moved.prompt[0].tolist() == [7, 9, 5, 9, 6, 8] and moved.operands[0].tolist() == [17, 15, 16]
    orders = drawn_orders(6000, 3, torch.Generator().manual_seed(0))
    _, counts = orders.unique(dim=0, return_counts=True)
    assert len(counts) == 6 and orders.sort(dim=1).values.unique(dim=0).tolist() == [[0, 1, 2]]
    assert counts.min() > 850


@pytest.mark.parametrize(
    ("kwargs", "key"),
    [
        ({"train_fraction": 0.81}, "data.train_fraction=0.81"),
        ({"train_fraction": 0.0}, "data.train_fraction=0.0"),
        ({"max_operand": 1}, "data.train_fraction"),
        ({"min_operand": 21}, "data.min_operand=21"),
        ({"min_operand": -1}, "data.min_operand=-1"),
        ({"templates": ["answer"]}, "data.templates"),
        ({"templates": []}, "data.templates"),
        ({"batch_size": 0}, "data.batch_size=0"),
        ({"eval_batch_size": 0}, "data.eval_batch_size=0"),
        ({"split_seed": -1}, "data.split_seed=-1"),
        ({"max_operand": 300}, "data.number_style=bare"),
    ],
)
def test_impossible_settings_name_their_key(tokenizer, kwargs, key):
    with pytest.raises(ConfigError) as error:
        make(tokenizer, **kwargs)
    assert str(error.value).startswith(key)
