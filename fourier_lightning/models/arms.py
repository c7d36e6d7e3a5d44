"""The three arms: a pretrained GPT-2, a random one, and a random one with the pretrained token table.

They are one recipe with different settings: which body (`model.body`), which table (`embedding.*`).
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel

from fourier_lightning.data.tokens import Vocabulary
from fourier_lightning.errors import ConfigError
from fourier_lightning.models.backbones import Backbone
from fourier_lightning.models.embedding import EmbeddingSettings, install_table

# GPT-2's activation as Hugging Face writes it takes eight passes over memory; the same function takes one.
FUSED = {"gelu_new": "gelu_pytorch_tanh"}


@dataclass(frozen=True)
class ModelSettings:
    """Settings of the transformer blocks.

    Attributes:
        name: the arm, as tables and W&B runs call it.
        body: ``pretrained`` or ``random`` blocks (and final LayerNorm).
        n_layer: blocks; null takes the backbone's. Only a random body can differ from it.
        width: residual stream; null takes the backbone's. Only a random body can differ from it.
        n_head: heads; null takes the backbone's.
        dropout: of embeddings, attention weights and residual branches (GPT-2's default is 0.1).
        loss: cross-entropy of the ``answer`` token alone, or of the whole ``sequence`` after its first token.
    """

    name: str
    body: Literal["pretrained", "random"]
    n_layer: int | None = None
    width: int | None = None
    n_head: int | None = None
    dropout: float = 0.1
    loss: Literal["answer", "sequence"] = "answer"

    def __post_init__(self) -> None:
        for key in ("n_layer", "width", "n_head"):
            value = getattr(self, key)
            if value is not None and value < 1:
                raise ConfigError(f"model.{key}={value}", "too small", "use 1 or more, or null for the backbone's")
            if value is not None and self.body == "pretrained":
                raise ConfigError(
                    f"model.{key}={value}",
                    "a pretrained body has the backbone's sizes",
                    "leave it null, or use model=scratch or model=scratch_pretrained_emb",
                )
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"model.dropout={self.dropout}", "not a probability", "use a value from 0 to 0.99")


def network_config(
    backbone: Backbone, model: ModelSettings, embedding: EmbeddingSettings, vocabulary_size: int, prompt_length: int
) -> GPT2Config:
    """The GPT-2 configuration of the network to build.

    Raises:
        ConfigError: width and heads, or width and table, don't go together, or prompts are too long.
    """
    base = backbone.config()
    width, n_head = model.width or base.n_embd, model.n_head or base.n_head
    if width % n_head:
        raise ConfigError(
            f"model.width={width}", f"not divisible by model.n_head={n_head}", f"use a multiple of {n_head}"
        )
    if embedding.needs_backbone and width > base.n_embd:
        raise ConfigError(
            f"model.width={width}",
            f"the pretrained table of backbone={backbone.name} has only {base.n_embd} columns",
            f"use at most {base.n_embd}, or model=scratch",
        )
    if prompt_length > base.n_positions:
        raise ConfigError(
            "data.templates", f"prompts of {prompt_length} tokens exceed {base.n_positions}", "use shorter ones"
        )
    config = GPT2Config(**{k: v for k, v in base.to_dict().items() if k not in ("dtype", "transformers_version")})
    config.update(
        {
            "vocab_size": vocabulary_size,
            "n_embd": width,
            "n_head": n_head,
            "n_layer": model.n_layer or base.n_layer,
            "activation_function": FUSED.get(base.activation_function, base.activation_function),
            "tie_word_embeddings": embedding.tie,
            "resid_pdrop": model.dropout,
            "embd_pdrop": model.dropout,
            "attn_pdrop": model.dropout,
            "bos_token_id": None,  # special tokens are not in a compact vocabulary, and no prompt uses them
            "eos_token_id": None,
        }
    )
    return config


def blank_network(config: GPT2Config) -> GPT2LMHeadModel:
    """A GPT-2 with randomly initialised blocks and positions; ``initialise`` fills its table.

    The table is put in after the blocks are drawn, so that the same seed gives the same blocks whatever the
    vocabulary: compact and full runs can be compared.
    """
    size, config.vocab_size = config.vocab_size, 1
    net = GPT2LMHeadModel(config)
    config.vocab_size = size
    net.set_input_embeddings(nn.Embedding(size, config.n_embd))
    net.set_output_embeddings(nn.Linear(config.n_embd, size, bias=False))
    net.tie_weights()
    return net


def random_table(config: GPT2Config, backbone_rows: int, token_ids: Tensor, seed: int) -> Tensor:
    """GPT-2's initialisation of a token table: the rows ``token_ids`` of one drawn for the whole vocabulary."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(backbone_rows, config.n_embd, generator=rng)[token_ids] * config.initializer_range


def initialise(
    net: GPT2LMHeadModel,
    backbone: Backbone,
    vocabulary: Vocabulary,
    model: ModelSettings,
    embedding: EmbeddingSettings,
    seed: int,
) -> None:
    """Give a blank network its starting weights: pretrained parts over random ones, then the table."""
    rows = backbone.config().vocab_size
    net.lm_head.weight.data.copy_(random_table(net.config, rows, vocabulary.token_ids, seed + 1))
    net.transformer.wte.weight.data.copy_(random_table(net.config, rows, vocabulary.token_ids, seed))  # wins if tied
    pretrained = model.body == "pretrained"
    source = backbone.load() if pretrained or embedding.needs_backbone else None
    if source is not None and pretrained:
        net.transformer.h.load_state_dict(source.transformer.h.state_dict())
        net.transformer.ln_f.load_state_dict(source.transformer.ln_f.state_dict())
    install_table(net, source, embedding, vocabulary, pretrained, seed)


def freeze(net: GPT2LMHeadModel, freeze_table: bool) -> None:
    """Freeze the input table (with a tied head, the unembedding with it); all else trains."""
    net.transformer.wte.weight.requires_grad_(not freeze_table)


def parameter_table(net: nn.Module) -> list[dict[str, Any]]:
    """One row for each top part of the network: parameters, and whether they train. Tied weights count once."""
    parts: dict[str, dict[str, Any]] = {}
    for name, parameter in net.named_parameters():
        part = name.removeprefix("transformer.").split(".")[0]  # wte, wpe, h, ln_f, lm_head
        row = parts.setdefault(part, {"part": part, "parameters": 0, "trainable": 0})
        row["parameters"] += parameter.numel()
        row["trainable"] += parameter.numel() if parameter.requires_grad else 0
    return list(parts.values())
