"""Where a model's residual stream can be read and replaced: a table of places, and two context managers.

The names are the field's: ``embed`` (token plus position), ``resid_pre`` and ``resid_post`` of a block, the additive
contributions ``attn_out`` and ``mlp_out``, and ``ln_final``. Hooks come off however the block is left.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn

Positions = Literal["last", "all"]
Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Architecture:
    """Module paths of one architecture; ``{layer}`` stands for a block's number. All return plain tensors."""

    embed: str
    block: str
    attn_out: str
    mlp_out: str
    ln_final: str


ARCHITECTURES = {
    "gpt2": Architecture(
        embed="transformer.drop",
        block="transformer.h.{layer}",
        attn_out="transformer.h.{layer}.attn.resid_dropout",
        mlp_out="transformer.h.{layer}.mlp",
        ln_final="transformer.ln_f",
    )
}
PER_LAYER = ("resid_pre", "attn_out", "mlp_out", "resid_post")
NAMES = ("embed", *PER_LAYER, "ln_final")


class Site(NamedTuple):
    """A place in the residual stream: one of ``NAMES``, and the block for those that every block has."""

    name: str
    layer: int | None = None


def locate(net: Any, site: Site) -> tuple[nn.Module, Literal["input", "output"]]:
    """The module, and the side of it, where a site's tensor passes by.

    ``resid_pre`` is the embedding or the block before; the last ``resid_post`` is what the final LayerNorm is given,
    because the short forward pass (``forward.answer_logits``) does not call the last block as a whole.

    Raises:
        ValueError: no such architecture, site or layer.
    """
    architecture, layers = ARCHITECTURES.get(net.config.model_type), net.config.n_layer
    if architecture is None:
        raise ValueError(f"no sites for model_type {net.config.model_type!r}; known: {', '.join(ARCHITECTURES)}")
    if site.name not in NAMES:
        raise ValueError(f"no site {site.name!r}; known: {', '.join(NAMES)}")
    if (site.layer is None) == (site.name in PER_LAYER) or (site.layer is not None and not 0 <= site.layer < layers):
        wanted = f"a layer from 0 to {layers - 1}" if site.name in PER_LAYER else "no layer"
        raise ValueError(f"site {site.name!r} takes {wanted}, not {site.layer}")
    if site.name == "resid_pre":
        site = Site("embed") if site.layer == 0 else Site("resid_post", site.layer - 1)  # type: ignore[operator]
    if site.name == "resid_post":
        if site.layer == layers - 1:
            return net.get_submodule(architecture.ln_final), "input"
        return net.get_submodule(architecture.block.format(layer=site.layer)), "output"
    return net.get_submodule(getattr(architecture, site.name).format(layer=site.layer)), "output"


def contributions(net: Any) -> list[Site]:
    """The sites whose sum is the final residual stream: the embedding, then attn_out and mlp_out of each block."""
    layers = range(net.config.n_layer)
    return [Site("embed"), *(Site(name, layer) for layer in layers for name in ("attn_out", "mlp_out"))]


@contextmanager
def capture(net: Any, sites: Sequence[Site], positions: Positions = "last") -> Iterator[dict[Site, Tensor]]:
    """Collect the tensors at some sites of every forward pass inside the block; the latest pass wins.

    Yields:
        a dictionary that fills itself: (B, d) for the last position, (B, L, d) for all of them. Detached.
    """
    seen: dict[Site, Tensor] = {}

    def note(site: Site, value: Tensor) -> None:
        seen[site] = (value[:, -1] if positions == "last" else value).detach()

    with ExitStack() as stack:
        for site in sites:
            _hook(stack, net, site, lambda value, site=site: note(site, value))  # type: ignore[misc]
        yield seen


@contextmanager
def intervene(net: Any, changes: Mapping[Site, Change], positions: Positions = "last") -> Iterator[None]:
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
            _hook(stack, net, site, lambda value, change=change: replaced(change, value))  # type: ignore[misc]
        yield


def _hook(stack: ExitStack, net: Any, site: Site, see: Callable[[Tensor], Tensor | None]) -> None:
    """Call ``see`` with the tensor at a site; what it returns, if anything, takes the tensor's place."""
    module, side = locate(net, site)
    if side == "output":
        handle = module.register_forward_hook(lambda _module, _inputs, output: see(output))
    else:
        handle = module.register_forward_pre_hook(lambda _module, inputs: see(inputs[0]))
    stack.callback(handle.remove)
