"""A trained model as a directory of transformers: its network, and a tokenizer whose ids are the rows of its table.

A model with a compact vocabulary gets a tokenizer of its own tokens: the backbone's pre-tokenizer, then a lookup. Any
other text becomes ``<unk>``, the one row that is added to the table. That row is the mean of the others, so its logit
is the mean of theirs and never the largest; all other logits stay the same.
"""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from fourier_lightning.data.datamodule import ArithmeticDataModule
from fourier_lightning.data.tokens import Vocabulary
from fourier_lightning.errors import ConfigError
from fourier_lightning.models.module import AdditionModule

UNKNOWN = "<unk>"
TOLERANCE = 1e-5  # of logits, as a share of the largest
ROWS = 1024  # of a batch that is compared


def write_model(module: AdditionModule, data: ArithmeticDataModule, where: Path) -> None:
    """Write a model and its tokenizer with ``save_pretrained``.

    Args:
        data: that of the model's training: its vocabulary, and the backbone's tokenizer.

    Raises:
        ConfigError: a tokenizer of the model's tokens alone splits a prompt in another way than the backbone's.
    """
    if not data.tokenizer.is_fast:
        remedy = "save the backbone with a fast tokenizer (tokenizer.json)"
        raise ConfigError("tokenizer", f"{type(data.tokenizer).__name__} has no tokenizer.json", remedy)
    full = is_full(data)
    tokenizer = full_tokenizer(data.tokenizer) if full else compact_tokenizer(data.tokenizer, data.vocabulary)
    problem = "the longest of the task's tokens first gives other tokens than the backbone's tokenizer"
    check_texts(tokenizer, data, problem, "train with data.vocabulary=full: its tokenizer is written as it is")
    net = copy.deepcopy(module.net)
    if not full:
        add_unknown(net)
    tokenizer.model_max_length = net.config.max_position_embeddings
    net.save_pretrained(where)
    tokenizer.save_pretrained(where)


def is_full(data: ArithmeticDataModule) -> bool:
    """Whether the model has all of the backbone's tokens, in their order."""
    return data.vocabulary.token_ids.equal(torch.arange(len(data.tokenizer)))


def add_unknown(net: Any) -> None:
    """Give a network one more row, the mean of the others, in both of its tables."""
    net.resize_token_embeddings(net.config.vocab_size + 1, mean_resizing=False)
    table, head = net.get_input_embeddings(), net.get_output_embeddings()
    for rows in {table.weight, head.weight, head.bias} - {None}:
        rows.data[-1] = rows.data[:-1].mean(dim=0)


def full_tokenizer(tokenizer: Any) -> PreTrainedTokenizerFast:
    """The backbone's tokenizer without what it puts around a text (Llama's begin of text): prompts have none of it."""
    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    return _made({**spec, "post_processor": None}, **tokenizer.special_tokens_map)


def compact_tokenizer(tokenizer: Any, vocabulary: Vocabulary) -> PreTrainedTokenizerFast:
    """A tokenizer whose ids are a vocabulary's rows: the backbone's pre-tokenizer, then the longest known token first.

    The backbone may merge in another order: ``check_texts`` compares the two on the task's prompts.
    """
    words = tokenizer.convert_ids_to_tokens(vocabulary.token_ids.tolist())
    longest_first = [re.escape(word) for word in sorted(words, key=len, reverse=True)]
    pattern = {"Regex": "|".join([*longest_first, r"[\s\S]"])}  # a character that begins no token stands alone
    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    steps = [spec["pre_tokenizer"]] if spec["pre_tokenizer"] else []
    steps.append({"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False})
    rows = {word: row for row, word in enumerate([*words, UNKNOWN])}
    changes = {
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
        "model": {"type": "WordLevel", "vocab": rows, "unk_token": UNKNOWN},
        "added_tokens": [],
        "post_processor": None,
    }
    return _made({**spec, **changes}, unk_token=UNKNOWN)


def _made(spec: dict[str, Any], **special: str) -> PreTrainedTokenizerFast:
    """A tokenizer of transformers from what would stand in tokenizer.json."""
    names = ["input_ids", "attention_mask"]  # a GPT-2 that is given token_type_ids adds their rows to the stream
    backend = Tokenizer.from_str(json.dumps(spec))
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=names, **special)


def check_model(module: AdditionModule, data: ArithmeticDataModule, where: Path) -> dict[str, float]:
    """Read a directory back as its users will, and compare it with the model that was written.

    Returns:
        Exact match, "val/accuracy" and "test/accuracy", of what was read.

    Raises:
        ConfigError: a prompt or an answer that is other tokens, or other logits.
    """
    tokenizer, net = AutoTokenizer.from_pretrained(where), AutoModelForCausalLM.from_pretrained(where).eval()
    kind = module.net.config.model_type
    problem = f"AutoTokenizer gives every {kind} model the tokenizer of its family: other tokens"
    check_texts(tokenizer, data, problem, "train with a backbone of another architecture")
    scores = {}
    for split in ("val", "test"):
        right = 0
        for texts, answers in batches(data, split):
            prompts = tokenizer(texts, return_tensors="pt")
            with torch.inference_mode():
                expected, logits = (model(**prompts).logits[:, -1].float() for model in (module.net, net))
            difference = float((logits[:, : expected.shape[1]] - expected).abs().max())
            if not difference <= TOLERANCE * max(1.0, float(expected.abs().max())):
                problem = f"transformers reads its configuration as another model: logits differ by {difference:.1e}"
                raise ConfigError(f"model_type={kind}", problem, "train with a backbone of another architecture")
            right += int((logits.argmax(dim=1) == data.vocabulary.numbers[answers]).sum())
        scores[f"{split}/accuracy"] = right / len(data.split[split])
    return scores


def check_texts(tokenizer: Any, data: ArithmeticDataModule, problem: str, remedy: str) -> None:
    """Refuse a tokenizer whose ids for a prompt or an answer of the task are not the model's rows.

    Raises:
        ConfigError: with the problem and the remedy, and the first such text.
    """
    texts, _ = data.texts(torch.arange(len(data.operands)))
    row_of = {token: row for row, token in enumerate(data.vocabulary.token_ids.tolist())}
    expected = data.tokenizer(texts, add_special_tokens=False)["input_ids"]
    for text, tokens, rows in zip(texts, expected, tokenizer(texts)["input_ids"], strict=True):
        if rows != [row_of[token] for token in tokens]:
            raise ConfigError("tokenizer", f"{problem} for {text!r}", remedy)
    for number, row in enumerate(data.vocabulary.numbers.tolist()):
        if tokenizer.decode([row]).strip() != str(number):
            raise ConfigError("tokenizer", f"{problem} for {number}", remedy)


def batches(data: ArithmeticDataModule, split: Literal["val", "test"]) -> Iterator[tuple[list[str], Tensor]]:
    """The prompts of a split and their answers (B,), those of one length together."""
    texts, answers = data.texts(data.split[split])
    lengths = torch.tensor([len(ids) for ids in data.tokenizer(texts, add_special_tokens=False)["input_ids"]])
    for length in lengths.unique():
        for rows in (lengths == length).nonzero()[:, 0].split(ROWS):
            yield [texts[row] for row in rows], answers[rows]
