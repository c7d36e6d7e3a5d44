import numpy as np
import pytest
import torch
from torch import nn

from fourier_lightning.errors import ConfigError
from fourier_lightning.optim import Muon, OptimizerSettings, build_optimizer, build_schedule, orthogonalise

SHAPES = [(16, 16), (16, 48), (48, 16)]


def steps(optimizer, params, n=5):
    """Follow the gradient of a fixed quadratic for n steps."""
    torch.manual_seed(1)
    targets = [torch.randn_like(p) for p in params]
    for _ in range(n):
        optimizer.zero_grad()
        sum(((p - t) ** 2).sum() for p, t in zip(params, targets, strict=True)).backward()
        optimizer.step()
    return [p.detach().clone() for p in params]


def fresh(shapes):
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(shape)) for shape in shapes]


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_muon_in_bfloat16_is_torchs_muon(weight_decay):
    mine, theirs = fresh(SHAPES), fresh(SHAPES)
    ours = Muon(
        [{"params": mine, "muon": True}], lr=0.02, momentum=0.9, weight_decay=weight_decay, dtype=torch.bfloat16
    )
    torchs = torch.optim.Muon(theirs, lr=0.02, momentum=0.9, weight_decay=weight_decay)
    for a, b in zip(steps(ours, mine), steps(torchs, theirs), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_orthogonalise_turns_singular_values_to_about_one_and_keeps_directions(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    result = orthogonalise(matrix).double().numpy()
    u, _, vh = np.linalg.svd(matrix.double().numpy(), full_matrices=False)
    inside = u.T @ result @ vh.T  # diagonal if the singular directions are kept
    assert np.abs(inside - np.diag(np.diag(inside))).max() < 1e-4
    assert np.diag(inside).min() > 0.6 and np.diag(inside).max() < 1.3


@pytest.mark.parametrize("shape", [(8, 16), (24, 8), (3, 16, 40), (16, 16)])
def test_long_matrices_are_orthogonalised_as_by_the_plain_iteration(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    wanted = x / x.norm(dim=(-2, -1), keepdim=True)
    for _ in range(5):  # Keller Jordan's: X <- a X + (b A + c A A) X, A = X X'
        gram = wanted @ wanted.mT
        wanted = 3.4445 * wanted + (-4.7750 * gram + 2.0315 * gram @ gram) @ wanted
    torch.testing.assert_close(orthogonalise(x.float()).double(), wanted, rtol=0, atol=5e-6)


def test_the_other_groups_are_torchs_adamw():
    mine, theirs = fresh([(7,), (5, 3)]), fresh([(7,), (5, 3)])
    ours = Muon([{"params": mine, "muon": False, "betas": (0.9, 0.98)}], lr=0.01, weight_decay=0.1)
    torchs = torch.optim.AdamW(theirs, lr=0.01, betas=(0.9, 0.98), weight_decay=0.1, fused=True)
    for a, b in zip(steps(ours, mine), steps(torchs, theirs), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_state_survives_saving():
    params = fresh(SHAPES)
    optimizer = Muon([{"params": params, "muon": True}], lr=0.02)
    steps(optimizer, params, 3)
    copies = [nn.Parameter(p.detach().clone()) for p in params]
    other = Muon([{"params": copies, "muon": True}], lr=0.5)
    other.load_state_dict(optimizer.state_dict())
    for a, b in zip(steps(optimizer, params, 2), steps(other, copies, 2), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-3)  # a lost momentum moves entries by 1e-2 and more


def test_groups_of_a_gpt2(pretrained):
    settings = OptimizerSettings(name="muon", lr=1e-3, muon_lr=0.02)
    muon, adamw = build_optimizer(pretrained, pretrained.transformer.h, settings).param_groups
    names = {id(p): name for name, p in pretrained.named_parameters()}
    assert {names[id(p)].split(".")[-2] for p in muon["params"]} == {"c_attn", "c_proj", "c_fc"}
    assert len(muon["params"]) + len(adamw["params"]) == len(names)
    assert (muon["lr"], adamw["lr"]) == (0.02, 1e-3)
    plain = build_optimizer(
        pretrained, pretrained.transformer.h, OptimizerSettings(name="adamw", lr=1e-3, betas=[0.9, 0.95])
    )
    assert type(plain) is torch.optim.AdamW and plain.defaults["betas"] == (0.9, 0.95)


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_the_table_has_a_rate_of_its_own(pretrained, name):
    settings = OptimizerSettings(name=name, lr=1e-3, table_lr=1e-5)
    groups = build_optimizer(pretrained, pretrained.transformer.h, settings).param_groups
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert len(rates) == sum(1 for _ in pretrained.parameters())
    assert rates.pop(id(pretrained.transformer.wte.weight)) == 1e-5 and 1e-5 not in rates.values()


def test_schedules():
    def factors(settings, total=10):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        schedule = build_schedule(optimizer, settings, total)
        values = []
        for _ in range(total):
            values.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return values

    paper = OptimizerSettings(name="adamw", lr=1.0)
    assert factors(paper) == pytest.approx([1 - i / 10 for i in range(10)])  # linear to 0, no warm-up
    warm = OptimizerSettings(name="adamw", lr=1.0, warmup_steps=5)
    assert factors(warm) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0, 0.8, 0.6, 0.4, 0.2])
    constant = OptimizerSettings(name="adamw", lr=1.0, schedule="constant", warmup_steps=2)
    assert factors(constant) == pytest.approx([0, 0.5] + [1.0] * 8)


@pytest.mark.parametrize(
    "bad",
    [
        {"lr": -1.0},
        {"lr": 0.0},
        {"muon_lr": -0.1},
        {"table_lr": 0.0},
        {"weight_decay": -1.0},
        {"warmup_steps": -1},
        {"betas": [0.9]},
        {"betas": [0.9, 1.0]},
        {"momentum": 1.0},
    ],
)
def test_impossible_settings_name_their_key(bad):
    with pytest.raises(ConfigError, match=f"^optimizer.{next(iter(bad))}="):
        OptimizerSettings(**{"name": "muon", "lr": 1e-3, **bad})
