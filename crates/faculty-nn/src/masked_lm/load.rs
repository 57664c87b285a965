//! Masked language models from and to named tensors, as `transformers` names them.

use super::{MaskedLm, MaskedLmHead};
use crate::export::Export;
use crate::load::{Fresh, Loader, vector};
use crate::names::Names;
use crate::{Activation, EncoderConfig, Family, LoadReport, SequenceClassifier};
use burn::tensor::Device;
use faculty_core::{Error, NamedTensor, NamedTensors, Result, Stream};
use serde_json::{Map, Value, json};

/// Where the head of a masked language model comes from.
#[derive(Debug, Clone, Copy)]
pub enum MaskedHeadSource {
    /// From the checkpoint.
    Checkpoint,
    /// Fresh, whatever the checkpoint has: weights normal with standard deviation 0.02, biases 0, LayerNorm 1 and 0.
    Fresh(Stream),
}

/// Of weights that were trained beside a masked language model's: no part of it.
const OTHER_HEADS: [&str; 5] =
    ["pooler.", "seq_relationship.", "classifier.", "pre_classifier.", "discriminator_predictions."];

impl MaskedLm {
    /// Loads a masked language model, or starts one from an encoder (bare, or with another head).
    ///
    /// # Errors
    /// Fails if tensors are missing, mis-shaped, unreadable or not finite; with [`MaskedHeadSource::Checkpoint`] also if the
    /// output layer is not the word table, or there are tensors that neither the network nor another head has.
    pub fn load(
        config: &EncoderConfig,
        source: &dyn NamedTensors,
        head: MaskedHeadSource,
        device: &Device,
    ) -> Result<(Self, LoadReport)> {
        let mut loader = Loader::new(source, device);
        let prefixed = Names::new(config.family, true);
        let names = if loader.has(&prefixed.words()) { prefixed } else { Names::new(config.family, false) };
        let layers: Vec<usize> = (0..config.layers).collect();
        let encoder = loader.encoder(config, &names, &layers)?;
        let (head, initialised) = match head {
            MaskedHeadSource::Fresh(stream) => {
                (MaskedLmHead::fresh(config, stream, device), vec![names.masked_dense()])
            }
            MaskedHeadSource::Checkpoint => (loader.masked_head(config, &names)?, Vec::new()),
        };
        let what = format!("a {} masked language model", config.family.model_type());
        let strict = initialised.is_empty();
        let is_other = |name: &str| {
            let of_head = names.masked_parts().iter().any(|part| name.starts_with(part));
            Names::is_buffer(name) || OTHER_HEADS.iter().any(|other| name.contains(other)) || (!strict && of_head)
        };
        let unused: Vec<String> = source.names().into_iter().filter(|name| is_other(name)).collect();
        loader.finish_strictly(&what, &is_other)?;
        Ok((Self { encoder, head }, LoadReport { initialised, unused }))
    }

    /// Fresh weights: normal with standard deviation 0.02, biases 0, LayerNorm 1 and 0.
    pub fn fresh(config: &EncoderConfig, stream: Stream, device: &Device) -> Self {
        let encoder = SequenceClassifier::fresh(config, 1, stream, device).encoder;
        Self { encoder, head: MaskedLmHead::fresh(config, stream, device) }
    }

    /// Every weight under its Hugging Face name; the output layer is the word table and is not written twice.
    ///
    /// # Errors
    /// Fails if a tensor cannot be read back from the device.
    pub fn export(&self, config: &EncoderConfig) -> Result<Vec<NamedTensor>> {
        let names = Names::new(config.family, true);
        let mut out = Export { tensors: self.encoder.export(config)? };
        out.linear(&[names.masked_dense()], &self.head.dense)?;
        out.norm(&names.masked_norm(), &self.head.norm)?;
        out.push(names.masked_bias(), self.head.bias.val())?;
        Ok(out.tensors)
    }
}

impl MaskedLmHead {
    /// A fresh head.
    pub fn fresh(config: &EncoderConfig, stream: Stream, device: &Device) -> Self {
        let init = Fresh { stream, device };
        Self {
            dense: init.linear(u64::MAX - 2, config.hidden_size, config.embedding_size),
            norm: init.norm(config.embedding_size, config.layer_norm_epsilon),
            bias: vector(vec![0.0; config.vocab_size], device),
            activation: activation(config),
        }
    }
}

/// RoBERTa and ELECTRA have their own, BERT and DistilBERT that of their layers.
fn activation(config: &EncoderConfig) -> Activation {
    match config.family {
        Family::Bert | Family::Distilbert => config.activation,
        Family::Roberta | Family::XlmRoberta | Family::Electra => Activation::Gelu,
    }
}

impl Loader<'_> {
    fn masked_head(&mut self, config: &EncoderConfig, names: &Names) -> Result<MaskedLmHead> {
        let (h, e, vocabulary) = (config.hidden_size, config.embedding_size, config.vocab_size);
        let [bias, other_bias] = [names.masked_bias(), names.masked_decoder("bias")];
        let stored_bias = if self.has(&bias) || !self.has(&other_bias) { bias } else { other_bias.clone() };
        let head = MaskedLmHead {
            dense: self.linear(&[names.masked_dense()], h, e)?,
            norm: self.norm(&names.masked_norm(), e, config.layer_norm_epsilon)?,
            bias: self.vector(&stored_bias, vocabulary)?,
            activation: activation(config),
        };
        // Older files hold what is shared twice.
        let decoder = names.masked_decoder("weight");
        for (copy, original, shape) in
            [(decoder, names.words(), vec![vocabulary, e]), (other_bias, stored_bias, vec![vocabulary])]
        {
            if copy != original && self.has(&copy) && self.values(&copy, &shape)? != self.values(&original, &shape)? {
                return Err(Error::input("is not what it is shared with").key(copy).expected(format!("`{original}`")));
            }
        }
        Ok(head)
    }
}

impl Names {
    /// The dense layer of the masked-language-model head.
    fn masked_dense(&self) -> String {
        self.masked("transform.dense", "vocab_transform", "lm_head.dense", "generator_predictions.dense")
    }

    fn masked_norm(&self) -> String {
        self.masked("transform.LayerNorm", "vocab_layer_norm", "lm_head.layer_norm", "generator_predictions.LayerNorm")
    }

    fn masked_bias(&self) -> String {
        self.masked("bias", "vocab_projector.bias", "lm_head.bias", "generator_lm_head.bias")
    }

    /// `which` (weight or bias) of the output layer, where a file has it beside what it is shared with.
    fn masked_decoder(&self, which: &str) -> String {
        let decoder = self.masked("decoder", "vocab_projector", "lm_head.decoder", "generator_lm_head");
        format!("{decoder}.{which}")
    }

    /// What the names of the head begin with.
    fn masked_parts(&self) -> Vec<&'static str> {
        match self.family() {
            Family::Bert => vec!["cls."],
            Family::Distilbert => vec!["vocab_"],
            Family::Roberta | Family::XlmRoberta => vec!["lm_head."],
            Family::Electra => vec!["generator_"],
        }
    }

    fn masked(&self, bert: &str, distilbert: &str, roberta: &str, electra: &str) -> String {
        match self.family() {
            Family::Bert => format!("cls.predictions.{bert}"),
            Family::Distilbert => distilbert.to_owned(),
            Family::Roberta | Family::XlmRoberta => roberta.to_owned(),
            Family::Electra => electra.to_owned(),
        }
    }
}

impl EncoderConfig {
    /// The `config.json` of a masked language model with this encoder.
    pub fn to_hf_masked_lm(&self) -> Map<String, Value> {
        let mut map = self.to_hf(&[]);
        for key in ["id2label", "label2id", "problem_type", "classifier_dropout", "seq_classif_dropout"] {
            map.remove(key);
        }
        let architecture = self.family.architecture().replace("ForSequenceClassification", "ForMaskedLM");
        map.insert("architectures".to_owned(), json!([architecture]));
        map.insert("tie_word_embeddings".to_owned(), json!(true));
        map
    }
}
