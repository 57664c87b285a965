//! Decoders from named tensors, strictly: what is missing, unexpected or mis-shaped is named.

use super::{CausalConfig, CausalFamily, CausalLm, DecoderBlock, FeedForward, Norm, Projection};
use crate::Precision;
use crate::fused::DecoderCache;
use crate::load::{Loader, matrix};
use burn::tensor::Device;
use faculty_core::{NamedTensors, Result};

impl CausalLm {
    /// Loads a decoder by its Hugging Face names. An output layer that is not there is the table of token embeddings.
    ///
    /// # Errors
    /// Fails if tensors are missing, left over, mis-shaped, unreadable or not finite; all of them are named.
    pub fn load(config: &CausalConfig, source: &dyn NamedTensors, device: &Device) -> Result<Self> {
        let mut loader = Loader::new(source, device);
        let prefix = match config.family {
            CausalFamily::Llama => "model.",
            CausalFamily::Gpt2 if loader.has("wte.weight") => "",
            CausalFamily::Gpt2 => "transformer.",
        };
        let (h, vocabulary) = (config.hidden_size, config.vocab_size);
        let (words, layers, norm) = match config.family {
            CausalFamily::Llama => ("embed_tokens", "layers", "norm"),
            CausalFamily::Gpt2 => ("wte", "h", "ln_f"),
        };
        let network = Self {
            words: loader.table(&format!("{prefix}{words}.weight"), vocabulary, h)?,
            positions: match config.family {
                CausalFamily::Llama => None,
                CausalFamily::Gpt2 => Some(loader.table(&format!("{prefix}wpe.weight"), config.max_tokens, h)?),
            },
            blocks: (0..config.layers)
                .map(|index| block(&mut loader, config, &format!("{prefix}{layers}.{index}.")))
                .collect::<Result<_>>()?,
            norm: self::norm(&mut loader, config, &format!("{prefix}{norm}"))?,
            head: match loader.has("lm_head.weight") {
                true => Some(loader.table("lm_head.weight", vocabulary, h)?),
                false => None,
            },
            rope_theta: (config.family == CausalFamily::Llama).then_some(config.rope_theta),
            precision: Precision::F32,
            packed: DecoderCache::default(),
        };
        let is_buffer = |name: &str| {
            let ends = ["rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias"];
            ends.iter().any(|end| name.ends_with(end))
        };
        let what = format!("a {} causal language model", config.family.model_type());
        loader.finish_strictly(&what, &is_buffer)?;
        Ok(network)
    }
}

fn norm(loader: &mut Loader<'_>, config: &CausalConfig, name: &str) -> Result<Norm> {
    Ok(Norm {
        gamma: loader.vector(&format!("{name}.weight"), config.hidden_size)?,
        beta: match config.family {
            CausalFamily::Llama => None,
            CausalFamily::Gpt2 => Some(loader.vector(&format!("{name}.bias"), config.hidden_size)?),
        },
        epsilon: config.norm_epsilon,
    })
}

/// The linear maps of a layer.
struct Maps {
    qkv: Projection,
    attention_output: Projection,
    inner: Projection,
    outer: Projection,
}

fn block(loader: &mut Loader<'_>, config: &CausalConfig, at: &str) -> Result<DecoderBlock> {
    let (maps, attention_norm, feed_forward_norm) = match config.family {
        CausalFamily::Llama => (llama_maps(loader, config, at)?, "input_layernorm", "post_attention_layernorm"),
        CausalFamily::Gpt2 => (gpt2_maps(loader, config, at)?, "ln_1", "ln_2"),
    };
    Ok(DecoderBlock {
        attention_norm: norm(loader, config, &format!("{at}{attention_norm}"))?,
        qkv: maps.qkv,
        attention_output: maps.attention_output,
        feed_forward_norm: norm(loader, config, &format!("{at}{feed_forward_norm}"))?,
        feed_forward: FeedForward { inner: maps.inner, outer: maps.outer, activation: config.activation },
        heads: (config.heads, config.kv_heads),
    })
}

fn llama_maps(loader: &mut Loader<'_>, config: &CausalConfig, at: &str) -> Result<Maps> {
    let (h, f) = (config.hidden_size, config.intermediate_size);
    let (q, kv) = (config.heads * config.head_width, config.kv_heads * config.head_width);
    let mut linear = |parts: &[(&str, usize)], input| side_by_side(loader, at, parts, input);
    Ok(Maps {
        qkv: linear(&[("self_attn.q_proj", q), ("self_attn.k_proj", kv), ("self_attn.v_proj", kv)], h)?,
        attention_output: linear(&[("self_attn.o_proj", h)], q)?,
        inner: linear(&[("mlp.gate_proj", f), ("mlp.up_proj", f)], h)?,
        outer: linear(&[("mlp.down_proj", h)], f)?,
    })
}

fn gpt2_maps(loader: &mut Loader<'_>, config: &CausalConfig, at: &str) -> Result<Maps> {
    let (h, f) = (config.hidden_size, config.intermediate_size);
    // GPT-2 stores its maps as `[input, output]`.
    let mut linear = |name: &str, input, output| -> Result<Projection> {
        Ok(Projection {
            weight: loader.table(&format!("{at}{name}.weight"), input, output)?,
            bias: Some(loader.vector(&format!("{at}{name}.bias"), output)?),
        })
    };
    Ok(Maps {
        qkv: linear("attn.c_attn", h, 3 * h)?,
        attention_output: linear("attn.c_proj", h, h)?,
        inner: linear("mlp.c_fc", h, f)?,
        outer: linear("mlp.c_proj", f, h)?,
    })
}

/// Maps without bias side by side, each stored as `[output, input]` under its own name.
fn side_by_side(loader: &mut Loader<'_>, at: &str, parts: &[(&str, usize)], input: usize) -> Result<Projection> {
    let total: usize = parts.iter().map(|(_, output)| output).sum();
    let mut weight = vec![0.0; input * total];
    let mut first = 0;
    for (name, output) in parts {
        let stored = loader.values(&format!("{at}{name}.weight"), &[*output, input])?;
        for (row, values) in stored.chunks_exact(input).enumerate() {
            for (column, value) in values.iter().enumerate() {
                weight[column * total + first + row] = *value;
            }
        }
        first += output;
    }
    Ok(Projection { weight: matrix(weight, input, total, loader.device()), bias: None })
}
