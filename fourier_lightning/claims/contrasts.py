"""Numbers that hold a model against another arm's on the same data: how much more it is right, how much sooner."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from fourier_lightning.claims.measures import Measure, Measured
from fourier_lightning.readings import learning
from fourier_lightning.readings.contrasts import differing
from fourier_lightning.readings.filters import ADDS
from fourier_lightning.record.runs import Run


def matching(run: Run, peers: Sequence[Run], arm: str) -> list[Run]:
    """Runs of another arm (its key) on the same task, split and share of pairs, of the same seed where there is one."""
    by_seed = by_question(tuple(peers)).get((arm, asked(run)), {})
    return by_seed.get(run.seed) or [peer for same in by_seed.values() for peer in same]


@lru_cache(maxsize=1)
def by_question(peers: tuple[Run, ...]) -> dict[tuple[str, str], dict[int | None, list[Run]]]:
    """Runs by arm and what they were asked, and by seed: looked up for every run, made once."""
    found: dict[tuple[str, str], dict[int | None, list[Run]]] = {}
    for peer in peers:
        found.setdefault((peer.arm.key, asked(peer)), {}).setdefault(peer.seed, []).append(peer)
    return found


def asked(run: Run) -> str:
    """Task, split and share of the pairs."""
    return repr(
        [run.task, run.split, *(run.config["data"].get(key) for key in ("templates", "train_fraction", "pairs"))]
    )


def comparable(run: Run, peers: Sequence[Run]) -> tuple[list[Run], str]:
    """The peers of equal body and budget that fit their training pairs; else all, and why they can't compare."""
    told = {peer: differing(run, peer) or learning.unfit(peer).replace("it did", "the other did") for peer in peers}
    fair = [peer for peer, why in told.items() if not why]
    return (fair, "") if fair else (list(peers), next(iter(told.values()), ""))


def advantage(arm: str) -> Measure:
    """Test accuracy less that of another arm (its key) on the same task and data."""

    def measure(run: Run, peers: Sequence[Run]) -> Measured | None:
        others, unlike = comparable(run, [p for p in matching(run, peers, arm) if "test/accuracy" in p.metrics])
        mine = run.metrics.get("test/accuracy")
        if mine is None or not others:
            return None
        theirs = float(np.mean([peer.metrics["test/accuracy"] for peer in others]))
        return Measured(mine - theirs, incomparable=unlike, detail=f"{mine:.2%} against {theirs:.2%}")

    return measure


def speed(arm: str, level: float = ADDS) -> Measure:
    """Epochs to an accuracy of ``level``, over another arm's (its key).

    Over all of its epochs where that never does: then the true ratio is lower, and a high one says nothing.
    """

    def measure(run: Run, peers: Sequence[Run]) -> Measured | None:
        mine, length = learning.epochs_to(run, level)
        matched, unlike = comparable(run, [p for p in matching(run, peers, arm) if learning.epochs_to(p)[1] > 1])
        others = [learning.epochs_to(peer, level) for peer in matched]
        if length < 2 or not others or (mine is None and all(reached is None for reached, _ in others)):
            return None
        if mine is None:
            return Measured(1.0, incomparable=unlike, detail=f"never reaches {level:.0%}")
        theirs = float(np.mean([reached or total for reached, total in others]))
        never = all(reached is None for reached, _ in others)
        told = f"the other never in {theirs:g}" if never else f"the other {theirs:g}"
        blunt = f"the other arm did not get there in {theirs:g} epochs: a longer run has to say" if never else ""
        return Measured(mine / theirs, incomparable=unlike, blunt=blunt, detail=f"{mine} epochs; {told}")

    return measure
