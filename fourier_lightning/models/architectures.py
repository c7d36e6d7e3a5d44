"""Where things are in the language models of transformers: a table of data, one row for each ``config.model_type``.

Nothing else in this package knows the name of a module. A new architecture is a row here; ``tests/test_decoder.py``
holds it against the model itself.

What a branch adds to the residual stream is rarely what its module returns: attention modules return tuples, and a
dropout or a norm may come after them. So a row names the last module of each branch whose output is what is added.

Why not TransformerLens 4 or nnterp? TransformerLens 4.3 installs beside our pins, and its bridge sees the same tensors
at every site of these models to 5e-6: it is the oracle of our tests. As a dependency it brings 13 packages and 290 MB
(pandas, pyarrow, datasets), 2.7 s of import, and a forward pass of 1.02 to 1.05 times Hugging Face's, 1.3 times our
short one for GPT-2; it wraps the model in modules of its own, and trains another object than the one that is saved.
What is needed here is thirty lines of paths. nnterp 1.3 resolves to nnsight 0.8.1 and does not import with it
(no ``nnsight.intervention.tracing``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from fourier_lightning.errors import ConfigError

Norm = Literal["layer", "rms", "rms+1"]
PER_LAYER = ("resid_pre", "attn_out", "mlp_out", "resid_post")
NAMES = ("embed", *PER_LAYER, "ln_final")


class Site(NamedTuple):
    """A place in the residual stream: one of ``NAMES``, and the block for those that every block has.

    ``embed`` is what the first block is given, ``resid_pre`` and ``resid_post`` are a block's input and output,
    ``attn_out`` and ``mlp_out`` what its branches add to the stream, ``ln_final`` what the unembedding is given.
    """

    name: str
    layer: int | None = None


@dataclass(frozen=True)
class Architecture:
    """Module paths of one architecture, and how its blocks and final norm compute.

    Attributes:
        blocks: the list of blocks.
        attn_out, mlp_out: below a block, the modules whose outputs are added to the stream.
        ln_final: the final norm.
        norm: what it is: ``layer`` (LayerNorm), ``rms`` (RMSNorm) or ``rms+1`` (RMSNorm with a gain of 1 + weight).
        embed: the module whose output is the first block's input; None: no such module, look at the block's input.
        positions: the table of positions; None: positions are rotated into the keys.
        parallel: attention and MLP read the same stream; a string names the setting of the configuration that says so.
        flat: ``mlp_out`` sees (B L, d) in place of (B, L, d).
        refuses: a reason why models of this configuration can't be taken apart, or None.
    """

    blocks: str
    attn_out: str
    mlp_out: str
    ln_final: str
    norm: Norm
    embed: str | None = None
    positions: str | None = None
    parallel: bool | str = False
    flat: bool = False
    refuses: Callable[[Any], str | None] = lambda config: None


def _opt_variant(config: Any) -> str | None:
    if config.word_embed_proj_dim != config.hidden_size:
        return "its embeddings are projected into the stream and out of it (word_embed_proj_dim)"
    if not config.do_layer_norm_before or config._remove_final_layer_norm:
        return "its norms come after the stream's additions: there is no sum that a final norm reads"
    return None


ARCHITECTURES = {
    "gpt2": Architecture(
        blocks="transformer.h",
        attn_out="attn.resid_dropout",
        mlp_out="mlp",
        ln_final="transformer.ln_f",
        norm="layer",
        embed="transformer.drop",  # the short forward pass calls no whole block where there is only one
        positions="transformer.wpe",
    ),
    "gpt_neo": Architecture(
        blocks="transformer.h",
        attn_out="attn.attention.resid_dropout",
        mlp_out="mlp",
        ln_final="transformer.ln_f",
        norm="layer",
        positions="transformer.wpe",
    ),
    "gptj": Architecture(
        blocks="transformer.h",
        attn_out="attn.resid_dropout",
        mlp_out="mlp",
        ln_final="transformer.ln_f",
        norm="layer",
        parallel=True,
    ),
    "gpt_neox": Architecture(
        blocks="gpt_neox.layers",
        attn_out="post_attention_dropout",
        mlp_out="post_mlp_dropout",
        ln_final="gpt_neox.final_layer_norm",
        norm="layer",
        parallel="use_parallel_residual",
    ),
    "llama": Architecture(
        blocks="model.layers", attn_out="self_attn.o_proj", mlp_out="mlp", ln_final="model.norm", norm="rms"
    ),
    "mistral": Architecture(
        blocks="model.layers", attn_out="self_attn.o_proj", mlp_out="mlp", ln_final="model.norm", norm="rms"
    ),
    "qwen2": Architecture(
        blocks="model.layers", attn_out="self_attn.o_proj", mlp_out="mlp", ln_final="model.norm", norm="rms"
    ),
    "qwen3": Architecture(
        blocks="model.layers", attn_out="self_attn.o_proj", mlp_out="mlp", ln_final="model.norm", norm="rms"
    ),
    "smollm3": Architecture(
        blocks="model.layers", attn_out="self_attn.o_proj", mlp_out="mlp", ln_final="model.norm", norm="rms"
    ),
    "olmo2": Architecture(  # normalises what a branch says before it is added, and nothing before the branch
        blocks="model.layers",
        attn_out="post_attention_layernorm",
        mlp_out="post_feedforward_layernorm",
        ln_final="model.norm",
        norm="rms",
    ),
    "phi": Architecture(  # one dropout module for both branches: in evaluation mode these are what is added
        blocks="model.layers",
        attn_out="self_attn.dense",
        mlp_out="mlp",
        ln_final="model.final_layernorm",
        norm="layer",
        parallel=True,
    ),
    "phi3": Architecture(
        blocks="model.layers",
        attn_out="resid_attn_dropout",
        mlp_out="resid_mlp_dropout",
        ln_final="model.norm",
        norm="rms",
    ),
    "gemma": Architecture(
        blocks="model.layers", attn_out="self_attn.o_proj", mlp_out="mlp", ln_final="model.norm", norm="rms+1"
    ),
    "gemma2": Architecture(  # normalises what a branch says before it is added
        blocks="model.layers",
        attn_out="post_attention_layernorm",
        mlp_out="post_feedforward_layernorm",
        ln_final="model.norm",
        norm="rms+1",
    ),
    "gemma3_text": Architecture(
        blocks="model.layers",
        attn_out="post_attention_layernorm",
        mlp_out="post_feedforward_layernorm",
        ln_final="model.norm",
        norm="rms+1",
    ),
    "opt": Architecture(  # dropout is a function there: in evaluation mode these are what is added
        blocks="model.decoder.layers",
        attn_out="self_attn.out_proj",
        mlp_out="fc2",
        ln_final="model.decoder.final_layer_norm",
        norm="layer",
        positions="model.decoder.embed_positions",
        flat=True,
        refuses=_opt_variant,
    ),
}

REFUSED = {
    "falcon": "they add the residual stream inside their modules: no module's output is what a branch adds",
    "bloom": "they add the residual stream inside their modules: no module's output is what a branch adds",
    "gemma3": "it reads images, too: save its language model (gemma3_text) by itself",
}


# Models that read both ways: there is no next token, so that of them the table of numbers alone can be looked at.
ENCODERS = (
    *("bert", "roberta", "xlm-roberta", "camembert", "distilbert", "electra", "deberta-v2", "mpnet", "albert"),
    "modernbert",
)


def architecture_of(config: Any, key: str | None = None) -> Architecture:
    """The row of a model's configuration.

    Args:
        config: of transformers.
        key: the setting that chose the model, for the error.

    Raises:
        ConfigError: no row, or a model that can't be taken apart.
    """
    kind = config.model_type
    row = ARCHITECTURES.get(kind)
    if kind in ENCODERS:
        remedy = "use fit=false instruments=embedding_spectrum, and no model= or embedding="
        raise ConfigError(key or f"model_type={kind}", "an encoder: it predicts no next token", remedy)
    problem = REFUSED.get(kind) if row is None else row.refuses(config)
    if row is None or problem:
        problem = problem or f"no architecture {kind!r} is known here"
        raise ConfigError(key or f"model_type={kind}", problem, f"use one of {', '.join(ARCHITECTURES)}")
    return row
