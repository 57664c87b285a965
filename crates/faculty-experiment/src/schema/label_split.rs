//! `data.split`: which teacher owns which labels, by a rule in place of names.

use serde::{Deserialize, Serialize};

/// How the label list is cut into parts, one a teacher.
///
/// "Contiguous" is the rule of lancopku/MUKI: chunks of floor(C / N) labels in the order of the list, the last takes the
/// rest. The others are robustness rows: the same teachers under another split of the labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelSplit {
    /// Chunks in the order of the label list.
    Contiguous,
    /// Label k goes to teacher k mod N.
    Interleaved,
    /// Chunks of a random order of the labels, which this seed alone determines.
    Random(u64),
    /// One teacher a domain (a group of labels that the data set declares), named after it.
    Domains,
}
