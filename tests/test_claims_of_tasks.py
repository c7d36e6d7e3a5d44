"""Claims of the ledger that are about another task than addition, on planted records."""

import pytest

from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.verdict import judge
from fourier_lightning.figures.catalogue import FIGURES
from fourier_lightning.record.runs import Run, find_runs

BY_NAME = {claim.name: claim for claim in CLAIMS}
THIRDS = 10 / 3


def phase(module: str, period: float, alignment: float, amount: float) -> dict:
    return {"module": module, "layer": 0, "period": period, "alignment": alignment, "amount": amount, "p_value": 0.001}


@pytest.fixture
def three(tiny_runs) -> list[Run]:
    """Three seeds with the pretrained table that multiply, and whose MLP writes T = 10/3."""
    runs = [find_runs([tiny_runs / "0"])[0] for _ in range(3)]
    for seed, run in enumerate(runs):
        run.info = {**run.info, "task": {"name": "multiplication", "cyclic": False, "commutative": True}}
        run.info["model"] = {**run.info["model"], "seed": seed, "id": f"{seed:012}"}
        run.info |= {"id": f"{seed:012}", "seed": seed}
        run.info["metrics"] = {"train/accuracy": 1.0, "test/accuracy": 0.8}
        run._read["tables/answer_phase"] = [
            phase("mlp", THIRDS, 0.9, 3.0), phase("mlp", 3.0, 0.9, 1.0), phase("mlp", 7.0, 0.9, 1.0),
            phase("attn", THIRDS, 0.1, 0.1), phase("attn", 3.0, 0.1, 1.0), phase("attn", 7.0, 0.1, 1.0),
        ]  # fmt: skip
    return runs


def value(name: str, runs: list[Run]) -> list[float | None]:
    return [verdict.value for verdict in judge(BY_NAME[name], runs)]


def test_multiplication_has_periods_of_its_own(three):
    assert value("multiplication_periods", three) == [1.0]
    for run in three:
        run._read["tables/answer_phase"][0]["amount"] = 1.5  # not twice what T = 3 and 7 have
    assert value("multiplication_periods", three) == [0.0]
    for run in three:
        run._read["tables/answer_phase"] = run._read["tables/answer_phase"][1:]  # not asked
    assert value("multiplication_periods", three) == [None]


def test_claims_hear_runs_of_their_task_alone(three):
    told = {name for name in BY_NAME for one in value(name, three) if one is not None}
    assert told == {"multiplication_periods"}  # accuracy is claimed of the fine-tuned arm
    for run in three:
        run.info["arm"] = {**run.info["arm"], "body": "pretrained", "frozen": False, "control": "none"}
    assert value("multiplication_accuracy", three) == [0.8]
    assert FIGURES["16"].of(three[0]) and not FIGURES["16"].of(find_runs([three[0].dir])[0])
    for run in three:
        run.info["task"] = {"name": "addition", "cyclic": False, "commutative": True}
    assert value("multiplication_accuracy", three) == value("multiplication_periods", three) == [None]
