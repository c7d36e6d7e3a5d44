"""The token table that a model starts from: its source, its centre, its width, its scale, its control."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from transformers import GPT2LMHeadModel

from fourier_lightning.data.number_tokens import Vocabulary
from fourier_lightning.errors import ConfigError
from fourier_lightning.models.table import permute_rows, principal_directions, root_mean_square


@dataclass(frozen=True)
class EmbeddingSettings:
    """Settings of the token table (and of the position embeddings, which share its space).

    Attributes:
        source: ``pretrained`` (the backbone's rows) or ``random`` (GPT-2's initialisation).
        freeze: never train the input table.
        tie: use the input table as the unembedding too (GPT-2's way). Untied, the unembedding trains: it starts as
            a copy of the table under a pretrained body, at random under a random one.
        centre: subtract the mean of the number rows from every row. Under a pretrained body the position
            embeddings take the mean over, so that the function of the model does not change.
        scale: root mean square of the number rows' entries: ``raw`` (as they are), ``init`` (that of random
            initialisation) or a number.
        positions: ``pretrained`` or ``random`` position embeddings.
        control: ``shuffled_rows`` permutes the number rows (with the run's seed), and operand rows of another
            style (" 15") among themselves: same vectors, no number line.
        name: how run names call it.

    A model narrower than its backbone gets the table's leading principal directions over the number rows.
    """

    source: Literal["pretrained", "random"]
    freeze: bool
    tie: bool = True
    centre: bool = False
    scale: Literal["raw", "init"] | float = "raw"
    positions: Literal["pretrained", "random"] = "random"
    control: Literal["none", "shuffled_rows"] = "none"
    name: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.scale, str) and self.scale <= 0:
            raise ConfigError(f"embedding.scale={self.scale}", "not positive", "use raw, init or a number above 0")
        if self.source == "random" and self.centre:
            raise ConfigError("embedding.centre=true", "a random table has no mean to remove", "use embedding=frozen")
        if self.source == "random" and self.control != "none":
            raise ConfigError(
                f"embedding.control={self.control}", "a random table has no order to destroy", "use embedding=frozen"
            )

    @property
    def needs_backbone(self) -> bool:
        """Whether pretrained weights have to be read."""
        return "pretrained" in (self.source, self.positions)


def narrow_to(table: Tensor, positions: Tensor, numbers: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Project table (V, d) and positions (T, d) on the leading ``width`` principal directions of the number rows."""
    if width == table.shape[1]:
        return table, positions
    directions = principal_directions(table[numbers])[:, :width].to(table.dtype)
    return table @ directions, positions @ directions


def install_table(
    net: GPT2LMHeadModel,
    source: GPT2LMHeadModel | None,
    settings: EmbeddingSettings,
    vocabulary: Vocabulary,
    body_is_pretrained: bool,
    seed: int,
) -> None:
    """Write the token table and the position embeddings into ``net``, prepared as ``settings`` says.

    Centre, principal directions and scale are those of the number rows in the answer's style; every other row
    goes through the same shift, projection and factor. Pretrained positions are projected with the table, and
    scaled with it if it is pretrained too; beside a random table they keep their own size.

    Args:
        net: the model that is being built, randomly initialised; its width may be smaller than the source's.
        source: the pretrained backbone, if the settings need it.
        vocabulary: which rows ``net`` holds.
        body_is_pretrained: keep the model's function when centring.
        seed: of the shuffled-rows control.
    """
    numbers = vocabulary.numbers
    table, positions = net.transformer.wte.weight.detach(), net.transformer.wpe.weight.detach()
    target = net.config.initializer_range if settings.scale == "init" else settings.scale
    if source is not None:
        rows = source.transformer.wte.weight.detach()[vocabulary.token_ids]
        places = source.transformer.wpe.weight.detach()[: net.config.n_positions]
        if settings.centre:
            mean = rows[numbers].mean(dim=0)
            rows = rows - mean
            places = places + mean if body_is_pretrained else places
        rows, places = narrow_to(rows, places, numbers, net.config.n_embd)
        table = rows if settings.source == "pretrained" else table
        positions = places if settings.positions == "pretrained" else positions
    if target != "raw":
        factor = float(target) / root_mean_square(table[numbers])
        table = table * factor
        if settings.source == settings.positions == "pretrained":  # they keep their size relative to the table
            positions = positions * factor
    if settings.control == "shuffled_rows":
        table = permute_rows(table, numbers, seed)
        table = permute_rows(table, vocabulary.operands, seed)

    net.transformer.wte.weight.data.copy_(table)
    net.transformer.wpe.weight.data.copy_(positions)
    if body_is_pretrained and not settings.tie:
        net.lm_head.weight.data.copy_(table)
