//! faculty-experiment
