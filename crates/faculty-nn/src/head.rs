//! The classification head: first token, dense layer, activation, output layer.

use crate::{Activation, DropoutPlan, Linear, Site, SiteMask, Spans};
use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};

/// First token -> dense -> activation -> output, which is every supported family's head. (For BERT the dense layer is
/// the pooler, for DistilBERT the pre-classifier.)
#[derive(Module, Debug)]
pub struct ClassificationHead {
    /// `[hidden, hidden]`.
    pub dense: Linear,
    /// `[hidden, classes]`.
    pub output: Linear,
    /// Between the two.
    #[module(skip)]
    pub activation: Activation,
    /// RoBERTa and ELECTRA drop before the dense layer as well.
    pub drop_before_dense: bool,
}

impl ClassificationHead {
    /// Logits `[batch, classes]` from the last hidden states `[batch, tokens, hidden]`.
    pub fn forward(&self, hidden: Tensor<3>, spans: &Spans, dropout: &DropoutPlan) -> Tensor<2> {
        self.from_first(first_tokens(hidden, spans), dropout)
    }

    /// Logits `[batch, classes]` from the last hidden states of the rows' first tokens, `[batch, hidden]`.
    pub fn from_first(&self, first: Tensor<2>, dropout: &DropoutPlan) -> Tensor<2> {
        self.classify(self.pooled(first, dropout), dropout)
    }

    /// The activated dense layer over first tokens, `[batch, hidden]` both.
    pub(crate) fn pooled(&self, first: Tensor<2>, dropout: &DropoutPlan) -> Tensor<2> {
        let mask = if self.drop_before_dense { dropout.site(Site::Classifier(0)) } else { None };
        self.activation.apply(self.dense.forward_rows(drop_rows(first, mask)))
    }

    /// Logits from [`ClassificationHead::pooled`].
    pub(crate) fn classify(&self, pooled: Tensor<2>, dropout: &DropoutPlan) -> Tensor<2> {
        self.output.forward_rows(drop_rows(pooled, dropout.site(Site::Classifier(1))))
    }
}

/// The hidden state of every row's first text token, `[batch, hidden]`.
pub fn first_tokens(hidden: Tensor<3>, spans: &Spans) -> Tensor<2> {
    let [batch, tokens, width] = hidden.dims();
    let starts: Vec<i32> = (0..batch).map(|row| (row * tokens + spans.range(row).start) as i32).collect();
    let starts = Tensor::<1, Int>::from_data(TensorData::new(starts, [batch]), &hidden.device());
    hidden.reshape([batch * tokens, width]).select(0, starts)
}

fn drop_rows(rows: Tensor<2>, mask: Option<SiteMask>) -> Tensor<2> {
    let Some(mask) = mask else { return rows };
    let [batch, width] = rows.dims();
    let mut multipliers = vec![1.0; batch * width];
    for (row, out) in multipliers.chunks_mut(width).enumerate() {
        mask.fill(row, 0, out);
    }
    let device = rows.device();
    rows * Tensor::from_data(TensorData::new(multipliers, [batch, width]), &device)
}
