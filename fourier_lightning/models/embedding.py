"""The token table that a model starts from: its source, its centre, its width, its scale, its control."""

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from fourier_lightning.data.tokens import Vocabulary
from fourier_lightning.errors import ConfigError
from fourier_lightning.fourier.basis import fourier_basis
from fourier_lightning.fourier.selection import Period, Selection, parse_periods
from fourier_lightning.models.decoder import Decoder
from fourier_lightning.models.number_rows import (
    fourier_features,
    gaussian_same_norm,
    keep_waves,
    phase_scrambled,
    principal_directions,
    random_same_spectrum,
    root_mean_square,
    shuffled_rows,
)


@dataclass(frozen=True)
class EmbeddingSettings:
    """Settings of the token table (and of the position embeddings, which share its space).

    Attributes:
        source: ``pretrained`` (the backbone's rows), ``random`` (GPT-2's initialisation) or ``fourier`` (number rows
            that are cosines and sines of ``periods``, as in FoNE; other tokens random).
        freeze: never train the input table.
        tie: use the input table as the unembedding too (GPT-2's way); null: as the pretrained body has it. Untied,
            the unembedding trains: it starts as the backbone's under a pretrained body (a copy of the table, if that
            is tied), at random under a random one.
        centre: subtract the mean of the number rows from every row. Under a pretrained body the position
            embeddings take the mean over, so that the function of the model does not change.
        scale: root mean square of the number rows' entries: ``raw`` (as they are), ``init`` (that of random
            initialisation) or a number. All rows get the factor that does it for the unfiltered number rows; filtered
            and synthetic number rows are then brought to the same size, so that other tokens are alike in all arms.
        positions: ``pretrained`` or ``random`` position embeddings, where the architecture has a table of them.
        keep: waves over the number line to keep in the number rows: ``all``, ``low`` (k < cutoff), ``high``
            (k >= cutoff), ``band`` (cutoff <= k < upper) or ``periods`` (exactly the listed ones). The mean row stays.
        cutoff, upper: in k; null as in ``filter.cutoff``: the paper's 50 at p = 521.
        periods: T's, for ``keep=periods`` and ``source=fourier``; "10/3" too.
        control: what else is done to the number rows, drawn with the run's seed. ``shuffled_rows``: the same vectors
            in a random order. ``random_same_spectrum``: each wave keeps its power and gets a random direction.
            ``phase_scrambled``: each column's waves keep their amplitudes and get random phases.
            ``gaussian_same_norm``: a random direction for each number.
        rank: leading principal directions of the pretrained number rows that the table keeps, at most the model's and
            the backbone's width; null: as many as there are.
        name: how run names call it.

    Operand rows of another style than the answer's (" 15" beside "15") have a number line of their own and are
    treated alike on it, cut-offs at the same periods.

    A model of another width than its backbone's gets the table's leading principal directions over the number rows. A
    stream that is wider than the table's rank holds it isometrically: what is left of the stream is free for work that
    the number logits never see, as in GPT-2-XL (d 1600, p 521). There alone a filter is a fair question.
    """

    source: Literal["pretrained", "random", "fourier"]
    freeze: bool
    tie: bool | None = True
    centre: bool = False
    scale: Literal["raw", "init"] | float = "raw"
    positions: Literal["pretrained", "random"] = "random"
    keep: Literal["all", "low", "high", "band", "periods"] = "all"
    cutoff: int | None = None
    upper: int | None = None
    periods: list[Period] = field(default_factory=list)
    control: Literal["none", "shuffled_rows", "random_same_spectrum", "phase_scrambled", "gaussian_same_norm"] = "none"
    rank: int | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if self.rank is not None and self.rank < 1:
            raise ConfigError(f"embedding.rank={self.rank}", "too small", "use 1 or more, or null")
        if self.rank is not None and self.source != "pretrained":
            raise ConfigError(f"embedding.rank={self.rank}", f"a {self.source} table has no principal directions",
                              "leave it null, or use embedding=frozen")  # fmt: skip
        if not isinstance(self.scale, str) and self.scale <= 0:
            raise ConfigError(f"embedding.scale={self.scale}", "not positive", "use raw, init or a number above 0")
        if self.source == "random" and self.centre:
            raise ConfigError("embedding.centre=true", "a random table has no mean to remove", "use embedding=frozen")
        if self.source == "random" and (self.control, self.keep) != ("none", "all"):
            key = f"embedding.keep={self.keep}" if self.keep != "all" else f"embedding.control={self.control}"
            raise ConfigError(key, "a random table has no number line", "use embedding=frozen")
        if self.source == "fourier" and not self.periods:
            raise ConfigError(
                "embedding.periods=[]", "a Fourier table needs periods", "e.g. embedding.periods=[10,100]"
            )
        _ = self.selection

    @property
    def selection(self) -> Selection:
        """The waves to keep."""
        return Selection(self.keep, self.cutoff, self.upper, periods=self.periods, group="embedding")

    def check(self, p: int, width: int) -> None:
        """Refuse what does not fit the number line or the model's width.

        Raises:
            ConfigError: naming the key.
        """
        basis = fourier_basis(p)
        self.selection.check(basis)
        if self.keep == "low" and self.selection.cutoff_at(p) == 1:
            raise ConfigError("embedding.cutoff=1", "no wave is below k = 1", "use 2 or more")
        if self.source == "fourier" and 2 * len(self.periods) > width:
            key = f"embedding.periods={self.periods}"
            raise ConfigError(key, f"need {2 * len(self.periods)} columns of {width}", "list fewer, or widen the model")

    @property
    def needs_backbone(self) -> bool:
        """Whether pretrained weights have to be read."""
        return "pretrained" in (self.source, self.positions)


def fit_to(
    table: Tensor, positions: Tensor, numbers: Tensor, width: int, rank: int | None = None
) -> tuple[Tensor, Tensor]:
    """Table (V, d) and positions (T, d) in a stream of another width, on the number rows' leading principal directions.

    Args:
        numbers: (p,) rows of the table whose directions they are.
        width: of the stream. Columns beyond the directions are zero.
        rank: how many of the directions; None: as many as there are.
    """
    if width == table.shape[1] and rank is None:
        return table, positions
    kept = min(width, table.shape[1]) if rank is None else rank
    directions = principal_directions(table[numbers])[:, :kept].to(table.dtype)
    table, positions = (pad(rows @ directions, (0, width - kept)) for rows in (table, positions))
    return table, positions


def install_table(
    net: Decoder,
    source: Decoder | None,
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
        net: the model that is being built, randomly initialised; its width may be another than the source's.
        source: the pretrained backbone, if the settings need it; of the same architecture.
        vocabulary: which rows ``net`` holds.
        body_is_pretrained: keep the model's function when centring.
        seed: of the controls.
    """
    numbers, operands, ids = vocabulary.numbers, vocabulary.operands, vocabulary.token_ids
    table, positions = net.table.weight.detach().clone(), _places(net)
    if source is not None:
        rows, places = source.table.weight.detach()[ids].float(), _places(source)[: len(positions)].float()
        if settings.centre and settings.source == "pretrained":
            mean = rows[numbers].mean(dim=0)
            rows = rows - mean
            places = places + mean if body_is_pretrained else places
        rows, places = fit_to(rows, places, numbers, net.width, settings.rank)
        table = rows if settings.source == "pretrained" else table
        positions = places if settings.positions == "pretrained" else positions
    if settings.scale != "raw":
        target = initial_spread(net.config) if settings.scale == "init" else settings.scale
        factor = float(target) / root_mean_square(table[numbers])
        table = table * factor
        if settings.source == settings.positions == "pretrained":  # they keep their size relative to the table
            positions = positions * factor
    for line, values in ((numbers, torch.arange(len(numbers))), (operands, vocabulary.operand_values)):
        table[line] = prepare_rows(table[line], values, settings, len(numbers), seed)

    net.table.weight.data.copy_(table)
    if net.positions is not None:
        net.positions.weight.data.copy_(positions)
    if source is not None and body_is_pretrained:
        if not settings.tie:
            net.head.weight.data.copy_(table if source.tied else source.head.weight[ids])
        if source.head.bias is not None:
            net.head.bias.data.copy_(source.head.bias[ids])


def initial_spread(config: Any) -> float:
    """Standard deviation of an architecture's random initialisation."""
    spread = getattr(config, "initializer_range", None)
    return float(config.init_std if spread is None else spread)


def _places(decoder: Decoder) -> Tensor:
    """The table of positions (T, d); none of them where the architecture rotates positions into its keys."""
    table = decoder.positions
    return decoder.table.weight.new_empty(0, decoder.width) if table is None else table.weight.detach()


def prepare_rows(rows: Tensor, values: Tensor, settings: EmbeddingSettings, p: int, seed: int) -> Tensor:
    """Number rows (q, d) of one style: a synthetic table in their place, the chosen waves, then the control.

    Unless ``scale=raw`` the result has the root mean square of the rows that came in. Other tokens are never
    touched here, so that arms differ in their number rows alone.

    Args:
        values: (q,) the numbers that the rows stand for.
        p: length of the answers' number line, in whose components cut-offs are given.
    """
    if len(rows) < 3 or settings.source == "random":
        return rows
    before = root_mean_square(rows)
    if settings.source == "fourier":
        periods = parse_periods(settings.periods, "embedding.periods")
        rows = fourier_features(values, periods, rows.shape[1])
        if settings.centre:
            rows = rows - fourier_features(torch.arange(p), periods, rows.shape[1]).mean(dim=0)
    if settings.keep != "all":
        rows = keep_waves(rows, settings.selection.at_length(len(rows), p))
    controls = {
        "none": lambda rows, seed: rows,
        "shuffled_rows": shuffled_rows,
        "random_same_spectrum": random_same_spectrum,
        "phase_scrambled": phase_scrambled,
        "gaussian_same_norm": gaussian_same_norm,
    }
    rows = controls[settings.control](rows, seed)
    changed = settings.source == "fourier" or settings.keep != "all"
    return rows * (before / root_mean_square(rows)) if changed and settings.scale != "raw" else rows
