"""What four demonstrations cost: prompted answers here against a plain batched ``generate`` loop, in turn.

    python -m scripts.bench_prompted [--path DIR] [--prompts 1000] [--rounds 4] [--out bench_prompted.json]

Both sides answer the same questions ("12+7=19\\n... 15+33=") with the same weights in float32, in batches of the same
size, with the same ends of an answer and at most eight tokens; the plain side pads a batch on the left, as transformers
wants it, ours groups prompts by length and computes the demonstrations once a batch. A round of each in turn, after a
warm-up, so that a drift of the machine hits both; seconds of the processor (one thread) beside those of the clock,
because a shared machine's clock tells little. The answers are compared, too.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fourier_lightning.config import asset_path
from fourier_lightning.data.addition import addition_data
from fourier_lightning.data.batches import Batches, Examples, concatenate
from fourier_lightning.data.shots import Asked
from fourier_lightning.models.backbones import Backbone
from fourier_lightning.models.continued import greedy
from fourier_lightning.record.writer import describe_device

MOST = 8  # tokens of an answer
TARGET = 1 / 3  # of the plain loop's cost


def questions(tokenizer: Any, prompts: int, axis: str) -> Asked:
    """Four demonstrations and so many questions, operands to 60."""
    data = addition_data(tokenizer, templates=["equation"], shots=4, axis=axis, max_operand=60)
    asked = data.asked("train")
    share = prompts / sum(map(len, asked.questions))
    return Asked([group.sample(round(share * len(group))) for group in asked.questions], asked.ends, asked.read)


def ours(net: Any, groups: list[Examples], asked: Asked, batch: int) -> list[str]:
    """Texts in the order of ``groups``."""
    return [text for one in Batches(groups, batch)
            for text in asked.read(greedy(net, one["prompt"], asked.ends, MOST))]  # fmt: skip


def plain(net: Any, groups: list[Examples], asked: Asked, batch: int) -> list[str]:
    """The same from ``generate``: prompts of all lengths together, padded on the left."""
    prompts = [row for group in groups for row in group.prompt.tolist()]
    texts: list[str] = []
    for start in range(0, len(prompts), batch):
        some = prompts[start : start + batch]
        longest = max(map(len, some))
        tokens = torch.tensor([[0] * (longest - len(one)) + one for one in some])
        mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in some])
        said: Tensor = net.generate(
            tokens, attention_mask=mask, max_new_tokens=MOST, do_sample=False, pad_token_id=int(asked.ends[0]),
            eos_token_id=asked.ends.tolist(),
        )  # fmt: skip
        texts += asked.read(said[:, longest:])
    return texts


def timed(side: Callable[..., list[str]], *arguments: Any) -> tuple[list[str], float, float]:
    """What a side says, and its seconds of the processor and of the clock."""
    busy, clock = time.process_time(), time.perf_counter()
    texts = side(*arguments)
    return texts, time.process_time() - busy, time.perf_counter() - clock


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", default=asset_path("whisper-tiny-en-text"), help="a model directory")
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=4, help="the prompts are dealt to")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--out", type=Path, default=Path("bench_prompted.json"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    backbone = Backbone("bench", args.path)
    tokenizer, net = backbone.tokenizer(), backbone.load().eval()
    splits = len(tokenizer("10", add_special_tokens=False)["input_ids"]) > 1
    asked = questions(tokenizer, args.prompts, "last_digit" if splits else "number")
    dealt = [[group[torch.arange(r, len(group), args.rounds)] for group in asked.questions] for r in range(args.rounds)]
    spent: dict[str, list[float]] = {"ours": [0.0, 0.0], "plain": [0.0, 0.0]}
    other = 0
    with torch.inference_mode():
        warm = [concatenate([group])[torch.arange(2)] for group in asked.questions if len(group) > 1]
        for side in (ours, plain):
            side(net, warm, asked, args.batch)
        for groups in dealt:
            mine, *here = timed(ours, net, groups, asked, args.batch)
            theirs, *there = timed(plain, net, groups, asked, args.batch)
            other += sum(a != b for a, b in zip(mine, theirs, strict=True))
            for name, times in (("ours", here), ("plain", there)):
                spent[name] = [sum(pair) for pair in zip(spent[name], times, strict=True)]
    result = {
        "model": Path(args.path).name,
        "machine": describe_device(torch.device("cpu")),
        "prompts": sum(map(len, asked.questions)),
        "batch": args.batch,
        "processor seconds, ours": round(spent["ours"][0], 2),
        "processor seconds, plain": round(spent["plain"][0], 2),
        "clock seconds, ours": round(spent["ours"][1], 2),
        "clock seconds, plain": round(spent["plain"][1], 2),
        "share of the plain cost": round(spent["ours"][0] / spent["plain"][0], 3),
        "target": round(TARGET, 3),
        "different answers": other,
    }
    args.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
