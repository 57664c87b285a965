"""Static merging on small tensors: TIES, DARE masks, task arithmetic, RegMean, from torch float64.

    python make_merge_golden.py ../../crates/faculty-testkit/golden

writes OUT/merge.json. The formulas are written out below; nothing is imported from the project. Weights are multiples of
1/64, so that they are exact in float32 and differences of models cancel now and then.
"""

import sys
from pathlib import Path

import torch

from golden_io import quiet_single_thread, versions, write_json

MASK = (1 << 64) - 1
GAMMA = 0x9E3779B97F4A7C15


def mix64(z):
    """The finaliser of SplitMix64."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def stream(seed, name):
    """Key of the stream `name` of `seed`: FNV-1a of the name, mixed with the seed."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    return mix64(mix64((seed + GAMMA) & MASK) ^ h)


def fork(key, index):
    return mix64(key ^ mix64((index * GAMMA + 0x632BE59BD9B4E019) & MASK))


def uniform(key, counter):
    return (mix64((key + (counter + 1) * GAMMA) & MASK) >> 11) / (1 << 53)


def dare_mask(seed, model, tensor, count, rate):
    """1 where an element is kept."""
    key = fork(fork(stream(seed, "dare"), model), tensor)
    return [0 if uniform(key, i) < rate else 1 for i in range(count)]


def flat(tensors):
    return torch.cat([t.flatten() for t in tensors])


def split(vector, like):
    parts, at = [], 0
    for t in like:
        parts.append(vector[at : at + t.numel()].tolist())
        at += t.numel()
    return parts


def dared(deltas, sizes, rate, seed):
    """Differences of all models, [models, elements], thinned and rescaled tensor by tensor."""
    if rate == 0:
        return deltas
    rows = []
    for model, delta in enumerate(deltas):
        mask = [m for tensor, n in enumerate(sizes) for m in dare_mask(seed, model, tensor, n, rate)]
        rows.append(delta * torch.tensor(mask, dtype=torch.float64) / (1 - rate))
    return torch.stack(rows)


def ties(deltas, trim):
    """Trim over the whole model, elect sign, mean of those that agree."""
    k = int(deltas.shape[1] * trim)
    if k:
        kth = deltas.abs().kthvalue(k, dim=1, keepdim=True).values
        deltas = deltas * (deltas.abs() >= kth)
    signs = torch.sign(deltas.sum(0))
    signs[signs == 0] = torch.sign(signs.sum())
    agree = ((signs > 0) & (deltas > 0)) | ((signs < 0) & (deltas < 0))
    kept = deltas * agree
    return kept.sum(0) / (kept != 0).sum(0).clamp(min=1)


def merge_case(name, rng, shapes, models, rule, scale, trim=0.0, rate=0.0, seed=1):
    def weights(spread):
        return [torch.randint(-spread, spread + 1, s, generator=rng).double() / 64 for s in shapes]

    base = weights(96)
    tuned = [[b + d for b, d in zip(base, weights(4))] for _ in range(models)]
    sizes = [b.numel() for b in base]
    origin = flat(base)
    deltas = dared(torch.stack([flat(t) - origin for t in tuned]), sizes, rate, seed)
    if rule == "average":
        merged = origin + deltas.mean(0)
    elif rule == "task-arithmetic":
        merged = origin + scale * deltas.sum(0)
    else:
        merged = origin + scale * ties(deltas, trim)
    return {
        "name": name, "rule": rule, "scale": scale, "trim": trim, "rate": rate, "seed": seed,
        "base": split(origin, base), "models": [split(flat(t), base) for t in tuned], "merged": split(merged, base),
    }


def regmean_case(name, rng, rows, inputs, outputs, a):
    xs = [torch.randn(r, inputs, generator=rng, dtype=torch.float64).float().double() for r in rows]
    ws = [torch.randn(inputs, outputs, generator=rng, dtype=torch.float64).float().double() for _ in rows]
    factor = a + (1 - a) * torch.eye(inputs, dtype=torch.float64)
    grams = [x.T @ x / len(x) * factor for x in xs]
    merged = torch.linalg.solve(sum(grams), sum(g @ w for g, w in zip(grams, ws)))
    return {
        "name": name, "off_diagonal": a, "inputs": inputs, "outputs": outputs,
        "x": [x.flatten().tolist() for x in xs], "weights": [w.flatten().tolist() for w in ws],
        "merged": merged.flatten().tolist(),
    }


def main(out):
    quiet_single_thread()
    rng = torch.Generator().manual_seed(11)
    shapes = [(4, 3), (5,), (2, 6)]
    merges = [
        merge_case("average", rng, shapes, 3, "average", 1.0),
        merge_case("task arithmetic", rng, shapes, 3, "task-arithmetic", 0.3),
        merge_case("TIES", rng, shapes, 3, "ties", 0.3, trim=0.8),
        merge_case("TIES of two, lightly trimmed", rng, shapes, 2, "ties", 1.0, trim=0.2),
        merge_case("TIES of four, untrimmed", rng, shapes, 4, "ties", 0.25),
        merge_case("DARE, average", rng, shapes, 3, "average", 1.0, rate=0.5),
        merge_case("DARE, task arithmetic", rng, shapes, 2, "task-arithmetic", 0.3, rate=0.9, seed=7),
        merge_case("DARE, TIES", rng, shapes, 3, "ties", 0.5, trim=0.5, rate=0.3, seed=2),
    ]
    masks = [
        {"seed": seed, "model": model, "tensor": tensor, "rate": rate, "kept": dare_mask(seed, model, tensor, 40, rate)}
        for seed, model, tensor, rate in [(1, 0, 0, 0.5), (1, 1, 0, 0.5), (1, 0, 3, 0.9), (42, 2, 5, 0.1)]
    ]
    regressions = [
        regmean_case("two models", rng, [40, 25], 6, 4, 0.9),
        regmean_case("three models, whole Gram matrices", rng, [30, 30, 50], 5, 7, 1.0),
        regmean_case("diagonals alone", rng, [12, 20], 4, 3, 0.0),
        regmean_case("fewer rows than inputs", rng, [3, 4], 8, 2, 0.8),
    ]
    write_json(Path(out) / "merge.json", {
        "versions": versions(), "merges": merges, "masks": masks, "regressions": regressions,
    })


if __name__ == "__main__":
    main(sys.argv[1])
