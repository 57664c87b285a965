"""Density scores and the calibrated gate, from torch float64.

    python make_gate_golden.py ../../crates/faculty-testkit/golden

writes OUT/gates.json. The formulas are written out below; nothing is imported from the project. Matrices are inverted and
eigenvectors taken by torch, the density ratio is solved by LU, and the calibrated gate's posterior is maximised by L-BFGS on
its log-posterior and automatic gradients: other algorithms than the project's.
"""

import math
import sys
from pathlib import Path

import torch

from golden_io import quiet_single_thread, versions, write_json


def shrunk(cov, share):
    return cov + share * cov.trace() / len(cov) * torch.eye(len(cov))


def scatter(rows):
    return rows.T @ rows / len(rows)


def mahalanobis(fit, labels, texts, share):
    """(-min_c d_c, d_0 - min_c d_c, condition numbers)"""
    means = torch.stack([fit[labels == c].mean(0) for c in range(int(labels.max()) + 1)])
    within = shrunk(scatter(fit - means[labels]), share)
    around = shrunk(scatter(fit - fit.mean(0)), share)
    away = texts[:, None] - means
    near = torch.einsum("tci,ij,tcj->tc", away, within.inverse(), away).min(1).values
    out = texts - fit.mean(0)
    far = torch.einsum("ti,ij,tj->t", out, around.inverse(), out)
    return -near, far - near, [float(torch.linalg.cond(within)), float(torch.linalg.cond(around))]


def density_case(name, width, components, share):
    labels = torch.arange(36) % 3
    fit = torch.randn(36, width) @ torch.randn(width, width) + 2.0 * torch.randn(3, width)[labels]
    texts = 2.0 * torch.randn(8, width)
    fit, texts = fit.float().double(), texts.float().double()
    inner, inside = fit, texts
    if components is not None:
        values, vectors = torch.linalg.eigh(scatter(fit - fit.mean(0)))
        basis = vectors[:, values.argsort(descending=True)[:components]]
        inner, inside = (fit - fit.mean(0)) @ basis, (texts - fit.mean(0)) @ basis
    own, relative, condition = mahalanobis(inner, labels, inside, share)
    return {"name": name, "width": width, "components": components, "shrinkage": share, "fit": fit.tolist(),
            "labels": labels.tolist(), "texts": texts.tolist(), "mahalanobis": own.tolist(),
            "relative": relative.tolist(), "condition": condition}


def ratio_case():
    known, auxiliary, texts = (torch.randn(n, 3).float().double() + s for n, s in [(14, 0.5), (9, 0.0), (6, 0.0)])
    known, auxiliary, texts = (x.float().double() for x in (known, auxiliary, texts))
    sigma, lam = 1.7, 0.15
    n, m = len(auxiliary), len(known)

    def kernel(a, b):
        return torch.exp(-torch.cdist(a, b) ** 2 / (2 * sigma**2))

    system = kernel(auxiliary, auxiliary) / n + lam * torch.eye(n)
    alpha = torch.linalg.solve(system, -kernel(auxiliary, known).sum(1) / (n * m * lam))
    ratio = kernel(texts, auxiliary) @ alpha + kernel(texts, known).mean(1) / lam
    return {"known": known.tolist(), "auxiliary": auxiliary.tolist(), "texts": texts.tolist(), "kernel_width": sigma,
            "regularisation": lam, "ratio": ratio.tolist(), "condition": float(torch.linalg.cond(system))}


def world(texts, shares, lift, shared):
    """Scores [texts, teachers]: the owner's is lifted, all share a difficulty. What is left of the shares is nobody's."""
    owner = torch.multinomial(torch.tensor(shares + [1 - sum(shares) + 1e-12]), texts, replacement=True)
    scores = shared * torch.randn(texts, 1) + 0.5 * torch.randn(texts, len(shares))
    for teacher in range(len(shares)):
        scores[owner == teacher, teacher] += lift
    return scores


def calibrated_case(name, scores, own=None, nobody=False):
    texts, teachers = scores.shape
    z = (scores - scores.mean(0)) / scores.std(0, unbiased=False)
    certainty, target = torch.zeros(teachers), torch.zeros(teachers)
    for teacher, summary in enumerate(own or []):
        parts = torch.tensor(summary["quantiles"])
        parts = (parts[1:] + parts[:-1]) / 2
        parts = (parts - scores[:, teacher].mean()) / scores[:, teacher].std(unbiased=False)
        target[teacher] = parts.mean()
        certainty[teacher] = summary["texts"] / max(parts.var(unbiased=False).item(), 0.01)
    components = teachers + nobody
    odds = torch.zeros(components, requires_grad=True)
    foreign = torch.zeros(teachers, requires_grad=True)
    lifts = torch.ones(teachers, requires_grad=True)
    root = torch.eye(teachers).clone().requires_grad_()

    def parts():
        lower = torch.tril(root)
        cov = lower @ lower.T
        means = foreign + torch.cat([torch.diag(lifts), torch.zeros(components - teachers, teachers)])
        away = z[:, None] - means
        quadratic = torch.einsum("tci,ij,tcj->tc", away, cov.inverse(), away)
        log_shares = torch.log_softmax(odds, 0)
        return cov, log_shares, log_shares - 0.5 * (quadratic + torch.logdet(cov) + teachers * math.log(2 * math.pi))

    def objective():
        cov, log_shares, joint = parts()
        prior = log_shares.sum() - 0.5 * (torch.logdet(cov) + cov.inverse().trace()) - 0.5 * ((lifts - 1) ** 2).sum()
        prior = prior - 0.5 * (certainty * (foreign + lifts - target) ** 2).sum()
        return (joint.logsumexp(1).sum() + prior) / texts

    optimiser = torch.optim.LBFGS([odds, foreign, lifts, root], lr=0.5, max_iter=5000, tolerance_grad=1e-12,
                                  tolerance_change=1e-15, history_size=50, line_search_fn="strong_wolfe")

    def step():
        optimiser.zero_grad()
        loss = -objective()
        loss.backward()
        return loss

    for _ in range(20):
        optimiser.step(step)
    assert (lifts > 0.05).all(), f"{name}: a lift at its bound is not what L-BFGS can find: {lifts}"
    _, log_shares, joint = parts()
    weights = torch.softmax(joint[:, :teachers], 1)
    somebody = 1 - torch.softmax(joint, 1)[:, teachers:].sum(1)
    case = {"name": name, "teachers": teachers, "nobody": nobody, "scores": scores.tolist(), "own": own or [],
            "weights": weights.detach().tolist(), "somebody": somebody.detach().tolist(),
            "shares": log_shares.exp().detach().tolist()}
    # The constants of log N(z) are in the objective, those of the priors are not.
    case["objective"] = float(objective().detach())
    return case


def main(out: Path) -> None:
    quiet_single_thread()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(20)
    densities = [density_case("plain", 4, None, 0.0), density_case("shrunk", 6, None, 0.1),
                 density_case("components", 8, 3, 0.1)]
    ratio = ratio_case()
    quantiles = [{"texts": 40, "quantiles": [1.5 + 0.06 * (step - 10) for step in range(21)]},
                 {"texts": 10, "quantiles": [1.2 + 0.05 * (step - 10) for step in range(21)]}]
    calibrated = [
        calibrated_case("two teachers", world(80, [0.5, 0.5], 1.5, 0.0)),
        calibrated_case("unequal shares", world(120, [0.75, 0.25], 1.8, 0.3)),
        calibrated_case("three teachers, shared difficulty", world(150, [0.4, 0.3, 0.3], 2.0, 1.0)),
        calibrated_case("owners' own scores", world(60, [0.6, 0.4], 1.5, 0.2), own=quantiles),
        calibrated_case("texts of nobody", world(150, [0.4, 0.35], 2.5, 0.1), nobody=True),
    ]
    write_json(out / "gates.json", {"versions": versions(), "densities": densities, "ratio": ratio,
                                    "calibrated": calibrated})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
