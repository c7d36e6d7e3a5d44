"""Passes that go on from keys and values: what all prompts begin with is computed once, answers a token at a time.

Attention is causal, so the demonstrations that stand before every question give the same keys and values in every
prompt. A cache is one batch's: nothing outlives a change of the weights or an intervention.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import DynamicCache

SHARED = 8  # tokens that all prompts of a batch begin with, from which they are a pass of their own


def shared(prompt: Int[Tensor, "B L"]) -> int:
    """How many tokens all prompts begin with, less the last, where they are worth a pass of their own: else 0."""
    if len(prompt) < 2 or prompt.shape[1] <= SHARED:
        return 0
    same = int((prompt == prompt[:1]).all(dim=0)[:-1].long().cumprod(dim=0).sum())
    return same if same >= SHARED else 0


def begun(net: Any, prompt: Int[Tensor, "B L"]) -> tuple[Any, int]:
    """Keys and values of what all prompts begin with, computed once, and how many tokens that is."""
    past, done = DynamicCache(config=net.config), shared(prompt)
    past.activate_past_recording()  # a layer with a window would forget what a second continuation needs
    if done:
        following(net, prompt[:1, :done], past)
        past.batch_repeat_interleave(len(prompt))
    return past, done


def following(net: Any, tokens: Int[Tensor, "B n"], past: Any) -> Float[Tensor, "B V"]:
    """Logits after the last of further tokens; ``past`` holds them from now on."""
    return net(tokens, past_key_values=past, logits_to_keep=1, use_cache=True).logits[:, -1]


def greedy(net: Any, prompt: Int[Tensor, "B L"], ends: Int[Tensor, " e"], most: int) -> Int[Tensor, "B n"]:
    """What a model says after each prompt, the likeliest token each time.

    Args:
        net: a causal language model of transformers, in evaluation mode.
        prompt: (B, L) token rows, all of the same length, so that nothing is padded.
        ends: token rows that end an answer.
        most: tokens of an answer, at most.

    Returns:
        (B, n) token rows, n <= most; what comes after an end is the end again.
    """
    past, done = begun(net, prompt)
    said = [following(net, prompt[:, done:], past).argmax(dim=1)]
    over = torch.isin(said[0], ends)
    while len(said) < most and not over.all():
        token = following(net, said[-1][:, None], past).argmax(dim=1)
        said.append(torch.where(over, said[-1], token))
        over |= torch.isin(said[-1], ends)
    return torch.stack(said, dim=1)
