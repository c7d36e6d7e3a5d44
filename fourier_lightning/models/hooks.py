"""Reading and replacing the residual stream: two context managers whose hooks come off however they are left.

The names of the places are the field's, see ``architectures.Site``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import torch
from torch import Tensor

from fourier_lightning.models.architectures import NAMES, PER_LAYER, Site
from fourier_lightning.models.decoder import Decoder

__all__ = ["NAMES", "PER_LAYER", "Change", "Positions", "Site", "capture", "intervene"]

Positions = Literal["last", "all"]
Change = Callable[[Tensor], Tensor]


@contextmanager
def capture(
    decoder: Decoder, sites: Sequence[Site], positions: Positions = "last", detach: bool = True
) -> Iterator[dict[Site, Tensor]]:
    """Collect the tensors at some sites of every forward pass inside the block; the latest pass wins.

    Args:
        positions: the last one, or all.
        detach: cut the tensors from the graph; False to differentiate through them, or with respect to them: the rest
            of the pass is then computed from the very tensors that are seen.

    Yields:
        a dictionary that fills itself: (B, d) for the last position, (B, L, d) for all of them.
    """
    seen: dict[Site, Tensor] = {}

    def note(site: Site, value: Tensor) -> Tensor | None:
        part = value[:, -1] if positions == "last" else value
        seen[site] = part.detach() if detach else part
        if detach:
            return None
        return torch.cat([value[:, :-1], part[:, None]], dim=1) if positions == "last" else value

    with ExitStack() as stack:
        for site in sites:
            _hook(stack, decoder, site, lambda value, site=site: note(site, value))  # type: ignore[misc]
        yield seen


@contextmanager
def intervene(decoder: Decoder, changes: Mapping[Site, Change], positions: Positions = "last") -> Iterator[None]:
    """Replace the tensors at some sites in every forward pass inside the block.

    Args:
        changes: for each site a function of the tensor there, (B, d) at the last position or (B, L, d) at all;
            it returns the new tensor of the same shape.

    Raises:
        ValueError: a function returns another shape (raised in the forward pass).
    """

    def replaced(change: Change, value: Tensor) -> Tensor:
        old = value[:, -1] if positions == "last" else value
        new = change(old)
        if new.shape != old.shape:
            raise ValueError(f"an intervention made {tuple(new.shape)} of {tuple(old.shape)}")
        if positions == "all":
            return new
        value = value.clone()
        value[:, -1] = new
        return value

    with ExitStack() as stack:
        for site, change in changes.items():
            _hook(stack, decoder, site, lambda value, change=change: replaced(change, value))  # type: ignore[misc]
        yield


def _hook(stack: ExitStack, decoder: Decoder, site: Site, see: Callable[[Tensor], Tensor | None]) -> None:
    """Call ``see`` with the tensor (B, L, d) at a site; what it returns, if anything, takes the tensor's place."""
    module, side = decoder.locate(site)
    if site.name == "mlp_out" and decoder.architecture.flat:
        see = _unflattened(stack, decoder, site, see)

    def at_output(_module: Any, _inputs: Any, output: Any) -> Any:
        if not isinstance(output, tuple):
            return see(output)
        new = see(output[0])  # some blocks return their attention weights, too
        return None if new is None else (new, *output[1:])

    def at_input(_module: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        new = see(inputs[0] if inputs else named["hidden_states"])
        if new is None:
            return None
        return ((new, *inputs[1:]), named) if inputs else (inputs, {**named, "hidden_states": new})

    if side == "output":
        handle = module.register_forward_hook(at_output)
    else:
        handle = module.register_forward_pre_hook(at_input, with_kwargs=True)
    stack.callback(handle.remove)


def _unflattened(
    stack: ExitStack, decoder: Decoder, site: Site, see: Callable[[Tensor], Tensor | None]
) -> Callable[[Tensor], Tensor | None]:
    """``see`` for a module that is given (B L, d): with the shape that its block was given."""
    shape = torch.Size()

    def note(_block: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        nonlocal shape
        shape = (inputs[0] if inputs else named["hidden_states"]).shape

    def unflattened(value: Tensor) -> Tensor | None:
        new = see(value.view(shape))
        return None if new is None else new.reshape(value.shape)

    stack.callback(decoder.blocks[site.layer].register_forward_pre_hook(note, with_kwargs=True).remove)  # type: ignore[index]
    return unflattened
