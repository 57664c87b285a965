"""Golden values of the statistics in faculty-core, from SciPy.

    python make_statistics_golden.py ../../crates/faculty-core/tests/it/golden

Writes statistics.json: t quantiles; samples with mean, standard deviation, 95 % interval and the exact sign-flip test;
timings without best and worst; right answers of two rows with the percentile bootstrap of their paired difference.
"""

import json
import sys
from pathlib import Path

import numpy as np
import scipy
from scipy import stats


def sample(values: np.ndarray) -> dict:
    interval = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    flips = stats.permutation_test(
        (values,), lambda x, axis: np.mean(x, axis=axis), permutation_type="samples", n_resamples=np.inf,
        alternative="two-sided", vectorized=True,
    )
    return {
        "values": values.tolist(),
        "mean": float(np.mean(values)),
        "sd": float(np.std(values, ddof=1)),
        "low": float(interval.low),
        "high": float(interval.high),
        "sign_flip_p": float(flips.pvalue),
    }


def texts(rng: np.random.Generator, count: int, seeds: int, left: float, right: float) -> dict:
    """Right answers that share their hard texts, as those of two students do."""
    hardness = rng.uniform(size=count)
    draw = lambda level: rng.uniform(size=(seeds, count)) * 0.4 + hardness * 0.6 < level
    a, b = draw(left), draw(right)
    difference = (a.astype(float) - b.astype(float)).mean(axis=0)
    result = stats.bootstrap(
        (difference,), np.mean, n_resamples=100_000, method="percentile", confidence_level=0.95,
        random_state=np.random.default_rng(1), batch=1000,
    )
    digits = lambda rows: ["".join("1" if bit else "0" for bit in row) for row in rows]
    return {
        "left": digits(a),
        "right": digits(b),
        "mean": float(difference.mean()),
        "low": float(result.confidence_interval.low),
        "high": float(result.confidence_interval.high),
        "standard_error": float(result.standard_error),
    }


def main() -> None:
    out = Path(sys.argv[1])
    rng = np.random.default_rng(20261122)
    degrees = [*range(1, 41), 50, 60, 80, 100, 120, 200, 500, 1000]
    golden = {
        "scipy": scipy.__version__,
        "numpy": np.__version__,
        "t_quantile_975": {str(d): float(stats.t.ppf(0.975, d)) for d in degrees},
        # Six decimals: what raw lines hold is of this kind, and ties of the permutation test stay ties.
        "samples": [sample(np.round(rng.normal(0.01, 0.02, n), 6)) for n in (2, 3, 4, 5, 5, 5, 6, 7, 8, 10, 12)],
        "timings": [],
        "texts": [texts(rng, 300, 1, 0.8, 0.7), texts(rng, 500, 5, 0.85, 0.8), texts(rng, 200, 3, 0.7, 0.7)],
    }
    for _ in range(3):
        seconds = np.round(rng.lognormal(0.0, 0.4, 10), 6)
        golden["timings"].append({"seconds": seconds.tolist(), "mean": float(stats.trim_mean(seconds, 0.1))})
    rows = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in golden.items()]
    (out / "statistics.json").write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
