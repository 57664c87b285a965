//! Opening a classifier from a Hugging Face directory.

use crate::Tokens;
use burn::tensor::Device;
use faculty_core::{Error, LabelSpace, Result, Stream};
use faculty_hub::ModelDir;
use faculty_nn::{EncoderConfig, HeadSource, LoadReport, SequenceClassifier};
use faculty_text::{TextTokenizer, effective_max_length};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A text classifier: network on a device, labels, tokenizer.
#[derive(Debug, Clone)]
pub struct Classifier {
    /// Sizes and constants of the encoder.
    pub config: EncoderConfig,
    /// The network.
    pub network: SequenceClassifier,
    /// Class names in logit order.
    pub labels: LabelSpace,
    /// The tokenizer.
    pub tokenizer: Arc<TextTokenizer>,
    /// The device the network is on (without autodiff).
    pub device: Device,
    /// Where it came from.
    pub origin: PathBuf,
    /// SHA-256 over configuration, weights and tokenizer of the directory; empty for a network that was never saved.
    pub hash: String,
}

/// What a student is cut from: which part of a checkpoint becomes the new network.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// The layers to take, in order; `None` = all.
    pub layers: Option<Vec<usize>>,
}

impl Classifier {
    /// Opens a fine-tuned classifier, strictly: configuration, weights, head, labels and tokenizer must fit together.
    ///
    /// # Errors
    /// Fails if a file is missing or damaged, the architecture is not supported, a tensor is missing, unexpected,
    /// mis-shaped or not finite, the number of labels differs from the head's classes, or the tokenizer has ids that the
    /// embedding table does not.
    pub fn open(dir: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let source = Source::open(dir.as_ref())?;
        let labels = source.dir.labels()?;
        let weights = source.dir.weights()?;
        let head = HeadSource::Checkpoint;
        let (network, _) = SequenceClassifier::load(&source.config, &weights, None, head, device)?;
        if network.classes() != labels.len() {
            return Err(Error::input(format!("{} labels for a head of {} classes", labels.len(), network.classes()))
                .file(source.dir.config_path())
                .key("id2label")
                .expected("one name a class"));
        }
        let hash = source.dir.model_hash()?;
        Ok(Self {
            config: source.config,
            network,
            labels,
            tokenizer: source.tokenizer,
            device: device.clone(),
            origin: source.dir.path,
            hash,
        })
    }

    /// Starts a new classifier over `labels` from the encoder of a checkpoint (a bare encoder, or another classifier):
    /// the head is fresh, the encoder's weights are the checkpoint's.
    ///
    /// # Errors
    /// Fails like [`Classifier::open`], except that tensors of other heads may be left over (they are reported).
    pub fn start_from(
        dir: impl AsRef<Path>,
        parts: &Parts,
        labels: LabelSpace,
        stream: Stream,
        device: &Device,
    ) -> Result<(Self, LoadReport)> {
        let source = Source::open(dir.as_ref())?;
        let weights = source.dir.weights()?;
        let head = HeadSource::Fresh { classes: labels.len(), stream };
        let (network, report) =
            SequenceClassifier::load(&source.config, &weights, parts.layers.as_deref(), head, device)?;
        let config = source.config.with_layers(network.encoder.layers.len());
        let classifier = Self {
            config,
            network,
            labels,
            tokenizer: source.tokenizer,
            device: device.clone(),
            origin: source.dir.path,
            hash: String::new(),
        };
        Ok((classifier, report))
    }

    /// A classifier with fresh weights and the tokenizer of an existing one.
    ///
    /// # Errors
    /// Fails if the tokenizer has ids that the embedding table does not.
    pub fn fresh(
        config: EncoderConfig,
        tokenizer: Arc<TextTokenizer>,
        labels: LabelSpace,
        stream: Stream,
        device: &Device,
    ) -> Result<Self> {
        check_vocabulary(&config, &tokenizer)?;
        let network = SequenceClassifier::fresh(&config, labels.len(), stream, device);
        let origin = PathBuf::new();
        Ok(Self { config, network, labels, tokenizer, device: device.clone(), origin, hash: String::new() })
    }

    /// The longest text in tokens: the smaller of the tokenizer's limit and the position table, or `flag` if it is given
    /// and fits.
    ///
    /// # Errors
    /// Fails if `flag` is more than the position table holds.
    pub fn max_length(&self, flag: Option<usize>) -> Result<usize> {
        effective_max_length(self.tokenizer.model_max_length(), self.config.max_tokens(), flag)
    }

    /// Tokenises texts for this model, cut to [`Classifier::max_length`].
    ///
    /// # Errors
    /// Fails if the length does not fit the model.
    pub fn tokenize<S: AsRef<str>>(&self, texts: &[S], max_length: Option<usize>) -> Result<Tokens> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let encoded = self.tokenizer.encode(&texts, self.max_length(max_length)?)?;
        Ok(Tokens::new(encoded.rows, &texts, encoded.truncated, self.tokenizer.pad_id()))
    }

    /// The first difference between the vocabularies of two models, as a phrase; `None` if token ids mean the same to both
    /// ([`TextTokenizer::vocabulary_difference`]).
    pub fn vocabulary_difference(&self, other: &Self) -> Option<String> {
        self.tokenizer.vocabulary_difference(&other.tokenizer)
    }

    /// Number of weights, head included.
    pub fn parameters(&self) -> usize {
        use burn::module::Module;
        self.network.num_params()
    }
}

/// A model directory: what every kind of model has.
pub(crate) struct Source {
    pub(crate) dir: ModelDir,
    pub(crate) config: EncoderConfig,
    pub(crate) tokenizer: Arc<TextTokenizer>,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let dir = ModelDir::open(path)?;
        let config = EncoderConfig::from_hf(&dir.config).map_err(|error| error.file(dir.config_path()))?;
        let tokenizer = Arc::new(TextTokenizer::from_dir(path)?);
        check_vocabulary(&config, &tokenizer).map_err(|error| error.file(dir.tokenizer_path()))?;
        Ok(Self { dir, config, tokenizer })
    }
}

/// An embedding table may be larger than the vocabulary (padded to a multiple of 8 or 64), never smaller.
fn check_vocabulary(config: &EncoderConfig, tokenizer: &TextTokenizer) -> Result<()> {
    if tokenizer.vocab_size() > config.vocab_size {
        return Err(Error::input(format!(
            "the tokenizer has {} ids, the embedding table {} rows",
            tokenizer.vocab_size(),
            config.vocab_size
        ))
        .key("vocab_size")
        .expected("a tokenizer no larger than the embedding table")
        .help("tokenizer.json belongs to another model"));
    }
    Ok(())
}
