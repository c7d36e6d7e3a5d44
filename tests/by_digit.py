"""A tokenizer that splits numbers into digits, and data and models for prompts in it."""

from fourier_lightning.data.addition import addition_data
from tests.tiny_models import tiny_model

DIGITS = "0123456789"


class ByDigit:
    """A tokenizer that takes one character at a time, digits too; row 1 begins every text if it is asked to."""

    is_fast, bos_token, eos_token_id = True, "^", 2
    table = "".join(["?", "^", "$", *DIGITS, "\n ", *map(chr, range(33, 48)), *map(chr, range(58, 127))])

    def __init__(self, begins: bool = False) -> None:
        self.begins, self.bos_token_id = begins, 1
        self.table = "".join(dict.fromkeys(self.table))

    def __len__(self) -> int:
        return len(self.table)

    def get_vocab(self):
        return {character: row for row, character in enumerate(self.table)}

    def __call__(self, text, add_special_tokens=True, return_offsets_mapping=False, **_):
        if isinstance(text, list):
            found = [self(one, add_special_tokens, True) for one in text]
            return {key: [one[key] for one in found] for key in found[0]}
        ids = [self.table.index(character) for character in text]
        ids = [1, *ids] if add_special_tokens and self.begins else ids
        return {"input_ids": ids, "offset_mapping": [(i, i + 1) for i in range(len(text))]}

    def batch_decode(self, rows):
        return ["".join(self.table[token] for token in row) for row in rows]


def data(tokenizer, **settings):
    return addition_data(tokenizer, **{"templates": ["equation"], "shots": 4, "max_operand": 20, **settings})


def text_of(module, prompt):
    """A prompt as it reads."""
    tokenizer = module.tokenizer
    ids = module.vocabulary.token_ids[prompt].tolist()
    return tokenizer.batch_decode([ids])[0]


def spoken(name, tokenizer, **settings):
    """A tiny random model that speaks a tokenizer's tokens, and prompts of one length with a common beginning."""
    net = tiny_model(name, vocab_size=len(tokenizer), max_position_embeddings=128, **settings)
    module = data(tokenizer, axis="last_digit")
    return net, module
