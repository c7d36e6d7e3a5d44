"""Answers a digit at a time: questions, the digit's own number line, and what instruments see there."""

import pytest
import torch

from fourier_lightning.data.addition import addition_data
from fourier_lightning.data.subtraction import subtraction_data
from fourier_lightning.errors import ConfigError
from fourier_lightning.instruments import AnswerPhase, InputWaves, LogitLens, View
from fourier_lightning.instruments.breakdown import kinds_of
from fourier_lightning.models.decoder import Decoder
from tests.by_digit import DIGITS, ByDigit, data, spoken, text_of


@pytest.mark.parametrize("axis", ["last_digit", "first_digit", "number"])
@pytest.mark.parametrize("make", [addition_data, subtraction_data])
def test_digits_of_an_answer_are_asked_after_all_that_comes_before_them(make, axis):
    module = make(ByDigit(), templates=["equation"], shots=2, axis="last_digit", max_operand=120)
    texts, numbers = [], module.vocabulary.numbers
    assert "".join(ByDigit().table[row] for row in numbers) == DIGITS
    for group in module.examples("val", axis):
        whole = module.whole.answers(group.operands)
        for row in range(len(group)):
            said, (a, b), number = (
                text_of(module, group.prompt[row]),
                group.operands[row].tolist(),
                str(int(whole[row])),
            )
            texts.append(said)
            question, _, given = said.splitlines()[-1].partition("=")
            assert question in (f"{a}+{b}", f"{a}-{b}")
            assert given == (number[:-1] if axis == "last_digit" else "")
            right = {"last_digit": number[-1], "first_digit": number[0], "number": number}[axis]
            assert int(group.answer[row]) == int(right)
            shown = [said[column] for column in group.slots[row].tolist()]
            place = -1 if axis == "last_digit" else 0
            assert shown == [str(a)[place], str(b)[place]]
    assert len(texts) == len(module.split["val"])


def test_a_digit_is_a_task_of_its_own():
    module = data(ByDigit(), axis="last_digit")
    assert module.task.card() == {"name": "addition_last_digit", "p": 10, "cyclic": True, "commutative": True}
    first = data(ByDigit(), axis="first_digit").task
    assert (first.cyclic, first.cycle, first.answers(torch.tensor([[7, 5], [0, 0], [60, 60]])).tolist()) == (
        False, None, [1, 0, 1],
    )  # fmt: skip
    assert first.allows([20, 0]) and not first.allows([21, 0])
    kinds = kinds_of(first, module.operands, first.answers(module.operands), 4)
    assert kinds["operand"][1].tolist() == [0, 6, 11, 16, 21] and kinds["carries"][1].tolist() == [0, 1, 2]
    assert len(module.prompts_of([(1, 1), (2, 2)])) == 2
    with pytest.raises(ConfigError, match="different digits"):
        module.prompts_of([(1, 1), (10, 10)])


def test_a_tokenizer_that_does_not_split_numbers_has_no_axis_of_digits(tokenizer):
    with pytest.raises(ConfigError, match=r"^data.axis=last_digit: this tokenizer does not split \d+ into digits"):
        data(tokenizer, axis="last_digit").examples("val")
    with pytest.raises(ConfigError, match=r"^data.shots=500: \d+ training rows"):
        data(tokenizer, shots=500)
    with pytest.raises(ConfigError, match=r"^data.shots=-1: negative"):
        data(tokenizer, shots=-1)


def test_instruments_look_at_the_digit_of_the_answer():
    net, module = spoken("llama", ByDigit())
    view = View.of(net, module)
    lens = LogitLens()(view).tables["lens_accuracy"]
    right = total = 0
    with torch.inference_mode():
        for group in module.examples("val"):
            logits = Decoder(net).answer_logits(group.prompt)[:, module.vocabulary.numbers]
            right, total = right + int((logits.argmax(dim=1) == group.answer).sum()), total + len(group)
    assert lens[-1]["accuracy"] == pytest.approx(right / total)
    phases = AnswerPhase(draws=20, rotations=20)(view).tables["answer_phase"]
    assert {row["period"] for row in phases} >= {2.0, 2.5, 5.0, 10.0}
    waves = InputWaves(draws=0, batch_size=64)(view).tables["input_waves"]
    assert {row["line"] for row in waves} == {"numbers"} and waves[0]["removed"] == "none"
    assert any(abs(row["loss"] - waves[0]["loss"]) > 1e-6 for row in waves if row["removed"] == "short")
