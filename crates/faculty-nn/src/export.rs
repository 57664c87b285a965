//! Networks back to named tensors, as `transformers` names and lays them out.

use crate::names::{LayerLinear, Names};
use crate::{ClassificationHead, Encoder, EncoderConfig, LayerNorm, Linear, SequenceClassifier};
use burn::tensor::Tensor;
use faculty_core::{Error, NamedTensor, Result};

impl SequenceClassifier {
    /// Every weight under its Hugging Face name; the inverse of [`SequenceClassifier::load`].
    ///
    /// # Errors
    /// Fails if a tensor cannot be read back from the device.
    pub fn export(&self, config: &EncoderConfig) -> Result<Vec<NamedTensor>> {
        let mut tensors = self.export_encoder(config)?;
        tensors.extend(self.head.export_dense(config)?);
        tensors.extend(self.head.export_output(config)?);
        Ok(tensors)
    }

    /// The embeddings and layers alone, in a fixed order.
    ///
    /// # Errors
    /// As [`SequenceClassifier::export`].
    pub fn export_encoder(&self, config: &EncoderConfig) -> Result<Vec<NamedTensor>> {
        self.encoder.export(config)
    }
}

impl Encoder {
    /// Embeddings and layers, in a fixed order, named as in a classifier.
    ///
    /// # Errors
    /// As [`SequenceClassifier::export`].
    pub(crate) fn export(&self, config: &EncoderConfig) -> Result<Vec<NamedTensor>> {
        let names = Names::new(config.family, true);
        let mut out = Export { tensors: Vec::new() };
        let embeddings = &self.embeddings;
        out.table(names.words(), embeddings.words.val())?;
        out.table(names.positions(), embeddings.positions.val())?;
        if let Some(types) = &embeddings.types {
            out.table(names.types(), types.val())?;
        }
        out.norm(&names.embedding_norm(), &embeddings.norm)?;
        if let Some(projection) = &embeddings.projection {
            out.linear(&[names.embedding_projection()], projection)?;
        }
        for (index, layer) in self.layers.iter().enumerate() {
            let name = |which| names.layer_linear(index, which);
            out.linear(&[name(LayerLinear::Query), name(LayerLinear::Key), name(LayerLinear::Value)], &layer.qkv)?;
            out.linear(&[name(LayerLinear::AttentionOutput)], &layer.attention_output)?;
            out.norm(&names.attention_norm(index), &layer.attention_norm)?;
            out.linear(&[name(LayerLinear::FeedForwardIn)], &layer.feed_forward_in)?;
            out.linear(&[name(LayerLinear::FeedForwardOut)], &layer.feed_forward_out)?;
            out.norm(&names.output_norm(index), &layer.output_norm)?;
        }
        Ok(out.tensors)
    }
}

impl ClassificationHead {
    /// Weight and bias of the dense layer, which for BERT is the pooler.
    ///
    /// # Errors
    /// Fails if a tensor cannot be read back from the device.
    pub fn export_dense(&self, config: &EncoderConfig) -> Result<Vec<NamedTensor>> {
        let mut out = Export { tensors: Vec::new() };
        out.linear(&[Names::new(config.family, true).head_dense()], &self.dense)?;
        Ok(out.tensors)
    }

    /// Weight and bias of the output layer.
    ///
    /// # Errors
    /// Fails if a tensor cannot be read back from the device.
    pub fn export_output(&self, config: &EncoderConfig) -> Result<Vec<NamedTensor>> {
        let mut out = Export { tensors: Vec::new() };
        out.linear(&[Names::new(config.family, true).head_output()], &self.output)?;
        Ok(out.tensors)
    }
}

pub(crate) struct Export {
    pub(crate) tensors: Vec<NamedTensor>,
}

impl Export {
    pub(crate) fn push<const D: usize>(&mut self, name: String, tensor: Tensor<D>) -> Result<()> {
        let shape = tensor.dims().to_vec();
        let values = host_values(tensor)?;
        self.tensors.push(NamedTensor { name, shape, values });
        Ok(())
    }

    fn table(&mut self, name: String, table: Tensor<2>) -> Result<()> {
        self.push(name, table)
    }

    pub(crate) fn norm(&mut self, name: &str, norm: &LayerNorm) -> Result<()> {
        self.push(format!("{name}.weight"), norm.gamma.val())?;
        self.push(format!("{name}.bias"), norm.beta.val())
    }

    pub(crate) fn linear(&mut self, names: &[String], linear: &Linear) -> Result<()> {
        let [input, total] = linear.weight.val().dims();
        let output = total / names.len();
        let weight = host_values(linear.weight.val())?;
        let bias = host_values(linear.bias.val())?;
        for (part, name) in names.iter().enumerate() {
            let columns = part * output..(part + 1) * output;
            let mut values = Vec::with_capacity(output * input);
            for column in columns.clone() {
                values.extend((0..input).map(|row| weight[row * total + column]));
            }
            self.tensors.push(NamedTensor { name: format!("{name}.weight"), shape: vec![output, input], values });
            let bias = bias[columns].to_vec();
            self.tensors.push(NamedTensor { name: format!("{name}.bias"), shape: vec![output], values: bias });
        }
        Ok(())
    }
}

/// The values of a tensor, row-major, as f32 on the host.
///
/// # Errors
/// Fails if the device cannot deliver them.
pub fn host_values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor
        .try_into_vec_as::<f32>()
        .map_err(|error| Error::internal(format!("a tensor could not be read back from its device: {error:?}")))
}
