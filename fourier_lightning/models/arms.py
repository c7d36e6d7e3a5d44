"""The three arms: a pretrained model, a random one, and a random one with the pretrained token table.

They are one recipe with different settings: which body (`model.body`), which table (`embedding.*`).
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from fourier_lightning.data.tokens import Vocabulary
from fourier_lightning.errors import ConfigError
from fourier_lightning.models.architectures import architecture_of
from fourier_lightning.models.backbones import Backbone
from fourier_lightning.models.decoder import Decoder
from fourier_lightning.models.embedding import EmbeddingSettings, initial_spread, install_table
from fourier_lightning.models.sizes import sized_config
from fourier_lightning.models.tables import Tables


@dataclass(frozen=True)
class ModelSettings:
    """Settings of the transformer blocks.

    Attributes:
        name: the arm, as tables and W&B runs call it.
        body: ``pretrained`` or ``random`` blocks (and final norm).
        n_layer: blocks; null takes the backbone's. Only a random body can differ from it.
        width: residual stream; null takes the backbone's. Only a random body can differ from it.
        n_head: heads; null takes the backbone's.
        dropout: of embeddings, attention weights and residual branches, where the architecture has it.
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
                    "use size=backbone, or model=scratch or model=scratch_pretrained_emb",
                )
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"model.dropout={self.dropout}", "not a probability", "use a value from 0 to 0.99")


def network_config(
    backbone: Backbone, model: ModelSettings, embedding: EmbeddingSettings, vocabulary_size: int, prompt_length: int
) -> Any:
    """The configuration of the network to build: of the backbone's architecture, in the arm's sizes.

    Raises:
        ConfigError: width and heads, width and table, or body and table don't go together, or prompts are too long.
    """
    base = backbone.config()
    config = sized_config(
        backbone, model.n_layer, model.width, model.n_head, model.dropout, embedding.tie, vocabulary_size
    )
    _check_rank(embedding, config.hidden_size, base.hidden_size, model.body)
    if prompt_length > base.max_position_embeddings:
        problem = f"prompts of {prompt_length} tokens exceed {base.max_position_embeddings}"
        raise ConfigError("data.templates", problem, "use shorter ones")
    if model.body == "pretrained":
        _check_pretrained(base, embedding)
    return config


def _check_rank(embedding: EmbeddingSettings, width: int, columns: int, body: str) -> None:
    """Refuse a rank that the stream can't hold, the pretrained table hasn't, or a pretrained body wasn't made for.

    Raises:
        ConfigError: naming the setting.
    """
    if embedding.rank is None:
        return
    key = f"embedding.rank={embedding.rank}"
    if body == "pretrained":
        raise ConfigError(key, "a pretrained body reads the table as it is", "leave it null, or use model=scratch")
    if embedding.rank > min(width, columns):
        problem = f"the stream has {width} dimensions, and the pretrained table {columns} columns"
        raise ConfigError(key, problem, f"use at most {min(width, columns)}")


def _check_pretrained(base: Any, embedding: EmbeddingSettings) -> None:
    """Refuse tables under which a pretrained body is another model than it was.

    Raises:
        ConfigError: naming the setting.
    """
    if embedding.tie and not base.tie_word_embeddings:
        problem = "the backbone's unembedding is a table of its own"
        raise ConfigError("embedding.tie=true", problem, "use embedding.tie=false, or a model that is not pretrained")
    if embedding.centre and architecture_of(base).positions is None:
        problem = f"{base.model_type} has no table of positions that could take the mean over"
        raise ConfigError("embedding.centre=true", problem, "use embedding.centre=false")


def blank_network(config: Any, dtype: torch.dtype = torch.float32) -> Any:
    """A model with randomly initialised blocks and positions; ``initialise`` fills its table.

    The table is put in after the blocks are drawn, so that the same seed gives the same blocks whatever the
    vocabulary: compact and full runs can be compared.

    Args:
        dtype: of the blocks. In half precision the rows and the final norm stay in float32: where two number logits
            are close, half precision makes them equal.
    """
    size, config.vocab_size = config.vocab_size, 1
    net = AutoModelForCausalLM.from_config(config, dtype=dtype)
    config.vocab_size = net.config.vocab_size = size
    table, head = net.get_input_embeddings(), net.get_output_embeddings()
    table.weight, table.num_embeddings = nn.Embedding(size, config.hidden_size).weight, size
    head.weight, head.out_features = nn.Linear(config.hidden_size, size, bias=False).weight, size
    if head.bias is not None:
        head.bias = nn.Parameter(torch.zeros(size))
    net.tie_weights()
    if dtype != torch.float32:
        table.register_forward_hook(lambda _module, _inputs, rows: rows.to(dtype))
        norm = net.get_submodule(architecture_of(config).ln_final).float()
        norm.register_forward_pre_hook(lambda _module, inputs: (inputs[0].float(), *inputs[1:]))
    return net


def random_table(config: Any, backbone_rows: int, token_ids: Tensor, seed: int) -> Tensor:
    """The architecture's initialisation of a token table: the rows ``token_ids`` of one drawn for the vocabulary."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(backbone_rows, config.hidden_size, generator=rng)[token_ids] * initial_spread(config)


def initialise(
    net: Decoder,
    backbone: Backbone,
    vocabulary: Vocabulary,
    model: ModelSettings,
    embedding: EmbeddingSettings,
    seed: int,
    share: bool = False,
) -> None:
    """Give a blank network its starting weights: pretrained parts over random ones, then the table.

    Of the backbone's tables only the rows of the vocabulary are ever copied, in float32.

    Args:
        share: take the blocks from the backbone's file without a copy where they are stored as they are needed: for a
            model that won't be trained.
    """
    rows, pretrained = backbone.config().vocab_size, model.body == "pretrained"
    if not (net.tied or pretrained):
        net.head.weight.data.copy_(random_table(net.config, rows, vocabulary.token_ids, seed + 1))
    if embedding.source != "pretrained":
        net.table.weight.data.copy_(random_table(net.config, rows, vocabulary.token_ids, seed))
    source = Decoder(backbone.load("auto")) if pretrained or embedding.needs_backbone else None
    if source is not None and pretrained:
        share = share and source.dtype == net.dtype
        for mine, theirs in zip(net.blocks, source.blocks, strict=True):
            mine.load_state_dict(theirs.state_dict(), assign=share)
        net.norm.load_state_dict(source.norm.state_dict())
    install_table(net, source, embedding, vocabulary, pretrained, seed)


def freeze(net: Any, freeze_table: bool) -> None:
    """Freeze the input table (with a tied head, the unembedding with it); all else trains."""
    net.get_input_embeddings().weight.requires_grad_(not freeze_table)


def parameter_table(decoder: Tables) -> list[dict[str, Any]]:
    """One row for each top part of the network: parameters, and whether they train. Tied weights count once."""
    body = f"{decoder.architecture.blocks.rpartition('.')[0]}." if isinstance(decoder, Decoder) else ""
    parts: dict[str, dict[str, Any]] = {}
    for name, parameter in decoder.net.named_parameters():
        part = name.removeprefix(body).split(".")[0]  # of a GPT-2: wte, wpe, h, ln_f, lm_head
        row = parts.setdefault(part, {"part": part, "parameters": 0, "trainable": 0})
        row["parameters"] += parameter.numel()
        row["trainable"] += parameter.numel() if parameter.requires_grad else 0
    return list(parts.values())
