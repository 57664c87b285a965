//! Building networks from named tensors, strictly: what is missing, unexpected or mis-shaped is named.

use crate::fused::WeightCache;
use crate::names::{LayerLinear, Names};
use crate::{
    ClassificationHead, Embeddings, Encoder, EncoderConfig, EncoderLayer, LayerNorm, Linear, Precision,
    SequenceClassifier,
};
use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{Error, NamedTensors, Result, Stream};
use std::collections::BTreeSet;

/// Where the classification head comes from.
#[derive(Debug, Clone, Copy)]
pub enum HeadSource {
    /// From the checkpoint; every tensor must be there and none left over. How teachers are loaded.
    Checkpoint,
    /// Fresh for `classes` classes; the pooler of a BERT checkpoint is kept if it has one. Tensors of other heads in the
    /// checkpoint (a masked-LM head, an old classifier) are left out. How students start.
    Fresh {
        /// Number of classes.
        classes: usize,
        /// Where the initial weights come from.
        stream: Stream,
    },
}

/// What a load left out or made up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Tensors that were initialised and not loaded.
    pub initialised: Vec<String>,
    /// Tensors of the checkpoint that were not used.
    pub unused: Vec<String>,
}

impl LoadReport {
    /// True if the head's dense layer came from the checkpoint, as BERT's pooler may: a fresh head initialises its output
    /// layer in any case, and its dense layer only where the checkpoint has none.
    pub fn loaded_dense(&self) -> bool {
        self.initialised.len() < 2
    }
}

/// Standard deviation of fresh weights, the `initializer_range` of the supported families.
const INITIALIZER_RANGE: f64 = 0.02;

impl SequenceClassifier {
    /// Loads a classifier. `layers` lists the checkpoint's layers to take, in order (`None` = all of them).
    ///
    /// # Errors
    /// Fails if tensors are missing, mis-shaped, unreadable or not finite, or (with [`HeadSource::Checkpoint`]) if the
    /// checkpoint holds tensors that the network does not have.
    pub fn load(
        config: &EncoderConfig,
        source: &dyn NamedTensors,
        layers: Option<&[usize]>,
        head: HeadSource,
        device: &Device,
    ) -> Result<(Self, LoadReport)> {
        let bare = Names::new(config.family, false);
        let prefixed = Names::new(config.family, true);
        let is_bare = source.shape(&prefixed.words()).is_none() && source.shape(&bare.words()).is_some();
        let names = if is_bare { bare } else { prefixed };
        let all: Vec<usize> = (0..config.layers).collect();
        let layers = layers.unwrap_or(&all);
        if let Some(layer) = layers.iter().find(|&&layer| layer >= config.layers) {
            return Err(Error::input(format!("layer {layer} of a model with {} layers", config.layers)).key("layers"));
        }
        let mut loader = Loader::new(source, device);
        let encoder = loader.encoder(config, &names, layers)?;
        let head = loader.head(config, &names, head)?;
        let report = loader.finish(config, &names, layers, matches!(head.1, HeadSource::Checkpoint))?;
        Ok((Self { encoder, head: head.0 }, report))
    }

    /// A classifier with fresh weights: normal with standard deviation 0.02, biases 0, LayerNorm 1 and 0.
    pub fn fresh(config: &EncoderConfig, classes: usize, stream: Stream, device: &Device) -> Self {
        let init = Fresh { stream, device };
        let (h, f) = (config.hidden_size, config.intermediate_size);
        let e = config.embedding_size;
        let mut number = 0;
        let mut next = || {
            number += 1;
            number
        };
        let embeddings = Embeddings {
            words: init.table(next(), config.vocab_size, e),
            positions: init.table(next(), config.position_rows, e),
            types: (config.type_vocab_size > 0).then(|| init.table(next(), config.type_vocab_size, e)),
            norm: init.norm(e, config.layer_norm_epsilon),
            projection: (e != h).then(|| init.linear(next(), e, h)),
        };
        let layers = (0..config.layers)
            .map(|_| EncoderLayer {
                qkv: init.linear(next(), h, 3 * h),
                attention_output: init.linear(next(), h, h),
                attention_norm: init.norm(h, config.layer_norm_epsilon),
                feed_forward_in: init.linear(next(), h, f),
                feed_forward_out: init.linear(next(), f, h),
                output_norm: init.norm(h, config.layer_norm_epsilon),
                heads: config.heads,
                activation: config.activation,
                precision: Precision::F32,
                packed: WeightCache::default(),
            })
            .collect();
        let head = init.head(config, None, classes);
        Self { encoder: Encoder { embeddings, layers }, head }
    }
}

pub(crate) struct Loader<'a> {
    source: &'a dyn NamedTensors,
    device: &'a Device,
    used: BTreeSet<String>,
    initialised: Vec<String>,
    /// Missing and mis-shaped tensors are collected, so that one error names them all.
    problems: Vec<String>,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(source: &'a dyn NamedTensors, device: &'a Device) -> Self {
        Self { source, device, used: BTreeSet::new(), initialised: Vec::new(), problems: Vec::new() }
    }

    pub(crate) fn device(&self) -> &'a Device {
        self.device
    }

    /// True if the source has a tensor of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.source.shape(name).is_some()
    }

    /// The values of tensor `name` if it has `shape`; zeros and a noted problem otherwise.
    pub(crate) fn values(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        match self.source.shape(name) {
            None => self.problems.push(format!("missing `{name}` {shape:?}")),
            Some(found) if found != shape => {
                self.used.insert(name.to_owned());
                self.problems.push(format!("`{name}` has shape {found:?}, expected {shape:?}"));
            }
            Some(_) => {
                self.used.insert(name.to_owned());
                return self.source.read(name);
            }
        }
        Ok(vec![0.0; shape.iter().product()])
    }

    pub(crate) fn vector(&mut self, name: &str, length: usize) -> Result<Param<Tensor<1>>> {
        let values = self.values(name, &[length])?;
        Ok(vector(values, self.device))
    }

    pub(crate) fn table(&mut self, name: &str, rows: usize, columns: usize) -> Result<Param<Tensor<2>>> {
        let values = self.values(name, &[rows, columns])?;
        Ok(matrix(values, rows, columns, self.device))
    }

    /// Linear maps side by side: each is stored as `[output, input]` under its own name.
    pub(crate) fn linear(&mut self, names: &[String], input: usize, output: usize) -> Result<Linear> {
        let total = output * names.len();
        let mut weight = vec![0.0; input * total];
        let mut bias = Vec::with_capacity(total);
        for (part, name) in names.iter().enumerate() {
            let stored = self.values(&format!("{name}.weight"), &[output, input])?;
            for (row, values) in stored.chunks_exact(input).enumerate() {
                for (column, value) in values.iter().enumerate() {
                    weight[column * total + part * output + row] = *value;
                }
            }
            bias.extend(self.values(&format!("{name}.bias"), &[output])?);
        }
        Ok(Linear { weight: matrix(weight, input, total, self.device), bias: vector(bias, self.device) })
    }

    pub(crate) fn norm(&mut self, name: &str, features: usize, epsilon: f64) -> Result<LayerNorm> {
        // Checkpoints converted from the first BERT releases spell weight and bias as gamma and beta.
        let old = self.source.shape(&format!("{name}.gamma")).is_some();
        let (gamma, beta) = if old { ("gamma", "beta") } else { ("weight", "bias") };
        Ok(LayerNorm {
            gamma: self.vector(&format!("{name}.{gamma}"), features)?,
            beta: self.vector(&format!("{name}.{beta}"), features)?,
            epsilon,
        })
    }

    pub(crate) fn encoder(&mut self, config: &EncoderConfig, names: &Names, layers: &[usize]) -> Result<Encoder> {
        let (e, h, f) = (config.embedding_size, config.hidden_size, config.intermediate_size);
        let epsilon = config.layer_norm_epsilon;
        let embeddings = Embeddings {
            words: self.table(&names.words(), config.vocab_size, e)?,
            positions: self.table(&names.positions(), config.position_rows, e)?,
            types: match config.type_vocab_size {
                0 => None,
                rows => Some(self.table(&names.types(), rows, e)?),
            },
            norm: self.norm(&names.embedding_norm(), e, epsilon)?,
            projection: match e == h {
                true => None,
                false => Some(self.linear(&[names.embedding_projection()], e, h)?),
            },
        };
        let mut blocks = Vec::with_capacity(layers.len());
        for &layer in layers {
            let name = |which| names.layer_linear(layer, which);
            blocks.push(EncoderLayer {
                qkv: self.linear(
                    &[name(LayerLinear::Query), name(LayerLinear::Key), name(LayerLinear::Value)],
                    h,
                    h,
                )?,
                attention_output: self.linear(&[name(LayerLinear::AttentionOutput)], h, h)?,
                attention_norm: self.norm(&names.attention_norm(layer), h, epsilon)?,
                feed_forward_in: self.linear(&[name(LayerLinear::FeedForwardIn)], h, f)?,
                feed_forward_out: self.linear(&[name(LayerLinear::FeedForwardOut)], f, h)?,
                output_norm: self.norm(&names.output_norm(layer), h, epsilon)?,
                heads: config.heads,
                activation: config.activation,
                precision: Precision::F32,
                packed: WeightCache::default(),
            });
        }
        Ok(Encoder { embeddings, layers: blocks })
    }

    fn head(
        &mut self,
        config: &EncoderConfig,
        names: &Names,
        source: HeadSource,
    ) -> Result<(ClassificationHead, HeadSource)> {
        let h = config.hidden_size;
        let head = match source {
            HeadSource::Checkpoint => {
                let output = names.head_output();
                let weight = format!("{output}.weight");
                let classes = self.source.shape(&weight).and_then(|shape| shape.first().copied()).unwrap_or(1);
                ClassificationHead {
                    dense: self.linear(&[names.head_dense()], h, h)?,
                    output: self.linear(&[output], h, classes)?,
                    activation: config.family.head_activation(),
                    drop_before_dense: drops_before_dense(config),
                }
            }
            HeadSource::Fresh { classes, stream } => {
                let dense = names.head_dense();
                let has_pooler =
                    config.family == crate::Family::Bert && self.source.shape(&format!("{dense}.weight")).is_some();
                let pooler = if has_pooler { Some(self.linear(std::slice::from_ref(&dense), h, h)?) } else { None };
                if !has_pooler {
                    self.initialised.push(dense);
                }
                self.initialised.push(names.head_output());
                Fresh { stream, device: self.device }.head(config, pooler, classes)
            }
        };
        Ok((head, source))
    }

    fn finish(self, config: &EncoderConfig, names: &Names, layers: &[usize], strict: bool) -> Result<LoadReport> {
        let dropped: Vec<String> =
            (0..config.layers).filter(|layer| !layers.contains(layer)).map(|layer| names.layer(layer)).collect();
        let unused: Vec<String> = self
            .source
            .names()
            .into_iter()
            .filter(|name| !self.used.contains(name) && !Names::is_buffer(name))
            .filter(|name| !dropped.iter().any(|prefix| name.starts_with(prefix.as_str())))
            .collect();
        let mut problems = self.problems;
        if strict {
            problems.extend(unused.iter().map(|name| format!("unexpected `{name}`")));
        } else {
            // A layer beyond the configured depth, or an embedding the family does not have, means that config.json and
            // weights do not belong together, whatever the head.
            let encoder_prefixes = [format!("{}encoder.", names.prefix()), format!("{}embeddings", names.prefix())];
            let foreign =
                unused.iter().filter(|name| encoder_prefixes.iter().any(|prefix| name.starts_with(prefix.as_str())));
            problems.extend(foreign.map(|name| format!("unexpected `{name}`")));
        }
        let what = format!("a {} sequence classifier", config.family.model_type());
        not_fitting(problems, &self.source.origin(), &what)?;
        Ok(LoadReport { initialised: self.initialised, unused })
    }

    /// Fails if a tensor was missing or mis-shaped, or one is left over that `is_buffer` does not know. `what` is what the
    /// weights should be: "a llama causal language model".
    pub(crate) fn finish_strictly(self, what: &str, is_buffer: &dyn Fn(&str) -> bool) -> Result<()> {
        let left = self.source.names().into_iter().filter(|name| !self.used.contains(name) && !is_buffer(name));
        let mut problems = self.problems;
        problems.extend(left.map(|name| format!("unexpected `{name}`")));
        not_fitting(problems, &self.source.origin(), what)
    }
}

fn not_fitting(problems: Vec<String>, origin: &str, what: &str) -> Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    let shown = problems.iter().take(8).map(String::as_str).collect::<Vec<_>>().join("\n  ");
    let more = problems.len().saturating_sub(8);
    let rest = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    Err(Error::input(format!("the weights do not fit config.json:\n  {shown}{rest}"))
        .file(origin)
        .help(format!("is this {what}, and does config.json belong to it?")))
}

/// Fresh weights from a stream.
pub(crate) struct Fresh<'a> {
    pub(crate) stream: Stream,
    pub(crate) device: &'a Device,
}

impl Fresh<'_> {
    fn normal(&self, number: u64, count: usize) -> Vec<f32> {
        let stream = self.stream.fork(number);
        (0..count as u64).map(|index| (stream.normal_at(index) * INITIALIZER_RANGE) as f32).collect()
    }

    fn table(&self, number: u64, rows: usize, columns: usize) -> Param<Tensor<2>> {
        matrix(self.normal(number, rows * columns), rows, columns, self.device)
    }

    pub(crate) fn linear(&self, number: u64, input: usize, output: usize) -> Linear {
        Linear { weight: self.table(number, input, output), bias: vector(vec![0.0; output], self.device) }
    }

    pub(crate) fn norm(&self, features: usize, epsilon: f64) -> LayerNorm {
        LayerNorm {
            gamma: vector(vec![1.0; features], self.device),
            beta: vector(vec![0.0; features], self.device),
            epsilon,
        }
    }

    fn head(&self, config: &EncoderConfig, dense: Option<Linear>, classes: usize) -> ClassificationHead {
        let h = config.hidden_size;
        ClassificationHead {
            dense: dense.unwrap_or_else(|| self.linear(u64::MAX - 1, h, h)),
            output: self.linear(u64::MAX, h, classes),
            activation: config.family.head_activation(),
            drop_before_dense: drops_before_dense(config),
        }
    }
}

fn drops_before_dense(config: &EncoderConfig) -> bool {
    config.family.is_roberta() || config.family == crate::Family::Electra
}

pub(crate) fn matrix(values: Vec<f32>, rows: usize, columns: usize, device: &Device) -> Param<Tensor<2>> {
    Param::from_tensor(Tensor::from_data(TensorData::new(values, [rows, columns]), device))
}

pub(crate) fn vector(values: Vec<f32>, device: &Device) -> Param<Tensor<1>> {
    let length = values.len();
    Param::from_tensor(Tensor::from_data(TensorData::new(values, [length]), device))
}
