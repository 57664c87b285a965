"""Losses, scores and gates of amalgamation with gradients, losses between features, and AdamW trajectories, from torch
float64 and autograd.

    python make_loss_golden.py ../../crates/faculty-testkit/golden

writes OUT/losses.json, OUT/features.json and OUT/adamw.json. The formulas are written out below; nothing is imported from the project.
All means are over the batch (divide by the number of rows), also when sample weights are given.
"""

import math
import sys
from pathlib import Path

import torch
from torch import log_softmax, softmax
from transformers import get_linear_schedule_with_warmup

from golden_io import quiet_single_thread, versions, write_json

TAU_W = 0.2


def kl(q, log_p):
    """Row-wise KL(q || p); zero entries of q contribute 0."""
    return (torch.xlogy(q, q) - q * log_p).sum(-1)


def pad(p, to_union, classes):
    out = p.new_zeros(len(p), classes)
    out[:, to_union] = p
    return out


def mix(teachers, to_union, w, classes, tau):
    """q = sum_i w_i pad_i(softmax(z_i / tau))"""
    return sum(w[:, i : i + 1] * pad(softmax(z / tau, -1), ix, classes)
               for i, (z, ix) in enumerate(zip(teachers, to_union)))


def concat(teachers, to_union, classes):
    return sum(pad(z, ix, classes) for z, ix in zip(teachers, to_union))


def gated_kl(student, q, tau, m=None):
    rows = kl(q, log_softmax(student / tau, -1))
    return (rows if m is None else m * rows).mean()


def vkd(student, teachers, to_union, tau):
    target = softmax(concat(teachers, to_union, student.shape[1]) / tau, -1)
    return tau**2 * kl(target, log_softmax(student / tau, -1)).mean()


def uhc(student, teachers, to_union, tau):
    return tau**2 * sum(kl(softmax(z / tau, -1), log_softmax(student[:, ix] / tau, -1)).mean()
                        for z, ix in zip(teachers, to_union))


def owner_mean(teachers, to_union, classes):
    """The mean of the logits of the teachers that know a class: the concatenation where labels are disjoint."""
    owners = sum(pad(torch.ones_like(z), ix, classes) for z, ix in zip(teachers, to_union))
    return concat(teachers, to_union, classes) / owners


def mean_logits(student, teachers, to_union, tau):
    """Soft cross-entropy, without tau squared."""
    target = softmax(owner_mean(teachers, to_union, student.shape[1]) / tau, -1)
    return -(target * log_softmax(student / tau, -1)).sum(-1).mean()


def top_shares(x):
    """1 at the largest value of a row, shared by ties."""
    top = (x == x.max(-1, keepdim=True).values).to(x)
    return top / top.sum(-1, keepdim=True)


def voted(teachers, to_union, w, classes, tau, share):
    """(1 - a) onehot(argmax v) + a q_uniform, v(c) = sum_i w_i 1[c = argmax p_i]"""
    votes = sum(w[:, i : i + 1] * pad(top_shares(z), ix, classes) for i, (z, ix) in enumerate(zip(teachers, to_union)))
    uniform = mix(teachers, to_union, torch.full_like(w, 1 / len(teachers)), classes, tau)
    return (1 - share) * top_shares(votes) + share * uniform


def self_weighted(student, teachers, to_union, w, m, tau, share):
    """The gated loss under (1 - b) w + b r, r = the student's own mass on each slice, detached, rows summing to 1."""
    p = softmax(student.detach() / tau, -1)
    r = torch.stack([p[:, ix].sum(-1) for ix in to_union], -1)
    weights = (1 - share) * w + share * r / r.sum(-1, keepdim=True)
    return gated_kl(student, mix(teachers, to_union, weights, student.shape[1], tau), tau, m)


def smoothed_top1(teachers, smoothing):
    """Logits (log-probabilities) of the smoothed top class of every teacher."""
    return [((1 - smoothing) * top_shares(z) + smoothing / z.shape[1]).log() for z in teachers]


def relation_matrices(z, tau):
    """Jensen-Shannon divergences over their positive mean, and Bhattacharyya overlaps, of all pairs of rows."""
    log_p = log_softmax(z / tau, -1)
    a, b = log_p[:, None], log_p[None]
    log_m = torch.logaddexp(a, b) - math.log(2)
    js = ((a.exp() * (a - log_m)).sum(-1) + (b.exp() * (b - log_m)).sum(-1)) / 2
    positive = (js.detach() > 1e-6) & ~torch.eye(len(z), dtype=torch.bool)
    distance = torch.where(positive, js, torch.zeros_like(js)) / js[positive].mean()
    return distance, ((a + b) / 2).exp().sum(-1)


def relation(student, teachers, w, tau, floor=0.05):
    products = [w[:, i : i + 1] * w[:, i] for i in range(len(teachers))]
    total = sum(products)
    matrices = [relation_matrices(z, tau) for z in teachers]
    mask = total >= floor
    loss = 0
    for own, theirs in zip(relation_matrices(student, tau), zip(*matrices)):
        target = sum(p * t for p, t in zip(products, theirs)) / (total + 1e-8)
        loss = loss + torch.nn.functional.smooth_l1_loss(own[mask], target[mask])
    return loss


def entropy_score(p):
    """1 - H(p) / log C"""
    return 1 + torch.xlogy(p, p).sum(-1) / math.log(p.shape[-1])


def plain_scores(z):
    p = softmax(z, -1)
    top = p.topk(2, -1).values
    return {
        "entropy": entropy_score(p),
        "max_softmax": top[:, 0],
        "margin": top[:, 0] - top[:, 1],
        "energy": -torch.logsumexp(z, -1),
    }


def gates(s):
    """Soft weights, hard choice and instance weight from a [batch, teachers] score matrix."""
    top = s.topk(2, -1).values
    return {
        "soft_weights": softmax(s / TAU_W, -1),
        "hard_choice": s.argmax(-1),
        "margin_weight": top[:, 0] - top[:, 1] + 1e-6,
    }


def rows(x):
    if isinstance(x, dict):
        return {k: rows(v) for k, v in x.items()}
    return x.tolist() if torch.is_tensor(x) else x


def with_gradient(loss, student):
    """Value and gradient with respect to the student logits; soft targets are constants."""
    leaf = student.clone().requires_grad_(True)
    value = loss(leaf)
    (gradient,) = torch.autograd.grad(value, leaf)
    assert torch.isfinite(value) and torch.isfinite(gradient).all()
    return {"value": value.item(), "gradient": gradient.tolist()}


def random_case(name, seed, batch, to_union, disjoint):
    rng = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    classes = 1 + max(max(ix) for ix in to_union)
    teachers = [3 * normal(batch, len(ix)) for ix in to_union]
    student = 3 * normal(batch, classes)
    w = softmax(normal(batch, len(to_union)), -1)
    m = torch.rand(batch, generator=rng, dtype=torch.float64)
    labels = torch.randint(classes, (batch,), generator=rng)
    passes = [3 * normal(4, batch, 1) + normal(4, batch, len(ix)) + z for ix, z in zip(to_union, teachers)]

    losses = {}
    for tau in (1.0, 2.0):
        q = mix(teachers, to_union, w, classes, tau)
        losses[f"gated_kl tau={tau:g}"] = with_gradient(lambda s: gated_kl(s, q, tau), student)
        losses[f"gated_kl tau={tau:g} weighted"] = with_gradient(lambda s: gated_kl(s, q, tau, m), student)
        losses[f"uhc tau={tau:g}"] = with_gradient(lambda s: uhc(s, teachers, to_union, tau), student)
        if disjoint:
            losses[f"vkd tau={tau:g}"] = with_gradient(lambda s: vkd(s, teachers, to_union, tau), student)
        target = voted(teachers, to_union, w, classes, tau, 0.1)
        losses[f"voting tau={tau:g} weighted"] = with_gradient(lambda s: gated_kl(s, target, tau, m), student)
        losses[f"self_weighting tau={tau:g} weighted"] = with_gradient(
            lambda s: self_weighted(s, teachers, to_union, w, m, tau, 1.0), student)
        smoothed = mix(smoothed_top1(teachers, 0.1), to_union, w, classes, 1.0)
        losses[f"smoothed_top1 tau={tau:g} weighted"] = with_gradient(lambda s: gated_kl(s, smoothed, tau, m), student)
        losses[f"relation tau={tau:g}"] = with_gradient(lambda s: relation(s, teachers, w, tau), student)
    losses["half_self_weighting tau=2 weighted"] = with_gradient(
        lambda s: self_weighted(s, teachers, to_union, w, m, 2.0, 0.5), student)
    losses["mean_logits tau=4"] = with_gradient(lambda s: mean_logits(s, teachers, to_union, 4.0), student)
    q = mix(teachers, to_union, w, classes, 1.0)
    losses["soft_cross_entropy"] = with_gradient(lambda s: -(q * log_softmax(s, -1)).sum(-1).mean(), student)
    losses["cross_entropy"] = with_gradient(lambda s: torch.nn.functional.cross_entropy(s, labels), student)

    single = [plain_scores(z) for z in teachers]
    mc_mean = [softmax(p, -1).mean(0) for p in passes]
    mc = torch.stack([entropy_score(p) for p in mc_mean], -1)
    one_pass = torch.stack([s["entropy"] for s in single], -1)
    return rows({
        "name": name, "seed": seed, "batch": batch, "classes": classes, "disjoint": disjoint,
        "to_union": to_union, "student": student, "labels": labels, "gate": w, "sample_weight": m, "q": q,
    }) | {
        "teachers": [z.tolist() for z in teachers],
        "losses": losses,
        "scores": [rows(s) for s in single],
        "mc": {
            "passes": [p.tolist() for p in passes],
            "mean_probabilities": [p.tolist() for p in mc_mean],
            "scores": mc.tolist(),
            **rows(gates(mc)),
        },
        "single_pass": {"scores": one_pass.tolist(), **rows(gates(one_pass))},
    }


def worked_case():
    """The hand-computed case: p_1 = (0.9, 0.1), p_2 = (0.5, 0.3, 0.2), student uniform over five classes."""
    p = [torch.tensor([[0.9, 0.1]], dtype=torch.float64), torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64)]
    teachers, to_union, classes = [x.log() for x in p], [[0, 1], [2, 3, 4]], 5
    student = torch.zeros(1, classes, dtype=torch.float64)
    log_ps = log_softmax(student, -1)
    s = torch.stack([entropy_score(x) for x in p], -1)
    g = gates(s)
    w, m = g["soft_weights"], g["margin_weight"]
    soft = mix(teachers, to_union, w, classes, 1.0)
    hard = mix(teachers, to_union, torch.tensor([[1.0, 0.0]], dtype=torch.float64), classes, 1.0)
    uniform = mix(teachers, to_union, torch.full((1, 2), 0.5, dtype=torch.float64), classes, 1.0)
    # KL(q || p_S) splits into KL(w || r) + sum_i w_i KL(p_i || p_S restricted to Y_i), r_i = student mass on Y_i.
    r = torch.stack([log_ps[:, ix].exp().sum(-1) for ix in to_union], -1)
    split = kl(w, r.log()) + sum(w[:, i] * kl(x, log_softmax(student[:, ix], -1))
                                 for i, (x, ix) in enumerate(zip(p, to_union)))
    out = {
        "scores": s[0], "soft_weights": w[0], "hard_choice": int(g["hard_choice"]), "margin_weight": m.item(),
        "q_soft": soft[0], "q_hard": hard[0], "q_uniform": uniform[0],
        "concat_softmax": softmax(concat(teachers, to_union, classes), -1)[0],
        "kl_soft": kl(soft, log_ps).item(), "kl_hard": kl(hard, log_ps).item(),
        "kl_soft_split": split.item(),
        "margin_kl_soft": (m * kl(soft, log_ps)).item(), "margin_kl_hard": (m * kl(hard, log_ps)).item(),
        "vkd": vkd(student, teachers, to_union, 1.0).item(), "uhc": uhc(student, teachers, to_union, 1.0).item(),
    }
    # The same quantities worked out by hand to six decimals: an independent check of the formulas above.
    by_hand = {
        "scores": [0.531004, 0.062769], "soft_weights": [0.912230, 0.087770],
        "q_soft": [0.821007, 0.091223, 0.043885, 0.026331, 0.017554], "margin_weight": 0.468236,
        "kl_soft": 0.925168, "kl_hard": 1.284355, "margin_kl_soft": 0.433197, "margin_kl_hard": 0.601381,
        "kl_soft_split": 0.925168, "q_uniform": [0.45, 0.05, 0.25, 0.15, 0.10],
        "concat_softmax": [0.45, 0.05, 0.25, 0.15, 0.10], "vkd": 0.238923, "uhc": 0.437024,
    }
    for key, expected in by_hand.items():
        got = torch.as_tensor(out[key], dtype=torch.float64)
        gap = (got - torch.tensor(expected, dtype=torch.float64)).abs().max()
        assert gap <= 1.01e-6, (key, out[key], expected)
    return {
        "teachers": [z.tolist() for z in teachers], "to_union": to_union, "student": student.tolist(),
        "tau": 1.0, "tau_w": TAU_W, "expected": rows(out), "by_hand": by_hand,
    }


def extreme_case():
    """Logits of +-1e4: every value must be finite. Values only."""
    big = 1e4
    teachers = [torch.tensor(z, dtype=torch.float64) for z in (
        [[big, -big], [-big, big], [big, big]],
        [[-big, big, 0.0], [big, -big, -big], [-big, -big, -big]],
    )]
    to_union = [[0, 1], [2, 3, 4]]
    student = torch.tensor([[big, -big, 0, 0, -big], [-big, -big, big, big, 0], [0, big, -big, 0, 0]], dtype=torch.float64)
    w = torch.tensor([[0.7, 0.3], [1.0, 0.0], [0.5, 0.5]], dtype=torch.float64)
    labels = torch.tensor([1, 2, 4])
    q = mix(teachers, to_union, w, 5, 1.0)
    values = {}
    for tau in (1.0, 2.0):
        target = mix(teachers, to_union, w, 5, tau)
        values[f"gated_kl tau={tau:g}"] = gated_kl(student, target, tau)
        values[f"uhc tau={tau:g}"] = uhc(student, teachers, to_union, tau)
        values[f"vkd tau={tau:g}"] = vkd(student, teachers, to_union, tau)
        values[f"voting tau={tau:g}"] = gated_kl(student, voted(teachers, to_union, w, 5, tau, 0.1), tau)
        values[f"self_weighting tau={tau:g}"] = self_weighted(student, teachers, to_union, w, None, tau, 1.0)
        values[f"smoothed_top1 tau={tau:g}"] = gated_kl(
            student, mix(smoothed_top1(teachers, 0.1), to_union, w, 5, 1.0), tau)
        values[f"relation tau={tau:g}"] = relation(student, teachers, w, tau)
        values[f"mean_logits tau={tau:g}"] = mean_logits(student, teachers, to_union, tau)
    values["soft_cross_entropy"] = -(q * log_softmax(student, -1)).sum(-1).mean()
    values["cross_entropy"] = torch.nn.functional.cross_entropy(student, labels)
    assert all(torch.isfinite(v) for v in values.values())
    single = [plain_scores(z) for z in teachers]
    s = torch.stack([x["entropy"] for x in single], -1)
    assert torch.isfinite(s).all() and (s >= 0).all() and (s <= 1).all()
    return {
        "teachers": [z.tolist() for z in teachers], "to_union": to_union, "student": student.tolist(),
        "gate": w.tolist(), "labels": labels.tolist(), "q": q.tolist(), "losses": rows(values),
        "scores": [rows(x) for x in single], "single_pass": {
            "scores": s.tolist(),
            # Every row is a tie between the teachers, so no hard choice is stored.
            **{k: v.tolist() for k, v in gates(s).items() if k != "hard_choice"},
        },
    }


def adamw():
    """Ten steps with given gradients; `lr` is the rate used by each step, `parameters[t]` the value after it."""
    rng = torch.Generator().manual_seed(7)
    start = torch.randn(6, generator=rng, dtype=torch.float64)
    gradients = torch.randn(10, 6, generator=rng, dtype=torch.float64) * torch.logspace(-4, 1, 6, dtype=torch.float64)
    gradients[3] = 0.0  # a step without gradient still moves by momentum and decay
    cases = []
    for schedule in ("constant", "linear_with_warmup"):
        for decay in (0.01, 0.0):
            p = torch.nn.Parameter(start.clone())
            optimizer = torch.optim.AdamW([p], lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=decay)
            ramp = None
            if schedule == "linear_with_warmup":
                ramp = get_linear_schedule_with_warmup(optimizer, num_warmup_steps=3, num_training_steps=10)
            rates, path = [], []
            for g in gradients:
                rates.append(optimizer.param_groups[0]["lr"])
                p.grad = g.clone()
                optimizer.step()
                if ramp:
                    ramp.step()
                path.append(p.detach().tolist())
            cases.append({"schedule": schedule, "weight_decay": decay, "lr": rates, "parameters": path})
    return {
        "VERSIONS": versions(),
        "base_lr": 1e-2, "betas": [0.9, 0.999], "eps": 1e-8, "warmup_steps": 3, "total_steps": 10,
        "start": start.tolist(), "gradients": gradients.tolist(), "cases": cases,
    }


def unit(x):
    return x / (x.square().sum(-1, keepdim=True) + 1e-12).sqrt()


def mmd(x, y, rows, kernels):
    """Biased MMD^2 of unit vectors, clipped at 0, with Gaussian kernels summed over their widths."""
    x, y = unit(x)[rows > 0], unit(y)[rows > 0]

    def squared(a, b):
        return (a[:, None] - b[None]).square().sum(-1)

    if kernels == "adaptive":
        both = torch.cat([x, y]).detach()
        n = len(both)
        mean = squared(both, both).sum() / (n * (n - 1))
        divisors = [2 * factor * mean for factor in (0.25, 0.5, 1, 2, 4)]
    else:
        divisors = [2 * sigma**2 for sigma in (0.001, 0.01, 0.05, 0.1, 0.2, 1, 2)]
    value = sum((-squared(x, x) / d).exp().mean() + (-squared(y, y) / d).exp().mean()
                - 2 * (-squared(x, y) / d).exp().mean() for d in divisors)
    return value.clamp_min(0)


def contrast(anchors, anchor_codes, candidates, candidate_codes, tau, exclude_self):
    """- mean over anchors of the mean over positives of log softmax, pair by pair; rows with usable = 0 take no part."""
    total, count = anchors.sum() * 0, 0
    for n in range(len(anchors)):
        if not anchor_codes["usable"][n]:
            continue
        others = [j for j in range(len(candidates)) if candidate_codes["usable"][j] and not (exclude_self and j == n)]
        positives = [j for j in others if candidate_codes["classes"][j] == anchor_codes["classes"][n]]
        if not positives:
            continue
        normaliser = torch.logsumexp(torch.stack([anchors[n] @ candidates[j] / tau for j in others]), 0)
        total = total - torch.stack([anchors[n] @ candidates[j] / tau - normaliser for j in positives]).mean()
        count += 1
    return total / max(count, 1), count


def contrast_case(name, seed, tau, classes, usable, memory_classes=None, memory_usable=None, width=5):
    rng = torch.Generator().manual_seed(seed)

    def codes(classes, usable):
        shape = len(classes), width
        return {"students": torch.randn(*shape, generator=rng, dtype=torch.float64),
                "teachers": torch.randn(*shape, generator=rng, dtype=torch.float64),
                "classes": classes, "usable": usable}

    batch = codes(classes, usable)
    memory = codes(memory_classes, memory_usable) if memory_classes else None

    def joined(vectors, which):
        if memory is None:
            return vectors, batch
        both = {key: batch[key] + memory[key] for key in ("classes", "usable")}
        return torch.cat([vectors, unit(memory[which])]), both

    out = {"name": name, "temperature": tau, "batch": rows(batch), "memory": memory and rows(memory)}
    for kind in ("intra", "inter"):
        students, teachers = (batch[key].clone().requires_grad_(True) for key in ("students", "teachers"))
        own = unit(students)
        which = "students" if kind == "intra" else "teachers"
        candidates, candidate_codes = joined(own if kind == "intra" else unit(teachers), which)
        value, anchors = contrast(own, batch, candidates, candidate_codes, tau, kind == "intra")
        (value + 0 * teachers.sum()).backward()
        out[kind] = {"value": value.item(), "anchors": float(anchors),
                     "gradient_students": students.grad.tolist(), "gradient_teachers": teachers.grad.tolist()}
    return out


def mmd_case(name, seed, kernels, present, shift, spread):
    rng = torch.Generator().manual_seed(seed)
    shape = len(present), 4
    x = torch.randn(*shape, generator=rng, dtype=torch.float64).requires_grad_(True)
    noise = torch.randn(*shape, generator=rng, dtype=torch.float64)
    y = (x.detach() + spread * noise + shift).requires_grad_(True)
    value = mmd(x, y, torch.tensor(present), kernels)
    value.backward()
    assert value > 0
    return {"name": name, "kernels": kernels, "x": x.tolist(), "y": y.tolist(), "rows": present,
            "value": value.item(), "gradient_x": x.grad.tolist(), "gradient_y": y.grad.tolist()}


def linear_cka_case(seed, texts, first, second, mixing):
    rng = torch.Generator().manual_seed(seed)
    f = torch.randn(texts, first, generator=rng, dtype=torch.float64)
    g = mixing * f @ torch.randn(first, second, generator=rng, dtype=torch.float64)
    g = g + torch.randn(texts, second, generator=rng, dtype=torch.float64)
    a, b = f - f.mean(0), g - g.mean(0)
    value = (a.T @ b).square().sum() / ((a.T @ a).norm() * (b.T @ b).norm())
    return {"first": f.tolist(), "second": g.tolist(), "value": value.item()}


def features():
    ones = [1.0] * 6
    worked = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]], dtype=torch.float64)
    codes = {"classes": [0, 0, 1, 1], "usable": ones[:4]}
    value, anchors = contrast(worked, codes, worked, codes, 1.0, True)
    # By hand: each vector has one positive at similarity 1 and two negatives at 0.
    assert anchors == 4 and abs(value.item() - 0.551445) < 1e-6
    return {
        "VERSIONS": versions(),
        "mmd": [
            mmd_case("adaptive", 31, "adaptive", ones, 0.5, 0.5),
            mmd_case("adaptive, two rows left out", 32, "adaptive", [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0], 1.0, 0.2),
            # Vectors so near that the narrow kernels see them.
            mmd_case("fixed", 33, "fixed", ones, 0.1, 0.1),
            mmd_case("fixed, one row left out", 34, "fixed", [1.0, 1.0, 0.0, 1.0, 1.0], 0.3, 0.5),
        ],
        "contrast": [
            contrast_case("two classes", 41, 0.5, [0, 1, 0, 1, 1], ones[:5]),
            contrast_case("a class of one and masked rows", 42, 0.2, [0, 1, 2, 1, 2, 2], [1.0, 1.0, 1.0, 1.0, 0.0, 1.0]),
            contrast_case("memory", 43, 0.5, [3, 1, 3], ones[:3], [1, 2, 3, 3], [1.0, 1.0, 0.0, 1.0]),
            contrast_case("no positives among the students", 44, 0.5, [0, 1, 2], ones[:3]),
        ],
        "linear_cka": [linear_cka_case(51, 7, 3, 5, 0.5), linear_cka_case(52, 12, 6, 2, 0.0)],
    }


def main(out):
    quiet_single_thread()
    out = Path(out)
    cases = [
        random_case("two disjoint teachers", 11, 4, [[0, 1], [2, 3, 4]], True),
        # Not contiguous: the union order is by name, not by teacher.
        random_case("three disjoint teachers", 12, 6, [[3, 0, 7, 11], [1, 10, 5], [2, 4, 6, 9, 8]], True),
        # Union class 2 belongs to both teachers, in different places.
        random_case("two overlapping teachers", 13, 5, [[0, 2, 1, 3], [4, 5, 2]], False),
    ]
    write_json(out / "losses.json", {
        "VERSIONS": versions(), "tau_w": TAU_W, "cases": cases, "worked": worked_case(), "extreme": extreme_case()})
    write_json(out / "features.json", features())
    write_json(out / "adamw.json", adamw())
    for name in ("losses.json", "features.json", "adamw.json"):
        print(name, (out / name).stat().st_size, "bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
