//! What is delivered of a commission, teacher by teacher.

use crate::{ClassReport, Client, Commission, Commissioned, Delivery, Kept};
use faculty_core::{Observer, Result, Stream, normal_form};
use std::collections::HashSet;

/// Texts so far, none twice.
pub(crate) struct Delivered<'a> {
    commission: &'a Commission,
    texts: Vec<Commissioned>,
    reports: Vec<Vec<ClassReport>>,
    seen: HashSet<String>,
}

impl<'a> Delivered<'a> {
    pub(crate) fn new(commission: &'a Commission) -> Self {
        Self { commission, texts: Vec::new(), reports: Vec::new(), seen: HashSet::new() }
    }

    /// Takes what was kept for the next teacher in.
    pub(crate) fn take(
        &mut self,
        client: &Client<'_>,
        kept: Vec<Kept>,
        mut reports: Vec<ClassReport>,
        observer: &dyn Observer,
    ) -> Result<()> {
        let number = self.reports.len();
        let place = |class: usize| client.classes.iter().position(|&other| other == class);
        for text in kept {
            if self.seen.insert(normal_form(&text.text)) {
                let class = Some((number, text.class));
                let text = Commissioned { text: text.text, class, probability: Some(text.probability) };
                self.push(text);
            } else if let Some(report) = place(text.class).and_then(|place| reports.get_mut(place)) {
                // Another teacher has it.
                report.kept -= 1;
                report.near += 1;
            }
        }
        let Commission { per_class, when_short, .. } = self.commission;
        let labels: Vec<String> =
            client.classes.iter().filter_map(|&class| client.labels.get(class).cloned()).collect();
        let short = ClassReport::short(&labels, &reports, *per_class);
        self.reports.push(reports);
        when_short.settle(client.name, &short, labels.len(), observer)
    }

    /// Takes texts in that are for no class.
    pub(crate) fn take_unaddressed(&mut self, texts: Vec<String>) {
        texts.into_iter().for_each(|text| self.push(Commissioned { text, class: None, probability: None }));
    }

    /// Takes a text in, and its altered copies behind it.
    fn push(&mut self, text: Commissioned) {
        let draws = Stream::new(self.commission.seed, "augment").fork(self.texts.len() as u64);
        let (original, class) = (text.text.clone(), text.class);
        self.texts.push(text);
        let Some(augment) = &self.commission.augment else { return };
        for copy in 0..augment.copies as u64 {
            let text = augment.copy(&original, &draws.fork(copy));
            if self.seen.insert(normal_form(&text)) {
                self.texts.push(Commissioned { text, class, probability: None });
            }
        }
    }

    pub(crate) fn done(self) -> Delivery {
        (self.texts, self.reports)
    }
}
