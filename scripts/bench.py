"""Measure what training costs here: speed and memory against a plain Hugging Face loop, and start-up.

    python scripts/bench.py [--quick] [--out bench.json]

Both sides train the same GPT-2 on the same prompts with the same batch size and AdamW. The plain loop is what one
writes first: GPT-2's 50,257-token vocabulary, logits at every position, a DataLoader that pads each batch to its
longest prompt, float32. Ours is Lightning's own loop over `AdditionModule`. Each side is a process of its own;
they take turns, a round each, so that a drift of the machine hits both.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

QUIET = ["logger=none", "~callbacks.progress_bar", "~callbacks.best_checkpoint", "~callbacks.last_checkpoint"]
SHAPES: dict[str, dict[str, Any]] = {
    "gpt2-small": {
        "config": ["data=addition", "data.batch_size=64", "model.n_layer=12", "model.width=768", "model.n_head=12"],
        "steps": 3,
    },
    "quick": {"config": ["data=format", "data.batch_size=256"], "steps": 20},
}
TARGETS = {"gpt2-small": 4, "quick": 20}
# What `python train.py` imports from others before its first step.
BIG_LIBRARIES = """
import torch, torchmetrics, wandb, hydra, omegaconf, beartype, jaxtyping, rich.table
import pytorch_lightning, pytorch_lightning.loggers, pytorch_lightning.callbacks
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2LMHeadModel, get_linear_schedule_with_warmup
"""


def our_config(shape: str, optimizer: str, precision: str = "32-true") -> Any:
    """The run's configuration: a scratch model of that shape; 80 % of the pairs."""
    from fourier_lightning.config import load_config

    sizes = SHAPES[shape]["config"]
    training = [f"optimizer={optimizer}", "data.train_fraction=0.8", "trainer.max_epochs=1000", "model.dropout=0.0"]
    training += [f"trainer.precision={precision}"]
    return load_config(["model=scratch", *sizes, *training, *QUIET, "trainer.limit_val_batches=0"], ".")


def take_turns(steps: int) -> Any:
    """A generator to be advanced after each step: every ``steps`` steps it reports the time and waits for its turn."""
    done, began = 0, None
    while True:
        if done % steps == 0:
            if began is not None:
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                print(json.dumps({"seconds": time.perf_counter() - began, "peak_kb": peak}), flush=True)
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
        for prompt, total in zip(group.prompt, group.sum, strict=True)
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


class Worker:
    """One side in its own process."""

    def __init__(self, *args: str) -> None:
        command = [sys.executable, __file__, "--worker", *args]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def round(self) -> dict[str, float]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        while not (line := self.process.stdout.readline()).startswith("{"):
            if not line:
                raise RuntimeError(f"a bench worker ended early: {self.process.args}")
        return json.loads(line)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def compare(shape: str, optimizer: str, precision: str, rounds: int, ceiling: float) -> dict[str, Any]:
    """Rounds of both sides in turn; the first of each is a warm-up."""
    ours, plain = Worker("ours", shape, optimizer, precision), Worker("plain", shape)
    try:
        pairs = [(ours.round(), plain.round()) for _ in range(rounds + 1)][1:]
    finally:
        ours.close()
        plain.close()
    batch = 64 if shape == "gpt2-small" else 256
    examples = SHAPES[shape]["steps"] * batch
    rates = [[examples / side["seconds"] for side in pair] for pair in pairs]
    ratio = statistics.median(ours / plain for ours, plain in rates)
    rate = statistics.median(ours for ours, _ in rates)
    flop = step_flop(shape) / batch
    return {
        "shape": shape,
        "optimizer": optimizer,
        "precision": precision,
        "examples_per_second": rate,
        "plain_examples_per_second": statistics.median(plain for _, plain in rates),
        "times_faster": ratio,
        "target": TARGETS[shape],
        "share_of_matmul_ceiling": rate * flop / 1e9 / ceiling,
        "peak_mb": pairs[-1][0]["peak_kb"] / 1024,
        "plain_peak_mb": pairs[-1][1]["peak_kb"] / 1024,
    }


def step_flop(shape: str) -> float:
    """Matrix-multiply FLOP of one forward and backward pass of ours, counted by torch."""
    from torch.utils.flop_counter import FlopCounterMode

    from fourier_lightning.run import build_module, prepare

    parts = prepare(our_config(shape, "adamw"))
    module = build_module(parts, 0)
    batch = max(parts.data.train_dataloader(), key=lambda b: b["prompt"].shape[0])
    with FlopCounterMode(display=False) as counter:
        module.loss_and_logits(batch)[0].backward()
    return counter.get_total_flops()


def matmul_ceiling(size: int = 1536, seconds: float = 2.0) -> float:
    """GFLOP/s of a large float32 matrix product: what this machine could do at best."""
    import torch

    a, b = torch.randn(size, size), torch.randn(size, size)
    best, until = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        torch.mm(a, b)
        best = max(best, 2 * size**3 / (time.perf_counter() - began) / 1e9)
    return best


def start_up(rounds: int) -> dict[str, float]:
    """Seconds from the command to the first training step, and of the big libraries' imports alone, in turn."""
    totals, imports = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as directory:
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "train.py", "trainer.max_steps=1", "test=false", f"hydra.run.dir={directory}"],
                cwd=ROOT, check=True, capture_output=True,
            )  # fmt: skip
            whole = time.perf_counter() - began
            run = json.loads((Path(directory) / "record" / "run.json").read_text())
            after = run["total_seconds"] - run["first_step_seconds"]  # both from the start of the process
            totals.append(whole - after)
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", BIG_LIBRARIES], check=True, capture_output=True)
        imports.append(time.perf_counter() - began)
    total, libraries = statistics.median(totals), statistics.median(imports)
    return {"first_step_seconds": total, "library_import_seconds": libraries, "ours_seconds": total - libraries}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2 rounds instead of 5: a rough look")
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        (work_ours if args.worker[0] == "ours" else work_plain)(*args.worker[1:])
        return
    import torch

    from fourier_lightning.config import auto_precision
    from fourier_lightning.console import print_rows
    from fourier_lightning.run import quiet_libraries
    from fourier_lightning.tracking.record import describe_device

    quiet_libraries()
    rounds = 2 if args.quick else 5
    ceiling = matmul_ceiling()
    sides = [("gpt2-small", "adamw", "32-true"), ("quick", "adamw", "32-true"), ("quick", "muon", "32-true")]
    if (auto := auto_precision("cpu")) != "32-true":  # what the paper's experiments choose by themselves here
        sides.insert(0, ("gpt2-small", "adamw", auto))
    rows = [compare(*side, rounds, ceiling) for side in sides]
    startup = start_up(rounds=2 if args.quick else 3)
    result = {
        "machine": describe_device(), "torch": torch.__version__, "matmul_gflops": ceiling,
        "training": rows, "start_up": startup,
    }  # fmt: skip
    args.out.write_text(json.dumps(result, indent=2) + "\n")
    print_rows([{k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()} for row in rows], "Training")
    print_rows([{k: round(v, 2) for k, v in startup.items()}], "Start-up (targets: 25 s in all, 5 s ours)")
    print(f"{result['machine']}; matrix-multiply ceiling {ceiling:.0f} GFLOP/s; written to {args.out}")


if __name__ == "__main__":
    main()
