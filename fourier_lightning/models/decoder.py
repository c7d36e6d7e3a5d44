"""One way to look into any causal language model of transformers, whatever its modules are called.

From the residual stream to the logits there is a final norm, which the paper never mentions. ``none`` leaves it out
(W x). ``frozen`` takes its scale from the real forward pass and applies its gain (and a LayerNorm's centring): the
only way in which contributions add up to the real logits, so it is the default for them. ``recomputed`` normalises
each state by itself, as if the model ended there: the usual logit lens.
"""

from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from fourier_lightning.models.architectures import NAMES, PER_LAYER, Architecture, Site, architecture_of
from fourier_lightning.models.continued import begun, following, shared
from fourier_lightning.models.gpt2_fast import answer_logits
from fourier_lightning.models.gpt2_packed import packable, packed_logits
from fourier_lightning.models.tables import Tables

LnMode = Literal["frozen", "none", "recomputed"]


class Decoder(Tables):
    """A causal language model: its rows, its places, its passes.

    Args:
        net: a model of transformers whose ``config.model_type`` has a row in ``architectures.ARCHITECTURES``. It is
            used where it is: later training, moves and freezing show.

    Attributes:
        net, config: the model and its configuration.
        architecture: its row of the table.
        n_layer: blocks L.
        parallel: attention and MLP of a block read the same stream, so nothing lies between them.

    Raises:
        ConfigError: an architecture that is not known, or can't be taken apart.
    """

    def __init__(self, net: Any) -> None:
        super().__init__(net)
        self.config = net.config
        self.architecture: Architecture = architecture_of(net.config)
        self.n_layer: int = net.config.num_hidden_layers
        parallel = self.architecture.parallel
        self.parallel = bool(getattr(net.config, parallel)) if isinstance(parallel, str) else parallel

    @property
    def width(self) -> int:
        """d of the residual stream."""
        return int(self.config.hidden_size)

    @property
    def dtype(self) -> torch.dtype:
        """Of the residual stream; rows and final norm are in float32 at least, see ``precision``."""
        return next(self.blocks.parameters(), self.table.weight).dtype  # blocks built by hand may have none

    @property
    def final(self) -> Site:
        """The residual stream that the final norm reads."""
        return Site("resid_post", self.n_layer - 1)

    def contributions(self) -> list[Site]:
        """The sites whose sum is the final residual stream: the embedding, then attn_out and mlp_out of each block."""
        return [Site("embed"), *(Site(name, i) for i in range(self.n_layer) for name in ("attn_out", "mlp_out"))]

    # Rows

    def unembedding(self, numbers: Int[Tensor, " p"], fold: bool) -> Float[Tensor, "p d"]:
        """W: the unembedding restricted to the number tokens (p, d), float64.

        Args:
            numbers: token rows.
            fold: include the linear part of the final norm, for a LayerNorm W diag(gain) (1 - 11^T/d), for an RMSNorm
                W diag(gain), so that ``W x / norm_scale`` is what x adds to the logits.
        """
        rows = self.output_rows()[numbers].double()
        if not fold:
            return rows
        gain = self.norm.weight
        if gain is not None:
            gain = gain.detach().double()
            rows = rows * (gain + 1 if self.architecture.norm == "rms+1" else gain)
        return rows - rows.mean(dim=1, keepdim=True) if self.architecture.norm == "layer" else rows

    def constant(self, numbers: Int[Tensor, " p"], fold: bool) -> Float[Tensor, " p"]:
        """What every prompt's number logits hold (p,), float64: the head's bias and, folded, that of the final norm."""
        rows = self.output_rows()[numbers].double()
        constant = torch.zeros_like(rows[:, 0])
        norm_bias, head_bias = getattr(self.norm, "bias", None), self.head.bias
        if fold and norm_bias is not None:
            constant = rows @ norm_bias.detach().double()
        return constant if head_bias is None else constant + head_bias.detach()[numbers].double()

    # States

    def norm_scale(self, states: Float[Tensor, "... d"]) -> Float[Tensor, "... 1"]:
        """What the final norm divides a state by, float64: sqrt(variance + eps), or sqrt(mean square + eps)."""
        states, norm = states.double(), self.norm
        if self.architecture.norm == "layer":
            return (states.var(dim=-1, unbiased=False, keepdim=True) + norm.eps).sqrt()
        eps = norm.eps if hasattr(norm, "eps") else norm.variance_epsilon
        return (states.square().mean(dim=-1, keepdim=True) + eps).sqrt()

    def scaled(
        self, states: Float[Tensor, "... d"], ln: LnMode, final: Float[Tensor, "... d"]
    ) -> Float[Tensor, "... d"]:
        """States divided by the norm's scale, so that their logits are ``scaled @ W.T``, W folded unless ``none``.

        Args:
            states: contributions or residual streams.
            ln: see the module's text.
            final: the final residual stream of the same forward pass, whose scale ``frozen`` takes.
        """
        if ln == "none":
            return states.double()
        return states.double() / self.norm_scale(final if ln == "frozen" else states)

    def uncapped(self, logits: Float[Tensor, "... V"]) -> Float[Tensor, "... V"]:
        """Logits before Gemma 2 bends them (c tanh(z / c)); those of other models as they are.

        Contributions add up to these. Logits that the bend has flattened to +-c come back as large as they can be
        told apart, not as they were.
        """
        if self._cap is None:
            return logits
        bent = logits / self._cap
        most = 1 - torch.finfo(bent.dtype).eps
        return self._cap * bent.clamp(-most, most).atanh()

    def capped(self, logits: Float[Tensor, "... V"]) -> Float[Tensor, "... V"]:
        """Sums of contributions as the model says them: the inverse of ``uncapped``."""
        return logits if self._cap is None else self._cap * (logits / self._cap).tanh()

    # Passes

    def answer_logits(self, prompt: Int[Tensor, "B L"], past: Any = None, share: bool = False) -> Float[Tensor, "B V"]:
        """Logits after the last token of each prompt.

        Args:
            prompt: (B, L) token rows, all of the same length.
            past: ``prefix`` of the same prompts: the last position alone is computed, for an intervention there. It
                is left as it came, and can be continued again.
            share: compute what all prompts begin with (demonstrations) in a pass of its own, once. Not under an
                intervention: it would act on that pass, too.
        """
        if past is None:
            if share and shared(prompt):
                past, done = begun(self.net, prompt)
                return following(self.net, prompt[:, done:], past)
            if self.config.model_type == "gpt2":
                return answer_logits(self.net, prompt)
            return self.net(prompt, logits_to_keep=1, use_cache=False).logits[:, -1]
        length = prompt.shape[1] - 1
        try:
            return following(self.net, prompt[:, -1:], past)
        finally:  # an exception half-way leaves some layers longer than others
            for layer in past.layers:
                layer.crop(length - layer.get_seq_length())

    def trained_logits(
        self, prompt: Int[Tensor, "B L"], heads: Int[Tensor, "U s"] | None, which: Int[Tensor, " B"] | None
    ) -> Float[Tensor, "B V"]:
        """Logits after the last token of each prompt, in a training step: what prompts begin with is computed once.

        Where ``gpt2_packed.packable`` says so; else, and where no beginnings are given, it is ``answer_logits``.

        Args:
            prompt, heads, which: see ``gpt2_packed.packed_logits``.
        """
        if heads is None or which is None or not packable(self.net, prompt, heads):
            return self.answer_logits(prompt)
        return packed_logits(self.net, prompt, heads, which)

    def prefix(self, prompt: Int[Tensor, "B L"]) -> Any:
        """Keys and values of every block at all positions but the last, for ``answer_logits``."""
        past, done = begun(self.net, prompt)
        if prompt.shape[1] - 1 > done:
            following(self.net, prompt[:, done:-1], past)
        return past

    # Modules

    @property
    def blocks(self) -> nn.ModuleList:
        """The L blocks."""
        return self.net.get_submodule(self.architecture.blocks)

    def locate(self, site: Site) -> tuple[nn.Module, Literal["input", "output"]]:
        """The module, and the side of it, where a site's tensor passes by.

        ``resid_pre`` is the embedding or the block before; the last ``resid_post`` is what the final norm is given,
        because GPT-2's short forward pass does not call the last block as a whole.

        Raises:
            ValueError: no such site or layer.
        """
        name, layer = site
        if name not in NAMES:
            raise ValueError(f"no site {name!r}; known: {', '.join(NAMES)}")
        if (layer is None) == (name in PER_LAYER) or (layer is not None and not 0 <= layer < self.n_layer):
            wanted = f"a layer from 0 to {self.n_layer - 1}" if name in PER_LAYER else "no layer"
            raise ValueError(f"site {name!r} takes {wanted}, not {layer}")
        if site == self.final:
            return self.norm, "input"
        if name == "ln_final":
            return self.norm, "output"
        if name == "embed" or site == Site("resid_pre", 0):
            embed = self.architecture.embed
            return (self.blocks[0], "input") if embed is None else (self.net.get_submodule(embed), "output")
        assert layer is not None  # checked above
        if name in ("resid_pre", "resid_post"):
            return self.blocks[layer - (name == "resid_pre")], "output"
        return self.blocks[layer].get_submodule(getattr(self.architecture, name)), "output"

    @property
    def positions(self) -> nn.Module | None:
        """The table of positions, where there is one."""
        path = self.architecture.positions
        return None if path is None else self.net.get_submodule(path)

    @property
    def _cap(self) -> float | None:
        return getattr(self.config, "final_logit_softcapping", None)

    @property
    def table(self) -> nn.Embedding:
        """The input table."""
        return self.net.get_input_embeddings()

    @property
    def head(self) -> nn.Linear:
        """The unembedding."""
        return self.net.get_output_embeddings()

    @property
    def norm(self) -> Any:
        """The final norm."""
        return self.net.get_submodule(self.architecture.ln_final)
