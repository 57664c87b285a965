//! `[[data.set]]`: several data sets as one. Labels are joined by name, after aliases and prefixes; the rows of the sets follow
//! one another, in the order of the experiment file.

use super::registry::Registry;
use super::source::Source;
use super::{DataPlaces, DataSet, LabelledTexts, OpenedFile, SetRows, dev_share};
use crate::schema::{DataSection, SetPart};
use crate::unknown::describe;
use faculty_core::{Aliases, Error, LabelJoin, LabelSpace, Result, hash_bytes};
use std::collections::BTreeSet;

pub(super) fn read(section: &DataSection, places: &DataPlaces, registry: &Registry) -> Result<DataSet> {
    let (aliases, alias_file) = read_aliases(section, places)?;
    let mut sets = Vec::with_capacity(section.sets.len());
    for (index, part) in section.sets.iter().enumerate() {
        let key = |error: Error| error.key(format!("data.set[{index}]"));
        let source = Source::parse_in(&part.source, registry).map_err(key)?;
        let data = source.read(section, places, registry).map_err(key)?;
        let data = if data.dev.is_none() { dev_share::carve_if_asked(data, section)? } else { data };
        sets.push(restrict(data, part).map_err(key)?);
    }
    let spaces: Vec<LabelSpace> = sets
        .iter()
        .zip(&section.sets)
        .map(|(data, part)| own_names(data, part, section, &aliases))
        .collect::<Result<_>>()?;
    let named: Vec<(&str, &LabelSpace)> = section.sets.iter().map(SetPart::name).zip(&spaces).collect();
    let join = LabelJoin::build(&named, &aliases)?;
    let mut whole = put_together(section, sets, &join)?;
    whole.files.extend(alias_file);
    whole.notes.push(format!(
        "{} data sets, {} labels, {} of them in more than one",
        section.sets.len(),
        join.classes(),
        join.overlaps().len()
    ));
    Ok(whole)
}

fn read_aliases(section: &DataSection, places: &DataPlaces) -> Result<(Aliases, Option<OpenedFile>)> {
    let Some(file) = &section.aliases else { return Ok((Aliases::default(), None)) };
    let path = places.relative_to.join(file);
    let text = std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, error))?;
    let aliases = toml::from_str(&text).map_err(|error| {
        describe(&error, &path)
            .help("an alias file has tables [rename.SET] with OLD = \"new\" and [exclude] with SET = [\"label\"]")
    })?;
    let opened = OpenedFile { name: path.display().to_string(), sha256: hash_bytes(text.as_bytes()), rows: None };
    Ok((aliases, Some(opened)))
}

/// The set with the wanted domains and labels alone; everything if none is named.
fn restrict(mut data: DataSet, part: &SetPart) -> Result<DataSet> {
    if part.domains.is_empty() && part.labels.is_empty() {
        return Ok(data);
    }
    let mut wanted: BTreeSet<usize> = BTreeSet::new();
    for domain in &part.domains {
        for label in super::parts::domain_labels(&data, domain)? {
            wanted.insert(data.labels.resolve(&label)?);
        }
    }
    for label in &part.labels {
        wanted.insert(data.labels.resolve(label)?);
    }
    let kept: Vec<usize> = wanted.into_iter().collect();
    let names: Vec<String> = kept.iter().filter_map(|&label| data.labels.name(label).map(str::to_owned)).collect();
    let to_kept = inverse(&kept, data.labels.len());
    data.train = relabel(data.train, &to_kept);
    data.dev = data.dev.map(|dev| relabel(dev, &to_kept));
    data.test = relabel(data.test, &to_kept);
    data.domains.retain(|(_, labels)| labels.iter().all(|label| names.contains(label)));
    data.labels = LabelSpace::new(names)?;
    Ok(data)
}

/// The labels as the set brings them into the join: with its name before them, if that is asked for and no alias renames
/// them.
fn own_names(data: &DataSet, part: &SetPart, section: &DataSection, aliases: &Aliases) -> Result<LabelSpace> {
    if !section.prefix_labels {
        return Ok(data.labels.clone());
    }
    let set = part.name();
    let aliased = |label: &str| {
        aliases.rename.get(set).is_some_and(|renames| renames.contains_key(label))
            || aliases.exclude.get(set).is_some_and(|excluded| excluded.contains(label))
    };
    LabelSpace::new(data.labels.names().iter().map(|label| match aliased(label) {
        true => label.clone(),
        false => format!("{set}/{label}"),
    }))
}

fn put_together(section: &DataSection, sets: Vec<DataSet>, join: &LabelJoin) -> Result<DataSet> {
    let (mut train, mut test) = (LabelledTexts::default(), LabelledTexts::default());
    let mut dev = sets.iter().all(|data| data.dev.is_some()).then(LabelledTexts::default);
    let (mut rows, mut domains, mut files, mut notes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut names = Vec::with_capacity(sets.len());
    let dev_is_carved = sets.iter().any(|data| data.dev_is_carved);
    for ((data, part), labels) in sets.into_iter().zip(&section.sets).zip(join.teachers()) {
        let to_union = {
            let mut to_union = vec![None; data.labels.len()];
            for (&own, &class) in labels.kept().iter().zip(labels.to_union()) {
                to_union[own] = Some(class);
            }
            to_union
        };
        let union_name = |class: &usize| join.union().name(*class).map(str::to_owned);
        for (domain, own) in &data.domains {
            let classes = own.iter().filter_map(|label| to_union[data.labels.index_of(label)?]);
            domains
                .push((format!("{}/{domain}", part.name()), classes.filter_map(|class| union_name(&class)).collect()));
        }
        let starts = (train.len(), dev.as_ref().map_or(0, LabelledTexts::len), test.len());
        append(&mut train, relabel(data.train, &to_union));
        if let (Some(dev), Some(own)) = (&mut dev, data.dev) {
            append(dev, relabel(own, &to_union));
        }
        append(&mut test, relabel(data.test, &to_union));
        rows.push(SetRows {
            name: part.name().to_owned(),
            labels: labels.to_union().iter().filter_map(union_name).collect(),
            train: starts.0..train.len(),
            dev: starts.1..dev.as_ref().map_or(0, LabelledTexts::len),
            test: starts.2..test.len(),
        });
        files.extend(data.files);
        notes.extend(data.notes);
        names.push(part.name().to_owned());
    }
    Ok(DataSet {
        domains,
        dev_is_carved,
        sets: rows,
        files,
        notes,
        ..DataSet::of_splits(names.join(" + "), join.union().clone(), train, dev, test)
    })
}

fn append(whole: &mut LabelledTexts, part: LabelledTexts) {
    whole.texts.extend(part.texts);
    whole.labels.extend(part.labels);
}

/// The texts whose label has a new one, with it.
fn relabel(texts: LabelledTexts, new: &[Option<usize>]) -> LabelledTexts {
    let mut relabelled = LabelledTexts::default();
    for (text, label) in texts.texts.into_iter().zip(texts.labels) {
        if let Some(label) = new[label] {
            relabelled.push(text, label);
        }
    }
    relabelled
}

fn inverse(kept: &[usize], labels: usize) -> Vec<Option<usize>> {
    let mut inverse = vec![None; labels];
    for (new, &old) in kept.iter().enumerate() {
        inverse[old] = Some(new);
    }
    inverse
}
