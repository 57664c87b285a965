//! What an encoder looks like, read from and written to a Hugging Face `config.json`.

use crate::config_reader::Reader;
use crate::{Activation, DropoutRates};
use faculty_core::{Error, Result, nearest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Model families whose sequence classifiers can be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// BERT and models of its architecture (MiniLM).
    Bert,
    /// DistilBERT.
    Distilbert,
    /// RoBERTa.
    Roberta,
    /// XLM-RoBERTa.
    XlmRoberta,
    /// ELECTRA discriminators.
    Electra,
}

impl Family {
    /// All families.
    pub const ALL: [Self; 5] = [Self::Bert, Self::Distilbert, Self::Roberta, Self::XlmRoberta, Self::Electra];

    /// The `model_type` of `config.json`.
    pub const fn model_type(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::Distilbert => "distilbert",
            Self::Roberta => "roberta",
            Self::XlmRoberta => "xlm-roberta",
            Self::Electra => "electra",
        }
    }

    /// The class that `transformers` opens a sequence classifier with.
    pub const fn architecture(self) -> &'static str {
        match self {
            Self::Bert => "BertForSequenceClassification",
            Self::Distilbert => "DistilBertForSequenceClassification",
            Self::Roberta => "RobertaForSequenceClassification",
            Self::XlmRoberta => "XLMRobertaForSequenceClassification",
            Self::Electra => "ElectraForSequenceClassification",
        }
    }

    /// True for RoBERTa and XLM-RoBERTa, whose position ids follow the text and start behind the padding id.
    pub const fn is_roberta(self) -> bool {
        matches!(self, Self::Roberta | Self::XlmRoberta)
    }

    /// The activation between the two linear layers of the family's classification head (for BERT: of its pooler).
    pub const fn head_activation(self) -> Activation {
        match self {
            Self::Bert | Self::Roberta | Self::XlmRoberta => Activation::Tanh,
            Self::Distilbert => Activation::Relu,
            Self::Electra => Activation::Gelu,
        }
    }

    fn from_model_type(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|family| family.model_type() == name).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|family| family.model_type()).collect();
            let error = Error::input(format!("model type `{name}` is not supported"))
                .key("model_type")
                .expected(format!("one of {}", names.join(", ")));
            match nearest(name, names) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error,
            }
        })
    }
}

/// Sizes and constants of an encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncoderConfig {
    /// The family.
    pub family: Family,
    /// Rows of the token-embedding table.
    pub vocab_size: usize,
    /// Width of the token embeddings; differs from `hidden_size` in ELECTRA-small.
    pub embedding_size: usize,
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Number of layers.
    pub layers: usize,
    /// Attention heads a layer.
    pub heads: usize,
    /// Feed-forward width.
    pub intermediate_size: usize,
    /// Feed-forward activation.
    pub activation: Activation,
    /// Rows of the position table.
    pub position_rows: usize,
    /// Rows of the token-type table; 0 = the family has none.
    pub type_vocab_size: usize,
    /// LayerNorm epsilon.
    pub layer_norm_epsilon: f64,
    /// Id of the padding token.
    pub pad_token_id: u32,
    /// Dropout rates of the checkpoint.
    pub dropout: DropoutRates,
}

impl EncoderConfig {
    /// Widths that an encoder from nothing may have, in words; see [`is_fresh_width`](Self::is_fresh_width).
    pub const FRESH_WIDTHS: &str = "16 or a multiple of 32 up to 4096";

    /// Whether an encoder from nothing may be this wide: its heads are 64 or 32 wide, that of the narrowest 16.
    pub const fn is_fresh_width(hidden: usize) -> bool {
        hidden == 16 || (hidden >= 32 && hidden <= 4096 && hidden.is_multiple_of(32))
    }

    /// Heads of an encoder of this width from nothing: of width 64, of 32 where 64 does not divide `hidden`, one of the
    /// whole width below that.
    pub const fn heads_of(hidden: usize) -> usize {
        if hidden.is_multiple_of(64) {
            hidden / 64
        } else if hidden < 32 {
            1
        } else {
            hidden / 32
        }
    }

    /// An encoder of this size that no checkpoint describes: heads as [`heads_of`](Self::heads_of) says, feed-forward
    /// width 4 x `hidden`, GELU, dropout 0.1, and what else its family always has. It reads `max_tokens` tokens.
    pub fn of_size(
        family: Family,
        (layers, hidden): (usize, usize),
        vocab_size: usize,
        pad_token_id: u32,
        max_tokens: usize,
    ) -> Self {
        let config = Self {
            family,
            vocab_size,
            embedding_size: hidden,
            hidden_size: hidden,
            layers,
            heads: Self::heads_of(hidden),
            intermediate_size: 4 * hidden,
            activation: Activation::Gelu,
            position_rows: max_tokens,
            type_vocab_size: match family {
                Family::Distilbert => 0,
                Family::Roberta | Family::XlmRoberta => 1,
                Family::Bert | Family::Electra => 2,
            },
            layer_norm_epsilon: if family.is_roberta() { 1e-5 } else { 1e-12 },
            pad_token_id,
            dropout: DropoutRates::uniform(0.1),
        };
        Self { position_rows: max_tokens + config.position_offset(), ..config }
    }

    /// Reads a `config.json`.
    ///
    /// # Errors
    /// Fails if the model type or the activation is not supported, a key is missing or of the wrong type, or the sizes
    /// contradict each other. The error names the key.
    pub fn from_hf(config: &Map<String, Value>) -> Result<Self> {
        let Some(model_type) = config.get("model_type").and_then(Value::as_str) else {
            return Err(Error::input("is missing").key("model_type").expected("a string such as \"bert\""));
        };
        let family = Family::from_model_type(model_type)?;
        let read = Reader(config);
        let config = match family {
            Family::Distilbert => Self {
                family,
                vocab_size: read.size("vocab_size", Some(30_522))?,
                embedding_size: read.size("dim", Some(768))?,
                hidden_size: read.size("dim", Some(768))?,
                layers: read.size("n_layers", Some(6))?,
                heads: read.size("n_heads", Some(12))?,
                intermediate_size: read.size("hidden_dim", Some(3072))?,
                activation: read.activation("activation")?,
                position_rows: read.size("max_position_embeddings", Some(512))?,
                type_vocab_size: 0,
                layer_norm_epsilon: 1e-12,
                pad_token_id: read.token("pad_token_id", 0)?,
                dropout: DropoutRates {
                    hidden: read.rate("dropout", 0.1)?,
                    attention: read.rate("attention_dropout", 0.1)?,
                    classifier: read.rate("seq_classif_dropout", 0.2)?,
                },
            },
            _ => {
                read.refuse_other("position_embedding_type", "absolute")?;
                read.refuse_true("is_decoder")?;
                let hidden_size = read.size("hidden_size", None)?;
                let hidden_dropout = read.rate("hidden_dropout_prob", 0.1)?;
                Self {
                    family,
                    vocab_size: read.size("vocab_size", None)?,
                    embedding_size: match family {
                        Family::Electra => read.size("embedding_size", Some(hidden_size))?,
                        _ => hidden_size,
                    },
                    hidden_size,
                    layers: read.size("num_hidden_layers", None)?,
                    heads: read.size("num_attention_heads", None)?,
                    intermediate_size: read.size("intermediate_size", None)?,
                    activation: read.activation("hidden_act")?,
                    position_rows: read.size("max_position_embeddings", Some(512))?,
                    type_vocab_size: read.size("type_vocab_size", Some(2))?,
                    layer_norm_epsilon: read.number("layer_norm_eps", 1e-12)?,
                    pad_token_id: read.token("pad_token_id", if family.is_roberta() { 1 } else { 0 })?,
                    dropout: DropoutRates {
                        hidden: hidden_dropout,
                        attention: read.rate("attention_probs_dropout_prob", 0.1)?,
                        classifier: read.rate("classifier_dropout", hidden_dropout)?,
                    },
                }
            }
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        if !self.hidden_size.is_multiple_of(self.heads) {
            return Err(Error::input(format!("hidden size {} over {} heads", self.hidden_size, self.heads))
                .key("num_attention_heads")
                .expected("a divisor of the hidden size"));
        }
        if self.max_tokens() < 3 {
            return Err(Error::input(format!("position table of {} rows", self.position_rows))
                .key("max_position_embeddings")
                .expected("room for at least three tokens"));
        }
        if self.pad_token_id as usize >= self.vocab_size {
            return Err(Error::input(format!("padding id {} of {} tokens", self.pad_token_id, self.vocab_size))
                .key("pad_token_id")
                .expected("an id of the vocabulary"));
        }
        self.dropout.check()
    }

    /// The first position id: 0, or padding id + 1 in the RoBERTa families.
    pub fn position_offset(&self) -> usize {
        if self.family.is_roberta() { self.pad_token_id as usize + 1 } else { 0 }
    }

    /// The longest text, in tokens, that the position table holds.
    pub fn max_tokens(&self) -> usize {
        self.position_rows.saturating_sub(self.position_offset())
    }

    /// The same encoder with `layers` layers.
    #[must_use]
    pub fn with_layers(&self, layers: usize) -> Self {
        Self { layers, ..self.clone() }
    }

    /// Number of weights of the encoder (embeddings and layers; without pooler and head).
    pub fn parameters(&self) -> usize {
        let (e, h, f) = (self.embedding_size, self.hidden_size, self.intermediate_size);
        let embeddings = (self.vocab_size + self.position_rows + self.type_vocab_size + 2) * e;
        let projection = if e == h { 0 } else { e * h + h };
        let layer = 4 * (h * h + h) + 2 * h * f + f + h + 4 * h;
        embeddings + projection + self.layers * layer
    }

    /// The `config.json` of a sequence classifier with this encoder: what `transformers` needs to open it.
    pub fn to_hf(&self, labels: &[String]) -> Map<String, Value> {
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| {
            map.insert(key.to_owned(), value);
        };
        put("architectures", json!([self.family.architecture()]));
        put("model_type", json!(self.family.model_type()));
        if self.family == Family::Distilbert {
            put("vocab_size", json!(self.vocab_size));
            put("dim", json!(self.hidden_size));
            put("n_layers", json!(self.layers));
            put("n_heads", json!(self.heads));
            put("hidden_dim", json!(self.intermediate_size));
            put("activation", json!(self.activation.name()));
            put("max_position_embeddings", json!(self.position_rows));
            put("sinusoidal_pos_embds", json!(false));
            put("dropout", short(self.dropout.hidden));
            put("attention_dropout", short(self.dropout.attention));
            put("seq_classif_dropout", short(self.dropout.classifier));
        } else {
            put("vocab_size", json!(self.vocab_size));
            put("hidden_size", json!(self.hidden_size));
            if self.family == Family::Electra {
                put("embedding_size", json!(self.embedding_size));
            }
            put("num_hidden_layers", json!(self.layers));
            put("num_attention_heads", json!(self.heads));
            put("intermediate_size", json!(self.intermediate_size));
            put("hidden_act", json!(self.activation.name()));
            put("max_position_embeddings", json!(self.position_rows));
            put("type_vocab_size", json!(self.type_vocab_size));
            put("layer_norm_eps", json!(self.layer_norm_epsilon));
            put("hidden_dropout_prob", short(self.dropout.hidden));
            put("attention_probs_dropout_prob", short(self.dropout.attention));
            put("classifier_dropout", short(self.dropout.classifier));
            put("position_embedding_type", json!("absolute"));
            if self.family == Family::Electra {
                put("summary_type", json!("first"));
                put("summary_activation", json!("gelu"));
                put("summary_use_proj", json!(true));
            }
        }
        put("initializer_range", json!(0.02));
        put("pad_token_id", json!(self.pad_token_id));
        put("problem_type", json!("single_label_classification"));
        put("torch_dtype", json!("float32"));
        let ids = labels.iter().enumerate();
        put("id2label", Value::Object(ids.clone().map(|(id, name)| (id.to_string(), json!(name))).collect()));
        put("label2id", Value::Object(ids.map(|(id, name)| (name.clone(), json!(id))).collect()));
        map
    }
}

/// A rate as people write it: 0.1 and not 0.10000000149011612.
fn short(rate: f32) -> Value {
    json!(rate.to_string().parse::<f64>().unwrap_or_else(|_| f64::from(rate)))
}
