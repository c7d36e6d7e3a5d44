"""The configuration of the network to build: the backbone's, with other sizes where a random body has them.

Sizes go by transformers' common names (``hidden_size``, ``num_hidden_layers``, ``num_attention_heads``), which every
configuration class translates into its own.
"""

from typing import Any

from transformers import AutoConfig

from fourier_lightning.errors import ConfigError
from fourier_lightning.models.architectures import architecture_of
from fourier_lightning.models.backbones import Backbone

# GPT-2's activation as Hugging Face writes it takes eight passes over memory; the same function takes one.
FUSED = {"gelu_new": "gelu_pytorch_tanh"}
# What configurations call the dropout of embeddings, attention weights and residual branches.
DROPOUTS = (
    *("resid_pdrop", "embd_pdrop", "attn_pdrop"),
    *("resid_dropout", "embed_dropout", "attention_dropout", "hidden_dropout", "dropout"),
)
MOST_WEIGHTS = 10**12  # a thousand times what the largest backbones here have


def config_from(settings: dict[str, Any]) -> Any:
    """A configuration from what its ``to_dict`` gave: plain values, with ``model_type`` among them."""
    return AutoConfig.for_model(**{k: v for k, v in settings.items() if k not in ("dtype", "transformers_version")})


def sized_config(
    backbone: Backbone,
    n_layer: int | None,
    width: int | None,
    n_head: int | None,
    dropout: float,
    tie: bool,
    vocabulary_size: int,
) -> Any:
    """The configuration of a network of the backbone's architecture.

    Args:
        n_layer, width, n_head: None takes the backbone's. The width of an MLP goes with the residual stream's, the
            number of key and value heads with that of the heads, and a pattern of layers repeats.
        dropout: of embeddings, attention weights and residual branches, where the architecture has it.
        tie: the input table is the unembedding, too.
        vocabulary_size: rows of the table.

    Raises:
        ConfigError: the sizes don't go together.
    """
    base = backbone.config()
    config = config_from(base.to_dict())
    layers, d, heads = n_layer or base.num_hidden_layers, width or base.hidden_size, n_head or base.num_attention_heads
    if 12 * layers * d**2 > MOST_WEIGHTS:
        problem = f"{12.0 * layers * d**2:.0e} weights with model.n_layer={layers}"
        raise ConfigError(f"model.width={d}", problem, "use a smaller model, or size=small")
    if d % heads:
        raise ConfigError(f"model.width={d}", f"not divisible by model.n_head={heads}", f"use a multiple of {heads}")
    if (d, heads) != (base.hidden_size, base.num_attention_heads):
        _set_heads(config, base, d, heads)
    if layers != base.num_hidden_layers:
        _set_layers(config, layers)
    config.update({name: dropout for name in DROPOUTS if hasattr(config, name)})
    for name in ("activation_function", "hidden_act"):
        if hasattr(config, name):
            setattr(config, name, FUSED.get(getattr(config, name), getattr(config, name)))
    # special tokens are not in a compact vocabulary, and no prompt uses them
    config.update({"bos_token_id": None, "eos_token_id": None, "pad_token_id": None})
    config.update({"vocab_size": vocabulary_size, "tie_word_embeddings": tie})
    return config


def _set_heads(config: Any, base: Any, width: int, heads: int) -> None:
    """Another width or number of heads, and what goes with them.

    Raises:
        ConfigError: heads that can't share keys and values, or can't be rotated.
    """
    kept = getattr(base, "num_key_value_heads", None)
    if kept is not None:
        kept = max(1, heads * kept // base.num_attention_heads)
        if heads % kept:
            problem = f"{kept} key and value heads can't be shared evenly"
            raise ConfigError(f"model.n_head={heads}", problem, f"use a multiple of {kept}")
        config.num_key_value_heads = kept
    for name in ("intermediate_size", "ffn_dim", "n_inner"):
        if getattr(base, name, None) is not None:
            setattr(config, name, max(1, getattr(base, name) * width // base.hidden_size))
    config.hidden_size, config.num_attention_heads = width, heads
    size = width // heads
    for name in ("head_dim", "query_pre_attn_scalar"):
        if getattr(base, name, None) is not None:
            setattr(config, name, size)
    if hasattr(config, "word_embed_proj_dim"):
        config.word_embed_proj_dim = width
    if architecture_of(config).positions is not None:
        return
    if getattr(config, "rotary_dim", None) is not None:
        config.rotary_dim = min(config.rotary_dim, size)
    share = (getattr(config, "rope_parameters", None) or {}).get("partial_rotary_factor", 1.0)
    rotated = getattr(config, "rotary_dim", None) or int(size * share)
    if rotated % 2 or not rotated:
        problem = f"heads of {size} dimensions, of which positions rotate {rotated}: pairs are rotated"
        raise ConfigError(f"model.n_head={heads}", problem, "choose model.width and model.n_head for an even number")


def _set_layers(config: Any, layers: int) -> None:
    """Another number of layers; a pattern of layers (local and global attention, say) repeats."""
    for name in ("layer_types", "attention_layers", "no_rope_layers"):
        pattern = getattr(config, name, None)
        if pattern is not None:
            setattr(config, name, [pattern[i % len(pattern)] for i in range(layers)])
    if hasattr(config, "attention_types"):
        config.attention_types = [[list(config.attention_layers), 1]]
    config.num_hidden_layers = layers
