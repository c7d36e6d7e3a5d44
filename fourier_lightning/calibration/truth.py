"""What is true of a model in the ledger's words: each claim names the fact that it asserts, as ``writes(mlp, 2)``.

A fact about a mechanism may have no answer (None): where what the claim says happens without what it is evidence for.
Of a peak that is known by heart every wave points at the answer; without the short ones it is lost, as it is without
as many others. Neither verdict is wrong there, so such a model is not counted.
"""

import re
from collections.abc import Callable

from fourier_lightning.calibration.mechanisms import Facts
from fourier_lightning.readings.paper import SHORT

Answer = bool | None


def holds(fact: str, facts: Facts) -> Answer:
    """Whether a fact is true of a model; None where it has no answer.

    Args:
        fact: a name of ``FACTS`` with its arguments, and "not " before it for the opposite.

    Raises:
        ValueError: no such fact.
    """
    asked = re.fullmatch(r"(not )?(\w+)(?:\(([^)]*)\))?", fact)
    if asked is None or asked[2] not in FACTS:
        raise ValueError(f"no fact {fact!r}; known: {', '.join(FACTS)}")
    arguments = [word.strip() for word in (asked[3] or "").split(",") if word.strip()]
    answer = FACTS[asked[2]](facts, *arguments)
    return answer if answer is None or not asked[1] else not answer


def classes(modules: str) -> list[str]:
    """Module classes by the ledger's words: ``attn_mlp`` and ``any`` are both."""
    return ["attn", "mlp"] if modules == "any" else modules.split("_")


def writes(facts: Facts, modules: str, periods: str) -> Answer:
    """Some of these modules writes these short periods, beyond what it writes of any other.

    Where only sums over layers are known, one layer may write what others take back: then no class is known not to.
    """
    asked = SHORT if periods == "short" else tuple(map(float, periods.split("+")))
    there = facts.writes(classes(modules), "short") and not set(asked).isdisjoint(facts.periods)
    return there or (False if facts.by_block else None)


def writes_in_one(facts: Facts, modules: str, periods: str) -> Answer:
    """The same of one layer, all of them.

    Next to T = 10 a magnitude's own waves begin: where both are written by the same modules it is one of many.
    """
    answer = writes(facts, modules, periods)
    beside = facts.residues_in & facts.magnitude_in & set(classes(modules))
    return None if answer and (beside or not facts.by_block) else answer


def near_first(facts: Facts) -> Answer:
    """Below the last layer there is a place where the size is said and the residue is not yet: attention says it alone.

    Of a magnitude that is all there is, where it becomes exact is a matter of its noise.
    """
    if not facts.by_block or facts.unfiltered or not (facts.by_heart or facts.residues_in):
        return None
    return facts.magnitude_in >= {"attn"} and not facts.residues_in & {"attn"}


def long_in_mlp_alone(facts: Facts) -> Answer:
    """Some MLP writes long waves, and no attention does."""
    if facts.by_block or "attn" in facts.magnitude_in:
        return facts.magnitude_in == {"mlp"}
    return None


def needs(facts: Facts, modules: str, band: str) -> Answer:
    """The answer fails without these waves in these modules."""
    if facts.unfiltered or (not facts.by_heart and not facts.magnitude_in):  # residues alone are no answer
        return None
    if facts.spare_residues and band == "short":
        return False
    if facts.by_heart and band == "short":
        return facts.edges_in <= set(classes(modules)) if facts.edges_in else None
    return facts.needs(classes(modules), "long" if band == "long" else "short")


def spares(facts: Facts, modules: str, band: str) -> Answer:
    """The answer stays without these waves in these modules."""
    needed = needs(facts, modules, band)
    return None if needed is None else not needed


def dissociates(facts: Facts, modules: str, band: str) -> Answer:
    """Without these waves in these modules what they say of the answer goes, and what the others say stays."""
    needed = needs(facts, modules, band)
    if needed is None:
        return None
    return needed and bool(facts.residues_in if band == "long" else facts.magnitude_in)


def uses_input(facts: Facts, band: str) -> Answer:
    """What these waves of the operands' rows carry is lost without them, and the rest of the answer stays.

    What is looked up is read from all of a row; residues by other periods are not among what goes.
    """
    if facts.spare_residues or facts.unfiltered or (not facts.by_heart and not facts.magnitude_in):
        return None
    if band == "long":
        return bool(facts.magnitude_in and facts.residues_in)
    if facts.periods != SHORT:
        return None
    return bool(facts.residues_in)


def left_over(facts: Facts, modules: str, band: str) -> Answer:
    """Without these waves in these modules the answer fails, and what the others say of it stays right."""
    if not needs(facts, modules, band):  # nothing fails: there are no errors to look at
        return None
    return bool(facts.residues_in if band == "long" else facts.magnitude_in)


def carries(facts: Facts, period: str, what: str) -> Answer:
    """One wave alone says parity, or about where the answer is: its size, or near it and not exactly it.

    Of a magnitude that is all there is, and exact, the longest wave alone may be exact too.
    """
    exact = facts.spare_residues or (facts.adds and not facts.residues_in)
    if facts.by_heart or (what == "near" and exact) or (what != "parity" and facts.unfiltered):
        return None
    return bool(facts.residues_in) and 2.0 in facts.periods if what == "parity" else bool(facts.magnitude_in)


def few_waves(facts: Facts) -> Answer:
    """Its strongest waves say more of the answer than the strongest of any other directions: of a peak they don't.

    Whether five are enough for a sum of many waves is arithmetic that no mechanism decides.
    """
    return False if facts.by_heart and not facts.edges_in else None


def divides_labour(facts: Facts) -> Answer:
    """Residues in attention alone, magnitude in MLPs alone."""
    unknown = facts.spare_residues or (facts.unfiltered and facts.divides_labour)
    return None if unknown else facts.divides_labour


FACTS: dict[str, Callable[..., Answer]] = {
    "writes": writes,
    "writes_in_one": writes_in_one,
    "near_first": near_first,
    "needs": needs,
    "spares": spares,
    "dissociates": dissociates,
    "uses_input": uses_input,
    "left_over": left_over,
    "carries": carries,
    "few_waves": few_waves,
    "long_in_mlp_alone": long_in_mlp_alone,
    "division_of_labour": divides_labour,
    "table_has_lines": lambda facts: facts.table_has_lines,
    # Every table has magnitude; T = 10 makes the last digit, if it is not too faint beside what belongs to no wave.
    "table_has_order": lambda facts: None if facts.table_has_lines and facts.faint_lines else facts.table_has_lines,
}
