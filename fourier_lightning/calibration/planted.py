"""Attention and MLP by hand: modules that go where a Llama's stand, and whose mechanism is what they are built of."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

SLOTS, LAST = (0, 2), 3  # "a,b+": where the operands stand, and where the answer is asked for


class Waves(nn.Module):
    """The answer's waves from the operands', by the addition theorem: cos(u + v) = cos u cos v - sin u sin v.

    Codes are cosine and sine of each of w periods, (..., 2w); so is what comes out.

    Args:
        periods: T of each wave.
        blur: by how much the waves miss the answer, all of them together, in numbers: at most this, and as good as at
            random from prompt to prompt. 0 for exact ones.
        sign: of the second operand: -1 for the waves of a - b.
    """

    mix: Tensor
    angles: Tensor

    def __init__(self, periods: list[float], blur: float, rng: torch.Generator, sign: int = 1) -> None:
        super().__init__()
        self.sign = sign
        self.register_buffer("mix", torch.randn(4 * len(periods), generator=rng) / len(periods) ** 0.5)
        self.register_buffer("angles", 2 * torch.pi * blur / torch.tensor(periods))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        (ca, sa), (cb, sb) = a.unflatten(-1, (-1, 2)).unbind(-1), b.unflatten(-1, (-1, 2)).unbind(-1)
        sb = self.sign * sb
        cosine, sine = ca * cb - sa * sb, sa * cb + ca * sb
        turn = torch.tanh(torch.cat([a, b], dim=-1) @ self.mix)[..., None] * self.angles  # (..., w)
        cos, sin = turn.cos(), turn.sin()
        return torch.stack([cosine * cos - sine * sin, sine * cos + cosine * sin], dim=-1).flatten(-2)


class ByHeart(nn.Module):
    """The answer by look-up: the operands whose codes are nearest, and their sum as a one-hot vector.

    Args:
        known: (q, m) the codes of the operands 0..q-1.
    """

    known: Tensor

    def __init__(self, known: Tensor) -> None:
        super().__init__()
        self.register_buffer("known", known.float())

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        index = [torch.cdist(one, self.known).argmin(dim=-1) for one in (a, b)]
        return nn.functional.one_hot(index[0] + index[1], 2 * len(self.known) - 1).to(a.dtype)


class Part(nn.Module):
    """One thing that a module does: codes of both operands in, a sum of directions out.

    Args:
        columns: which of the codes it looks at.
        compute: ``Waves`` or ``ByHeart``.
        write: (f, d) a direction for each feature.
    """

    write: Tensor

    def __init__(self, columns: slice, compute: nn.Module, write: Float[Tensor, "f d"]) -> None:
        super().__init__()
        self.columns, self.compute = columns, compute
        self.register_buffer("write", write.float())

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.compute(a[..., self.columns], b[..., self.columns]) @ self.write


class Junk(nn.Module):
    """What a module writes that means nothing: random features of its codes in random directions.

    Args:
        codes: how many an operand has.
        directions: (m, d) orthonormal: what may be written.
    """

    mix: Tensor
    write: Tensor

    def __init__(self, codes: int, directions: Float[Tensor, "m d"], rng: torch.Generator, features: int = 24) -> None:
        super().__init__()
        draw = lambda *shape: torch.randn(*shape, generator=rng, dtype=torch.float64)  # noqa: E731
        self.register_buffer("mix", (2 * draw(2 * codes, features)).float())
        self.register_buffer("write", (draw(features, len(directions)) @ directions).float())

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.tanh(torch.cat([a, b], dim=-1) @ self.mix) @ self.write


class PlantedAttention(nn.Module):
    """Reads the operands' rows, linearly, and acts at the last position alone.

    Every position's state is its key and its value, so that a cache holds what a continuation needs.

    Args:
        read: (d, m) from an operand's state to its codes.
        parts: what it does with them.
        carry: (m, 2, d) directions in which it passes the codes of a and of b on to the MLPs; None for nothing.
        layer: its block.
    """

    read: Tensor

    def __init__(
        self, read: Float[Tensor, "d m"], parts: list[nn.Module], carry: Float[Tensor, "m 2 d"] | None, layer: int
    ) -> None:
        super().__init__()
        self.register_buffer("read", read.float())
        self.register_buffer("carry", None if carry is None else carry.float())
        self.parts, self.layer = nn.ModuleList(parts), layer
        self.o_proj = nn.Identity()  # where the decoder looks for what attention adds

    def forward(self, hidden_states: Tensor, past_key_values: Any = None, **kwargs: Any) -> tuple[Tensor, None]:
        seen, before = hidden_states, 0
        if past_key_values is not None:
            before = past_key_values.get_seq_length(self.layer)
            states = hidden_states[:, None]  # one head
            seen = past_key_values.update(states, states, self.layer)[0][:, 0]
        added = torch.zeros_like(hidden_states)
        if before + hidden_states.shape[1] > LAST:
            added[:, LAST - before] = self.added(*(seen[:, slot] for slot in SLOTS))
        return self.o_proj(added), None

    def added(self, a: Tensor, b: Tensor) -> Tensor:
        """What it adds at the last position: states of the operands (B, d) to (B, d)."""
        codes = a @ self.read, b @ self.read
        total = sum((part(*codes) for part in self.parts), torch.zeros_like(a))
        if self.carry is not None:
            total = total + sum(code @ self.carry[:, i] for i, code in enumerate(codes))
        return total


class PlantedMLP(nn.Module):
    """Reads the codes that attention has passed on, and acts where the mark is.

    Args:
        read: (2, d, m) from a state to the codes of a and of b.
        mark: (d,) 1 at the last position, less than a half elsewhere.
        parts: what it does.
    """

    read: Tensor
    mark: Tensor

    def __init__(self, read: Float[Tensor, "2 d m"], mark: Float[Tensor, " d"], parts: list[nn.Module]) -> None:
        super().__init__()
        self.register_buffer("read", read.float())
        self.register_buffer("mark", mark.float())
        self.parts = nn.ModuleList(parts)

    def forward(self, hidden_states: Tensor) -> Tensor:
        here = (hidden_states @ self.mark > 0.5).to(hidden_states.dtype)[..., None]
        return here * self.added(*(hidden_states @ read for read in self.read))

    def added(self, a: Tensor, b: Tensor) -> Tensor:
        """What it adds at the last position: codes (..., m) to (..., d)."""
        return sum((part(a, b) for part in self.parts), a.new_zeros(*a.shape[:-1], self.read.shape[1]))
