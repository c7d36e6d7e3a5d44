"""The mechanisms that models are made of, as data, and the facts that are true of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from fourier_lightning.readings.paper import SHORT

Module = Literal["attn", "mlp"]
Role = Literal["residues", "magnitude", "heart", "edges", "elsewhere", "thirds", "bump", "comb", "decades", "uneven"]
Noise = Literal["low", "high"]
MODULES: tuple[Module, ...] = ("attn", "mlp")


@dataclass(frozen=True)
class Mechanism:
    """Who does what.

    Attributes:
        name: of the mechanism.
        attn, mlp: roles of the module classes. ``residues``: waves of T = 2, 2.5, 5, 10 at the answer; ``magnitude``:
            the waves below the cut-off; ``heart``: a look-up of the answer, a peak that holds all waves alike;
            ``edges``: the same without the waves below the cut-off; ``elsewhere``: these, of another number (a - b);
            ``thirds``: waves of T = 10/3 and 4 at the answer; ``bump``: a look-up of a Gaussian around the answer;
            ``comb``: of all numbers with the answer's last digit; ``decades``: of all with its other digits;
            ``uneven``: of a block of 4 to 10 numbers that the answer is in.
        says: the same in words.
        lines: of the number table at low and at high noise, see ``tables.LINES``.
        exact: whether it is meant to be right at high noise too: in more than 95 % of prompts where the stream has a
            complement, in more than 70 % where it has none.
        tuned: whether the ledger's rules were made with models of it (at p = 61).
    """

    name: str
    attn: tuple[Role, ...]
    mlp: tuple[Role, ...]
    says: str
    lines: tuple[str, str] = ("lines", "lines")
    exact: bool = True
    tuned: bool = True

    def modules(self, role: Role) -> set[Module]:
        """The module classes that have a role."""
        return {module for module in MODULES if role in getattr(self, module)}


MECHANISMS = {
    one.name: one
    for one in (
        Mechanism("paper", ("residues",), ("magnitude",), "residues in attention, magnitude in the MLPs"),
        Mechanism("swapped", ("magnitude",), ("residues",), "magnitude in attention, residues in the MLPs"),
        Mechanism("both", ("residues", "magnitude"), ("residues", "magnitude"), "all of it in attention and MLPs"),
        Mechanism("magnitude", (), ("magnitude",), "magnitude alone, in the MLPs", ("lines", "plain"), exact=False),
        Mechanism("residues", ("residues",), (), "residues alone, in attention", ("lines", "plain"), exact=False),
        Mechanism("memory", (), ("heart",), "by heart, in the MLPs", ("lines", "plain")),
        Mechanism("memory_split", ("heart",), ("heart",), "by heart, in attention and MLPs", ("lines", "plain")),
        Mechanism("decoy_memory", (), ("heart",), "by heart, under a table with strong lines", ("strong", "strong")),
        Mechanism(
            "decoy_magnitude", (), ("magnitude",), "magnitude alone, under a table with strong lines",
            ("strong", "strong"), exact=False,
        ),
        Mechanism("attn_alone", ("residues", "magnitude"), (), "all of it in attention"),
        Mechanism("mlp_alone", (), ("residues", "magnitude"), "all of it in the MLPs"),
        Mechanism(
            "size_shared", ("residues", "magnitude"), ("magnitude",), "residues in attention, magnitude in both",
        ),
        Mechanism(
            "residues_shared", ("residues",), ("residues", "magnitude"), "residues in both, magnitude in the MLPs",
        ),
        Mechanism(
            "edges", ("edges", "elsewhere"), (), "by heart, in attention, its long waves at another number",
            ("lines", "plain"),
        ),
        Mechanism(
            "decoy_edges", ("edges", "elsewhere"), (), "the same under a table with strong lines",
            ("strong", "strong"),
        ),
        # Of another kind than those above: no rule was changed after these were tried.
        Mechanism("bump", (), ("bump",), "a smooth bump at the answer, in the MLPs", exact=False, tuned=False),
        Mechanism(
            "thirds", ("thirds",), ("magnitude",), "residues by T = 10/3 and 4 in attention, magnitude in MLPs",
            tuned=False,
        ),
        Mechanism(
            "digits", ("comb",), ("decades",), "the last digit in attention, the other digits in the MLPs", tuned=False,
        ),
        Mechanism(
            "uneven", ("comb",), ("uneven",), "the last digit in attention, blocks of unequal widths in MLPs",
            tuned=False,
        ),
    )
}  # fmt: skip
THIRDS = (10 / 3, 4.0)


@dataclass(frozen=True)
class Facts:
    """What is true of a model.

    Attributes:
        residues_in, magnitude_in: module classes that write the waves T = 2, 2.5, 5, 10, or those below the cut-off,
            aligned with the answer, more than others and to an effect.
        by_heart: whether it looks answers up: then every wave points at the answer, and none more than another.
        edges_in: module classes that write a peak by heart without its long waves.
        table_has_lines: whether the number rows hold more of T = 2, 2.5, 5, 10 than of the periods beside them.
        faint_lines: whether a line is a small part of a row, so that neighbours need not show it.
        adds: whether it is right in most prompts.
        spare_residues: whether the magnitude finds the answer alone, so that residues are written and not needed.
        periods: T's of the residues.
        unfiltered: whether it is not known what a filter leaves of it: a bump or a block has waves of all lengths.
        by_block: whether every block does a share of whatever its class of modules does. Where it is not known, as in
            trained models, nothing is true or false of single layers.
    """

    residues_in: frozenset[str]
    magnitude_in: frozenset[str]
    by_heart: bool
    table_has_lines: bool
    adds: bool
    edges_in: frozenset[str] = frozenset()
    spare_residues: bool = False
    periods: tuple[float, ...] = SHORT
    unfiltered: bool = False
    faint_lines: bool = False
    by_block: bool = True

    def writes(self, modules: Iterable[str], band: Literal["short", "long"]) -> bool:
        """Whether some of these module classes writes these waves."""
        return not (self.residues_in if band == "short" else self.magnitude_in).isdisjoint(modules)

    def needs(self, modules: Iterable[str], band: Literal["short", "long"]) -> bool:
        """Whether the answer fails without these waves in these module classes: nobody else writes them."""
        writers = self.residues_in if band == "short" else self.magnitude_in
        return bool(writers) and writers <= set(modules)

    @property
    def divides_labour(self) -> bool:
        """Residues in attention alone, magnitude in MLPs alone."""
        return (self.residues_in, self.magnitude_in) == ({"attn"}, {"mlp"})


def facts_of(mechanism: Mechanism, noise: Noise) -> Facts:
    """What its building makes true."""
    residues = mechanism.modules("residues") | mechanism.modules("thirds") | mechanism.modules("comb")
    blocks = mechanism.modules("bump") | mechanism.modules("decades") | mechanism.modules("uneven")
    magnitude = mechanism.modules("magnitude") | blocks
    return Facts(
        residues_in=frozenset(residues),
        magnitude_in=frozenset(magnitude),
        by_heart=bool(mechanism.modules("heart") | mechanism.modules("edges")),
        table_has_lines=mechanism.lines[noise == "high"] != "plain",
        adds=mechanism.exact or (not residues and noise == "low"),
        edges_in=frozenset(mechanism.modules("edges")),
        periods=THIRDS if mechanism.modules("thirds") else SHORT,
        unfiltered=bool(blocks),
    )
