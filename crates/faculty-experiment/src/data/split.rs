//! Sharing out: private texts for every team, other texts for the transfer set, the test split for measuring.

use super::{DataSet, LabelledTexts, OpenedFile};
use crate::schema::{DataSection, EvaluateOn, Limit};
use faculty_core::{Error, LabelSpace, Result, nearest};
use std::collections::{BTreeMap, HashSet};

/// A team: its labels and its private texts.
#[derive(Debug, Clone)]
pub struct TeacherTexts {
    /// The team's name.
    pub name: String,
    /// Its labels, in logit order.
    pub labels: LabelSpace,
    /// A model that exists already; then `texts` is empty.
    pub model: Option<String>,
    /// Its private texts, with classes in `labels`.
    pub texts: LabelledTexts,
}

/// What the selection met on its way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SelectionNotes {
    /// Training texts passed over because an equal text (letters and digits, lower case) was there before, or stands in
    /// the measuring split.
    pub duplicates: usize,
    /// Classes whose texts ran out before the transfer set had its share.
    pub short_classes: usize,
}

/// The data of an experiment, shared out. No text is in two parts.
#[derive(Debug, Clone)]
pub struct ExperimentData {
    /// The data set's name.
    pub name: String,
    /// The teams.
    pub teachers: Vec<TeacherTexts>,
    /// The classes of all teams, in order of first appearance; transfer and test classes are indices into it.
    pub union: LabelSpace,
    /// The transfer set. Its labels are for the ceiling alone, behind [`crate::GuardedTexts`].
    pub transfer: LabelledTexts,
    /// What measures.
    pub test: LabelledTexts,
    /// What was opened.
    pub files: Vec<OpenedFile>,
    /// Remarks for the reader.
    pub notes: Vec<String>,
    /// What the selection met.
    pub selection: SelectionNotes,
}

impl ExperimentData {
    /// Shares out a data set as `[data]` says. `model_labels` gives the labels of teachers that exist already.
    ///
    /// Texts are taken in the order of the file: of each class the first ones for its teachers, the next ones for the
    /// transfer set, so that a larger transfer set never moves a teacher's texts.
    ///
    /// # Errors
    /// Fails if a domain or label is unknown (the nearest is suggested), a class has too few texts, or the measuring
    /// split is absent.
    pub fn share_out(
        section: &DataSection,
        data: DataSet,
        model_labels: &dyn Fn(&str) -> Result<LabelSpace>,
    ) -> Result<Self> {
        let owned = owned_labels(section, &data, model_labels)?;
        let union = LabelSpace::new(first_appearances(owned.iter().map(|(_, _, labels)| labels)))?;
        let measuring = match section.evaluate_on {
            EvaluateOn::Test => data.test,
            EvaluateOn::Dev => data.dev.ok_or_else(|| {
                Error::input(format!("`{}` has no development split", data.name)).key("data.evaluate_on")
            })?,
        };
        // Class index of the data set -> class index of the union.
        let in_union: Vec<Option<usize>> = data.labels.names().iter().map(|name| union.index_of(name)).collect();
        for name in union.names() {
            data.labels.resolve(name)?;
        }
        let mut test = LabelledTexts::default();
        let mut counts = vec![0_usize; union.len()];
        for (text, &label) in measuring.texts.into_iter().zip(&measuring.labels) {
            if let Some(class) = in_union[label]
                && !section.test_texts_per_class.is_reached(counts[class])
            {
                counts[class] += 1;
                test.push(text, class);
            }
        }
        let mut seen: HashSet<String> = test.texts.iter().map(|text| normal_form(text)).collect();
        let mut teachers: Vec<TeacherTexts> = owned
            .into_iter()
            .map(|(name, model, labels)| {
                Ok(TeacherTexts { name, model, labels: LabelSpace::new(labels)?, texts: LabelledTexts::default() })
            })
            .collect::<Result<_>>()?;
        let mut selection = SelectionNotes::default();
        let mut transfer = LabelledTexts::default();
        let mut transfer_counts = vec![0_usize; union.len()];
        let mut teacher_counts: Vec<BTreeMap<usize, usize>> = vec![BTreeMap::new(); teachers.len()];
        for (text, &label) in data.train.texts.into_iter().zip(&data.train.labels) {
            let Some(class) = in_union[label] else { continue };
            let name = data.labels.name(label).unwrap_or_default();
            if !seen.insert(normal_form(&text)) {
                selection.duplicates += 1;
                continue;
            }
            let wants = teachers.iter().enumerate().find_map(|(index, teacher)| {
                let own_class = teacher.labels.index_of(name)?;
                let count = teacher_counts[index].get(&own_class).copied().unwrap_or(0);
                let open = teacher.model.is_none() && !section.teacher_texts_per_class.is_reached(count);
                open.then_some((index, own_class))
            });
            if let Some((index, own_class)) = wants {
                *teacher_counts[index].entry(own_class).or_default() += 1;
                teachers[index].texts.push(text, own_class);
            } else if !section.transfer_texts_per_class.is_reached(transfer_counts[class]) {
                transfer_counts[class] += 1;
                transfer.push(text, class);
            }
        }
        check_counts(section, &teachers, &teacher_counts, &union, &transfer_counts, &counts)?;
        if let Limit::At(limit) = section.transfer_texts_per_class {
            selection.short_classes = transfer_counts.iter().filter(|&&count| count < limit).count();
        }
        Ok(Self { name: data.name, teachers, union, transfer, test, files: data.files, notes: data.notes, selection })
    }
}

type Owned = (String, Option<String>, Vec<String>);

fn owned_labels(
    section: &DataSection,
    data: &DataSet,
    model_labels: &dyn Fn(&str) -> Result<LabelSpace>,
) -> Result<Vec<Owned>> {
    if let Some(count) = section.contiguous_teachers {
        return contiguous(count, &data.labels);
    }
    section
        .teachers
        .iter()
        .enumerate()
        .map(|(index, part)| {
            let key = format!("data.teacher[{index}]");
            let labels = match &part.model {
                Some(model) => model_labels(model).map_err(|error| error.key(format!("{key}.model")))?.names().to_vec(),
                None => {
                    let mut labels = Vec::new();
                    for domain in &part.domains {
                        labels
                            .extend(domain_labels(data, domain).map_err(|error| error.key(format!("{key}.domains")))?);
                    }
                    for label in &part.labels {
                        let class = data.labels.resolve(label).map_err(|error| error.key(format!("{key}.labels")))?;
                        labels.extend(data.labels.name(class).map(str::to_owned));
                    }
                    labels
                }
            };
            LabelSpace::new(labels.iter().cloned()).map_err(|error| error.key(key))?;
            Ok((part.name.clone(), part.model.clone(), labels))
        })
        .collect()
}

fn domain_labels(data: &DataSet, domain: &str) -> Result<Vec<String>> {
    if let Some((_, labels)) = data.domains.iter().find(|(name, _)| name == domain) {
        return Ok(labels.clone());
    }
    let names: Vec<&str> = data.domains.iter().map(|(name, _)| name.as_str()).collect();
    let error = Error::input(format!("`{}` has no domain `{domain}`", data.name)).expected(match names.is_empty() {
        true => "labels: this source has no domains".to_owned(),
        false => format!("one of {}", names.join(", ")),
    });
    Err(match nearest(domain, names) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error,
    })
}

/// Contiguous chunks of floor(C / N) labels, the last teacher takes the rest (lancopku/MUKI).
fn contiguous(count: usize, labels: &LabelSpace) -> Result<Vec<Owned>> {
    let chunk = labels.len() / count;
    if chunk < 2 {
        return Err(Error::input(format!("{count} teachers share {} labels", labels.len()))
            .key("data.contiguous_teachers")
            .expected("at least two labels a teacher"));
    }
    Ok((0..count)
        .map(|index| {
            let end = if index + 1 == count { labels.len() } else { (index + 1) * chunk };
            (format!("part-{}", index + 1), None, labels.names()[index * chunk..end].to_vec())
        })
        .collect())
}

fn first_appearances<'a>(lists: impl Iterator<Item = &'a Vec<String>>) -> Vec<String> {
    let mut seen = HashSet::new();
    lists.flatten().filter(|name| seen.insert((*name).clone())).cloned().collect()
}

/// Texts that differ in case, spaces or punctuation alone are one text.
fn normal_form(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn check_counts(
    section: &DataSection,
    teachers: &[TeacherTexts],
    teacher_counts: &[BTreeMap<usize, usize>],
    union: &LabelSpace,
    transfer: &[usize],
    test: &[usize],
) -> Result<()> {
    for (teacher, counts) in teachers.iter().zip(teacher_counts).filter(|(teacher, _)| teacher.model.is_none()) {
        for (class, label) in teacher.labels.names().iter().enumerate() {
            if !counts.contains_key(&class) {
                return Err(
                    Error::input(format!("teacher `{}` finds no training text of `{label}`", teacher.name)).key("data")
                );
            }
        }
    }
    for (class, label) in union.names().iter().enumerate() {
        if transfer[class] == 0 {
            return Err(Error::input(format!("no text of `{label}` is left for the transfer set"))
                .key("data.teacher_texts_per_class")
                .expected(format!(
                    "fewer than {} texts of each class for the teachers",
                    section.teacher_texts_per_class
                )));
        }
        if test[class] == 0 {
            return Err(Error::input(format!("the measuring split has no text of `{label}`")).key("data.evaluate_on"));
        }
    }
    Ok(())
}
