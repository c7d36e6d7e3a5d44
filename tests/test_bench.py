"""The bench's parts, at a size that takes a second; its figures are for `make bench`."""

import json
from types import SimpleNamespace

import pytest
import torch

from scripts import bench, bench_gpu, bench_growth, bench_report, bench_rivals, bench_training, bench_worker, many_jobs


def test_flop_of_a_step_against_a_hand_count():
    """The quick shape: blocks on 4 tokens, the last one's query, projection and MLP on 1, the head on 1."""
    batch, d, vocabulary, length = 256, 128, 523, 4
    block_all = 12 * d * d * length  # multiply-adds an example: qkv 3, projection 1, MLP 8
    block_last = 2 * d * d * length + 10 * d * d  # keys and values everywhere, the rest once
    linear = 2 * batch * (block_all + block_last + d * vocabulary)
    counted = bench_training.step_flop("quick")
    assert counted == pytest.approx(3 * linear, rel=0.05)  # forward and twice that backward; attention is small


def test_all_sides_train_the_same_body_on_the_same_texts():
    from fourier_lightning.config import load_config
    from fourier_lightning.run import prepare

    assert bench_gpu.PAPER_ROWS == 27_352
    for shape, settings in bench_worker.SHAPES.items():
        cfg = bench_worker.our_config(shape, "adamw")
        parts = prepare(cfg)
        assert parts.data.batch_size == settings["batch"]
        assert len(parts.data.split["train"]) == (4_120 if shape == "default" else bench_gpu.PAPER_ROWS) > 0
        assert cfg.model.dropout == 0.0 and cfg.trainer.limit_val_batches == 0
    theirs = bench_rivals.job(parts, "cpu", "32-true", compact=True)
    assert len(theirs.texts) == 27_352 and theirs.batch == settings["batch"]
    first = parts.data.examples("train")[0]
    assert theirs.texts[0].tolist() == [*first.prompt[0].tolist(), parts.data.vocabulary.numbers[first.answer[0]]]
    assert load_config(["experiment=quick"]).data.batch_size == bench_worker.SHAPES["quick"]["batch"]


def test_a_shape_is_changed_by_the_settings_after_its_name():
    changed = bench_worker.shape("gpt2-small data.batch_size=1024 model.n_layer=3")
    assert changed["batch"] == 1024 and bench_worker.shape("gpt2-small")["batch"] == 64
    cfg = bench_worker.our_config("gpt2-small data.batch_size=1024 model.n_layer=3", "muon")
    assert (cfg.data.batch_size, cfg.model.n_layer, cfg.model.width, cfg.optimizer.name) == (1024, 3, 768, "muon")


def test_the_minimal_gpt2_is_gpt2():
    """Hugging Face's weights in it give Hugging Face's loss and gradient, on prompts of different lengths."""
    texts = [torch.randint(20, (length,), generator=torch.Generator().manual_seed(length)) for length in (3, 5, 4)]
    size = SimpleNamespace(n_embd=16, n_layer=2, n_head=2)
    job = bench_rivals.Job(texts, 20, size, 3, "cpu", "32-true")
    theirs, ours = bench_rivals.hugging_face(job), bench_rivals.GPT(20, 16, 2, 2)
    names = {"qkv": "attn.c_attn", "attn_out": "attn.c_proj", "mlp_in": "mlp.c_fc", "mlp_out": "mlp.c_proj"}
    given = {name.removeprefix("transformer."): values for name, values in theirs.named_parameters()}
    for name, values in ours.named_parameters():
        linear = next((part for part in names if f".{part}." in name), None)
        there = given[name.replace("blocks", "h").replace(f".{linear}.", f".{names.get(linear)}.")]
        values.data.copy_(there.T if linear and name.endswith("weight") else there)  # Conv1D is transposed
    batch = bench_rivals.padded(texts)
    theirs_loss, ours_loss = theirs(**batch).loss, ours.loss(batch["input_ids"][:, :-1], batch["labels"][:, 1:])
    assert ours_loss.item() == pytest.approx(theirs_loss.item(), rel=1e-5)
    theirs_loss.backward(), ours_loss.backward()
    torch.testing.assert_close(ours.wte.weight.grad, given["wte.weight"].grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rival", bench_rivals.RIVALS)
def test_every_rival_trains_and_takes_its_turns(rival):
    texts = [torch.tensor([1, 2, 3, 4]), torch.tensor([5, 6, 7])] * 4
    job = bench_rivals.Job(texts, 8, SimpleNamespace(n_embd=8, n_layer=1, n_head=1), 4, "cpu", "bf16-mixed")
    turns = []

    def three():
        while len(turns) < 3:
            turns.append(1)
            yield
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench_rivals.RIVALS[rival](job, three())
    assert len(turns) == 3


def test_ceiling_is_a_rate_of_real_products(monkeypatch):
    calls = []
    real = torch.mm
    monkeypatch.setattr(torch, "mm", lambda a, b: calls.append(a.dtype) or real(a, b))
    assert bench_training.matmul_ceiling("32-true", size=64, seconds=0.01) > 0
    assert bench_training.matmul_ceiling("bf16-mixed", size=64, seconds=0.01) > 0
    assert set(calls) == {torch.float32, torch.bfloat16}


class Rounds:
    """In place of a worker: seconds of its rounds, the first a warm-up."""

    seconds = {"ours": [9, 1, 2], "trainer": [9, 5, 5]}  # noqa: RUF012

    def __init__(self, side, *settings):
        self.left = iter(self.seconds[side])

    def round(self):
        return {"seconds": next(self.left), "peak_mb": 100.0}

    def close(self):
        pass


def test_ratios_are_over_all_rounds_with_the_spread_of_one(monkeypatch):
    monkeypatch.setattr(bench_training, "Worker", Rounds)
    monkeypatch.setattr(bench_training, "matmul_ceiling", lambda *args: 100.0)
    monkeypatch.setattr(bench_training, "example_flop", lambda name: 1e7)
    one = bench_training.compare("quick", "adamw", "32-true", "trainer", 2, "cpu")
    rate, other = 2 * 20 * 256 / 3, 2 * 4 * 256 / 10
    assert one["times faster"] == pytest.approx(rate / other, abs=0.01) and one["target"] == 20
    assert one["times faster, of a round"] == {"median": 18.75, "low": 12.5, "high": 25.0}
    assert one["share of ceiling"] == pytest.approx(rate * 1e7 / 1e11, abs=1e-3)
    lines = bench.table({"training": [one]}, "cpu")
    assert lines[0]["ratio"] == f"{one['times faster']:g} (12.5 to 25)" and lines[0]["target"] == "20"
    assert [line["question"].split(",")[0] for line in lines[1:]] == ["share of a bare matrix product", "peak memory"]


def test_growth_is_beside_the_smallest_of_its_kind():
    found = [
        {"grows with": "p", "setting": "a", "ms a step": {"median": 2.0, "low": 1, "high": 3}},
        {"grows with": "p", "setting": "b", "ms a step": {"median": 5.0, "low": 1, "high": 9}},
        {"grows with": "runs", "setting": "500 in a report", "s": 30.0, "MB": 12.0},
    ]
    assert [row["times"] for row in bench_growth.rows(found)] == ["1.00", "2.50", "1.00"]
    assert bench_growth.rows(found)[2]["cost"] == "30 s, 12 MB"


def test_copied_records_are_models_of_their_own(tiny_runs):
    info = json.loads((tiny_runs / "0" / "record" / "run.json").read_text())
    made = bench_report.changed(json.loads(json.dumps(info)), 0.5, 3)
    assert made["id"] == made["model"]["id"] != info["id"] and made["seed"] == made["config"]["seed"] == 3
    assert made["model"]["config"]["optimizer"]["lr"] == made["config"]["optimizer"]["lr"] == 0.5


def test_what_grew_is_told_and_what_did_not_is_not():
    settled = {"memory MB": 100.0, "open files": 9, "hooks": 2}
    before = [{"memory MB": 1.0, "open files": 1, "hooks": 0}] * (many_jobs.SETTLED - 1)  # that counts for nothing
    assert many_jobs.judge([*before, settled, {"memory MB": 104.0, "open files": 9, "hooks": 1}]) == []
    found = many_jobs.judge([*before, settled, {"memory MB": 106.0, "open files": 10, "hooks": 2}])
    assert found == ["open files: 9, then 10", "memory: 6.0%"]
