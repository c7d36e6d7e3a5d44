"""From the residual stream to the logits of the numbers, with the final LayerNorm in one of three ways.

The paper never mentions the final LayerNorm. ``none`` leaves it out (W x). ``frozen`` takes its scale from the real
forward pass and applies its gain and centring: the only way in which contributions add up to the real logits, so it
is the default for them. ``recomputed`` normalises each state by itself, as if the model ended there: the usual logit
lens.
"""

from typing import Any, Literal

from jaxtyping import Float, Int
from torch import Tensor

LnMode = Literal["frozen", "none", "recomputed"]


def number_unembedding(net: Any, numbers: Int[Tensor, " p"], fold_ln: bool) -> Float[Tensor, "p d"]:
    """W: the unembedding restricted to the number tokens (p, d), float64.

    Args:
        fold_ln: include the linear part of the final LayerNorm, W diag(gain) (1 - 11^T/d), so that ``W x / scale`` is
            what x adds to the logits.
    """
    rows = net.lm_head.weight.detach()[numbers].double()
    if not fold_ln:
        return rows
    rows = rows * net.transformer.ln_f.weight.detach().double()
    return rows - rows.mean(dim=1, keepdim=True)


def ln_scale(net: Any, states: Float[Tensor, "... d"]) -> Float[Tensor, "... 1"]:
    """What the final LayerNorm divides a state by: sqrt(variance + epsilon), float64."""
    variance = states.double().var(dim=-1, unbiased=False, keepdim=True)
    return (variance + net.transformer.ln_f.eps).sqrt()


def scaled(
    net: Any, states: Float[Tensor, "... d"], ln: LnMode, final: Float[Tensor, "... d"]
) -> Float[Tensor, "... d"]:
    """States divided by the LayerNorm's scale, so that their logits are ``scaled @ W.T``, W folded unless ``none``.

    Args:
        states: contributions or residual streams.
        ln: see the module's text.
        final: the final residual stream of the same forward pass, whose scale ``frozen`` takes.
    """
    if ln == "none":
        return states.double()
    return states.double() / ln_scale(net, final if ln == "frozen" else states)


def ln_bias_logits(net: Any, numbers: Int[Tensor, " p"]) -> Float[Tensor, " p"]:
    """What the final LayerNorm's bias adds to every prompt's number logits."""
    return net.lm_head.weight.detach()[numbers].double() @ net.transformer.ln_f.bias.detach().double()
