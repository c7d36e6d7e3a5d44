"""Causal language models that add by a known mechanism: planted modules inside a Llama.

Every wave is read from the operands' rows, multiplied into the answer's by the addition theorem, and written where the
unembedding reads it; what MLPs need of the operands attention carries to the last position. A seed draws directions,
amplitudes, gains, which block does how much, and what every module writes besides.
"""

from dataclasses import dataclass, replace
from typing import get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from fourier_lightning.calibration.mechanisms import MECHANISMS, THIRDS, Facts, Mechanism, Noise, Role, facts_of
from fourier_lightning.calibration.planted import ByHeart, Junk, Part, PlantedAttention, PlantedMLP, Waves
from fourier_lightning.calibration.tables import LINES, Table, long_periods, make_table, waves_of
from fourier_lightning.fourier.basis import period_waves
from fourier_lightning.readings.paper import SHORT

MAX_OPERAND = 30
P = 2 * MAX_OPERAND + 1
ROOM = 99  # directions that a wide stream has beyond the p of the number line; a narrow one has one less than p
SIZES = ((30, "wide"), (30, "narrow"), (60, "wide"), (100, "wide"))  # largest operand: p = 61, 121, 201
BLOCKS = 2
MARGIN = 15.0  # logits between the answer and the next best number
CODES = 8  # of an operand, for a look-up
LOOKED_UP = ("heart", "edges", "bump", "comb", "decades", "uneven")
NARROW = 1.5  # standard deviation of a bump, numbers
# What is written besides, root mean square over prompts and numbers, as a share of the margin.
NOISE = {"low": 0.04, "high": 0.08}
FLAT = 0.03  # a magnitude that has to find the answer alone has a flat peak: so much less is written beside it
BLUR = 2.0  # numbers by which a magnitude may miss the answer where residues find it
ALONE = {"low": 0.0, "high": 0.8}  # the same where nothing else does
SHARE = 5  # long waves at p = 61: each has this part of the margin, and so has every wave of a residue
ASIDE = 0.3  # of a magnitude's height: long waves of another number that leave a peak of the answer's the highest


@dataclass(frozen=True)
class Case:
    """A kind of model: its seeds are judged together, as the seeds of an arm are.

    Attributes:
        mechanism: one of ``MECHANISMS``.
        width: ``wide`` (d > p) or ``narrow`` (d <= p).
        noise: how much is written besides.
        max_operand: the largest operand.
    """

    mechanism: str
    width: str
    noise: Noise
    max_operand: int = MAX_OPERAND

    @property
    def p(self) -> int:
        """Length of the number line."""
        return 2 * self.max_operand + 1

    @property
    def d(self) -> int:
        """Width of the stream."""
        return self.p + ROOM if self.width == "wide" else self.p - 1

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.mechanism}, p {self.p}, {self.width}, {self.noise} noise"

    @property
    def facts(self) -> Facts:
        """What is true of its models."""
        facts, lines = facts_of(MECHANISMS[self.mechanism], self.noise), MECHANISMS[self.mechanism].lines
        # A line is as strong as the background's part of it, of which there are more the longer the number line.
        return replace(facts, faint_lines=self.p > P and lines[self.noise == "high"] != "strong")


CASES = tuple(Case(name, width, noise, most) for name in MECHANISMS for most, width in SIZES for noise in NOISE)


def plant(case: Case, seed: int) -> LlamaForCausalLM:
    """Build one model of a case. Its table holds the numbers 0..p-1, "+" and ",", and is the unembedding too."""
    mechanism, width = MECHANISMS[case.mechanism], case.d
    rng = torch.Generator().manual_seed(1000 * seed + list(MECHANISMS).index(case.mechanism))
    carriers = 2 * sum(codes_of(role, case.p) for role in mechanism.mlp or ("heart",))  # idle MLPs: a look-up's
    table = make_table(case.p, width, LINES[mechanism.lines[case.noise == "high"]], carriers, rng)
    config = LlamaConfig(
        vocab_size=len(table.rows), hidden_size=width, intermediate_size=4, num_hidden_layers=BLOCKS,
        num_attention_heads=1, num_key_value_heads=1, max_position_embeddings=8, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    with torch.random.fork_rng():
        net = LlamaForCausalLM(config).eval()
    net.get_input_embeddings().weight.data.copy_(table.rows)
    writers = {role: Writer(role, table, case, rng) for role in get_args(Role)}
    share = 0.2 + 0.6 * float(torch.rand((), generator=rng))  # of the first block
    for layer, part in enumerate((share, 1 - share)):
        block = net.model.layers[layer]
        block.input_layernorm = block.post_attention_layernorm = nn.Identity()
        block.self_attn = _attention(mechanism, writers, table, part, layer, rng)
        block.mlp = _mlp(mechanism, writers, table, part, rng)
        _soil(block, table, _loudness(case, mechanism), case.max_operand)
    net.model.norm.weight.data.fill_(_scale(net, case.max_operand))
    return net.requires_grad_(False)


def codes_of(role: Role, p: int) -> int:
    """How many numbers a role wants to know of an operand."""
    return CODES if role in LOOKED_UP else 2 * len(periods_of(role, p))


def periods_of(role: Role, p: int) -> list[float]:
    """The waves that a role writes."""
    return list({"residues": SHORT, "thirds": THIRDS}.get(role, long_periods(p)))


def looked_up(role: Role, p: int, rng: torch.Generator) -> Float[Tensor, "p p"]:
    """What a role that looks answers up writes of each number, for each answer: row s belongs to the answer s."""
    x = torch.arange(p)
    if role == "bump":
        return torch.exp(-((x[None] - x[:, None]).double() ** 2) / (2 * NARROW**2))
    if role == "comb":
        return (x[None] % 10 == x[:, None] % 10).double()
    if role in ("decades", "uneven"):
        widths = torch.randint(4, 11, (p,), generator=rng) if role == "uneven" else torch.full((p,), 10)
        block = torch.searchsorted(widths.cumsum(0), x, right=True)
        return (block[None] == block[:, None]).double()
    low = torch.linalg.qr(waves_of(long_periods(p), p)).Q  # (p, l)
    return torch.eye(p, dtype=torch.float64) - (low @ low.T if role == "edges" else 0)


class Writer:
    """How one role reads its codes from number rows, and what it writes for them."""

    def __init__(self, role: Role, table: Table, case: Case, rng: torch.Generator) -> None:
        numbers, mechanism = table.numbers, MECHANISMS[case.mechanism]
        inverse = torch.linalg.pinv(numbers)  # (d, p): reads any line of codes
        written = table.written.T @ torch.linalg.pinv(numbers @ table.written.T)  # (d, p): writes any line of logits
        holders = max(1, len(mechanism.modules(role)))
        if role in LOOKED_UP:
            codes = torch.randn(case.p, CODES, generator=rng, dtype=torch.float64)
            self.read = inverse @ codes
            self.write = looked_up(role, case.p, rng) @ written.T * MARGIN / holders
            self.compute: nn.Module = ByHeart((numbers @ self.read)[: case.max_operand + 1])
            return
        periods = periods_of(role, case.p)
        waves = period_waves(periods, case.p).T  # (p, 2w), cosine and sine by turns
        gains = torch.empty(len(periods)).uniform_(0.8, 1.25, generator=rng).double().repeat_interleave(2)
        blur = BLUR if mechanism.modules("residues") | mechanism.modules("thirds") else ALONE[case.noise]
        blur, sign, height = (0.0, -1, ASIDE) if role == "elsewhere" else (blur, 1, 1.0)
        self.read = inverse @ waves
        self.compute = Waves(periods, 0.0 if role in ("residues", "thirds") else blur, rng, sign)
        if periods == long_periods(case.p):  # on longer number lines there are more of them, of less each
            height *= SHARE / len(periods)
        self.write = (written @ (waves * gains)).T * height * MARGIN / SHARE / holders


def _attention(
    mechanism: Mechanism, writers: dict[str, Writer], table: Table, share: float, layer: int, rng: torch.Generator
) -> PlantedAttention:
    """What attention does, and in the first block what it carries on."""
    read, parts = _parts(mechanism.attn, writers, share)
    for_mlp = torch.cat([writers[role].read for role in mechanism.mlp or ("heart",)], dim=1)
    known = read.shape[1]
    read = torch.cat([read, for_mlp], dim=1)
    parts.append(Junk(read.shape[1], table.written, rng))
    if layer:
        return PlantedAttention(read, parts, None, layer)
    codes = for_mlp.shape[1]
    carry = torch.zeros(known + codes, 2, len(table.mark), dtype=torch.float64)
    carry[known:] = table.carriers.view(2, codes, -1).transpose(0, 1)
    return PlantedAttention(read, parts, carry, layer)


def _mlp(
    mechanism: Mechanism, writers: dict[str, Writer], table: Table, share: float, rng: torch.Generator
) -> PlantedMLP:
    """What an MLP does with the codes that attention has carried to it."""
    _, parts = _parts(mechanism.mlp, writers, share)
    carried = table.carriers.view(2, -1, len(table.mark)).transpose(1, 2)
    return PlantedMLP(carried, table.mark, [*parts, Junk(carried.shape[2], table.written, rng)])


def _parts(roles: tuple[Role, ...], writers: dict[str, Writer], share: float) -> tuple[Tensor, list[nn.Module]]:
    """From operands' rows to all codes of these roles (d, m), and the parts that use them."""
    reads, parts, first = [next(iter(writers.values())).read[:, :0]], [], 0
    for role in roles:
        writer = writers[role]
        last = first + writer.read.shape[1]
        parts.append(Part(slice(first, last), writer.compute, share * writer.write))
        reads.append(writer.read)
        first = last
    return torch.cat(reads, dim=1), parts


def _loudness(case: Case, mechanism: Mechanism) -> float:
    """Root mean square of what a model writes besides, in logits."""
    flat = not mechanism.exact and not mechanism.modules("residues")
    return MARGIN * NOISE[case.noise] * (FLAT if flat else 1)


def _soil(block: nn.Module, table: Table, loudness: float, most: int) -> None:
    """Scale the junk of a block's two modules so that all four of a model reach a root mean square over numbers."""
    numbers = table.numbers.float()
    a, b = numbers[: most + 1].repeat_interleave(most + 1, 0), numbers[: most + 1].repeat(most + 1, 1)
    read = block.self_attn.read
    from_table = (a @ read, b @ read)
    codes = block.mlp.read.shape[2]
    for module, given in (
        (block.self_attn, from_table),
        (block.mlp, tuple(one[:, -codes:] for one in from_table)),
    ):
        junk = module.parts[-1]
        heard = junk(*given) @ numbers.T  # (prompts, p)
        heard = heard - heard.mean(dim=0)
        heard = heard - heard.mean(dim=1, keepdim=True)
        junk.write *= loudness / (2 * BLOCKS) ** 0.5 / heard.square().mean().sqrt()


def _scale(net: LlamaForCausalLM, most: int) -> float:
    """Mean root mean square of the final states over all prompts: a norm of this gain leaves logits as written."""
    operands, p = torch.cartesian_prod(torch.arange(most + 1), torch.arange(most + 1)), 2 * most + 1
    plus, comma = torch.full((len(operands), 1), p), torch.full((len(operands), 1), p + 1)
    prompt = torch.cat([operands[:, :1], comma, operands[:, 1:], plus], dim=1)
    seen: list[Float[Tensor, "n d"]] = []
    handle = net.model.norm.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0][:, -1]))
    with torch.no_grad():
        net(prompt, use_cache=False, logits_to_keep=1)
    handle.remove()
    return float(seen[0].square().mean(dim=1).sqrt().mean())
