"""GPT-2's logits of the answer token, where prompts begin alike: their beginnings are computed once, not once a row.

"What is the sum of 3 and 5?" shares its first five tokens of eleven with every other prompt of its template, and
attention is causal, so in the shared positions all rows hold the same states, and what comes back to them is summed.
All positions, shared or not, lie in one flat list of rows for everything but attention: a weight matrix is read once
a step, as in the plain pass. The numbers are those of `gpt2_fast.answer_logits` but for the order of sums. Not with
dropout: rows that share a beginning would share its noise.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from transformers import GPT2LMHeadModel
from transformers.models.gpt2.modeling_gpt2 import GPT2Attention

from fourier_lightning.models.gpt2_fast import columns, embed

# Numbers of the residual stream that need not be computed, from which it pays: on two cores, five templates at d 128
# take 0.9 to 1.0 times the plain pass's speed in batches of 16 (up to 10,000 such numbers), 1.02 to 1.1 in batches of
# 256 (65,000 and more), and 1.2 to 1.5 at d 768 in batches of 64 (94,000 and more).
PAYS = 2**15


def packed_logits(
    net: GPT2LMHeadModel, prompt: Int[Tensor, "B L"], heads: Int[Tensor, "U s"], which: Int[Tensor, " B"]
) -> Float[Tensor, "B V"]:
    """Logits after the last token of each prompt.

    Args:
        net: a GPT-2.
        prompt: (B, L) token rows, all of the same length.
        heads: (U, s) the beginnings that there are, s < L.
        which: (B,) the one that each prompt begins with: ``prompt[:, :s] == heads[which]``.
    """
    pack = Pack(heads, which, prompt.shape[1] - heads.shape[1])
    own = embed(net, prompt[:, pack.shared :], pack.shared)
    states = torch.cat([embed(net, heads).flatten(0, 1), own.flatten(0, 1)])  # (U s + B n, d)
    for block in net.transformer.h[:-1]:
        attn = block.attn
        query, key, value = attn.c_attn(block.ln_1(states)).split(attn.split_size, dim=1)
        states = states + attn.resid_dropout(attn.c_proj(pack.attend(attn, query, key, value)))
        states = states + block.mlp(block.ln_2(states))
    # of the last block the last position alone, as in gpt2_fast
    block, width = net.transformer.h[-1], states.shape[1]
    attn, x = block.attn, block.ln_1(states)
    query, (key, value) = columns(attn, pack.last(x), 0, width), columns(attn, x, width).split(width, dim=1)
    last = pack.last(states) + attn.resid_dropout(attn.c_proj(pack.answer(attn, query, key, value)))
    last = last + block.mlp(block.ln_2(last))
    return net.lm_head(net.transformer.ln_f(last))


def packable(net: Any, prompt: Int[Tensor, "B L"], heads: Int[Tensor, "U s"]) -> bool:
    """Whether ``packed_logits`` is the same pass, and worth it.

    The same is it for a GPT-2 without dropout whose blocks are whole and keep what they compute: the weights of one in
    pieces come together where the block itself is called.
    """
    if net.config.model_type != "gpt2":
        return False
    if any(block.gradient_checkpointing or isinstance(block, FSDPModule) for block in net.transformer.h):
        return False
    rates = (net.config.embd_pdrop, net.config.attn_pdrop, net.config.resid_pdrop)
    spared = (len(prompt) - len(heads)) * heads.shape[1] * net.config.hidden_size
    return spared >= PAYS and not (net.training and any(rates))


class Pack:
    """Rows of shared beginnings, U x s of them, before the B x n rows of what each prompt says by itself."""

    def __init__(self, heads: Int[Tensor, "U s"], which: Int[Tensor, " B"], own: int) -> None:
        (self.count, self.shared), self.which, self.own = heads.shape, which, own
        ones = torch.ones(own, self.shared + own, dtype=torch.bool, device=heads.device)
        self.seen = ones.tril(self.shared)  # by a prompt's own positions: what is shared, and causally their own

    def parted(self, attn: GPT2Attention, rows: Float[Tensor, "T d"]) -> tuple[Tensor, Tensor]:
        """The shared (U, heads, s, d / heads) and the own ones (B, heads, n, d / heads)."""
        shared, own = rows.split([self.count * self.shared, len(self.which) * self.own])
        return split_heads(attn, shared, self.shared), split_heads(attn, own, self.own)

    def whole(self, attn: GPT2Attention, rows: Float[Tensor, "T d"]) -> tuple[Tensor, Tensor]:
        """The shared ones, and each prompt's from its first position on (B, heads, L, d / heads)."""
        shared, own = self.parted(attn, rows)
        return shared, torch.cat([shared[self.which], own], dim=2)

    def attend(self, attn: GPT2Attention, query: Tensor, key: Tensor, value: Tensor) -> Float[Tensor, "T d"]:
        """Causal attention of every row, each of (T, d)."""
        (q_shared, q_own), (k_shared, k), (v_shared, v) = (
            self.parted(attn, query), self.whole(attn, key), self.whole(attn, value)
        )  # fmt: skip
        shared = mixed(attn, q_shared, k_shared, v_shared, is_causal=True)
        return torch.cat([joined(shared), joined(mixed(attn, q_own, k, v, attn_mask=self.seen))])

    def answer(self, attn: GPT2Attention, query: Tensor, key: Tensor, value: Tensor) -> Float[Tensor, "B d"]:
        """Attention of the last position of each prompt (B, d) to keys and values (T, d)."""
        query, (_, k), (_, v) = split_heads(attn, query, 1), self.whole(attn, key), self.whole(attn, value)
        return joined(mixed(attn, query, k, v))

    def last(self, rows: Float[Tensor, "T d"]) -> Float[Tensor, "B d"]:
        """The last position of each prompt."""
        return rows[self.count * self.shared :].unflatten(0, (-1, self.own))[:, -1]


def mixed(attn: GPT2Attention, query: Tensor, key: Tensor, value: Tensor, **seen: Any) -> Float[Tensor, "B heads n e"]:
    """Attention, on a CPU in float32.

    There torch 2.13's backward pass takes nine times as long from 65 pairs of a query and a key on as up to 64, in
    bfloat16: fifteen times what it takes in float32.
    """
    if query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value, scale=attn.scaling, **seen)
    with torch.autocast("cpu", enabled=False):
        exact = (one.float() for one in (query, key, value))
        return F.scaled_dot_product_attention(*exact, scale=attn.scaling, **seen).to(query.dtype)


def split_heads(attn: GPT2Attention, rows: Float[Tensor, "N d"], length: int) -> Float[Tensor, "B heads L e"]:
    """Rows of sequences of one length as attention reads them."""
    return rows.view(-1, length, attn.num_heads, attn.head_dim).transpose(1, 2)


def joined(mixed: Float[Tensor, "B heads L e"]) -> Float[Tensor, "N d"]:
    """The inverse of ``split_heads``."""
    return mixed.transpose(1, 2).flatten(0, 1).flatten(1)
