"""The logits of the answer token, without the work that they don't need.

Addition reads one position. So the last block computes its query, its projection and its MLP there alone, and
the unembedding runs once a prompt instead of once a token. Every module that a hook may sit on (`mlp`,
`attn.resid_dropout`, `drop`, `ln_f`) is called as Hugging Face calls it; a test holds the result against
`GPT2LMHeadModel.forward`.
"""

import torch.nn.functional as F
from torch import Tensor
from transformers import GPT2LMHeadModel
from transformers.models.gpt2.modeling_gpt2 import GPT2Block


def answer_logits(net: GPT2LMHeadModel, prompt: Tensor) -> Tensor:
    """Logits after the last token of each prompt.

    Args:
        net: a GPT-2.
        prompt: (B, L) token rows, all of the same length.

    Returns:
        (B, V) logits.
    """
    body = net.transformer
    hidden = body.drop(body.wte(prompt) + body.wpe.weight[: prompt.shape[1]])  # (B, L, d)
    for block in body.h[:-1]:
        hidden = block(hidden)
    hidden = last_position(body.h[-1], hidden)  # (B, 1, d)
    return net.lm_head(body.ln_f(hidden))[:, 0]


def last_position(block: GPT2Block, hidden: Tensor) -> Tensor:
    """Output of a block at the last position only: (B, L, d) to (B, 1, d)."""
    attn = block.attn
    batch, length, width = hidden.shape
    x = block.ln_1(hidden)
    # c_attn is one (d, 3d) matrix for queries, keys and values: use its columns apart.
    weight, bias = attn.c_attn.weight, attn.c_attn.bias
    query = F.linear(x[:, -1:], weight[:, :width].T, bias[:width])
    keys_values = F.linear(x, weight[:, width:].T, bias[width:])
    query = query.view(batch, 1, attn.num_heads, attn.head_dim).transpose(1, 2)
    key, value = keys_values.view(batch, length, 2, attn.num_heads, attn.head_dim).permute(2, 0, 3, 1, 4)
    dropout = attn.attn_dropout.p if attn.training else 0.0
    mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, scale=attn.scaling)
    mixed = mixed.transpose(1, 2).reshape(batch, 1, width)
    hidden = hidden[:, -1:] + attn.resid_dropout(attn.c_proj(mixed))
    return hidden + block.mlp(block.ln_2(hidden))
