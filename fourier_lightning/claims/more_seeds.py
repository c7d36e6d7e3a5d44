"""Verdicts that only want more seeds: how many there are, and the command that trains them."""

import shlex
from collections.abc import Mapping, Sequence

from fourier_lightning.claims.verdict import AGREE, AGREEING, ONE_SEED, Verdict
from fourier_lightning.record.runs import Run
from fourier_lightning.terminal import our_command

ENOUGH = 5  # seeds, with which an interval is narrow enough to decide most claims
NOT_AGAIN = ("seed=", "seeds_in_parallel=", "name=", "ckpt_path=", "hydra.", "fit=")  # overrides that name this run


def wants_seeds(verdict: Verdict) -> bool:
    """Whether a verdict is undecided for want of seeds alone."""
    return verdict.outcome == "undecided" and (verdict.why == ONE_SEED or verdict.why.endswith(AGREE))


def advice(verdicts: Sequence[Verdict], runs: Sequence[Run] = (), names: Mapping[str, str] | None = None) -> list[str]:
    """A line for each model that has too few seeds: how many claims wait for them, and the command to train more.

    Args:
        verdicts: of ``judge``.
        runs: that they are of, under the same labels, for the command.
        names: of models, if other than their labels.
    """
    models: dict[str, list[Verdict]] = {}
    for verdict in filter(wants_seeds, verdicts):
        models.setdefault(verdict.model, []).append(verdict)
    lines = []
    for model, waiting in models.items():
        seeds = sorted({seed for verdict in waiting for seed in verdict.seeds})
        few = "1 seed is" if len(seeds) == 1 else f"{len(seeds)} seeds are"
        lines.append(
            f"{(names or {}).get(model, model)}: {len(waiting)} of these verdicts are undecided because {few} too few. "
            f"Most rules need 2 seeds, those on what modules write {AGREEING}; {ENOUGH} decide most claims. "
            f"Train more, then give their directory, too: {command(model, seeds, runs)}"
        )
    return lines


def command(model: str, seeds: Sequence[int], runs: Sequence[Run]) -> str:
    """The command that trains more seeds of a model, with the overrides of one of its runs."""
    more = [seed for seed in range(ENOUGH + len(seeds)) if seed not in seeds][: max(1, ENOUGH - len(seeds))]
    start = our_command("train", "-m", f"seed={','.join(map(str, more))}")
    trained = [run for run in runs if model.startswith(run.label) and run.info.get("config", {}).get("fit")]
    if not trained:
        return f"{start} and the settings of these runs"
    overrides = max(trained, key=lambda run: len(run.label)).info.get("overrides", [])
    return " ".join([start, *(shlex.quote(one) for one in overrides if not one.startswith(NOT_AGAIN))])
