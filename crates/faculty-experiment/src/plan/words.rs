//! A plan in words.

use super::Plan;
use crate::access::access_words;
use crate::schema::CurveSection;
use std::fmt::Write;

impl Plan {
    /// The plan as `--dry-run` prints it.
    pub fn describe(&self) -> String {
        let mut text = format!("{}: {}\n\n", self.name, self.title);
        let _ = writeln!(
            text,
            "data {}: {} classes, {} transfer texts, {} measuring texts",
            self.data, self.classes, self.transfer_texts, self.test_texts
        );
        for line in self.amounts.describe() {
            let _ = writeln!(text, "  {line}");
        }
        let _ = writeln!(text, "\nteachers");
        for teacher in &self.teachers {
            let _ = match &teacher.model {
                Some(model) => writeln!(text, "  {}: {} labels, loaded from {model}", teacher.name, teacher.labels),
                None => writeln!(
                    text,
                    "  {}: {} labels, {} private texts, {} updates{}",
                    teacher.name,
                    teacher.labels,
                    teacher.texts,
                    teacher.updates,
                    if teacher.nasty.is_some() { ", then as many to make it nasty" } else { "" }
                ),
            };
        }
        if !self.texts.is_empty() || !self.absent.is_empty() {
            let _ = writeln!(text, "\ntexts that are written for the teachers");
        }
        for (name, count) in &self.texts {
            let _ = writeln!(text, "  {name}: {count}");
        }
        for (name, reason) in &self.absent {
            let _ = writeln!(text, "  {name}: nobody writes it here: {reason}");
        }
        let _ =
            writeln!(text, "\nscans (shared by all rows), {} teacher passes over single texts", self.teacher_passes);
        for ask in &self.asks {
            let _ = match &ask.passes {
                Some(passes) => writeln!(
                    text,
                    "  logits and Monte-Carlo passes, {}, hidden dropout rate {}",
                    passes.describe(),
                    passes.hidden_rate.unwrap_or_default()
                ),
                None => writeln!(text, "  logits"),
            };
        }
        if self.needs_merged {
            let _ = writeln!(text, "  logits of the mean of the teachers' weights, if they can be merged");
        }
        let _ = writeln!(text, "\ncells, {} student updates", self.student_updates());
        if !self.curve.is_off() {
            let CurveSection { points, texts } = self.curve;
            let _ =
                writeln!(text, "  curves: accuracy on {texts} measuring texts at {points} points of every training");
        }
        for cell in &self.cells {
            let work = match cell.updates {
                _ if cell.is_absent => "not run".to_owned(),
                0 => "no training".to_owned(),
                updates => format!("{updates} updates"),
            };
            let _ = writeln!(
                text,
                "  {}: {work}, {}{}",
                cell.title(),
                access_words(cell.access),
                if cell.keeps_student { ", student kept" } else { "" }
            );
        }
        text
    }
}
