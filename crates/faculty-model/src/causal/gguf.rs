//! A GGUF file read as a Hugging Face directory: its configuration, its tokenizer, its tensors under the names and in the
//! layout of `transformers`.

use faculty_core::{Error, NamedTensors, Result};
use faculty_hub::{GgufFile, GgufValue};
use faculty_nn::Activation;
use faculty_nn::causal::{CausalConfig, CausalFamily};
use faculty_text::{BytePairs, LmTokenizer};
use std::collections::BTreeMap;

/// Types of tokens that are no text: unknown, control, unused.
const NO_TEXT: [usize; 3] = [2, 3, 5];

/// Sizes and constants of the decoder in `file`.
pub(super) fn config(file: &GgufFile) -> Result<CausalConfig> {
    let architecture = file.wanted("general.architecture", GgufValue::text)?;
    let family = [CausalFamily::Llama, CausalFamily::Gpt2].into_iter().find(|it| it.model_type() == architecture);
    let family = family.ok_or_else(|| {
        Error::input(format!("architecture `{architecture}` is not supported"))
            .key("general.architecture")
            .expected("llama or gpt2")
    })?;
    let key = |name: &str| format!("{architecture}.{name}");
    let size = |name: &str| positive(file, &key(name));
    if let Some(kind) = file.optional(&key("rope.scaling.type"), GgufValue::text)?.filter(|kind| *kind != "none") {
        return Err(Error::input(format!("is \"{kind}\"")).key(key("rope.scaling.type")).expected("plain rotations"));
    }
    let (hidden_size, heads) = (size("embedding_length")?, size("attention.head_count")?);
    let number = |name: &str| -> Result<Option<f64>> { file.optional(&key(name), GgufValue::number) };
    let head_width = match file.value(&key("attention.key_length")) {
        Some(_) => size("attention.key_length")?,
        None => (hidden_size / heads).max(1),
    };
    if let Some(turned) = file.optional(&key("rope.dimension_count"), GgufValue::integer)?
        && family == CausalFamily::Llama
        && turned != head_width
    {
        return Err(Error::input(format!("is {turned}"))
            .key(key("rope.dimension_count"))
            .expected(format!("{head_width}: rotations of whole heads")));
    }
    let epsilon = match family {
        CausalFamily::Llama => number("attention.layer_norm_rms_epsilon")?,
        CausalFamily::Gpt2 => number("attention.layer_norm_epsilon")?,
    };
    let config = CausalConfig {
        family,
        vocab_size: file.wanted("tokenizer.ggml.tokens", GgufValue::array)?.len(),
        hidden_size,
        layers: size("block_count")?,
        heads,
        kv_heads: match file.value(&key("attention.head_count_kv")) {
            Some(_) => size("attention.head_count_kv")?,
            None => heads,
        },
        head_width,
        intermediate_size: size("feed_forward_length")?,
        max_tokens: size("context_length")?,
        norm_epsilon: epsilon.unwrap_or(1e-5),
        rope_theta: number("rope.freq_base")?.unwrap_or(10_000.0),
        activation: (family == CausalFamily::Gpt2).then_some(Activation::GeluNew),
    };
    config.check()?;
    Ok(config)
}

fn positive(file: &GgufFile, key: &str) -> Result<usize> {
    let value = file.wanted(key, GgufValue::integer)?;
    match (1..=1 << 24).contains(&value) {
        true => Ok(value),
        false => Err(Error::input(format!("is {value}")).key(key).expected("a positive integer of sensible size")),
    }
}

/// The tokenizer in `file`.
pub(super) fn tokenizer(file: &GgufFile) -> Result<LmTokenizer> {
    let model = file.wanted("tokenizer.ggml.model", GgufValue::text)?;
    if model != "gpt2" {
        return Err(Error::input(format!("tokenizer model `{model}` is not supported"))
            .file(file.path())
            .key("tokenizer.ggml.model")
            .expected("gpt2 (byte-level BPE)")
            .help("use the model's Hugging Face directory, which has a tokenizer.json"));
    }
    // How digits are cut is a matter of the pre-tokenizer; other differences concern spaces and rare scripts.
    let before = file.optional("tokenizer.ggml.pre", GgufValue::text)?.unwrap_or("default");
    let single_digits = match before {
        "gpt-2" | "default" => false,
        "smollm" => true,
        other => {
            return Err(Error::input(format!("pre-tokenizer `{other}` is not supported"))
                .file(file.path())
                .key("tokenizer.ggml.pre")
                .expected("gpt-2, default or smollm")
                .help("use the model's Hugging Face directory, which has a tokenizer.json"));
        }
    };
    let kinds = file.optional("tokenizer.ggml.token_type", GgufValue::array)?.unwrap_or_default();
    let no_text =
        kinds.iter().enumerate().filter(|(_, kind)| kind.integer().is_some_and(|kind| NO_TEXT.contains(&kind)));
    let special: Vec<u32> = no_text.map(|(id, _)| id as u32).collect();
    let id = |key: &str| -> Result<Option<u32>> { Ok(file.optional(key, GgufValue::integer)?.map(|id| id as u32)) };
    let end: Vec<u32> =
        id("tokenizer.ggml.eos_token_id")?.into_iter().chain(id("tokenizer.ggml.eot_token_id")?).collect();
    let parts = BytePairs {
        tokens: &file.wanted("tokenizer.ggml.tokens", GgufValue::texts)?,
        merges: &file.wanted("tokenizer.ggml.merges", GgufValue::texts)?,
        special: &special,
        single_digits,
        begin: id("tokenizer.ggml.bos_token_id")?,
        // As llama.cpp has it for byte-level BPE.
        begins: file.optional("tokenizer.ggml.add_bos_token", GgufValue::boolean)?.unwrap_or(false),
        end: &end,
        chat_template: file.optional("tokenizer.chat_template", GgufValue::text)?,
    };
    LmTokenizer::from_byte_pairs(parts).map_err(|error| error.file(file.path()))
}

/// How a tensor lies in the file, compared with `transformers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Same,
    /// Rows of every head so that pairs that turn together are neighbours.
    Paired {
        heads: usize,
    },
    /// `[output, input]` where GPT-2 has `[input, output]`.
    Transposed,
}

/// The name in `transformers` of a tensor of the file, and how it lies there; the name itself if it is unknown.
fn hf_name(config: &CausalConfig, name: &str) -> (String, Layout) {
    let unknown = || (name.to_owned(), Layout::Same);
    let Some((stem, kind)) = name.rsplit_once('.') else { return unknown() };
    let llama = config.family == CausalFamily::Llama;
    let top = match stem {
        "token_embd" => Some(if llama { "model.embed_tokens" } else { "transformer.wte" }),
        "position_embd" if !llama => Some("transformer.wpe"),
        "output_norm" => Some(if llama { "model.norm" } else { "transformer.ln_f" }),
        "output" => Some("lm_head"),
        _ => None,
    };
    if let Some(top) = top {
        return (format!("{top}.{kind}"), Layout::Same);
    }
    let Some((index, part)) = stem.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) else {
        return unknown();
    };
    let matrix = |layout| if kind == "weight" { layout } else { Layout::Same };
    let (hf, layout) = match (llama, part) {
        (true, "attn_norm") => ("input_layernorm", Layout::Same),
        (true, "attn_q") => ("self_attn.q_proj", Layout::Paired { heads: config.heads }),
        (true, "attn_k") => ("self_attn.k_proj", Layout::Paired { heads: config.kv_heads }),
        (true, "attn_v") => ("self_attn.v_proj", Layout::Same),
        (true, "attn_output") => ("self_attn.o_proj", Layout::Same),
        (true, "ffn_norm") => ("post_attention_layernorm", Layout::Same),
        (true, "ffn_gate") => ("mlp.gate_proj", Layout::Same),
        (true, "ffn_up") => ("mlp.up_proj", Layout::Same),
        (true, "ffn_down") => ("mlp.down_proj", Layout::Same),
        (false, "attn_norm") => ("ln_1", Layout::Same),
        (false, "attn_qkv") => ("attn.c_attn", matrix(Layout::Transposed)),
        (false, "attn_output") => ("attn.c_proj", matrix(Layout::Transposed)),
        (false, "ffn_norm") => ("ln_2", Layout::Same),
        (false, "ffn_up") => ("mlp.c_fc", matrix(Layout::Transposed)),
        (false, "ffn_down") => ("mlp.c_proj", matrix(Layout::Transposed)),
        _ => return unknown(),
    };
    let at = if llama { "model.layers" } else { "transformer.h" };
    (format!("{at}.{index}.{hf}.{kind}"), layout)
}

/// The tensors of a GGUF file under their Hugging Face names.
pub(super) struct HfNames<'a> {
    file: &'a GgufFile,
    /// By the name in `transformers`: the name in the file, and how the tensor lies there.
    tensors: BTreeMap<String, (String, Layout)>,
}

impl<'a> HfNames<'a> {
    pub(super) fn new(file: &'a GgufFile, config: &CausalConfig) -> Self {
        let names = file.names().into_iter().map(|own| {
            let (hf, layout) = hf_name(config, &own);
            (hf, (own, layout))
        });
        Self { file, tensors: names.collect() }
    }
}

impl NamedTensors for HfNames<'_> {
    fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let (own, layout) = self.tensors.get(name)?;
        let mut shape = self.file.shape(own)?;
        if *layout == Layout::Transposed {
            shape.reverse();
        }
        Some(shape)
    }

    fn read(&self, name: &str) -> Result<Vec<f32>> {
        let (own, layout) = match self.tensors.get(name) {
            Some((own, layout)) => (own.as_str(), *layout),
            None => (name, Layout::Same),
        };
        let values = self.file.read(own)?;
        let columns = self.file.shape(own).and_then(|shape| shape.last().copied()).unwrap_or(1).max(1);
        Ok(match layout {
            Layout::Same => values,
            Layout::Paired { heads } => unpaired(&values, columns, heads),
            Layout::Transposed => transposed(&values, columns),
        })
    }

    fn origin(&self) -> String {
        self.file.origin()
    }
}

/// Row 2 p + s of every head in the file is row s width / 2 + p in `transformers`.
fn unpaired(values: &[f32], columns: usize, heads: usize) -> Vec<f32> {
    let width = values.len() / columns / heads.max(1);
    let mut out = Vec::with_capacity(values.len());
    for head in values.chunks_exact((width * columns).max(1)) {
        for half in 0..2 {
            for pair in 0..width / 2 {
                let row = 2 * pair + half;
                out.extend_from_slice(&head[row * columns..(row + 1) * columns]);
            }
        }
    }
    out
}

fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    let rows = values.len() / columns;
    let column = |column: usize| (0..rows).map(move |row| values[row * columns + column]);
    (0..columns).flat_map(column).collect()
}
