//! Criterion benchmarks of the hot paths: `cargo xtask bench criterion`.
