"""One side of the bench in a process of its own: run by bench.py, one round for each line on its standard input.

Ours is Lightning's own loop over `AdditionModule`. The plain side is the Hugging Face loop that one writes first:
GPT-2's 50,257-token vocabulary, logits at every position, a DataLoader that pads each batch to its longest prompt.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

QUIET = ["logger=none", "~callbacks.progress_bar", "~callbacks.best_checkpoint", "~callbacks.last_checkpoint"]
SHAPES: dict[str, dict[str, Any]] = {
    "gpt2-small": {
        "config": [
            "data=addition",
            "data.max_operand=260",
            "data.batch_size=64",
            "model.n_layer=12",
            "model.width=768",
            "model.n_head=12",
        ],
        "batch": 64,
        "steps": 3,
    },
    "quick": {"config": ["experiment=quick", "size=small"], "batch": 256, "steps": 20},
}


def our_config(shape: str, optimizer: str, precision: str = "32-true") -> Any:
    """The run's configuration: a scratch model of that shape; 80 % of the pairs."""
    from fourier_lightning.config import load_config

    sizes = SHAPES[shape]["config"]
    training = [f"optimizer={optimizer}", "data.train_fraction=0.8", "trainer.max_epochs=1000", "model.dropout=0.0"]
    training += ["trainer.accelerator=cpu", f"trainer.precision={precision}"]
    return load_config(["model=scratch", *sizes, *training, *QUIET, "trainer.limit_val_batches=0"])


def peak_mb() -> float:
    """Peak memory of this process."""
    status = Path("/proc/self/status")
    if status.is_file():  # on Linux getrusage remembers the parent's peak across fork and exec
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1024
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def take_turns(steps: int) -> Any:
    """A generator to be advanced after each step: every ``steps`` steps it reports the time and waits for its turn."""
    done, began = 0, None
    while True:
        if done % steps == 0:
            if began is not None:
                print(json.dumps({"seconds": time.perf_counter() - began, "peak_mb": peak_mb()}), flush=True)
            if not sys.stdin.readline():
                os._exit(0)  # the bench has seen enough; a fit has no cleaner way out
            began = time.perf_counter()
        yield
        done += 1


def work_ours(shape: str, optimizer: str, precision: str) -> None:
    """Our side: Lightning's loop."""
    import pytorch_lightning as pl

    from fourier_lightning.run import build_module, make_trainer, prepare, quiet_libraries

    quiet_libraries()
    cfg = our_config(shape, optimizer, precision)
    parts = prepare(cfg)
    turns = take_turns(SHAPES[shape]["steps"])

    class Turns(pl.Callback):
        def on_train_batch_start(self, *args: Any) -> None:
            next(turns)

    trainer = make_trainer(cfg, logger=False, callbacks=[Turns()], enable_checkpointing=False)
    trainer.fit(build_module(parts, 0), datamodule=parts.data)


def work_plain(shape: str) -> None:
    """The other side: GPT-2's tokens and vocabulary, padding, logits everywhere."""
    import torch
    from torch.nn.utils.rnn import pad_sequence
    from torch.utils.data import DataLoader
    from transformers import GPT2Config, GPT2LMHeadModel

    from fourier_lightning.config import asset_path
    from fourier_lightning.run import prepare

    parts = prepare(our_config(shape, "adamw"))
    # the embedded backbone's tokens are a subset of GPT-2's: map them back
    gpt2_ids = json.loads(Path(asset_path("whisper-tiny-en-text"), "source_token_ids.json").read_text())
    to_gpt2 = torch.tensor(gpt2_ids["source_token_ids"])[parts.data.vocabulary.token_ids]
    answers = to_gpt2[parts.data.vocabulary.numbers]
    texts = [
        torch.cat([to_gpt2[prompt], answers[total : total + 1]])
        for group in parts.data.examples("train")
        for prompt, total in zip(group.prompt, group.answer, strict=True)
    ]

    def collate(rows: list[Any]) -> dict[str, Any]:
        ids = pad_sequence(rows, batch_first=True, padding_value=50256)
        mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
        labels = torch.full_like(ids, -100)
        for i, row in enumerate(rows):  # loss on the answer, the prompt's last prediction
            labels[i, len(row) - 1] = row[-1]
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}

    size = parts.network
    torch.manual_seed(0)
    net = GPT2LMHeadModel(
        GPT2Config(
            n_embd=size.n_embd, n_layer=size.n_layer, n_head=size.n_head, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0
        )
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-5, weight_decay=0.0)
    loader = DataLoader(texts, batch_size=parts.data.batch_size, shuffle=True, collate_fn=collate)  # type: ignore[arg-type]
    turns = take_turns(SHAPES[shape]["steps"])
    while True:
        for batch in loader:
            next(turns)
            net(**batch).loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()


if __name__ == "__main__":
    side, *arguments = sys.argv[1:]
    (work_ours if side == "ours" else work_plain)(*arguments)
