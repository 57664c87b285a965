//! What was written, in words and as JSON.

use faculty_textgen::{ClassReport, LengthStatistics, LmTexts, self_bleu, word_lengths};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// Of how many texts Self-BLEU is taken at most.
const SELF_BLEU_TEXTS: usize = 1000;

/// The figures of a run.
pub(super) struct Report<'a> {
    labels: &'a [&'a str],
    reports: &'a [ClassReport],
    total: ClassReport,
    per_class: usize,
    self_bleu: Option<f64>,
    self_bleu_of: usize,
    words: Option<LengthStatistics>,
    /// Texts that the teacher was asked about while they were written.
    passes: u64,
    seconds: f64,
}

impl<'a> Report<'a> {
    /// One report a label, in their order.
    pub(super) fn new(labels: &'a [&'a str], written: &'a LmTexts, per_class: usize, seconds: f64) -> Self {
        let LmTexts { kept, reports, passes } = written;
        let texts: Vec<&str> = kept.iter().map(|text| text.text.as_str()).collect();
        Self {
            labels,
            reports,
            total: ClassReport::total(reports),
            per_class,
            self_bleu: self_bleu(&texts, 4, SELF_BLEU_TEXTS, 1),
            self_bleu_of: texts.len().min(SELF_BLEU_TEXTS),
            words: word_lengths(&texts),
            passes: *passes,
            seconds,
        }
    }

    /// Labels with fewer texts than were asked for, each with its figures.
    pub(super) fn short(&self) -> Vec<String> {
        ClassReport::short(self.labels, self.reports, self.per_class)
    }

    pub(super) fn json(&self) -> Value {
        let labels = self.labels.iter().zip(self.reports).map(|(label, report)| {
            let mut value = json!(report);
            value["hit_rate"] = json!(report.hit_rate());
            ((*label).to_owned(), value)
        });
        json!({
            "texts": self.total.kept,
            "drafts": self.total.drafts(),
            "hit_rate": self.total.hit_rate(),
            "dropped": self.dropped().into_iter().map(|(why, count)| (why.to_owned(), json!(count))).collect::<Map<_, _>>(),
            "quality": {"self_bleu_4": self.self_bleu, "self_bleu_of": self.self_bleu_of, "words": self.words},
            "teacher_passes": self.passes + self.total.judged as u64,
            "seconds": self.seconds,
            "labels": labels.collect::<Map<_, _>>(),
        })
    }

    /// Why drafts were dropped, and how many.
    fn dropped(&self) -> [(&'static str, usize); 6] {
        let ClassReport { empty, repeats, circular, unsure, near, kept, judged, .. } = self.total;
        [
            ("empty", empty),
            ("repetitions", repeats),
            ("repeating themselves", circular),
            ("not believed", unsure),
            ("too similar", near),
            ("not needed", judged - unsure - near - kept),
        ]
    }

    pub(super) fn text(&self) -> String {
        let (total, drafts) = (&self.total, self.total.drafts());
        let share = |count: usize| 100.0 * count as f64 / drafts.max(1) as f64;
        let mut text = format!("{} texts of {} labels\n", total.kept, self.labels.len());
        let dropped = self.dropped().into_iter().filter(|(_, count)| *count > 0);
        let dropped: Vec<String> = dropped.map(|(why, count)| format!("{:.1} % {why}", share(count))).collect();
        let _ =
            writeln!(text, "{drafts} drafts: {:.1} % kept{}{}", share(total.kept), comma(&dropped), dropped.join(", "));
        let _ = writeln!(
            text,
            "class hit rate {:.1} % of {} judged; {} passes of the teacher, {:.0} s",
            100.0 * total.hit_rate(),
            total.judged,
            self.passes + total.judged as u64,
            self.seconds,
        );
        if let Some(bleu) = self.self_bleu {
            let _ = writeln!(text, "Self-BLEU-4 {bleu:.3} of {} texts (1 = always the same)", self.self_bleu_of);
        }
        if let Some(LengthStatistics { mean, sd, quantiles: [least, _, median, _, most], .. }) = self.words {
            let _ = writeln!(text, "{mean:.1} ± {sd:.1} words a text; 5 %: {least}, half: {median}, 95 %: {most}");
        }
        for line in self.short() {
            let _ = writeln!(text, "short: {line}");
        }
        text.trim_end().to_owned()
    }
}

const fn comma(list: &[String]) -> &'static str {
    if list.is_empty() { "" } else { ", " }
}
