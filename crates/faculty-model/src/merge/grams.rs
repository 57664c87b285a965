//! Gram matrices of the inputs of linear layers.

use super::linears::linears;
use crate::{BatchLimits, Classifier, Tokens};
use burn::tensor::{Int, Tensor, TensorData};
use faculty_core::{Error, Event, Observer, Result};
use faculty_nn::{DropoutPlan, LinearInputs, Spans, first_tokens, host_values};
use faculty_text::plan_in_length_order;

/// Xᵀ X of the rows X that a linear layer was applied to, summed in f64.
#[derive(Debug, Clone, PartialEq)]
pub struct Gram {
    size: usize,
    rows: usize,
    /// `[size, size]`, row-major.
    sum: Vec<f64>,
}

impl Gram {
    /// Of no rows yet, each `size` wide.
    pub fn new(size: usize) -> Self {
        Self { size, rows: 0, sum: vec![0.0; size * size] }
    }

    /// Width of the rows.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Number of rows so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Adds rows, `[rows, size]`. Their product is formed on the device in f32: add them in batches, so that f64 does the
    /// long sum.
    ///
    /// # Errors
    /// Fails if the width differs, or the device cannot deliver the product.
    pub fn add(&mut self, rows: Tensor<2>) -> Result<()> {
        let [count, width] = rows.dims();
        if width != self.size {
            return Err(Error::internal(format!("rows of width {width} for a Gram matrix of size {}", self.size)));
        }
        let product = host_values(rows.clone().swap_dims(0, 1).matmul(rows))?;
        self.sum.iter_mut().zip(product).for_each(|(sum, value)| *sum += f64::from(value));
        self.rows += count;
        Ok(())
    }

    /// The mean over the rows with all off-diagonal elements times `off_diagonal`, `[size, size]` row-major.
    pub fn mean(&self, off_diagonal: f64) -> Vec<f64> {
        let per_row = 1.0 / self.rows.max(1) as f64;
        let factor = |at: usize| if at / self.size == at % self.size { per_row } else { per_row * off_diagonal };
        self.sum.iter().enumerate().map(|(at, value)| value * factor(at)).collect()
    }
}

/// The Gram matrix of every linear layer that models of one base share, in the order embedding projection, then queries
/// (keys and values, which have the same input), attention output and both feed-forward matrices of every layer, then the
/// head's dense layer (`with_dense`). Padding is left out. Reports one unit a text to `observer`.
///
/// # Errors
/// Fails if the tokens do not fit the model or the user interrupted.
pub fn collect_grams(
    model: &Classifier,
    tokens: &Tokens,
    with_dense: bool,
    observer: &dyn Observer,
) -> Result<Vec<Gram>> {
    let network = &model.network;
    let mut grams: Vec<Gram> =
        linears(network, with_dense).iter().map(|linear| Gram::new(linear.weight.val().dims()[0])).collect();
    let limits = BatchLimits::default();
    for rows in plan_in_length_order(&tokens.lengths(), limits.rows, limits.tokens) {
        observer.check()?;
        let input = tokens.batch(&rows, &model.config, &model.device)?;
        let spans = input.spans();
        let embeddings = &network.encoder.embeddings;
        let mut inputs: Vec<Tensor<2>> = Vec::with_capacity(grams.len());
        if embeddings.projection.is_some() {
            inputs.push(text_rows(embeddings.embed(&input), spans));
        }
        let mut hidden = embeddings.forward(&input, spans, &DropoutPlan::Off);
        for (index, layer) in network.encoder.layers.iter().enumerate() {
            let (next, of_layer) = layer.forward_with_inputs(index as u32, hidden, spans);
            let LinearInputs { qkv, attention_output, feed_forward_in, feed_forward_out } = of_layer;
            let states = [qkv, attention_output, feed_forward_in, feed_forward_out];
            inputs.extend(states.map(|states| text_rows(states, spans)));
            hidden = next;
        }
        if with_dense {
            inputs.push(first_tokens(hidden, spans));
        }
        grams.iter_mut().zip(inputs).try_for_each(|(gram, rows)| gram.add(rows))?;
        observer.on(Event::Advance { units: rows.len() as u64, note: "" });
    }
    Ok(grams)
}

/// The states of text positions alone, `[text tokens, width]`, from `[batch, tokens, width]`.
fn text_rows(states: Tensor<3>, spans: &Spans) -> Tensor<2> {
    let [batch, tokens, width] = states.dims();
    let device = states.device();
    let rows = states.reshape([batch * tokens, width]);
    if spans.is_dense() {
        return rows;
    }
    let kept: Vec<i32> =
        (0..batch).flat_map(|row| spans.range(row).map(move |token| (row * tokens + token) as i32)).collect();
    let count = kept.len();
    rows.select(0, Tensor::<1, Int>::from_data(TensorData::new(kept, [count]), &device))
}
