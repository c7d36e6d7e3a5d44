"""GPT-2's logits of the answer token, without the work that they don't need.

Addition reads one position. So the last block computes its query, its projection and its MLP there alone, and
the unembedding runs once a prompt instead of once a token: 1.16 to 1.48 times as many training steps a second. Every
module that a hook may sit on (`mlp`, `attn.resid_dropout`, `drop`, `ln_f`) is called as Hugging Face calls it; a test
holds the results against `GPT2LMHeadModel.forward`.
"""

import torch.nn.functional as F
from torch import Tensor
from transformers import GPT2LMHeadModel
from transformers.models.gpt2.modeling_gpt2 import GPT2Attention, GPT2Block


def answer_logits(net: GPT2LMHeadModel, prompt: Tensor) -> Tensor:
    """Logits after the last token of each prompt.

    Args:
        net: a GPT-2.
        prompt: (B, L) token rows, all of the same length.

    Returns:
        (B, V) logits.
    """
    hidden = embed(net, prompt)  # (B, L, d)
    for block in net.transformer.h[:-1]:
        hidden = block(hidden)
    hidden = last_position(net.transformer.h[-1], hidden)  # (B, 1, d)
    return net.lm_head(net.transformer.ln_f(hidden))[:, 0]


def embed(net: GPT2LMHeadModel, tokens: Tensor, start: int = 0) -> Tensor:
    """Token plus position embeddings (B, L, d) of tokens (B, L) that stand from position ``start`` on."""
    body = net.transformer
    return body.drop(body.wte(tokens) + body.wpe.weight[start : start + tokens.shape[1]])


def columns(attn: GPT2Attention, x: Tensor, start: int, stop: int | None = None) -> Tensor:
    """Some columns of x c_attn: that is one (d, 3d) matrix for queries, keys and values."""
    return F.linear(x, attn.c_attn.weight[:, start:stop].T, attn.c_attn.bias[start:stop])


def keys_values(block: GPT2Block, x: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values (B, heads, L, d / heads) of normalised states (B, L, d)."""
    attn, width = block.attn, x.shape[-1]
    key, value = columns(attn, x, width).view(*x.shape[:2], 2, attn.num_heads, attn.head_dim).permute(2, 0, 3, 1, 4)
    return key, value


def last_position(block: GPT2Block, hidden: Tensor) -> Tensor:
    """Output of a block at the last position only: (B, L, d) to (B, 1, d)."""
    attn = block.attn
    batch, _, width = hidden.shape
    x = block.ln_1(hidden)
    query = columns(attn, x[:, -1:], 0, width).view(batch, 1, attn.num_heads, attn.head_dim).transpose(1, 2)
    key, value = keys_values(block, x)
    dropout = attn.attn_dropout.p if attn.training else 0.0
    mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, scale=attn.scaling)
    mixed = mixed.transpose(1, 2).reshape(batch, 1, width)
    hidden = hidden[:, -1:] + attn.resid_dropout(attn.c_proj(mixed))
    return hidden + block.mlp(block.ln_2(hidden))
