"""What a split that tests generalisation promises: by Hypothesis, against sets of Python, for every task."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fourier_lightning.checkpoint import check_checkpoint
from fourier_lightning.claims.contrasts import matching
from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.verdict import judge
from fourier_lightning.config import check_config, load_config
from fourier_lightning.data.addition import Addition
from fourier_lightning.data.carries import carries
from fourier_lightning.data.comparison import Comparison
from fourier_lightning.data.modular import ModularAddition
from fourier_lightning.data.multiplication import Multiplication
from fourier_lightning.data.split import split_indices, split_rows
from fourier_lightning.data.subtraction import Subtraction
from fourier_lightning.data.task import Task
from fourier_lightning.data.three_operands import ThreeOperands
from fourier_lightning.errors import ConfigError
from fourier_lightning.readings.contrasts import differing
from fourier_lightning.readings.seeds import task_of
from fourier_lightning.record.runs import find_runs, label_runs
from fourier_lightning.run import make, prepare
from tests.conftest import train

sizes = st.integers(12, 40)
tasks = st.one_of(
    st.builds(Addition, max_operand=sizes, pairs=st.sampled_from(["unordered", "ordered"])),
    st.builds(ModularAddition, modulus=st.integers(12, 60)),
    st.builds(Subtraction, max_operand=sizes, min_operand=st.integers(0, 3)),
    st.builds(Multiplication, max_operand=st.integers(20, 60), max_product=st.integers(100, 520)),
    st.builds(ThreeOperands, max_operand=st.integers(8, 14)),
    st.builds(Comparison, max_operand=sizes),
)
kinds = st.sampled_from(["operands", "sums", "residues", "carries"])


def written(addends: list[int]) -> tuple[int, ...]:
    """Carries as a child writes them down, column by column, as many as the task's longest numbers have digits."""
    digits, carry, found = [[int(d) for d in reversed(str(n).zfill(9))] for n in addends], 0, []
    for column in zip(*digits, strict=True):
        carry = (sum(column) + carry) // 10
        found.append(carry)
    return tuple(found)


def rows_of(task: Task, parts: tuple[torch.Tensor, ...]) -> list[list[list[int]]]:
    return [task.operands()[part].tolist() for part in parts]


@settings(max_examples=100, deadline=None)
@given(tasks, kinds, st.floats(0.05, 0.8), st.integers(0, 2**32 - 1))
def test_what_is_held_out_is_not_in_training(task, kind, fraction, seed):
    rows = task.operands()
    try:
        parts = split_rows(task, rows, kind, fraction, seed)
    except ConfigError as error:
        assert str(error).startswith(f"data.split={kind}: ") and "\n" not in str(error)
        return
    everything = torch.cat(parts).tolist()
    assert len(set(everything)) == len(everything)  # no row twice
    assert min(map(len, parts)) >= 1 and len(parts[0]) <= fraction * len(rows) + 1e-6
    train, val, test = rows_of(task, parts)
    answers = [set(task.answers(torch.tensor(part)).tolist()) for part in (train, val, test)]
    numbers = [{n for row in part for n in row} for part in (train, val, test)]
    if kind == "operands":
        assert all(set(row) - numbers[0] for row in val + test)
    elif kind == "sums":
        assert not answers[0] & answers[1] and not answers[0] & answers[2] and not answers[1] & answers[2]
    elif kind == "residues":
        last = [{answer % 10 for answer in part} for part in answers]
        assert len(last[1]) == len(last[2]) == 1 and not last[0] & (last[1] | last[2]) and last[1] != last[2]
    else:
        patterns = [{written(row) for row in task.addends(torch.tensor(part)).tolist()} for part in (train, val, test)]
        assert patterns[1] == patterns[2] and len(patterns[1]) == 1 and not patterns[0] & patterns[1]
        assert abs(len(val) - len(test)) <= 1


@settings(max_examples=60, deadline=None)
@given(tasks, kinds, st.integers(0, 1000))
def test_nothing_more_is_held_out_than_that(task, kind, seed):
    """With all of the pool in training: rows that are missing there, and why."""
    rows = task.operands()
    try:
        parts = split_rows(task, rows, kind, 0.8, seed)
        whole = split_rows(task, rows, kind, 1.0, seed)  # all of the pool
    except ConfigError:
        return
    assert whole[1].equal(parts[1]) and whole[2].equal(parts[2])
    assert sorted(torch.cat(whole).tolist()) == list(range(len(rows)))
    assert whole[0][: len(parts[0])].equal(parts[0])  # nested
    shares = [len(part) / len(rows) for part in whole[1:]]
    if kind == "sums":
        most = task.answers(rows).bincount().max() / len(rows)
        assert all(0.1 <= share <= 0.1 + most for share in shares)
    elif kind == "operands":  # a tenth of the rows or just more: one number less would not have been enough
        most = max(int((rows == n).any(dim=1).sum()) for n in range(task.smallest, task.largest + 1)) / len(rows)
        assert all(0.1 <= share <= 0.1 + most for share in shares)
    elif kind == "carries":
        assert 0.05 <= sum(shares) <= 0.5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9999), min_size=3, max_size=3), min_size=1, max_size=20))
def test_carries_are_those_of_a_child(addends):
    found = carries(torch.tensor(addends))
    assert found.shape[1] == max(len(str(n)) for row in addends for n in row)
    for row, one in zip(addends, found.tolist(), strict=True):
        assert tuple(one) == written(row)[: len(one)]


def test_the_seed_draws_what_is_held_out():
    task = Addition(max_operand=30)
    for kind in ("operands", "sums", "residues", "carries"):
        drawn = [split_rows(task, task.operands(), kind, 0.4, seed) for seed in (0, 0, *range(1, 8))]
        assert all(a.equal(b) for a, b in zip(drawn[0], drawn[1], strict=True))
        assert len({tuple(parts[2].sort().values.tolist()) for parts in drawn}) > 2
    rows = task.operands()
    for a, b in zip(split_rows(task, rows, "random", 0.3, 5), split_indices(len(rows), 0.3, 5), strict=True):
        assert a.equal(b)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ("data.split=sum", "data.split=sum: str is not allowed here; use one of random, operands, sums, residues, c"),
        ("data=comparison data.split=carries", "data.split=carries: comparison is no column addition: it has none"),
        ("data=multiplication data.split=carries", "data.split=carries: multiplication is no column addition"),
        ("data.split=carries data.max_operand=4", "data.split=carries: none of 1 patterns of carries holds 5% to 50%"),
        ("data.split=sums data=modular_addition data.modulus=2", "data.split=sums: 3 pairs split into 0 training, "),
        ("data.split=operands data.max_operand=1", "data.split=operands: 3 pairs split into 0 training, "),
        ("data.split=residues data=modular_addition data.modulus=2", "data.split=residues: 3 pairs split into 0 "),
    ],
)
def test_a_split_that_can_not_be_made_is_a_line(tokenizer, settings, line):
    cfg = load_config([*settings.split(), "data.train_fraction=0.8"])
    with pytest.raises(ConfigError) as error:
        check_config(cfg)
        make(cfg.data, tokenizer=tokenizer)
    assert str(error.value).startswith(line) and "\n" not in str(error.value)


def test_a_checkpoint_of_before_the_splits_is_one_of_the_random_split(tiny, tmp_path):
    options = ["instruments=none", "logger=none"]
    train(tiny(*options, "trainer.max_epochs=1"))
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    del checkpoint["hyper_parameters"]["run"]["config"]["data"]["split"]
    torch.save(checkpoint, tmp_path / "old.ckpt")
    old = f"ckpt_path={tmp_path / 'old.ckpt'}"
    check_checkpoint(tiny(*options, old))  # it may go on
    with pytest.raises(ConfigError, match=r"data.split=random there, sums here"):
        check_checkpoint(tiny(*options, old, "data.split=sums"))
    again = load_config([*options, old, "fit=false"], tmp_path / "again")
    assert train(again).data.split["test"].equal(prepare(tiny(*options)).data.split["test"])
    with pytest.raises(ConfigError, match=r"^data.split=sums: the checkpoint has data.split=random"):
        load_config([*options, old, "fit=false", "data.split=sums"], tmp_path / "other")


def test_runs_of_another_split_are_another_model_to_labels_contrasts_and_claims(tiny_runs):
    random, sums, scratch = (find_runs([tiny_runs / n])[0] for n in ("0", "1", "2"))
    del random.info["config"]["data"]["split"]  # an older record
    for card in (random.info["model"], sums.info["model"]):
        card["config"]["data"] = dict(card["config"]["data"])
    random.info["model"]["config"]["data"].pop("split")
    sums.info["config"]["data"]["split"] = sums.info["model"]["config"]["data"]["split"] = "sums"
    label_runs([random, sums])
    assert random.label.endswith(", random split") and sums.label.endswith(", held-out sums")
    assert task_of(random) != task_of(sums) and "held-out sums" in task_of(sums)
    assert differing(random, sums) == "data.split=random against sums"
    assert matching(random, [sums, scratch], "scratch") == [scratch] and matching(sums, [scratch], "scratch") == []
    rescue_perfect = next(claim for claim in CLAIMS if claim.name == "rescue_perfect")
    for run in (random, sums):
        run.info["metrics"] = {**run.info["metrics"], "train/accuracy": 1.0, "test/accuracy": 1.0}
    verdicts = {verdict.model: verdict for verdict in judge(rescue_perfect, [random, sums])}
    said = {("sums" if "sums" in model else "random"): one.why for model, one in verdicts.items()}
    assert said["sums"] == "its split holds out sums, the paper's does not" and said["random"] == "one seed"
