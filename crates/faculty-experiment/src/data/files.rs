//! `source = "files"`: labelled files of the user's own, in any format `faculty-text` reads.

use super::{DataPlaces, DataSet, LabelledTexts, OpenedFile};
use crate::schema::DataSection;
use faculty_core::{Error, LabelSpace, Result, hash_file};
use faculty_text::{Corpus, ReadOptions, read_corpus};
use std::collections::BTreeSet;
use std::path::Path;

pub(super) fn read(section: &DataSection, places: &DataPlaces) -> Result<DataSet> {
    let mut notes = Vec::new();
    let mut files = Vec::new();
    let mut open = |path: &Path| -> Result<Corpus> {
        let path = places.relative_to.join(path);
        let corpus = read_corpus(&path, &ReadOptions::labelled())?;
        notes.extend(corpus.report.describe(&path));
        files.push(OpenedFile {
            name: path.display().to_string(),
            sha256: hash_file(&path)?,
            rows: Some(corpus.len()),
        });
        Ok(corpus)
    };
    let needed =
        |key: &str| Error::input("is missing").key(key).expected("a file of labelled texts, for source = \"files\"");
    let train = open(section.train_file.as_deref().ok_or_else(|| needed("data.train_file"))?)?;
    let test = open(section.test_file.as_deref().ok_or_else(|| needed("data.test_file"))?)?;
    let dev = section.dev_file.as_deref().map(&mut open).transpose()?;
    let labels = label_space(&train)?;
    let resolve = |corpus: Corpus| -> Result<LabelledTexts> {
        let classes = corpus.resolve_labels(&labels)?;
        Ok(LabelledTexts { texts: corpus.texts, labels: classes })
    };
    let (train, dev, test) = (resolve(train)?, dev.map(&resolve).transpose()?, resolve(test)?);
    Ok(DataSet { files, notes, ..DataSet::of_splits("files".to_owned(), labels, train, dev, test) })
}

/// Labels of the training file: integers in their order, names in theirs, so that a reshuffled file is the same task.
fn label_space(train: &Corpus) -> Result<LabelSpace> {
    let raw = train.labels.as_ref().ok_or_else(|| Error::input("has no labels").file(&train.source))?;
    let distinct: BTreeSet<String> = raw.iter().map(ToString::to_string).collect();
    let mut names: Vec<String> = distinct.into_iter().collect();
    names.sort_by_key(|name| (name.parse::<i64>().map_or((1, 0), |number| (0, number)), name.clone()));
    LabelSpace::new(names).map_err(|error| error.file(&train.source))
}
