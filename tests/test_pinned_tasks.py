"""What a task of two operands is made of, to the bit: splits, orders, prompts and batches of committed results."""

import hashlib

import pytest
from torch import Tensor

from fourier_lightning.config import load_config
from fourier_lightning.data.batches import Batches
from fourier_lightning.run import make

PINNED = {
    "": "e78d065693ad28cb",
    "data.max_operand=40 data.redraw_order=false": "ebd6b292241756a3",
    "data.max_operand=30 data.pairs=ordered data.min_operand=5": "03071d467bf753f0",
    "data=addition data.max_operand=40": "953fddd72097d4db",
    ("data=addition data.max_operand=30 data.vocabulary=full data.split_seed=3 "
     "data.redraw_order=false"): "771fc8d24cfbe0c5",
    "data=modular_addition data.modulus=59": "d5fb1a9ec0fa8c7a",
    ("data=modular_addition data.modulus=23 data.templates=[modulo,remainder,format] "
     "data.train_fraction=0.8"): "3fbf66127878df09",
    "data=subtraction data.max_operand=60": "45dacd51a0a4ef0f",
    ("data=subtraction data.templates=[minus,subtract,difference] data.max_operand=30 "
     "data.split_seed=1"): "771c38b8bfbe1431",
}  # fmt: skip


@pytest.mark.parametrize("settings", PINNED)
def test_what_committed_results_were_trained_on_stays(tokenizer, settings):
    data = make(load_config(settings.split()).data, tokenizer=tokenizer, seed=4)
    found = hashlib.sha256()

    def note(*tensors: Tensor) -> None:
        for one in tensors:
            found.update(repr(tuple(one.shape)).encode() + one.long().numpy().tobytes())

    note(data.operands, data.task.answers(data.operands), data.shown, data.template_of_row, *data.split.values())
    note(data.vocabulary.token_ids, data.vocabulary.numbers, data.vocabulary.operands, data.vocabulary.operand_values)
    for split in ("train", "val", "test"):
        for group in data.examples(split):
            note(group.prompt, group.answer, group.operands, group.slots)
    for batch in Batches(data.examples("train"), 64, 7, lambda: 2, data.redraw_order):
        note(batch["prompt"], batch["answer"], batch["operands"])
    note(data.prompts_of(data.operands[-2:]).prompt)
    assert found.hexdigest()[:16] == PINNED[settings]
