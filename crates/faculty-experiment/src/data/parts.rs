//! Which teacher owns which labels: as named, by a rule, or one data set each.

use super::DataSet;
use crate::schema::{DataSection, LabelSplit, Limit, TeacherPart};
use faculty_core::{Error, LabelSpace, Result, Stream, nearest};
use faculty_methods::NastySpec;
use faculty_student::StudentStart;

/// A teacher before it has texts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) labels: Vec<String>,
    /// Index of the only set whose texts it learns from.
    pub(super) set: Option<usize>,
    pub(super) model: Option<String>,
    pub(super) texts_per_class: Option<Limit>,
    pub(super) init: Option<StudentStart>,
    pub(super) layers: Option<usize>,
    pub(super) nasty: Option<NastySpec>,
}

impl Part {
    fn plain(name: String, labels: Vec<String>) -> Self {
        Self { name, labels, set: None, model: None, texts_per_class: None, init: None, layers: None, nasty: None }
    }

    /// Takes name and settings from a table.
    fn adjusted(self, part: &TeacherPart) -> Self {
        Self {
            name: part.name.clone(),
            texts_per_class: part.texts_per_class,
            init: part.init.clone(),
            layers: part.layers,
            nasty: part.nasty,
            ..self
        }
    }
}

/// The teachers of an experiment, in order.
///
/// # Errors
/// Fails if a label, domain or set is unknown (the nearest is suggested), the labels do not suffice for the parts, or tables
/// that adjust parts are not one a part.
pub(super) fn parts(
    section: &DataSection,
    data: &DataSet,
    model_labels: &dyn Fn(&str) -> Result<LabelSpace>,
) -> Result<Vec<Part>> {
    let made = if section.cuts_labels() {
        cut(section, data)?
    } else if section.teachers.iter().any(TeacherPart::says_labels) {
        return named(section, data, model_labels);
    } else {
        one_a_set(data)
    };
    if section.teachers.is_empty() {
        return Ok(made);
    }
    if section.teachers.len() != made.len() {
        return Err(Error::input(format!("{} tables for {} parts", section.teachers.len(), made.len()))
            .key("data.teacher")
            .expected("none, or one a part, in the order of the parts"));
    }
    Ok(made.into_iter().zip(&section.teachers).map(|(made, part)| made.adjusted(part)).collect())
}

fn one_a_set(data: &DataSet) -> Vec<Part> {
    let part = |(index, set): (usize, &super::SetRows)| Part {
        set: Some(index),
        ..Part::plain(set.name.clone(), set.labels.clone())
    };
    data.sets.iter().enumerate().map(part).collect()
}

fn named(
    section: &DataSection,
    data: &DataSet,
    model_labels: &dyn Fn(&str) -> Result<LabelSpace>,
) -> Result<Vec<Part>> {
    section
        .teachers
        .iter()
        .enumerate()
        .map(|(index, part)| {
            let key = format!("data.teacher[{index}]");
            let set = match &part.set {
                None => None,
                Some(name) => {
                    let found = data.sets.iter().position(|set| &set.name == name);
                    let unknown = || Error::input(format!("there is no data set `{name}`")).key(format!("{key}.set"));
                    Some(found.ok_or_else(unknown)?)
                }
            };
            let labels = match (&part.model, set) {
                (Some(model), _) => {
                    model_labels(model).map_err(|error| error.key(format!("{key}.model")))?.names().to_vec()
                }
                (None, Some(set)) if part.domains.is_empty() && part.labels.is_empty() => data.sets[set].labels.clone(),
                _ => listed(data, part, &key)?,
            };
            LabelSpace::new(labels.iter().cloned()).map_err(|error| error.key(key))?;
            Ok(Part { set, model: part.model.clone(), ..Part::plain(part.name.clone(), labels) }.adjusted(part))
        })
        .collect()
}

fn listed(data: &DataSet, part: &TeacherPart, key: &str) -> Result<Vec<String>> {
    let mut labels = Vec::new();
    for domain in &part.domains {
        labels.extend(domain_labels(data, domain).map_err(|error| error.key(format!("{key}.domains")))?);
    }
    for label in &part.labels {
        let class = data.labels.resolve(label).map_err(|error| error.key(format!("{key}.labels")))?;
        labels.extend(data.labels.name(class).map(str::to_owned));
    }
    Ok(labels)
}

pub(super) fn domain_labels(data: &DataSet, domain: &str) -> Result<Vec<String>> {
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

/// Parts by a rule over the label list.
fn cut(section: &DataSection, data: &DataSet) -> Result<Vec<Part>> {
    let labels = data.labels.len();
    let split = section.split.unwrap_or(LabelSplit::Contiguous);
    let (names, chunks): (Option<Vec<String>>, Vec<Vec<usize>>) = match split {
        LabelSplit::Domains => {
            let (names, chunks) = domains(data)?;
            (Some(names), chunks)
        }
        LabelSplit::Interleaved => {
            let count = chunk_sizes(section, labels)?.len();
            (None, (0..count).map(|part| (part..labels).step_by(count).collect()).collect())
        }
        LabelSplit::Contiguous => (None, chunks_of((0..labels).collect(), &chunk_sizes(section, labels)?)),
        LabelSplit::Random(seed) => {
            let order = Stream::new(seed, "label split").permutation(labels);
            (None, chunks_of(order, &chunk_sizes(section, labels)?))
        }
    };
    let chunks = match section.shared_labels {
        Some(shared) => share(&chunks, shared)?,
        None => chunks,
    };
    let parts = chunks.iter().enumerate().map(|(index, chunk)| {
        let name = names.as_ref().and_then(|names| names.get(index).cloned());
        let labels = chunk.iter().filter_map(|&label| data.labels.name(label).map(str::to_owned)).collect();
        Part::plain(name.unwrap_or_else(|| format!("part-{}", index + 1)), labels)
    });
    Ok(parts.collect())
}

fn domains(data: &DataSet) -> Result<(Vec<String>, Vec<Vec<usize>>)> {
    if data.domains.is_empty() {
        return Err(Error::input(format!("`{}` has no domains", data.name))
            .key("data.split")
            .expected("a source whose labels come in domains, such as clinc150"));
    }
    let mut chunks = Vec::with_capacity(data.domains.len());
    for (_, labels) in &data.domains {
        chunks.push(labels.iter().map(|label| data.labels.resolve(label)).collect::<Result<_>>()?);
    }
    Ok((data.domains.iter().map(|(name, _)| name.clone()).collect(), chunks))
}

/// Sizes of the chunks: as given, or floor(C / N) and the rest for the last (lancopku/MUKI).
fn chunk_sizes(section: &DataSection, labels: usize) -> Result<Vec<usize>> {
    if let Some(sizes) = &section.teachers_by_size {
        let sum: usize = sizes.iter().sum();
        if sum != labels {
            return Err(Error::input(format!("{sizes:?} are {sum} labels together"))
                .key("data.teachers_by_size")
                .expected(format!("{labels}, all labels of the data set")));
        }
        return Ok(sizes.clone());
    }
    let (key, count) = match section.contiguous_teachers {
        Some(count) => ("data.contiguous_teachers", count),
        None => ("data.teacher_count", section.teacher_count.unwrap_or(1)),
    };
    let chunk = labels / count.max(1);
    if chunk < 2 {
        return Err(Error::input(format!("{count} teachers share {labels} labels"))
            .key(key)
            .expected("at least two labels a teacher"));
    }
    let mut sizes = vec![chunk; count];
    sizes[count - 1] = labels - chunk * (count - 1);
    Ok(sizes)
}

/// Cuts `order` into chunks; each lists its labels in the order of the data set.
fn chunks_of(order: Vec<usize>, sizes: &[usize]) -> Vec<Vec<usize>> {
    let mut rest = order.as_slice();
    let mut chunks = Vec::with_capacity(sizes.len());
    for &size in sizes {
        let (chunk, behind) = rest.split_at(size.min(rest.len()));
        let mut chunk = chunk.to_vec();
        chunk.sort_unstable();
        chunks.push(chunk);
        rest = behind;
    }
    chunks
}

/// Every two neighbours know `shared` labels together: the first ones of the later part, rounded up, and the last ones of
/// the earlier.
fn share(chunks: &[Vec<usize>], shared: usize) -> Result<Vec<Vec<usize>>> {
    if let Some(small) = chunks.iter().find(|chunk| chunk.len() < shared) {
        return Err(Error::input(format!("is {shared}, and a part has {} labels of its own", small.len()))
            .key("data.shared_labels")
            .expected("at most the labels of the smallest part"));
    }
    let (of_later, of_earlier) = (shared.div_ceil(2), shared / 2);
    let mut wider = chunks.to_vec();
    for (earlier, pair) in chunks.windows(2).enumerate() {
        wider[earlier].extend_from_slice(&pair[1][..of_later]);
        wider[earlier + 1].extend_from_slice(&pair[0][pair[0].len() - of_earlier..]);
    }
    for chunk in &mut wider {
        chunk.sort_unstable();
    }
    Ok(wider)
}
