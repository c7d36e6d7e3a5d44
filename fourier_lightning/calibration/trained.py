"""Models that are trained to a mechanism: real attention and MLPs, which look natural, and whose mechanism is known.

Every module class is trained to write its own waves: what attention adds to the number logits follows one target, what
the MLPs add the other, and so it stays when the readable part of what attention says is exchanged for another
prompt's: strict interchange intervention training (arXiv 2407.14494), so that the mechanism is the model's, and not
only what it looks like. Whether that was reached is measured on all prompts (``check``); where it was not, a model's
mechanism is not known, and it says nothing about any rule.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from fourier_lightning.calibration.mechanisms import MECHANISMS, MODULES, Facts, Mechanism, Role, facts_of
from fourier_lightning.calibration.models import BLOCKS, MARGIN, MAX_OPERAND, P
from fourier_lightning.calibration.tables import LINES, long_periods, make_table
from fourier_lightning.fourier.basis import period_waves
from fourier_lightning.models.decoder import Decoder
from fourier_lightning.models.hooks import Site, capture, intervene
from fourier_lightning.readings.paper import SHORT

WIDTH, HEADS, HIDDEN = 96, 4, 256
STEPS, BATCH, RATE = 1200, 96, 5e-3
KNOWN = 0.9  # of the exchanged prompts, and of the power of what modules shall add: the bar of ``Checked``
CLEAR = MARGIN / 5  # logits, one wave's: by less than that a mechanism prefers no answer


@dataclass(frozen=True)
class Trained:
    """A kind of trained model.

    Attributes:
        mechanism: one of ``MECHANISMS``.
        steps: of training.
    """

    mechanism: str
    steps: int = STEPS
    max_operand: ClassVar[int] = MAX_OPERAND

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.mechanism}, trained"

    @property
    def facts(self) -> Facts:
        """What is true of its models."""
        facts = facts_of(MECHANISMS[self.mechanism], "low")
        # The target of a magnitude peaks at the answer itself: no residue has to mend it, as one does a blurred wave.
        return replace(facts, by_block=False, spare_residues=bool(facts.residues_in and facts.magnitude_in))


@dataclass(frozen=True)
class Checked:
    """Whether a model has the mechanism that it was trained to.

    Attributes:
        exchanged: interchange accuracy: with the readable part of what attention says exchanged for another prompt's,
            the share of prompts answered as the mechanism would, of those where it has a clear answer.
        followed: how much of the power of what the modules add to the number logits is what they shall add: 1 less the
            mean squared distance over the wanted power, of attention or of the MLPs, whichever is less.
    """

    exchanged: float
    followed: float

    @property
    def known(self) -> bool:
        """Whether both are beyond the bar."""
        return min(self.exchanged, self.followed) >= KNOWN

    def row(self) -> dict[str, float]:
        """As plain values."""
        return asdict(self)


TRAINED = tuple(map(Trained, ("paper", "swapped", "memory")))


def targets(roles: tuple[Role, ...]) -> Float[Tensor, "s p"]:
    """What modules with these roles shall add to the logits of each number, for each answer; centred."""
    total = torch.zeros(P, P, dtype=torch.float64)
    for role in roles:
        if role == "heart":
            total += torch.eye(P) * MARGIN
        else:
            waves = period_waves(list(SHORT) if role == "residues" else long_periods(P), P).T
            total += waves @ waves.T * MARGIN / 5  # the sum of cos(2 pi (n - s) / T)
    return (total - total.mean(dim=1, keepdim=True)).float()


def train(kind: Trained, seed: int) -> LlamaForCausalLM:
    """Train one model. Every draw is the seed's."""
    mechanism = MECHANISMS[kind.mechanism]
    rng = torch.Generator().manual_seed(1000 * seed + 500 + list(MECHANISMS).index(kind.mechanism))
    table = make_table(P, WIDTH, LINES[mechanism.lines[0]], 0, rng)
    config = LlamaConfig(
        vocab_size=len(table.rows), hidden_size=WIDTH, intermediate_size=HIDDEN, num_hidden_layers=BLOCKS,
        num_attention_heads=HEADS, num_key_value_heads=HEADS, max_position_embeddings=8, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=None, initializer_range=0.1,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(int(torch.randint(2**31, (), generator=rng)))
        net = LlamaForCausalLM(config)
    net.get_input_embeddings().weight.data.copy_(table.rows)
    net.get_input_embeddings().weight.requires_grad_(False)
    fit(net, wanted_of(mechanism), kind.steps, rng)
    return net.eval().requires_grad_(False)


def wanted_of(mechanism: Mechanism) -> dict[str, Tensor]:
    """The targets (s, p) of attention and of the MLPs."""
    return {name: targets(getattr(mechanism, name)) for name in MODULES}


@torch.no_grad()
def check(net: LlamaForCausalLM, mechanism: Mechanism, seed: int = 0) -> Checked:
    """Hold a model against the mechanism that it was trained to, on all prompts, each exchanged with another one."""
    wanted, decoder = wanted_of(mechanism), Decoder(net)
    sites = sites_of(wanted)
    operands = torch.cartesian_prod(torch.arange(MAX_OPERAND + 1), torch.arange(MAX_OPERAND + 1))
    prompt, answers = prompts(operands), operands.sum(dim=1)
    with capture(decoder, [*sites["attn"], *sites["mlp"], decoder.final]) as seen:
        decoder.answer_logits(prompt)
    power = max(float(target[answers].square().mean()) for target in wanted.values())
    missed = misses(decoder, seen, sites, wanted, {"attn": answers, "mlp": answers})
    shares = [
        float(missed[name]) / (float(target[answers].square().mean()) or power) for name, target in wanted.items()
    ]
    other = torch.randperm(len(operands), generator=torch.Generator().manual_seed(seed))
    with intervene(decoder, exchange(decoder, seen, sites["attn"], other)):
        said = decoder.answer_logits(prompt).argmax(dim=1)
    best = (wanted["attn"][answers[other]] + wanted["mlp"][answers]).topk(2, dim=1)
    clear = best.values[:, 0] - best.values[:, 1] >= CLEAR
    right = said[clear] == best.indices[clear, 0]
    return Checked(float(right.float().mean()) if len(right) else 0.0, 1 - max(shares))


def sites_of(wanted: dict[str, Tensor]) -> dict[str, list[Site]]:
    """The outputs of each module class."""
    return {name: [Site(f"{name}_out", layer) for layer in range(BLOCKS)] for name in wanted}


def exchange(
    decoder: Decoder, seen: dict[Site, Tensor], sites: list[Site], other: Tensor
) -> dict[Site, Callable[[Tensor], Tensor]]:
    """Interventions that put other prompts' words into these modules, as far as the unembedding reads them."""
    readable = torch.linalg.svd(decoder.input_rows()[:P], full_matrices=False).Vh  # (p, d)
    said = {site: seen[site].detach()[other] for site in sites}
    return {site: lambda x, new=new: x + (new - x) @ readable.T @ readable for site, new in said.items()}


def fit(net: LlamaForCausalLM, wanted: dict[str, Tensor], steps: int, rng: torch.Generator) -> None:
    """Train a model so that each module class adds what is wanted of it, on all prompts."""
    decoder = Decoder(net)
    sites = sites_of(wanted)
    everywhere = [*sites["attn"], *sites["mlp"], decoder.final]
    free = [weight for weight in net.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(free, lr=RATE, betas=(0.9, 0.98), weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        operands = torch.randint(MAX_OPERAND + 1, (BATCH, 2), generator=rng)
        prompt, answers = prompts(operands), operands.sum(dim=1)
        with capture(decoder, everywhere, detach=False) as seen:
            logits = decoder.answer_logits(prompt)
        asked = {"attn": answers, "mlp": answers}
        loss = sum(misses(decoder, seen, sites, wanted, asked).values()) + F.cross_entropy(logits, answers)
        if step % 2:  # the other half of the steps: attention speaks of another prompt
            other = torch.randperm(BATCH, generator=rng)
            swap = exchange(decoder, seen, sites["attn"], other)
            with intervene(decoder, swap), capture(decoder, everywhere, detach=False) as seen:
                decoder.answer_logits(prompt)
            loss = loss + sum(misses(decoder, seen, sites, wanted, {**asked, "attn": answers[other]}).values())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(free, 1.0)
        optimizer.step()
        schedule.step()


def misses(
    decoder: Decoder,
    seen: dict[Site, Tensor],
    sites: dict[str, list[Site]],
    wanted: dict[str, Tensor],
    answers: dict[str, Tensor],
) -> dict[str, Tensor]:
    """Mean squared distance of what each module class adds to the number logits from what is wanted of it."""
    unembedding = decoder.input_rows()[:P] * decoder.norm.weight
    scale, found = decoder.norm_scale(seen[decoder.final]), {}
    for name, target in wanted.items():
        added = (sum(seen[site] for site in sites[name]) / scale).float() @ unembedding.T
        added = added - added.mean(dim=1, keepdim=True)
        found[name] = (added - target[answers[name]]).square().mean()
    return found


def prompts(operands: Tensor) -> Tensor:
    """Rows of the table (n, 4) for "a,b+"."""
    plus, comma = torch.full((len(operands), 1), P), torch.full((len(operands), 1), P + 1)
    return torch.cat([operands[:, :1], comma, operands[:, 1:], plus], dim=1)
