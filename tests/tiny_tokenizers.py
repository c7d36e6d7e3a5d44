"""Tokenizers of the kinds that there are, by how they split numbers: GPT-2's, Llama 3's, Qwen's, SentencePiece's."""

import string
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models
from tokenizers import pre_tokenizers as pre
from transformers import PreTrainedTokenizerFast

from tests.tiny_models import tiny_model

WORDS = r" ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+"  # what is no number
GPT_2, LLAMA_3, QWEN = rf" ?\p{{N}}+|{WORDS}", rf"\p{{N}}{{1,3}}|{WORDS}", rf"\p{{N}}|{WORDS}"


def tokenizer_of(numbers: Iterable[object], split: pre.PreTokenizer, decoder: decoders.Decoder):
    """A tokenizer of single characters and of these numbers: as few tokens of a piece as they allow."""
    characters = sorted({*string.printable, "Ġ", "Ċ", "▁"} - set(string.whitespace))
    vocabulary = [*characters, *(number for number in map(str, numbers) if number not in characters)]
    scores = [("<unk>", 0.0), *((piece, -10.0 if piece in characters else -5.0) for piece in vocabulary)]
    made = Tokenizer(models.Unigram(scores, unk_id=0))
    made.pre_tokenizer, made.decoder = split, decoder
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>")


def byte_level(numbers: Iterable[object], pattern: str):
    """Split by a pattern first, a space at the beginning of what follows it, as byte-level BPE has it."""
    level = pre.ByteLevel(add_prefix_space=False, use_regex=False)
    split = pre.Sequence([pre.Split(Regex(pattern), "isolated"), level])
    return tokenizer_of(numbers, split, decoders.ByteLevel())


def metaspace(numbers: Iterable[object], *splits: pre.PreTokenizer, scheme: str = "always"):
    """Spaces as ``▁``, one before the text, as SentencePiece has it."""
    split = pre.Sequence([pre.Metaspace(prepend_scheme=scheme), *splits])
    return tokenizer_of(numbers, split, decoders.Metaspace(prepend_scheme=scheme))


KINDS = {
    "words of GPT-2": lambda: byte_level([*range(300), *(f"Ġ{n}" for n in range(120))], GPT_2),
    "threes from the left": lambda: byte_level(range(1000), LLAMA_3),
    "digits": lambda: byte_level([], QWEN),
    "digits after a space": lambda: metaspace([], pre.Digits(individual_digits=True)),
    "numbers after a space": lambda: metaspace([*range(300), *(f"▁{n}" for n in range(300))]),
    "a space before the text": lambda: metaspace([*range(300), *(f"▁{n}" for n in range(200))], scheme="first"),
    "few numbers": lambda: byte_level(range(31), GPT_2),
}


def save_digit_model(where: Path) -> Path:
    """Write a tiny random GPT-2 whose tokenizer splits numbers into digits, as Hugging Face has it."""
    tokenizer = KINDS["digits"]()
    tokenizer.save_pretrained(where)
    tiny_model("gpt2", vocab_size=len(tokenizer), max_position_embeddings=128).save_pretrained(where)
    return where
