//! `[data]`: the texts, and which team owns which labels.

use super::{LabelSplit, Limit, NoiseSection, TeacherPart};
use faculty_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[data]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSection {
    /// A data set by name (`clinc150` is embedded; `faculty data list` shows all), `folder:NAME` (a data folder under
    /// `--data-dir` that describes itself), or `files`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// In place of `source`: several data sets, whose labels are joined by name and whose texts are put together.
    #[serde(default, rename = "set", skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<SetPart>,
    /// Renames and exclusions of labels before `[[data.set]]` are joined: `[rename.SET]` and `[exclude]`, by set name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aliases: Option<PathBuf>,
    /// Labels of `[[data.set]]` become `SET/label`, so that equal names stay apart; a label that the alias file renames
    /// takes that name alone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub prefix_labels: bool,
    /// Labelled texts that teachers and transfer set are drawn from, with `source = "files"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_file: Option<PathBuf>,
    /// Labelled test texts, with `source = "files"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_file: Option<PathBuf>,
    /// Labelled development texts, with `source = "files"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev_file: Option<PathBuf>,
    /// For a set without a development split: this share of every class of the training split becomes one. Drawn once,
    /// by a fixed seed, so that the choice of settings never moves the parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev_share: Option<f64>,
    /// Makes a task of pairs from labelled texts: `same-class`, whose labels are `different` and `same`. No text is in two pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PairRule>,
    /// Which split measures: `test`, or `dev` while choices are still being made.
    #[serde(default)]
    pub evaluate_on: EvaluateOn,
    /// The teachers, named, each with its labels. Where `split` (or a data set each) says which labels, these tables may
    /// name and adjust the parts, in their order.
    #[serde(default, rename = "teacher")]
    pub teachers: Vec<TeacherPart>,
    /// In place of named teachers: so many contiguous chunks of the label list, the last takes the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contiguous_teachers: Option<usize>,
    /// In place of named teachers: how the label list is cut into `teacher_count` parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<LabelSplit>,
    /// The number of parts that `split` cuts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher_count: Option<usize>,
    /// The number of labels of each part, in place of `teacher_count`; together all labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teachers_by_size: Option<Vec<usize>>,
    /// So many labels are known to both of two neighbouring parts: half of them, rounded up, are the first of the later
    /// part, the others the last of the earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_labels: Option<usize>,
    /// Private texts of each class that its teacher is trained on (the first ones of the file). A share is that of all
    /// teachers of a class together.
    #[serde(default = "forty")]
    pub teacher_texts_per_class: Limit,
    /// Texts of each class in the transfer set (the next ones of the file; never a teacher's). Their labels are hidden.
    #[serde(default = "forty")]
    pub transfer_texts_per_class: Limit,
    /// Texts of each class that measure.
    #[serde(default)]
    pub test_texts_per_class: Limit,
    /// Low resource: of the transfer set, every seed's students learn from so many texts times the number of classes,
    /// drawn at random and not by class (lancopku/MUKI `few_shot_k`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub few_shot_k: Option<usize>,
    /// Rows that a benchmark lacks, among the transfer texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<NoiseSection>,
    /// Texts that belong to no class, for scoring gates: a data set by name or `folder:NAME`. Of a set with a split `oos`
    /// that split, else its texts without labels, else its test texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_scope: Option<String>,
    /// At most so many of them, the first of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_scope_texts: Option<usize>,
}

fn forty() -> Limit {
    Limit::At(40)
}

fn is_false(value: &bool) -> bool {
    !value
}

/// How labelled texts become a task of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairRule {
    /// Are two texts of one class? Half of the pairs are.
    SameClass,
}

/// The split that measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvaluateOn {
    /// The test split.
    #[default]
    Test,
    /// The development split, while settings are still being chosen.
    Dev,
}

/// `[[data.set]]`: one of several data sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPart {
    /// A data set by name, or `folder:NAME`.
    pub source: String,
    /// What the set is called here: prefix of its labels, name of its teacher. By default that of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Only these domains of the set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// Only these labels of the set (and those of the domains).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

impl SetPart {
    /// What the set is called.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_else(|| self.source.strip_prefix("folder:").unwrap_or(&self.source))
    }
}

impl DataSection {
    /// True if a rule, and no table, says which labels each teacher owns.
    pub fn cuts_labels(&self) -> bool {
        self.contiguous_teachers.is_some()
            || self.split.is_some()
            || self.teacher_count.is_some()
            || self.teachers_by_size.is_some()
    }

    /// True if the task's own texts are read from the set of this name.
    pub fn reads(&self, name: &str) -> bool {
        self.source == name || self.sets.iter().any(|set| set.source == name)
    }

    pub(super) fn validate(&self) -> Result<()> {
        self.validate_sources()?;
        self.validate_teachers()?;
        self.validate_split()?;
        self.validate_amounts()
    }

    fn validate_sources(&self) -> Result<()> {
        match (self.source.is_empty(), self.sets.is_empty()) {
            (true, true) => {
                return Err(Error::input("the experiment has no texts")
                    .key("data.source")
                    .expected("a data set by name, folder:NAME or files; or [[data.set]] tables"));
            }
            (false, false) => {
                return Err(Error::input("texts are given twice: by data.source and by [[data.set]]")
                    .key("data.set")
                    .help("keep one of the two"));
            }
            _ => {}
        }
        for (index, set) in self.sets.iter().enumerate() {
            let key = format!("data.set[{index}]");
            if set.source == "files" {
                return Err(Error::input("`files` cannot be one of several sets")
                    .key(format!("{key}.source"))
                    .expected("a data set by name, or folder:NAME"));
            }
            if set.name().trim().is_empty() || set.name().contains('/') {
                return Err(Error::input(format!("`{}` is no name", set.name()))
                    .key(format!("{key}.name"))
                    .expected("a name without `/`"));
            }
            if self.sets[..index].iter().any(|other| other.name() == set.name()) {
                return Err(Error::input(format!("two sets are called `{}`", set.name())).key(format!("{key}.name")));
            }
        }
        if self.sets.is_empty() && (self.aliases.is_some() || self.prefix_labels) {
            let key = if self.aliases.is_some() { "data.aliases" } else { "data.prefix_labels" };
            return Err(Error::input("is for several data sets").key(key).expected("[[data.set]] tables"));
        }
        if self.pairs.is_some() {
            let single = [
                ("data.set", !self.sets.is_empty()),
                ("data.out_of_scope", self.out_of_scope.is_some()),
                ("data.noise.other", self.noise.as_ref().is_some_and(|noise| noise.other.is_some())),
            ];
            if let Some((key, _)) = single.iter().find(|(_, given)| *given) {
                return Err(Error::input(format!("stands beside {key}, whose texts are read as they are"))
                    .key("data.pairs")
                    .help("keep one of the two"));
            }
        }
        let has_files = self.train_file.is_some() || self.test_file.is_some() || self.dev_file.is_some();
        if has_files && self.source != "files" {
            return Err(Error::input("names files").key("data.source").expected("source = \"files\""));
        }
        Ok(())
    }

    fn validate_teachers(&self) -> Result<()> {
        let described = self.teachers.iter().filter(|teacher| teacher.says_labels()).count();
        let adjusts = described == 0 && (self.cuts_labels() || !self.sets.is_empty());
        if self.cuts_labels() && described > 0 {
            return Err(Error::input("labels are given twice: by a split and by teacher")
                .key("data.teacher")
                .help("keep one of the two; beside a split, a teacher's table has a name and no labels"));
        }
        if self.teachers.is_empty() && !adjusts {
            return Err(Error::input("the experiment has no teacher")
                .key("data.teacher")
                .expected("[[data.teacher]] tables, data.split or data.contiguous_teachers"));
        }
        for (index, teacher) in self.teachers.iter().enumerate() {
            let key = format!("data.teacher[{index}]");
            if self.teachers[..index].iter().any(|other| other.name == teacher.name) {
                return Err(Error::input(format!("two teachers are called `{}`", teacher.name)).key(key));
            }
            teacher.validate(&key, adjusts)?;
            if let Some(set) = &teacher.set
                && !self.sets.iter().any(|known| known.name() == set)
            {
                return Err(Error::input(format!("there is no data set `{set}`"))
                    .key(format!("{key}.set"))
                    .expected("the name of a [[data.set]]"));
            }
        }
        Ok(())
    }

    fn validate_split(&self) -> Result<()> {
        let twice = |key: &str, other: &str| {
            Err(Error::input(format!("stands beside {other}")).key(key).help("keep one of the two"))
        };
        if self.contiguous_teachers.is_some() {
            for (key, given) in [
                ("data.split", self.split.is_some()),
                ("data.teacher_count", self.teacher_count.is_some()),
                ("data.teachers_by_size", self.teachers_by_size.is_some()),
            ] {
                if given {
                    return twice(key, "data.contiguous_teachers");
                }
            }
        }
        for (key, count) in
            [("data.contiguous_teachers", self.contiguous_teachers), ("data.teacher_count", self.teacher_count)]
        {
            if count == Some(0) {
                return Err(Error::input("is 0").key(key).expected("at least 1"));
            }
        }
        if self.teacher_count.is_some() && self.teachers_by_size.is_some() {
            return twice("data.teacher_count", "data.teachers_by_size");
        }
        if let Some(sizes) = &self.teachers_by_size
            && (sizes.is_empty() || sizes.iter().any(|&size| size < 2))
        {
            return Err(Error::input(format!("is {sizes:?}"))
                .key("data.teachers_by_size")
                .expected("at least two labels a teacher"));
        }
        match self.split {
            Some(LabelSplit::Domains) if self.teacher_count.is_some() || self.teachers_by_size.is_some() => {
                return Err(Error::input("says how many teachers there are: one a domain")
                    .key("data.split")
                    .help("leave data.teacher_count and data.teachers_by_size out"));
            }
            Some(LabelSplit::Interleaved) if self.teachers_by_size.is_some() => {
                return twice("data.teachers_by_size", "an interleaved split, whose parts are of one size");
            }
            Some(LabelSplit::Contiguous | LabelSplit::Interleaved | LabelSplit::Random(_))
                if self.teacher_count.is_none() && self.teachers_by_size.is_none() =>
            {
                return Err(Error::input("does not say into how many parts")
                    .key("data.split")
                    .expected("data.teacher_count or data.teachers_by_size beside it"));
            }
            _ => {}
        }
        match self.shared_labels {
            Some(0) => Err(Error::input("is 0").key("data.shared_labels").expected("at least 1")),
            Some(_) if !self.cuts_labels() => Err(Error::input("is for teachers that a split makes")
                .key("data.shared_labels")
                .help("named teachers share a label where both list it")),
            _ => Ok(()),
        }
    }

    fn validate_amounts(&self) -> Result<()> {
        for (key, limit) in [
            ("data.teacher_texts_per_class", self.teacher_texts_per_class),
            ("data.transfer_texts_per_class", self.transfer_texts_per_class),
            ("data.test_texts_per_class", self.test_texts_per_class),
        ] {
            if limit == Limit::At(0) {
                return Err(Error::input("is 0").key(key).expected("at least 1, a share, or \"all\""));
            }
        }
        let trains = self.teachers.is_empty()
            || self.teachers.iter().any(|teacher| teacher.model.is_none() && teacher.texts_per_class.is_none());
        if trains && matches!(self.teacher_texts_per_class, Limit::All | Limit::Percent(100)) {
            return Err(Error::input("leaves no text for the transfer set")
                .key("data.teacher_texts_per_class")
                .expected("a number or a share: teachers' private texts and the transfer set are disjoint"));
        }
        if let Some(share) = self.dev_share
            && !(share > 0.0 && share <= 0.5)
        {
            return Err(Error::input(format!("is {share}"))
                .key("data.dev_share")
                .expected("a share of the training split, above 0 and at most 0.5"));
        }
        if self.few_shot_k == Some(0) {
            return Err(Error::input("is 0").key("data.few_shot_k").expected("at least 1"));
        }
        if let Some(noise) = &self.noise {
            noise.validate()?;
            if self.few_shot_k.is_some() {
                return Err(Error::input("stands beside data.noise")
                    .key("data.few_shot_k")
                    .help("a draw of few texts and noise among them are two studies: keep one of the two"));
            }
        }
        match (self.out_of_scope_texts, &self.out_of_scope) {
            (Some(0), _) => Err(Error::input("is 0").key("data.out_of_scope_texts").expected("at least 1")),
            (Some(_), None) => Err(Error::input("has no texts to count")
                .key("data.out_of_scope_texts")
                .expected("data.out_of_scope beside it")),
            _ => Ok(()),
        }
    }
}
