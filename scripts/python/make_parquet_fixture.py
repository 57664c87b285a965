"""Writes crates/faculty-text/tests/data/pyarrow.parquet: three rows by another writer than the crate that reads them.

    pip install pyarrow
    python scripts/python/make_parquet_fixture.py
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

table = pa.table(
    {
        "text": ["plain", "Grüße, 世界", 'a "quoted"\nline'],
        "label": pa.array(["sports", "world", "sports"]).dictionary_encode(),
        "id": pa.array([1, 0, 1], pa.int8()),
        "scores": [[0.5], [], [1.0, 2.0]],
    }
)
target = Path(__file__).parents[2] / "crates/faculty-text/tests/data/pyarrow.parquet"
target.parent.mkdir(parents=True, exist_ok=True)
pq.write_table(table, target, compression="snappy", row_group_size=2)
