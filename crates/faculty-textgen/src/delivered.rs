//! What is delivered of a commission, teacher by teacher.

use crate::{ClassReport, Client, Commission, Commissioned, Delivery, Kept};
use faculty_core::{Error, Observer, Result, Stream, normal_form};
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

    /// Takes what was kept for the next teacher in: of each class as many as are wanted, in their order, and none that another
    /// teacher has.
    pub(crate) fn take(
        &mut self,
        client: &Client<'_>,
        kept: Vec<Kept>,
        mut reports: Vec<ClassReport>,
        observer: &dyn Observer,
    ) -> Result<()> {
        let number = self.reports.len();
        let place = |class: usize| client.classes.iter().position(|&other| other == class);
        let Commission { per_class, when_short, .. } = self.commission;
        reports.iter_mut().for_each(|report| report.kept = 0);
        for text in kept {
            let report = place(text.class).and_then(|place| reports.get_mut(place));
            let report = report.ok_or_else(|| Error::internal("a text of a class that was not asked for"))?;
            if report.kept == *per_class {
                continue;
            }
            if self.seen.insert(normal_form(&text.text)) {
                report.kept += 1;
                let class = Some((number, text.class));
                self.push(Commissioned { text: text.text, class, probability: Some(text.probability) });
            } else {
                report.near += 1;
            }
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::Delivered;
    use crate::{ClassReport, Client, Commission, Kept};
    use faculty_core::{Error, Silent};

    #[test]
    fn what_another_teacher_has_is_made_up_for() {
        let commission = r#"{"source": {"kind": "corpus", "corpus": "x"}, "steering": {"kind": "believed"}, "per_class": 2,
            "seed": 1}"#;
        let commission: Commission = serde_json::from_str(commission).unwrap();
        let labels = ["one".to_owned()];
        let client = |name| Client {
            name,
            labels: &labels,
            classes: &[0],
            open: &|| Err(Error::internal("nobody asks a teacher here")),
        };
        let kept = |texts: &[&str]| {
            let text = |(number, text): (usize, &&str)| Kept {
                class: 0,
                number: number as u64,
                text: (*text).to_owned(),
                probability: 0.9,
            };
            texts.iter().enumerate().map(text).collect::<Vec<_>>()
        };
        let report = || vec![ClassReport { judged: 4, hits: 4, ..ClassReport::default() }];
        let mut delivered = Delivered::new(&commission);
        delivered.take(&client("first"), kept(&["a", "b", "c"]), report(), &Silent).unwrap();
        delivered.take(&client("second"), kept(&["b", "c", "a", "d", "e"]), report(), &Silent).unwrap();
        let (texts, reports) = delivered.done();
        let said: Vec<_> = texts.iter().map(|text| (text.class.unwrap().0, text.text.as_str())).collect();
        assert_eq!(said, [(0, "a"), (0, "b"), (1, "c"), (1, "d")]);
        assert_eq!((reports[1][0].kept, reports[1][0].near), (2, 2));
    }
}
