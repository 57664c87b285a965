//! End-to-end tests over several crates live in `tests/it`.
