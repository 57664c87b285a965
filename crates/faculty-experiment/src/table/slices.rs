//! A row on the labels of one teacher: what is right there, and how much of ceiling and teacher is kept.

use super::good;
use crate::raw::{CellRecord, TeacherRecord};
use faculty_core::metrics::retained_share;
use faculty_core::statistics::Summary;
use std::collections::BTreeMap;

/// A row on the measuring texts of one teacher's labels, over seeds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SliceSummary {
    /// Accuracy of the argmax over all classes.
    pub over_union: Option<Summary>,
    /// Accuracy of the argmax among the teacher's classes: higher by what is taken for classes of other teachers.
    pub inside_slice: Option<Summary>,
    /// Share of the ceiling's accuracy on the slice, paired by seed.
    pub retained: Option<Summary>,
    /// Share of the teacher's own accuracy on the slice (which it reaches among its own classes).
    pub of_teacher: Option<Summary>,
}

/// The cell of the same seed; a row without training has one cell, which pairs with every seed.
pub(super) fn partner(cells: &BTreeMap<Option<u64>, CellRecord>, seed: Option<u64>) -> Option<&CellRecord> {
    cells.get(&seed).or_else(|| cells.get(&None)).filter(|cell| good(cell))
}

/// The slices of a row.
pub(super) fn summarise(
    cells: &BTreeMap<Option<u64>, CellRecord>,
    ceiling: Option<&BTreeMap<Option<u64>, CellRecord>>,
    teachers: &[TeacherRecord],
) -> Vec<SliceSummary> {
    let ok = || cells.values().filter(|cell| good(cell));
    let count = ok().map(|cell| cell.slices.len()).max().unwrap_or(0);
    let slice = |index: usize| {
        let union = |cell: &CellRecord| cell.slices.get(index).and_then(|slice| slice.over_union);
        let over =
            |value: &dyn Fn(&CellRecord) -> Option<f64>| Summary::of(&ok().filter_map(value).collect::<Vec<_>>());
        let teacher = teachers.get(index).and_then(|teacher| teacher.own_slice_accuracy);
        let retained = ceiling.and_then(|ceiling| {
            let tops = ceiling.iter().filter(|(_, top)| good(top));
            let shares = tops.filter_map(|(seed, top)| retained_share(union(partner(cells, *seed)?)?, union(top)?));
            Summary::of(&shares.collect::<Vec<_>>())
        });
        SliceSummary {
            over_union: over(&union),
            inside_slice: over(&|cell| cell.slices.get(index).and_then(|slice| slice.inside_slice)),
            retained,
            of_teacher: over(&|cell| retained_share(union(cell)?, teacher?)),
        }
    };
    (0..count).map(slice).collect()
}
