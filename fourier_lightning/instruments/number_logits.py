"""What modules add to the number logits, from one pass over the examples: all after that is arithmetic.

Attention and MLPs of all layers write into one residual stream, which the final norm divides by a scale and the
unembedding reads. With that scale as it was, the number logits are a sum, and what they would be without a part of it
follows without another pass. That is the direct path: later modules have still seen the whole stream.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fourier_lightning.data.batches import Batch
from fourier_lightning.instruments.base import View
from fourier_lightning.instruments.filtering import Tally
from fourier_lightning.metrics import scores
from fourier_lightning.models.hooks import Site, capture

KINDS = ("attn", "mlp")
CHUNK = 2**18  # numbers that are worked on at a time: a processor's cache holds them


@dataclass(frozen=True)
class NumberLogits:
    """The number logits of n examples, what of them modules added, and what is needed of the other tokens.

    Attributes:
        logits: (n, p) float32, of the numbers; Gemma 2's before they are bent (``Decoder.uncapped``).
        attn, mlp: (n, p) float32, what all attentions and all MLPs add to them, the final norm's scale as it was.
        others: (n,) logsumexp of the logits of all other tokens, for the loss.
        highest: (n,) the largest of these, for exact answers; both are -inf if there are none.
        answers: (n,) the right numbers.
    """

    logits: Float[Tensor, "n p"]
    attn: Float[Tensor, "n p"]
    mlp: Float[Tensor, "n p"]
    others: Float[Tensor, " n"]
    highest: Float[Tensor, " n"]
    answers: Int[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.answers)

    def __getitem__(self, rows: Tensor | slice) -> "NumberLogits":
        """Those of some examples."""
        return NumberLogits(*(getattr(self, field.name)[rows] for field in fields(self)))

    def sample(self, n: int) -> "NumberLogits":
        """n of the examples at equal distances, or all if they are fewer."""
        n = min(n, len(self))
        return self[torch.arange(n, device=self.answers.device) * len(self) // n]

    def added(self, modules: str) -> Float[Tensor, "n p"]:
        """What ``attn``, ``mlp``, both (``attn_mlp``) or neither (``none``) add."""
        parts = {"attn": self.attn, "mlp": self.mlp, "none": torch.zeros_like(self.mlp)}
        return parts[modules] if modules in parts else self.attn + self.mlp

    def less(self, view: View, removed: Float[Tensor, "n p"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the model would say with so much less in the (unbent) number logits.

        Returns:
            logits (n, p + 1) of the numbers and of the likeliest other token, answers, the numbers' columns (p,), and
            losses (n,): what ``NumberMetrics.update`` and ``metrics.scores`` take.
        """
        said = view.decoder.capped(self.logits - removed)
        loss = torch.logaddexp(said.logsumexp(dim=1), self.others) - said.gather(1, self.answers[:, None])[:, 0]
        numbers = torch.arange(said.shape[1], device=said.device)
        return torch.cat([said, self.highest[:, None]], dim=1), self.answers, numbers, loss

    def without(self, view: View, modules: str, rows: Float[Tensor, "r p"]) -> Tally:
        """The answers if what modules add held nothing of these orthonormal rows of the number line."""
        tally, rows = Tally.of(view), rows.to(self.logits)
        onto = rows.T @ rows
        for few in self.chunks():
            tally.update(*few.less(view, few.added(modules) @ onto))
        return tally

    def without_leading(
        self, view: View, modules: str, rows: Float[Tensor, "m p"], sizes: Iterable[int]
    ) -> dict[int, Float[Tensor, " 8"]]:
        """Metrics without the first so many of these orthonormal rows, for several sizes at the price of one.

        Returns:
            by size: mean scores in the order of ``NumberMetrics.names``.
        """
        rows, added, means = rows.to(self.logits), self.added(modules), {}
        held, removed, done = added @ rows.T, torch.zeros_like(added), 0
        for size in sorted(sizes):
            removed += held[:, done:size] @ rows[done:size]
            means[size], done = scores(*self.less(view, removed), view.task.cycle).double().mean(dim=1), size
        return means

    def chunks(self) -> Iterable["NumberLogits"]:
        """The examples, a few at a time."""
        step = max(1, 4 * CHUNK // self.logits.shape[1])
        return (self[start : start + step] for start in range(0, len(self), step))

    def losses_without(self, view: View, modules: str, pieces: Float[Tensor, "K m p"]) -> Float[Tensor, " K"]:
        """Mean loss without each of K subspaces of the number line, float64.

        Args:
            pieces: orthonormal rows of each, filled up with zeros.
        """
        pieces, added = pieces.to(self.logits), self.added(modules)
        step, means = max(1, CHUNK // added.numel()), []
        for some in pieces.split(step):
            held = (added @ some.flatten(0, 1).T).unflatten(1, some.shape[:2]).transpose(0, 1)  # (K, n, m)
            said = view.decoder.capped(self.logits - held @ some)  # (K, n, p)
            right = said.gather(2, self.answers.expand(len(some), -1)[..., None])[..., 0]
            means.append((torch.logaddexp(said.logsumexp(dim=2), self.others) - right).double().mean(dim=1))
        return torch.cat(means)


def number_logits(view: View, batches: Iterable[Batch]) -> NumberLogits:
    """One pass over the examples. Keeps three numbers for each example and number, whatever the depth."""
    decoder, numbers = view.decoder, view.numbers
    unembedding = decoder.unembedding(numbers, fold=True)
    sites = {kind: [Site(f"{kind}_out", layer) for layer in range(decoder.n_layer)] for kind in KINDS}
    parts: list[list[Tensor]] = []
    with capture(decoder, [*sites["attn"], *sites["mlp"], decoder.final]) as seen:
        for batch in batches:
            said, answers = decoder.answer_logits(batch["prompt"], share=True).double(), batch["answer"]
            logits = decoder.uncapped(said[:, numbers])
            added = []
            for kind in KINDS:
                states = sum(seen[site].double() for site in sites[kind])
                added.append(decoder.scaled(states, "frozen", seen[decoder.final]) @ unembedding.T)
            said[:, numbers] = -torch.inf
            both = [said.logsumexp(dim=1), said.max(dim=1).values]
            parts.append([*(part.float() for part in (logits, *added, *both)), answers])
    return NumberLogits(*(torch.cat(column) for column in zip(*parts, strict=True)))
