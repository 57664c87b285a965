//! `[[row]]`: one line of the table.

use faculty_core::{Error, Result};
use faculty_methods::{Curriculum, MethodSpec};
use faculty_student::{StudentStart, TrainSettings};
use serde::{Deserialize, Serialize};

/// What a row is for, which decides how the verdict treats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The method the table is about.
    Method,
    /// A rival the method must beat.
    Baseline,
    /// Another form of the method (ablation).
    Variant,
    /// An upper line that uses labels; never a rival.
    Ceiling,
}

/// `[[row]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowSection {
    /// The row's name in the table.
    pub name: String,
    /// What is done.
    pub method: MethodSpec,
    /// The `[[text]]` that the student learns from; by default the task's own texts. A supervised row learns the classes
    /// that texts were written for, and an oracle gate trusts the teacher that a text was written for: neither reads a label
    /// of the task then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What the student starts from, in place of `[student] init`: `merged`, the mean of the teachers' weights, or `fresh:2x64`,
    /// weights of another size from nothing (tables of compression). The table says so below; the student reads what the others
    /// read, by the same vocabulary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<StudentStart>,
    /// The peak learning rate of this row's student, in place of `[student.train] learning_rate`: what starts elsewhere may want
    /// another. Updates stay equal, and the table says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Of the task's texts this row's student reads so many a class on average, drawn for every seed and not by class, in place of
    /// `data.few_shot_k`: for tables of what texts are worth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub few_shot_k: Option<usize>,
    /// Passes of this row's student over its texts, in place of `[student.train] epochs`: few texts want more of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// Which texts the student learns from, and how much; by default all alike.
    #[serde(default, skip_serializing_if = "Curriculum::is_off")]
    pub curriculum: Curriculum,
    /// What the row is for; by default MUKI rows are methods, rows that read labels of the task (supervised, oracle)
    /// ceilings, all others baselines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Where the method's values come from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// A remark that is printed below the table.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl RowSection {
    /// What the row is for.
    pub fn role(&self) -> Role {
        self.role.unwrap_or(match &self.method {
            MethodSpec::Supervised {} | MethodSpec::Oracle { .. } if self.text.is_none() => Role::Ceiling,
            MethodSpec::Muki(_) => Role::Method,
            _ => Role::Baseline,
        })
    }

    /// True if the row reads labels of the task.
    pub fn reads_labels(&self) -> bool {
        self.text.is_none() && self.method.reads_labels()
    }

    /// How its student is trained.
    pub fn training(&self, student: &TrainSettings) -> TrainSettings {
        let mut own = student.clone();
        own.learning_rate = self.learning_rate.unwrap_or(own.learning_rate);
        own.epochs = self.epochs.unwrap_or(own.epochs);
        own
    }

    /// True if the row trains a student, and so has one cell a seed.
    pub fn trains_student(&self) -> bool {
        self.method.trains()
    }

    pub(super) fn validate(&self) -> Result<()> {
        if self.name.trim().is_empty() {
            return Err(Error::input("has an empty name"));
        }
        if self.role() != Role::Ceiling && self.reads_labels() {
            return Err(Error::input(format!("row `{}` uses labels", self.name)).expected("role = \"ceiling\""));
        }
        match &self.start {
            Some(start) if !self.trains_student() => {
                return Err(Error::input(format!("is `{start}`, and the row trains no student")).key("start"));
            }
            Some(start) if !matches!(start, StudentStart::Merged | StudentStart::Fresh { .. }) => {
                return Err(Error::input(format!("is `{start}`")).key("start").expected(
                    "`merged` or `fresh:LAYERSxWIDTH`; other starts are for all rows alike, in [student] init",
                ));
            }
            _ => {}
        }
        match self.learning_rate {
            Some(_) if !self.trains_student() => {
                return Err(Error::input("is given, and the row trains no student").key("learning_rate"));
            }
            Some(rate) if !(rate.is_finite() && rate > 0.0) => {
                return Err(Error::input(format!("is {rate}")).key("learning_rate").expected("a positive number"));
            }
            _ => {}
        }
        for (key, value) in [("few_shot_k", self.few_shot_k), ("epochs", self.epochs)] {
            if value.is_some() && !self.trains_student() {
                return Err(Error::input("is given, and the row trains no student").key(key));
            }
            if value == Some(0) {
                return Err(Error::input("is 0").key(key).expected("at least 1"));
            }
        }
        if self.few_shot_k.is_some() && self.text.is_some() {
            let error = Error::input("draws from the task's own texts, and the row reads others").key("few_shot_k");
            return Err(error.expected("no `text` beside it; texts are written as many as [[text]] per_class says"));
        }
        self.curriculum.check(&self.method)
    }
}
