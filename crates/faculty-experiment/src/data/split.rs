//! Sharing out: private texts for every team, other texts for the transfer set, the test split for measuring.

use super::amounts::Amounts;
use super::noise::{self, NoiseRows};
use super::parts::{Part, parts};
use super::sharing::{Place, Sets, Sharing};
use super::{DataSet, LabelledTexts, OpenedFile, SetRows};
use crate::schema::{DataSection, EvaluateOn, OwnTraining};
use faculty_core::{Error, LabelSpace, Result, Stream, normal_form};
use std::collections::HashSet;
use std::ops::Range;

/// A team: its labels and its private texts.
#[derive(Debug, Clone)]
pub struct TeacherTexts {
    /// The team's name.
    pub name: String,
    /// Its labels, in logit order.
    pub labels: LabelSpace,
    /// A model that exists already; then `texts` is empty.
    pub model: Option<String>,
    /// How it is trained, where that is not as all are.
    pub own: OwnTraining,
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
    /// Out-of-scope texts passed over because an equal text is in another part.
    pub out_of_scope_repeats: usize,
}

/// The measuring texts of one of several data sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestSet {
    /// The set's name.
    pub name: String,
    /// Its rows of the measuring texts.
    pub rows: Range<usize>,
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
    /// Rows without a label that stand behind those of the transfer set.
    pub noise: NoiseRows,
    /// If given, each seed's students learn from so many texts of the transfer set only.
    pub few_shot: Option<usize>,
    /// What measures.
    pub test: LabelledTexts,
    /// Of several data sets, which rows of `test` are whose; empty for one set alone.
    pub test_sets: Vec<TestSet>,
    /// Texts that belong to no class.
    pub out_of_scope: Option<Vec<String>>,
    /// What was opened.
    pub files: Vec<OpenedFile>,
    /// Remarks for the reader.
    pub notes: Vec<String>,
    /// What the selection met.
    pub selection: SelectionNotes,
    /// How many rows went where.
    pub amounts: Amounts,
}

impl ExperimentData {
    /// Shares out a data set as `[data]` says. `model_labels` gives the labels of teachers that exist already.
    ///
    /// Texts are taken in the order of the file: of each class the first ones for its teachers, the next ones for the
    /// transfer set, so that a larger transfer set never moves a teacher's texts. Of several data sets, every limit counts
    /// in each of them.
    ///
    /// # Errors
    /// Fails if a domain or label is unknown (the nearest is suggested), a class has too few texts, or the measuring
    /// split is absent.
    pub fn share_out(
        section: &DataSection,
        data: DataSet,
        model_labels: &dyn Fn(&str) -> Result<LabelSpace>,
    ) -> Result<Self> {
        let owned = parts(section, &data, model_labels)?;
        let union = LabelSpace::new(first_appearances(owned.iter().map(|part| &part.labels)))?;
        for name in union.names() {
            data.labels.resolve(name)?;
        }
        let mut amounts = Amounts::of(&data);
        // Class index of the data set -> class index of the union.
        let in_union: Vec<Option<usize>> = data.labels.names().iter().map(|name| union.index_of(name)).collect();
        let (measuring, other) = match section.evaluate_on {
            EvaluateOn::Test => (data.test, data.dev),
            EvaluateOn::Dev => {
                let dev = data.dev.ok_or_else(|| {
                    Error::input(format!("`{}` has no development split", data.name))
                        .key("data.evaluate_on")
                        .help("data.dev_share takes one out of the training split")
                })?;
                (dev, Some(data.test))
            }
        };
        let mut seen: HashSet<String> = HashSet::new();
        // A dev split that was taken out of the training texts: whichever of the two measures, the parts stay the same.
        if let Some(other) = other.filter(|_| data.dev_is_carved) {
            seen.extend(other.texts.iter().map(|text| normal_form(text)));
        }
        let ranges = |range: fn(&SetRows) -> Range<usize>| Sets::new(data.sets.iter().map(range).collect());
        let measuring_sets = match section.evaluate_on {
            EvaluateOn::Test => ranges(|set| set.test.clone()),
            EvaluateOn::Dev => ranges(|set| set.dev.clone()),
        };
        let (test, test_sets) = choose_test(section, measuring, &measuring_sets, &in_union, union.len(), &data.sets);
        seen.extend(test.texts.iter().map(|text| normal_form(text)));

        let train_sets = ranges(|set| set.train.clone());
        let mut sharing = Sharing::new(section, &owned, &union, &data.labels, &data.train.labels, &train_sets);
        let mut selection = SelectionNotes::default();
        let mut teachers: Vec<TeacherTexts> = owned.into_iter().map(teacher).collect::<Result<_>>()?;
        let mut transfer = LabelledTexts::default();
        for (row, (text, &label)) in data.train.texts.into_iter().zip(&data.train.labels).enumerate() {
            let Some(class) = in_union[label] else {
                amounts.foreign += 1;
                continue;
            };
            if !seen.insert(normal_form(&text)) {
                selection.duplicates += 1;
                continue;
            }
            match sharing.place(train_sets.of(row), label) {
                Place::Teacher(index) => {
                    let name = union.name(class).unwrap_or_default();
                    let own_class = teachers[index].labels.resolve(name)?;
                    teachers[index].texts.push(text, own_class);
                }
                Place::Transfer => transfer.push(text, class),
                Place::Nowhere => amounts.unused += 1,
            }
        }
        check_counts(section, &teachers, &union, &transfer, &test)?;
        selection.short_classes = sharing.short_classes(&in_union);

        let noise = match &section.noise {
            Some(noise) => noise::draw(noise, &transfer.texts, &data.other_texts, &mut seen)?,
            None => NoiseRows::default(),
        };
        let out_of_scope = data.out_of_scope.map(|texts| {
            let limit = section.out_of_scope_texts.unwrap_or(texts.len());
            let total = texts.len();
            let new: Vec<String> = texts.into_iter().filter(|text| seen.insert(normal_form(text))).collect();
            selection.out_of_scope_repeats = total - new.len();
            new.into_iter().take(limit).collect::<Vec<_>>()
        });
        amounts.teachers = teachers.iter().map(|teacher| teacher.texts.len()).sum();
        amounts.transfer = transfer.len();
        amounts.noise = noise.len();
        amounts.measuring = test.len();
        amounts.out_of_scope = out_of_scope.as_ref().map(Vec::len);
        amounts.duplicates = selection.duplicates;
        Ok(Self {
            name: data.name,
            few_shot: section.few_shot_k.map(|k| (k * union.len()).min(transfer.len())),
            teachers,
            union,
            transfer,
            noise,
            test,
            test_sets,
            out_of_scope,
            files: data.files,
            notes: data.notes,
            selection,
            amounts,
        })
    }

    /// Every text that a student may learn from: the transfer set, then the noise rows.
    pub fn transfer_texts(&self) -> Vec<String> {
        self.transfer.texts.iter().chain(&self.noise.texts).cloned().collect()
    }

    /// Which rows of [`Self::transfer_texts`] the students of a seed learn from, in their order; `None` = all of them.
    /// `drawn` is how many are drawn for every seed, if not all. With `labelled`, only rows that have a label.
    pub fn training_rows(&self, drawn: Option<usize>, seed: Option<u64>, labelled: bool) -> Option<Vec<usize>> {
        match (drawn, seed) {
            (Some(count), Some(seed)) => {
                let mut rows = Stream::new(seed, "few-shot transfer texts").permutation(self.transfer.len());
                rows.truncate(count);
                rows.sort_unstable();
                Some(rows)
            }
            _ if labelled && !self.noise.is_empty() => Some((0..self.transfer.len()).collect()),
            _ => None,
        }
    }

    /// How many texts are drawn for every seed for a row that wants `few_shot_k` a class, if not what all rows want.
    pub fn drawn(&self, few_shot_k: Option<usize>) -> Option<usize> {
        let of_row = few_shot_k.map(|k| (k * self.union.len()).min(self.transfer.len()));
        of_row.or(self.few_shot)
    }

    /// How many texts a student learns from; the same for every seed.
    pub fn training_texts(&self, drawn: Option<usize>, labelled: bool) -> usize {
        match drawn {
            Some(count) => count,
            None if labelled => self.transfer.len(),
            None => self.transfer.len() + self.noise.len(),
        }
    }
}

fn teacher(part: Part) -> Result<TeacherTexts> {
    Ok(TeacherTexts {
        name: part.name,
        labels: LabelSpace::new(part.labels)?,
        model: part.model,
        own: part.own,
        texts: LabelledTexts::default(),
    })
}

/// The measuring texts of the union's classes, and which of them belong to which set.
fn choose_test(
    section: &DataSection,
    measuring: LabelledTexts,
    sets: &Sets,
    in_union: &[Option<usize>],
    classes: usize,
    named: &[SetRows],
) -> (LabelledTexts, Vec<TestSet>) {
    let mut totals = vec![0_usize; sets.len() * classes];
    for (row, &label) in measuring.labels.iter().enumerate() {
        if let Some(class) = in_union[label] {
            totals[sets.of(row) * classes + class] += 1;
        }
    }
    let mut counts = vec![0_usize; totals.len()];
    let mut taken = vec![0_usize; sets.len()];
    let mut test = LabelledTexts::default();
    for (row, (text, &label)) in measuring.texts.into_iter().zip(&measuring.labels).enumerate() {
        let Some(class) = in_union[label] else { continue };
        let (set, cell) = (sets.of(row), sets.of(row) * classes + class);
        if !section.test_texts_per_class.is_reached(counts[cell], totals[cell]) {
            counts[cell] += 1;
            taken[set] += 1;
            test.push(text, class);
        }
    }
    let mut start = 0;
    let test_sets = named.iter().zip(taken).map(|(set, taken)| {
        let rows = start..start + taken;
        start = rows.end;
        TestSet { name: set.name.clone(), rows }
    });
    (test, test_sets.collect())
}

fn first_appearances<'a>(lists: impl Iterator<Item = &'a Vec<String>>) -> Vec<String> {
    let mut seen = HashSet::new();
    lists.flatten().filter(|name| seen.insert((*name).clone())).cloned().collect()
}

fn check_counts(
    section: &DataSection,
    teachers: &[TeacherTexts],
    union: &LabelSpace,
    transfer: &LabelledTexts,
    test: &LabelledTexts,
) -> Result<()> {
    let count = |labels: &[usize], classes: usize| {
        let mut counts = vec![0_usize; classes];
        labels.iter().for_each(|&label| counts[label] += 1);
        counts
    };
    for teacher in teachers.iter().filter(|teacher| teacher.model.is_none()) {
        let counts = count(&teacher.texts.labels, teacher.labels.len());
        if let Some(class) = counts.iter().position(|&count| count == 0) {
            let label = teacher.labels.name(class).unwrap_or_default();
            return Err(
                Error::input(format!("teacher `{}` finds no training text of `{label}`", teacher.name)).key("data")
            );
        }
    }
    let (transfer, test) = (count(&transfer.labels, union.len()), count(&test.labels, union.len()));
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
