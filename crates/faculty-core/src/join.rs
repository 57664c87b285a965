//! The label join: how every teacher's classes map into the union. Built once, printed, stored; the only way to move a
//! distribution into the union.

use crate::{Error, LabelSpace, Result, nearest, one_of};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Renames and exclusions, per teacher. A teacher is named by the name it has in the join.
///
/// Two teachers' equal names are one class of the union (and are listed as an overlap); where they mean different
/// things, rename one. Different names for one meaning are joined by renaming to a common name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aliases {
    /// teacher name -> (teacher's own label name -> name in the union).
    #[serde(default)]
    pub rename: BTreeMap<String, BTreeMap<String, String>>,
    /// teacher name -> labels the union leaves out; the teacher is renormalised over the rest.
    #[serde(default)]
    pub exclude: BTreeMap<String, BTreeSet<String>>,
}

/// One teacher's part of the join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeacherLabels {
    name: String,
    kept: Vec<usize>,
    to_union: Vec<usize>,
}

impl TeacherLabels {
    /// The teacher's name in the join.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which of the teacher's own logits take part, in its own order (all of them unless labels are excluded).
    pub fn kept(&self) -> &[usize] {
        &self.kept
    }

    /// For every kept logit, its class index in the union.
    pub fn to_union(&self) -> &[usize] {
        &self.to_union
    }

    /// Number of classes the teacher contributes.
    pub fn len(&self) -> usize {
        self.to_union.len()
    }

    /// True if every label of the teacher is excluded (refused when the join is built).
    pub fn is_empty(&self) -> bool {
        self.to_union.is_empty()
    }
}

/// A class of the union that several teachers know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// The class name in the union.
    pub label: String,
    /// The names of the teachers that know it.
    pub teachers: Vec<String>,
}

/// The union of the teachers' label spaces and every teacher's map into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelJoin {
    union: LabelSpace,
    teachers: Vec<TeacherLabels>,
}

impl LabelJoin {
    /// Joins the teachers' label spaces by name. The union lists classes in order of first appearance.
    ///
    /// # Errors
    /// Fails if there is no teacher, a teacher name repeats, a teacher's names are generic (`LABEL_0`, ...) and not
    /// all renamed, an alias names an unknown teacher or label, two labels of one teacher meet in one name, or a
    /// teacher has no label left.
    pub fn build(teachers: &[(&str, &LabelSpace)], aliases: &Aliases) -> Result<Self> {
        if teachers.is_empty() {
            return Err(Error::input("a label join needs at least one teacher"));
        }
        check_alias_teachers(teachers, aliases)?;
        let mut union_names: Vec<String> = Vec::new();
        let mut parts = Vec::with_capacity(teachers.len());
        for (position, (teacher, labels)) in teachers.iter().enumerate() {
            if teachers[..position].iter().any(|(other, _)| other == teacher) {
                return Err(
                    Error::input(format!("two teachers are called `{teacher}`")).expected("distinct teacher names")
                );
            }
            let empty_renames = BTreeMap::new();
            let empty_exclusions = BTreeSet::new();
            let renames = aliases.rename.get(*teacher).unwrap_or(&empty_renames);
            let excluded = aliases.exclude.get(*teacher).unwrap_or(&empty_exclusions);
            for label in renames.keys().chain(excluded) {
                if labels.index_of(label).is_none() {
                    let mut error = Error::input(format!(
                        "the alias file names label `{label}`, which teacher `{teacher}` does not have"
                    ));
                    if let Some(near) = nearest(label, labels.names().iter().map(String::as_str)) {
                        error = error.help(format!("did you mean `{near}`?"));
                    }
                    return Err(error);
                }
            }
            refuse_generic(teacher, labels, renames, excluded)?;
            let mut part = TeacherLabels { name: (*teacher).to_owned(), kept: Vec::new(), to_union: Vec::new() };
            for (index, own_name) in labels.names().iter().enumerate() {
                if excluded.contains(own_name) {
                    continue;
                }
                let name = renames.get(own_name).unwrap_or(own_name);
                let class = union_names.iter().position(|known| known == name).unwrap_or_else(|| {
                    union_names.push(name.clone());
                    union_names.len() - 1
                });
                if part.to_union.contains(&class) {
                    return Err(Error::input(format!("two labels of teacher `{teacher}` meet in the name `{name}`"))
                        .help("give each label of one teacher its own name in the alias file"));
                }
                part.kept.push(index);
                part.to_union.push(class);
            }
            if part.is_empty() {
                return Err(Error::input(format!("teacher `{teacher}` has no label left after the exclusions")));
            }
            parts.push(part);
        }
        Ok(Self { union: LabelSpace::new(union_names)?, teachers: parts })
    }

    /// The same join for some classes of the union, which keep its order: what a student knows that is to answer these alone.
    ///
    /// # Errors
    /// Fails if a label is not in the union (the nearest one is suggested) or named twice, or a teacher has none of them.
    pub fn only<S: AsRef<str>>(&self, labels: &[S]) -> Result<Self> {
        let mut wanted = vec![false; self.classes()];
        for label in labels.iter().map(AsRef::as_ref) {
            let class = self.union.index_of(label).ok_or_else(|| {
                let error = Error::input(format!("label `{label}` is not in the union of the teachers' labels"));
                let error = error.expected(one_of(self.union.names().iter().map(String::as_str)));
                match nearest(label, self.union.names().iter().map(String::as_str)) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error,
                }
            })?;
            if std::mem::replace(&mut wanted[class], true) {
                return Err(Error::input(format!("label `{label}` is named twice")).expected("each label once"));
            }
        }
        let union = self.union.names().iter().zip(&wanted).filter(|(_, wanted)| **wanted);
        let union = LabelSpace::new(union.map(|(name, _)| name.clone()))?;
        let part = |part: &TeacherLabels| {
            let kept = part.kept.iter().zip(&part.to_union).filter(|(_, class)| wanted[**class]);
            let (kept, old): (Vec<usize>, Vec<usize>) = kept.unzip();
            if kept.is_empty() {
                return Err(Error::input(format!("teacher `{}` has none of the labels that are asked for", part.name))
                    .help("leave the teacher out, or name a label of it"));
            }
            let new = |class: &usize| wanted[..*class].iter().filter(|wanted| **wanted).count();
            Ok(TeacherLabels { name: part.name.clone(), kept, to_union: old.iter().map(new).collect() })
        };
        Ok(Self { union, teachers: self.teachers.iter().map(part).collect::<Result<_>>()? })
    }

    /// The union label space.
    pub fn union(&self) -> &LabelSpace {
        &self.union
    }

    /// The teachers' parts, in teacher order.
    pub fn teachers(&self) -> &[TeacherLabels] {
        &self.teachers
    }

    /// The part of teacher `index`.
    ///
    /// # Panics
    /// Panics if there is no such teacher.
    pub fn teacher(&self, index: usize) -> &TeacherLabels {
        &self.teachers[index]
    }

    /// Number of classes in the union.
    pub fn classes(&self) -> usize {
        self.union.len()
    }

    /// Classes known to more than one teacher.
    pub fn overlaps(&self) -> Vec<Overlap> {
        let mut overlaps = Vec::new();
        for (class, label) in self.union.names().iter().enumerate() {
            let teachers: Vec<String> =
                self.owners(class).into_iter().map(|teacher| self.teachers[teacher].name.clone()).collect();
            if teachers.len() > 1 {
                overlaps.push(Overlap { label: label.clone(), teachers });
            }
        }
        overlaps
    }

    /// The teachers that know union class `class`.
    pub fn owners(&self, class: usize) -> Vec<usize> {
        (0..self.teachers.len()).filter(|&teacher| self.teachers[teacher].to_union.contains(&class)).collect()
    }

    /// True if no class is known to two teachers.
    pub fn is_disjoint(&self) -> bool {
        self.teachers.iter().map(TeacherLabels::len).sum::<usize>() == self.union.len()
    }

    /// Writes a teacher distribution over its kept labels, times `weight`, into a row over the union.
    ///
    /// # Panics
    /// Panics if the lengths do not fit the join.
    pub fn add_padded(&self, teacher: usize, probabilities: &[f32], weight: f32, row: &mut [f32]) {
        let part = &self.teachers[teacher];
        assert_eq!(probabilities.len(), part.len(), "one probability a kept label");
        for (probability, &class) in probabilities.iter().zip(&part.to_union) {
            row[class] += weight * probability;
        }
    }

    /// The join as a readable table: a line per teacher, the overlaps, the union's size.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for part in &self.teachers {
            let names: Vec<&str> = part.to_union.iter().filter_map(|&class| self.union.name(class)).collect();
            let _ = writeln!(text, "{:>4} labels  {}: {}", part.len(), part.name, abbreviate(&names));
        }
        let overlaps = self.overlaps();
        for overlap in &overlaps {
            let _ = writeln!(text, "     shared  {}: {}", overlap.label, overlap.teachers.join(", "));
        }
        let _ = write!(text, "{:>4} labels  union ({} shared)", self.union.len(), overlaps.len());
        text
    }
}

fn abbreviate(names: &[&str]) -> String {
    if names.len() <= 6 {
        names.join(", ")
    } else {
        format!("{}, ... {}", names[..4].join(", "), names[names.len() - 1])
    }
}

fn check_alias_teachers(teachers: &[(&str, &LabelSpace)], aliases: &Aliases) -> Result<()> {
    for name in aliases.rename.keys().chain(aliases.exclude.keys()) {
        if !teachers.iter().any(|(teacher, _)| teacher == name) {
            let mut error =
                Error::input(format!("the alias file names teacher `{name}`, which is not among the teachers"))
                    .expected(format!("one of {}", teachers.iter().map(|(t, _)| *t).collect::<Vec<_>>().join(", ")));
            if let Some(near) = nearest(name, teachers.iter().map(|(teacher, _)| *teacher)) {
                error = error.help(format!("did you mean `{near}`?"));
            }
            return Err(error);
        }
    }
    Ok(())
}

fn refuse_generic(
    teacher: &str,
    labels: &LabelSpace,
    renames: &BTreeMap<String, String>,
    excluded: &BTreeSet<String>,
) -> Result<()> {
    let mapped = labels.names().iter().all(|name| renames.contains_key(name) || excluded.contains(name));
    if labels.is_generic() && !mapped {
        return Err(Error::input(format!(
            "the labels of teacher `{teacher}` are generic ({})",
            abbreviate(&labels.names().iter().map(String::as_str).collect::<Vec<_>>())
        ))
        .key("id2label")
        .help(format!(
            "generic names of two models would be joined although they mean different things; give the real names in \
             an alias file (--aliases FILE), for example:\n  [rename.\"{teacher}\"]\n  {} = \"its real name\"",
            labels.names().first().map_or("LABEL_0", String::as_str)
        )));
    }
    Ok(())
}
