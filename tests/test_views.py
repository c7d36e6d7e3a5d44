"""Instruments without a trainer: any model in three lines, any split, gradients where they are asked for."""

from typing import ClassVar

import pytest
import torch

from fourier_lightning.config import load_config
from fourier_lightning.data.addition import addition_data
from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.filters import FilterSettings
from fourier_lightning.instruments import (
    AnswerPhase,
    EmbeddingSpectrum,
    FilterAblation,
    Findings,
    InputWaves,
    Instrument,
    KnockOut,
    LayerSpectrum,
    LogitLens,
    View,
)
from fourier_lightning.models.hooks import capture
from fourier_lightning.models.module import AdditionModule, TableModule
from fourier_lightning.record.runs import read_run
from fourier_lightning.run import build_module, prepare
from tests.conftest import TINY, train


@pytest.fixture(scope="module")
def data(tokenizer):
    return addition_data(tokenizer, templates=["format"], max_operand=20, vocabulary="full")


def test_a_notebook_measures_any_model_in_three_lines(pretrained, data):
    view = View.of(pretrained, data)
    rows = LogitLens()(view).tables["lens_accuracy"]
    exact = [pretrained(g.prompt).logits[:, -1].argmax(1) == view.numbers[g.answer] for g in data.examples("val")]
    assert rows[-1]["accuracy"] == pytest.approx(torch.cat(exact).float().mean().item(), abs=1e-6)
    found = EmbeddingSpectrum([2, 5, 10])(view)
    assert found.arrays["number_embedding"].equal(pretrained.transformer.wte.weight[view.numbers])
    assert set(FilterAblation(FilterSettings(draws=1))(view).tables) == {"filter_ablation", "error_histogram"}


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_view_is_of_one_split(pretrained, data, split):
    seen = torch.cat([batch["operands"] for batch in LogitLens().batches(View.of(pretrained, data, split))])
    wanted = torch.cat([group.operands for group in data.examples(split)])
    assert seen.equal(wanted)


def test_a_run_looks_at_the_split_that_it_is_told(tmp_path, tiny):
    """The lens at the end is the model: it has the accuracy of the split that was asked for."""
    metrics = train(tiny("logger=none", "split=test", "trainer.max_epochs=1", "instruments=logit_lens")).metrics
    rows = read_run(tmp_path).table("lens_accuracy")
    assert rows[-1]["mod_10"] == pytest.approx(metrics["test/mod_10"]) != metrics["val/mod_10"]


class Sensitivity(Instrument):
    """How much the right answer's logit changes with the last residual stream."""

    needs_grad: ClassVar[bool] = True

    def measure(self, view: View) -> Findings:
        (batch,) = self.batches(view)
        with capture(view.decoder, [view.decoder.final], "all", detach=False) as seen:
            logits = view.decoder.answer_logits(batch["prompt"])
        right = logits.gather(1, view.numbers[batch["answer"]][:, None]).sum()
        (gradient,) = torch.autograd.grad(right, [seen[view.decoder.final]], retain_graph=True)
        right.backward()  # careless: this fills the weights' gradients, too
        return Findings(scalars={"size": float(gradient.norm())})


def test_gradients_are_possible_and_leave_nothing_behind(pretrained, data):
    pretrained.train()
    try:
        found = Sensitivity()(View.of(pretrained, data))
        assert found.scalars["size"] > 0
        assert pretrained.training and all(weight.grad is None for weight in pretrained.parameters())
    finally:
        pretrained.eval()


def test_looking_changes_nothing(pretrained, data):
    before = {name: weight.clone() for name, weight in pretrained.state_dict().items()}
    state = torch.get_rng_state()
    pretrained.train()
    try:
        knock_out = KnockOut(FilterSettings(), components=[1, 2])
        for instrument in (LogitLens(), LayerSpectrum([2, 5]), AnswerPhase(), InputWaves([2], draws=1), knock_out):
            instrument(View.of(pretrained, data))
        assert pretrained.training and torch.get_rng_state().equal(state)
        assert all(weight.equal(before[name]) for name, weight in pretrained.state_dict().items())
    finally:
        pretrained.eval()


def test_what_does_not_fit_is_refused(pretrained, data):
    with pytest.raises(ConfigError, match="periods=99: the number line has 41 numbers"):
        LayerSpectrum([99])(View.of(pretrained, data))
    compact = build_module(prepare(load_config([*TINY, "logger=none"])), 0).net  # 43 tokens
    with pytest.raises(ConfigError, match="tokens, and the model has 43"):
        View.of(compact, data)
    with pytest.raises(ConfigError, match="split=validation: no such split; choose from train, val, test"):
        View.of(pretrained, data, "validation")


def test_a_view_is_of_a_lightning_module_too(tiny_runs):
    parts = prepare(load_config([*TINY, "logger=none"]))
    saved = AdditionModule.load_from_checkpoint(tiny_runs / "0/checkpoints/last.ckpt", weights_only=True)
    for module in (build_module(parts, 0), saved):
        inside, outside = (LogitLens()(View.of(model, parts.data)).tables for model in (module, module.decoder))
        assert inside == outside and View.of(module, parts.data).decoder is module.decoder
    full = prepare(load_config([*TINY, "logger=none", "data.vocabulary=full"])).data
    with pytest.raises(ConfigError, match="data: the model was trained on other tokens"):
        View.of(saved, full)


def test_a_view_of_an_encoder_is_of_its_rows(data):
    rows = torch.randn(len(data.vocabulary), 8, generator=torch.Generator().manual_seed(0))
    found = EmbeddingSpectrum([2, 5])(View.of(TableModule(rows), data))
    assert found.arrays["number_embedding"].equal(rows[data.vocabulary.numbers])


def test_something_else_than_a_model_or_data_is_one_type_error(pretrained, data):
    wrong = [
        "RUN/checkpoints/last.ckpt",
        None,
        data,
        pretrained.state_dict(),
        pretrained.transformer,
        torch.nn.Linear(2, 2),
    ]
    for model in wrong:
        with pytest.raises(
            TypeError, match=r"^View.of\(model, data\): \w+ is no model that can be looked at; give a Light"
        ):
            View.of(model, data)
    for other in (None, pretrained, data.vocabulary, data.task):
        with pytest.raises(TypeError, match=r"^View.of\(model, data\): \w+ is no data module"):
            View.of(pretrained, other)
    for view in (pretrained, data, None):
        with pytest.raises(TypeError, match="LogitLens looks at a View, not"):
            LogitLens()(view)
