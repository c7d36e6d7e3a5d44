"""What others would run instead of ours: the same GPT-2, prompts, batch size and precision; bench_worker.py starts it.

- plain: the Hugging Face loop that one writes first, GPT2LMHeadModel and a DataLoader that pads each batch.
- trainer: Hugging Face's Trainer over the same model and data.
- nanogpt: a minimal GPT-2 in plain torch, with scaled_dot_product_attention and batches cut from one tensor.
- nanogpt_compact: the same on the task's own tokens in place of GPT-2's 50,257, as ours has them.

All have logits at every position and the loss at the answer, AdamW, a gradient clipped to norm 1, no dropout.
"""

import json
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

LR = 5e-5
IGNORED = -100


@dataclass(frozen=True)
class Job:
    """What a rival trains, and how.

    Attributes:
        texts: token ids of each prompt with its answer.
        vocabulary: tokens that there are.
        size: a GPT2Config, for its sizes.
        device: cpu or cuda.
        precision: 32-true or bf16-mixed.
    """

    texts: list[Tensor]
    vocabulary: int
    size: Any
    batch: int
    device: str
    precision: str

    def autocast(self) -> AbstractContextManager[Any]:
        """bf16 autocast, if that is the precision."""
        return torch.autocast(self.device, torch.bfloat16) if self.precision == "bf16-mixed" else nullcontext()


def job(parts: Any, device: str, precision: str, compact: bool = False) -> Job:
    """The training rows of a run as GPT-2's tokens, or as the task's own."""
    vocabulary = parts.data.vocabulary
    if compact:
        ids, count = torch.arange(len(vocabulary)), len(vocabulary)
    else:  # the embedded backbone's tokens are a subset of GPT-2's: map them back
        from fourier_lightning.config import asset_path

        source = json.loads(Path(asset_path("whisper-tiny-en-text"), "source_token_ids.json").read_text())
        ids, count = torch.tensor(source["source_token_ids"])[vocabulary.token_ids], 50257
    answers = ids[vocabulary.numbers]
    texts = [
        torch.cat([ids[prompt], answers[answer : answer + 1]])
        for group in parts.data.examples("train")
        for prompt, answer in zip(group.prompt, group.answer, strict=True)
    ]
    return Job(texts, count, parts.network, parts.data.batch_size, device, precision)


def padded(rows: list[Tensor]) -> dict[str, Tensor]:
    """A batch as Hugging Face wants it: the loss is on the answer, the prompt's last prediction."""
    ids = pad_sequence(rows, batch_first=True)
    mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    labels = torch.full_like(ids, IGNORED)
    for i, row in enumerate(rows):
        labels[i, len(row) - 1] = row[-1]
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def hugging_face(job: Job) -> nn.Module:
    """GPT-2 as transformers has it."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    sizes = {name: getattr(job.size, name) for name in ("n_embd", "n_layer", "n_head")}
    no_dropout = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=job.vocabulary, **sizes, **no_dropout))


def plain(job: Job, turns: Generator[None]) -> None:
    """The loop that one writes first."""
    from torch.utils.data import DataLoader

    net = hugging_face(job).to(job.device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=LR, weight_decay=0.0)
    loader = DataLoader(job.texts, batch_size=job.batch, shuffle=True, collate_fn=padded)  # type: ignore[arg-type]
    while True:
        for batch in loader:
            next(turns)
            with job.autocast():
                loss = net(**{name: values.to(job.device) for name, values in batch.items()}).loss
            step(loss, net, optimizer)


def trainer(job: Job, turns: Generator[None]) -> None:
    """Hugging Face's Trainer, told to do nothing but train."""
    import tempfile

    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Turns(TrainerCallback):
        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            next(turns)

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, per_device_train_batch_size=job.batch, num_train_epochs=1000, learning_rate=LR,
            weight_decay=0.0, max_grad_norm=1.0, bf16=job.precision == "bf16-mixed", use_cpu=job.device == "cpu",
            save_strategy="no", logging_strategy="no", report_to=[], disable_tqdm=True, seed=0,
        )  # fmt: skip
        Trainer(
            hugging_face(job), arguments, train_dataset=job.texts, data_collator=padded, callbacks=[Turns()]
        ).train()


def nanogpt(job: Job, turns: Generator[None]) -> None:
    """A loop in nanoGPT's style: all texts in one tensor, random rows of it, no loader."""
    torch.manual_seed(0)
    net = GPT(job.vocabulary, job.size.n_embd, job.size.n_layer, job.size.n_head).to(job.device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=LR, weight_decay=0.0, fused=job.device == "cuda")
    batch = padded(job.texts)
    ids, labels = batch["input_ids"].to(job.device), batch["labels"].to(job.device)
    lengths = batch["attention_mask"].sum(dim=1)
    while True:
        next(turns)
        rows = torch.randint(len(ids), (job.batch,))
        longest, rows = int(lengths[rows].max()), rows.to(job.device)
        with job.autocast():
            loss = net.loss(ids[rows, : longest - 1], labels[rows, 1:longest])
        step(loss, net, optimizer)


def step(loss: Tensor, net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Backward, clip, update."""
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


class Block(nn.Module):
    """A block of GPT-2."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.attn_out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp_in, self.mlp_out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        split = self.qkv(self.ln_1(x)).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn_out(mixed.transpose(1, 2).reshape(batch, length, width))
        return x + self.mlp_out(functional.gelu(self.mlp_in(self.ln_2(x)), approximate="tanh"))


class GPT(nn.Module):
    """GPT-2, minimal: tied embeddings, learned positions, no dropout."""

    def __init__(self, vocabulary: int, width: int, layers: int, heads: int, positions: int = 1024) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(positions, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.ln_f = nn.LayerNorm(width)
        for name, weights in self.named_parameters():
            if "ln_" not in name:
                nn.init.zeros_(weights) if name.endswith("bias") else nn.init.normal_(weights, std=0.02)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits [batch, position, token]."""
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1], device=ids.device))
        return functional.linear(self.ln_f(self.blocks(x)), self.wte.weight)

    def loss(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy of the targets that count."""
        return functional.cross_entropy(self(ids).flatten(0, 1), targets.flatten(), ignore_index=IGNORED)


RIVALS: dict[str, Callable[[Job, Generator[None]], None]] = {
    "plain": plain, "trainer": trainer, "nanogpt": nanogpt, "nanogpt_compact": nanogpt,
}  # fmt: skip
