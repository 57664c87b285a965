//! faculty
