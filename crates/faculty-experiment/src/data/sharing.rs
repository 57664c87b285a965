//! Counting, text by text: which set it is of, and whose it becomes.

use super::parts::Part;
use crate::schema::{DataSection, Limit};
use faculty_core::LabelSpace;
use std::ops::Range;

/// Which set a row belongs to: the sets' rows follow one another.
pub(super) struct Sets {
    ends: Vec<usize>,
}

impl Sets {
    pub(super) fn new(ranges: Vec<Range<usize>>) -> Self {
        Self { ends: ranges.into_iter().map(|range| range.end).collect() }
    }

    pub(super) fn of(&self, row: usize) -> usize {
        self.ends.partition_point(|&end| end <= row)
    }

    /// At least one: a set alone is not listed.
    pub(super) fn len(&self) -> usize {
        self.ends.len().max(1)
    }
}

/// Where a training text goes.
pub(super) enum Place {
    Teacher(usize),
    Transfer,
    Nowhere,
}

/// Counts texts by set and label against the limits.
pub(super) struct Sharing<'a> {
    section: &'a DataSection,
    /// For every label of the data set, the teachers that are trained on it: index, only set, own limit.
    owners: Vec<Vec<(usize, Option<usize>, Limit)>>,
    labels: usize,
    /// Training rows by set and label.
    totals: Vec<usize>,
    transfer: Vec<usize>,
    /// By teacher, then as `totals`.
    teachers: Vec<Vec<usize>>,
}

impl<'a> Sharing<'a> {
    pub(super) fn new(
        section: &'a DataSection,
        parts: &[Part],
        union: &LabelSpace,
        labels: &LabelSpace,
        rows: &[usize],
        sets: &Sets,
    ) -> Self {
        let mut totals = vec![0; sets.len() * labels.len()];
        for (row, &label) in rows.iter().enumerate() {
            totals[sets.of(row) * labels.len() + label] += 1;
        }
        let owners = labels.names().iter().map(|name| {
            let trained = parts.iter().enumerate().filter(|(_, part)| part.model.is_none());
            let owning = trained.filter(|(_, part)| union.index_of(name).is_some() && part.labels.contains(name));
            owning
                .map(|(index, part)| (index, part.set, part.texts_per_class.unwrap_or(section.teacher_texts_per_class)))
                .collect()
        });
        Self {
            section,
            owners: owners.collect(),
            labels: labels.len(),
            transfer: vec![0; totals.len()],
            teachers: vec![vec![0; totals.len()]; parts.len()],
            totals,
        }
    }

    pub(super) fn place(&mut self, set: usize, label: usize) -> Place {
        let cell = set * self.labels + label;
        let total = self.totals[cell];
        let owners: Vec<_> =
            self.owners[label].iter().filter(|(_, only, _)| only.is_none_or(|only| only == set)).collect();
        // A share is that of all owners together.
        let each = |limit: Limit| match limit {
            Limit::Percent(_) => limit.of(total).map(|all| (all / owners.len()).max(1)),
            Limit::At(_) | Limit::All => limit.of(total),
        };
        let open = owners
            .iter()
            .find(|(teacher, _, limit)| each(*limit).is_none_or(|limit| self.teachers[*teacher][cell] < limit))
            .map(|(teacher, _, _)| *teacher);
        if let Some(teacher) = open {
            self.teachers[teacher][cell] += 1;
            return Place::Teacher(teacher);
        }
        if self.section.transfer_texts_per_class.is_reached(self.transfer[cell], total) {
            return Place::Nowhere;
        }
        self.transfer[cell] += 1;
        Place::Transfer
    }

    /// Classes of the union whose texts ran out before the transfer set had its share.
    pub(super) fn short_classes(&self, in_union: &[Option<usize>]) -> usize {
        let Limit::At(limit) = self.section.transfer_texts_per_class else { return 0 };
        let of_label = |label: usize| -> usize { self.transfer.iter().skip(label).step_by(self.labels).sum() };
        (0..self.labels).filter(|&label| in_union[label].is_some() && of_label(label) < limit).count()
    }
}
