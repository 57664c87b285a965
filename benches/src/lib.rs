//! Criterion benchmarks of the hot paths: `cargo bench -p faculty-benches`, or `cargo xtask bench`.
