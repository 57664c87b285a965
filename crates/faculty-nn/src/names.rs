//! The tensor names of each family in a Hugging Face weight file.

use crate::Family;

/// Tensor names of one checkpoint: family and prefix.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    family: Family,
    /// "bert." in a classifier, "" in a bare encoder checkpoint.
    prefix: &'static str,
}

/// The linear maps of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LayerLinear {
    Query,
    Key,
    Value,
    AttentionOutput,
    FeedForwardIn,
    FeedForwardOut,
}

impl Names {
    pub(crate) fn new(family: Family, with_prefix: bool) -> Self {
        let prefix = match family {
            _ if !with_prefix => "",
            Family::Bert => "bert.",
            Family::Distilbert => "distilbert.",
            Family::Roberta | Family::XlmRoberta => "roberta.",
            Family::Electra => "electra.",
        };
        Self { family, prefix }
    }

    pub(crate) fn family(&self) -> Family {
        self.family
    }

    pub(crate) fn prefix(&self) -> &'static str {
        self.prefix
    }

    pub(crate) fn words(&self) -> String {
        format!("{}embeddings.word_embeddings.weight", self.prefix)
    }

    pub(crate) fn positions(&self) -> String {
        format!("{}embeddings.position_embeddings.weight", self.prefix)
    }

    pub(crate) fn types(&self) -> String {
        format!("{}embeddings.token_type_embeddings.weight", self.prefix)
    }

    pub(crate) fn embedding_norm(&self) -> String {
        format!("{}embeddings.LayerNorm", self.prefix)
    }

    pub(crate) fn embedding_projection(&self) -> String {
        format!("{}embeddings_project", self.prefix)
    }

    /// The start of every name of layer `index`, with the closing dot.
    pub(crate) fn layer(&self, index: usize) -> String {
        match self.family {
            Family::Distilbert => format!("{}transformer.layer.{index}.", self.prefix),
            _ => format!("{}encoder.layer.{index}.", self.prefix),
        }
    }

    pub(crate) fn layer_linear(&self, index: usize, which: LayerLinear) -> String {
        let distil = self.family == Family::Distilbert;
        let part = match which {
            LayerLinear::Query if distil => "attention.q_lin",
            LayerLinear::Key if distil => "attention.k_lin",
            LayerLinear::Value if distil => "attention.v_lin",
            LayerLinear::AttentionOutput if distil => "attention.out_lin",
            LayerLinear::FeedForwardIn if distil => "ffn.lin1",
            LayerLinear::FeedForwardOut if distil => "ffn.lin2",
            LayerLinear::Query => "attention.self.query",
            LayerLinear::Key => "attention.self.key",
            LayerLinear::Value => "attention.self.value",
            LayerLinear::AttentionOutput => "attention.output.dense",
            LayerLinear::FeedForwardIn => "intermediate.dense",
            LayerLinear::FeedForwardOut => "output.dense",
        };
        self.layer(index) + part
    }

    pub(crate) fn attention_norm(&self, index: usize) -> String {
        let part = if self.family == Family::Distilbert { "sa_layer_norm" } else { "attention.output.LayerNorm" };
        self.layer(index) + part
    }

    pub(crate) fn output_norm(&self, index: usize) -> String {
        let part = if self.family == Family::Distilbert { "output_layer_norm" } else { "output.LayerNorm" };
        self.layer(index) + part
    }

    /// The dense layer of the head. BERT's belongs to the encoder checkpoint (its pooler).
    pub(crate) fn head_dense(&self) -> String {
        match self.family {
            Family::Bert => format!("{}pooler.dense", self.prefix),
            Family::Distilbert => "pre_classifier".to_owned(),
            Family::Roberta | Family::XlmRoberta | Family::Electra => "classifier.dense".to_owned(),
        }
    }

    pub(crate) fn head_output(&self) -> String {
        match self.family {
            Family::Bert | Family::Distilbert => "classifier".to_owned(),
            Family::Roberta | Family::XlmRoberta | Family::Electra => "classifier.out_proj".to_owned(),
        }
    }

    /// True for what checkpoints carry beside weights: buffers that the code computes itself.
    pub(crate) fn is_buffer(name: &str) -> bool {
        name.ends_with("embeddings.position_ids") || name.ends_with("embeddings.token_type_ids")
    }
}
