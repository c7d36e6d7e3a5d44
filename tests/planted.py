"""Records made by hand: tables that a test may overwrite in memory, and rows of trials."""

import numpy as np

from fourier_lightning.readings.paper import SHORT
from fourier_lightning.record.runs import Run, find_runs


def contrast(trained) -> list[Run]:
    """Two seeds with the pretrained table, and two from scratch."""
    runs = find_runs([trained])
    return [runs[index] for index in (0, 1, 5, 6)]


def put(run: Run, **tables) -> Run:
    run._read |= {f"tables/{name}": rows for name, rows in tables.items()}
    return run


METRICS = ("accuracy", "mod_2", "mod_10", "within_10")


def trial(columns, values, control=None, std=0.01, **more):
    """A row of a table of trials: accuracy, mod_2, mod_10, within_10 with a filter, and under equal energy."""
    row = {
        **columns,
        **dict(zip(METRICS, values, strict=True)),
        "energy": 0.3,
        "comparable": "",
        "control_draws": 5,
        "rank": 8,
    }
    for name, value in zip(METRICS, control or (None,) * 4, strict=True):
        row |= {f"control_energy_{name}_mean": value, f"control_energy_{name}_std": None if value is None else std}
    return {**row, "method": "readout", "refused": None, "cutoff": 5, "loss": 1.0, **more}


def table_1(**rows):
    """Table 1 by "modules_removed": (values, control, more); the whole model is right in 90 %."""
    table = [trial({"modules": "none", "removed": "none", "period": None}, (0.9, 0.95, 0.92, 0.99))]
    for name, (values, control, more) in rows.items():
        modules, removed = name.rsplit("_", 1)
        table.append(trial({"modules": modules, "removed": removed, "period": None}, values, control, **more))
    return table


RANDOM = (0.3, 0.5, 0.4, 0.6)  # what is right under random directions
GUESSES = [[abs(a + b - n) for n in range(41)] for a in range(21) for b in range(a, 21)]
LUCK = {"mod": np.mean(np.array(GUESSES) % 10 == 0), "near": np.mean(np.array(GUESSES) <= 10)}


def sure(share, kind):
    """A share less what a guess has of it, 1 for all right."""
    return max(0.0, (share - LUCK[kind]) / (1 - LUCK[kind]))


def phases(planted, written, layers=2, control=1.0, beside=0.0):
    """A record in which these (module, layer, period): (alignment, amount, p_value) are written, and nothing else."""
    rows = []
    for module in ("mlp", "attn"):
        for layer in range(layers):
            for t in (*SHORT, 40.0, 3.0, 7.0):
                nothing = (0.9, control, 0.01) if t in (3.0, 7.0) else (0.1, 0.5, 0.5)
                one = dict(
                    zip(("alignment", "amount", "p_value"), written.get((module, layer, t), nothing), strict=True)
                )
                rows.append({"module": module, "layer": layer, "period": t, "bracket_amount": beside, **one})
    return put(planted, answer_phase=rows)


def embedding(planted, **columns):
    """A table that is beyond all nulls at T = 2, 2.5 and 5, with one component that stands out, at T = 10."""
    rows = [{"line": "numbers", "period": t, "significant": t < 6, "share": 0.1, "step": 9, **columns} for t in SHORT]
    planted.info["p"] = 521
    spectrum = np.ones(260)
    spectrum[51] = 3
    planted._read["arrays/embedding_spectrum"] = spectrum
    return put(planted, embedding_periods=rows)
