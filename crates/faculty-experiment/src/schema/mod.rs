//! The shape of an experiment file. TOML describes, Rust computes.

mod curve;
mod data;
mod label_split;
mod limit;
mod models;
mod noise;
mod reference;
mod row;
mod table;
mod teacher_part;
mod text;

pub use curve::CurveSection;
pub use data::{DataSection, EvaluateOn, PairRule, SetPart};
pub use label_split::LabelSplit;
pub use limit::Limit;
pub use models::{ScanSection, SelectionOn, StudentSection, TeacherSection};
pub use noise::{NoiseSection, OtherTexts};
pub use reference::{Published, Reference, Unknown};
pub use row::{Role, RowSection};
pub use table::{KeepStudents, Metric, TableSection};
pub use teacher_part::{OwnTraining, TeacherPart};
pub use text::TextSection;

use crate::rundir::slug;
use faculty_core::{Error, Result, nearest};
use faculty_methods::DataAccess;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The schema this version reads and writes.
pub const SCHEMA: u32 = 1;

/// An experiment as its file describes it, with every default filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentFile {
    /// Always [`SCHEMA`].
    pub schema: u32,
    /// Title, metric, seeds.
    pub table: TableSection,
    /// Texts, and who owns which labels.
    pub data: DataSection,
    /// How teachers are trained.
    pub teacher: TeacherSection,
    /// How teachers are scanned.
    #[serde(default)]
    pub scan: ScanSection,
    /// What every row's student starts from, and how it is trained.
    pub student: StudentSection,
    /// Texts that rows may learn from in place of the task's own.
    #[serde(default, rename = "text", skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<TextSection>,
    /// The rows, in the order of the table.
    #[serde(rename = "row")]
    pub rows: Vec<RowSection>,
    /// Published values by row name; a row without one has no reference.
    #[serde(default)]
    pub reference: BTreeMap<String, Reference>,
    /// Overrides by tier name (`smoke`, `paper`), each in the shape of this file. Gone once a tier is chosen.
    #[serde(default, skip_serializing)]
    pub tier: BTreeMap<String, toml::Table>,
}

impl ExperimentFile {
    /// Checks what types alone do not say.
    ///
    /// # Errors
    /// Fails on an unsupported schema, no row, a row name twice, no seed, a seed twice, a headline or reference that
    /// names no row, teachers that are not named apart, or numbers out of range; the error names the key.
    pub fn validate(&self) -> Result<()> {
        if self.schema != SCHEMA {
            return Err(Error::input(format!("is {}", self.schema)).key("schema").expected(format!("{SCHEMA}")));
        }
        self.table.validate()?;
        self.data.validate()?;
        self.scan.validate()?;
        self.teacher.validate()?;
        self.student.validate()?;
        self.validate_texts()?;
        if self.rows.is_empty() {
            return Err(Error::input("the experiment has no row").key("row").expected("at least one [[row]]"));
        }
        for (index, row) in self.rows.iter().enumerate() {
            row.validate().map_err(|error| error.under(&format!("row[{index}]")))?;
            if row.few_shot_k.is_some() && self.data.noise.is_some() {
                return Err(Error::input("stands beside data.noise")
                    .key(format!("row[{index}].few_shot_k"))
                    .help("a draw of few texts and noise among them are two studies: keep one of the two"));
            }
            if let Some(other) = self.rows[..index].iter().find(|other| slug(&other.name) == slug(&row.name)) {
                return Err(Error::input(format!("rows `{}` and `{}` would share a folder", other.name, row.name))
                    .key(format!("row[{index}].name"))
                    .expected("names that differ in letters or digits"));
            }
        }
        if let Some(headline) = &self.table.headline {
            self.find_row(headline).map_err(|error| error.key("table.headline"))?;
        }
        for name in self.reference.keys() {
            self.find_row(name).map_err(|error| error.key("reference"))?;
        }
        Ok(())
    }

    fn validate_texts(&self) -> Result<()> {
        for (index, text) in self.texts.iter().enumerate() {
            text.validate(&self.data).map_err(|error| error.help(format!("in text[{index}]")))?;
            if let Some(other) = self.texts[..index].iter().find(|other| slug(&other.name) == slug(&text.name)) {
                return Err(Error::input(format!("texts `{}` and `{}` would share a folder", other.name, text.name))
                    .key(format!("text[{index}].name"))
                    .expected("names that differ in letters or digits"));
            }
        }
        for (index, row) in self.rows.iter().enumerate() {
            let in_row = |error: Error| error.help(format!("in row[{index}], `{}`", row.name));
            if let Some(renewal) = row.method.recipe().and_then(|recipe| recipe.renew) {
                let key = if row.epochs.is_some() { "epochs" } else { "student.train.epochs" };
                renewal.pass(row.training(&self.student.train).epochs).map_err(|error| in_row(error.key(key)))?;
                if row.text.is_none() {
                    let error = Error::input("the task's own texts were written for nobody").key("text");
                    return Err(in_row(error.expected("a [[text]] that is written for classes, or no `renew`")));
                }
            }
            match self.text_of(row)? {
                Some(text) => text.check_method(&row.method).map_err(in_row)?,
                // Nor would the task's own texts be read, and nobody could say so of a row that names none.
                None if row.method.trains() && row.method.access() == DataAccess::None => {
                    let error = Error::input("the row learns from no text, and nothing says how many updates it makes");
                    return Err(in_row(error.key("text").expected("a [[text]], of which the number of texts counts")));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// The texts that a row names in place of the task's own.
    ///
    /// # Errors
    /// Fails if there are none of that name; the nearest name is suggested.
    pub fn text_of(&self, row: &RowSection) -> Result<Option<&TextSection>> {
        let Some(name) = &row.text else { return Ok(None) };
        if let Some(text) = self.texts.iter().find(|text| &text.name == name) {
            return Ok(Some(text));
        }
        let names: Vec<&str> = self.texts.iter().map(|text| text.name.as_str()).collect();
        let error = Error::input(format!("no text is called `{name}`"))
            .key("text")
            .expected(match names.is_empty() {
                true => "a [[text]] table of that name".to_owned(),
                false => format!("one of: {}", names.join(", ")),
            })
            .help(format!("in row `{}`", row.name));
        Err(match nearest(name, names) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        })
    }

    /// The list of texts that a row's student learns from: 0 is the task's own, others are the `[[text]]` tables in order.
    pub fn text_index(&self, row: &RowSection) -> usize {
        let named = |name: &String| self.texts.iter().position(|text| &text.name == name);
        row.text.as_ref().and_then(named).map_or(0, |index| index + 1)
    }

    /// What a row may see.
    ///
    /// # Errors
    /// Fails as [`Self::text_of`].
    pub fn access(&self, row: &RowSection) -> Result<DataAccess> {
        Ok(self.text_of(row)?.map_or_else(|| row.method.access(), TextSection::access))
    }

    /// The index of the row called `name`.
    ///
    /// # Errors
    /// Fails if there is none; the nearest name is suggested.
    pub fn find_row(&self, name: &str) -> Result<usize> {
        if let Some(index) = self.rows.iter().position(|row| row.name == name) {
            return Ok(index);
        }
        let names: Vec<&str> = self.rows.iter().map(|row| row.name.as_str()).collect();
        let error =
            Error::input(format!("no row is called `{name}`")).expected(format!("one of: {}", names.join(", ")));
        Err(match nearest(name, names) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        })
    }

    /// The row the verdict is about: the named one, otherwise the first whose role is [`Role::Method`].
    pub fn headline(&self) -> Option<usize> {
        match &self.table.headline {
            Some(name) => self.rows.iter().position(|row| &row.name == name),
            None => self.rows.iter().position(|row| row.role() == Role::Method),
        }
    }
}
