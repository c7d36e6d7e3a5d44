"""Claims of the ledger that are about another task than addition, on planted records."""

import pytest

from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.verdict import judge
from fourier_lightning.figures.catalogue import FIGURES
from fourier_lightning.record.runs import Run
from tests.records import run_of

BY_NAME = {claim.name: claim for claim in CLAIMS}
THIRDS = 10 / 3


def phase(module: str, period: float, alignment: float, amount: float) -> dict:
    row = {"module": module, "layer": 0, "period": period, "alignment": alignment, "amount": amount, "p_value": 0.001}
    return {**row, "bracket_amount": 0.0}


def made(seed: int, task: str = "multiplication", body: str = "random") -> Run:
    """A model with the pretrained table that is right in 80 %, and whose MLP writes T = 10/3."""
    info = {
        "id": f"{seed:012}", "seed": seed, "task": {"name": task, "cyclic": False, "commutative": True},
        "arm": {"body": body, "table": "pretrained", "frozen": body == "random"},
        "metrics": {"train/accuracy": 1.0, "test/accuracy": 0.8},
        "config": {"backbone": {"name": "b"}, "data": {"templates": ["format"]}, "embedding": {"freeze": False}},
    }  # fmt: skip
    rows = [
        phase("mlp", THIRDS, 0.9, 3.0), phase("mlp", 3.0, 0.9, 1.0), phase("mlp", 7.0, 0.9, 1.0),
        phase("attn", THIRDS, 0.1, 0.1), phase("attn", 3.0, 0.1, 1.0), phase("attn", 7.0, 0.1, 1.0),
    ]  # fmt: skip
    return run_of(info, answer_phase=rows)


@pytest.fixture
def three() -> list[Run]:
    return [made(seed) for seed in range(3)]


def value(name: str, runs: list[Run]) -> list[float | None]:
    return [verdict.value for verdict in judge(BY_NAME[name], runs)]


def test_multiplication_has_periods_of_its_own(three):
    assert value("multiplication_periods", three) == [pytest.approx(3.0)]
    for run in three:
        run._read["tables/answer_phase"][0]["amount"] = 1.5  # not twice what T = 3 and 7 have
    assert value("multiplication_periods", three) == [pytest.approx(1.5)]
    for run in three:
        run._read["tables/answer_phase"] = run._read["tables/answer_phase"][1:]  # not asked
    assert value("multiplication_periods", three) == [None]


def test_claims_hear_runs_of_their_task_alone(three):
    told = {name for name in BY_NAME for one in value(name, three) if one is not None}
    assert told == {"multiplication_periods"}  # accuracy is claimed of the fine-tuned arm
    tuned = [made(seed, body="pretrained") for seed in range(3)]
    assert value("multiplication_accuracy", tuned) == [pytest.approx(0.8)]
    assert value("multiplication_periods", tuned) == [pytest.approx(3.0)]
    adding = [made(seed, "addition", "pretrained") for seed in range(3)]
    assert value("multiplication_accuracy", adding) == value("multiplication_periods", adding) == [None]
    assert value("fine_tuned_adds", adding) == [pytest.approx(0.8)] and value("fine_tuned_adds", tuned) == [None]
    assert FIGURES["16"].of(three[0]) and not FIGURES["16"].of(adding[0])
