import pytest
import torch

from fourier_lightning.data.addition import Addition
from fourier_lightning.data.tokens import build_vocabulary, encode_template, number_ids
from fourier_lightning.errors import ConfigError


def test_bare_numbers_are_single_tokens_up_to_520_and_no_further(tokenizer):
    ids = number_ids(tokenizer, 521, "bare", "max_operand")
    assert [tokenizer.decode([i]) for i in ids.tolist()] == [str(n) for n in range(521)]
    with pytest.raises(ConfigError, match=r"1 of the answers 0..521 .*: '521'; lower data.max_operand"):
        number_ids(tokenizer, 522, "bare", "max_operand")


def test_the_audit_lists_all_67_offenders_with_a_leading_space(tokenizer):
    with pytest.raises(ConfigError) as error:
        number_ids(tokenizer, 521, "space", "max_operand")
    line = str(error.value)
    assert line.startswith("data.number_style=space: 67 of the answers")
    assert [word in line for word in ("' 362'", "' 381'", "' 382'")] == [True] * 3
    assert line.count("' ") == 67
    assert len(number_ids(tokenizer, 201, "space", "max_operand")) == 201  # small ranges are fine


def test_operands_are_audited_in_their_context(tokenizer):
    with pytest.raises(ConfigError, match=r"data.max_operand: these operands .*: 362, 381"):
        encode_template(tokenizer, Addition.templates["total"], range(401), "max_operand")


@pytest.mark.parametrize("name", Addition.templates)
def test_slots_hold_the_operands(tokenizer, name):
    prompts, slots = encode_template(tokenizer, Addition.templates[name], range(261), "max_operand")
    assert len(prompts) == 261
    for n in (0, 7, 260):
        decoded = [tokenizer.decode([prompts[n, column].item()]).strip() for column in slots.tolist()]
        assert decoded == [str(n)] * 2


def test_compact_vocabulary_puts_the_numbers_first(tokenizer):
    numbers = number_ids(tokenizer, 41, "bare", "max_operand")
    encoded = [encode_template(tokenizer, Addition.templates["format"], range(21), "max_operand")]
    prompts = encoded[0][0]
    compact = build_vocabulary(tokenizer, numbers, encoded, range(21), compact=True)
    assert compact.numbers.equal(torch.arange(41))
    assert len(compact) == 43  # the numbers, the comma and the plus
    assert compact.token_ids[compact.rows_of(prompts)].equal(prompts)
    full = build_vocabulary(tokenizer, numbers, encoded, range(21), compact=False)
    assert len(full) == len(tokenizer) and full.rows_of(prompts).equal(prompts)
    assert len(compact.operands) == len(full.operands) == 0  # "a,b+" has its operands in the answer's style


def test_operands_of_sentences_are_other_tokens(tokenizer):
    numbers = number_ids(tokenizer, 41, "bare", "max_operand")
    encoded = [
        encode_template(tokenizer, Addition.templates[name], range(21), "max_operand")
        for name in ("total", "format", "what")
    ]
    for compact in (True, False):
        vocabulary = build_vocabulary(tokenizer, numbers, encoded, range(21), compact)
        words = [tokenizer.decode([i]) for i in vocabulary.token_ids[vocabulary.operands].tolist()]
        assert words == [f" {n}" for n in vocabulary.operand_values.tolist()] == [f" {n}" for n in range(21)]
