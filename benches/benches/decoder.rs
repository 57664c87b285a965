//! A decoder: reading prompts and writing a token, alone and with others, by the forms that its weights may have; the CPU
//! kernels and plain Burn operations side by side. Four layers of SmolLM2-135M's sizes with a small vocabulary.
#![allow(missing_docs, clippy::unwrap_used)]

use burn::tensor::{Device, Int, Tensor, TensorData};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use faculty_core::{NamedTensors, Result, Stream};
use faculty_nn::causal::{CausalConfig, CausalLm, DecoderState};

const VOCABULARY: usize = 4096;
const PROMPT: usize = 64;
/// Room for the tokens that are written before a state is thrown away.
const ROOM: usize = 64;

type NewState = fn(&CausalLm, Vec<usize>, usize) -> DecoderState;

/// Random weights: all of f32, rounded to bfloat16, or codes of four bits in blocks of 32.
struct Weights {
    shapes: Vec<(String, Vec<usize>)>,
    form: &'static str,
}

impl NamedTensors for Weights {
    fn names(&self) -> Vec<String> {
        self.shapes.iter().map(|(name, _)| name.clone()).collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.shapes.iter().find(|(known, _)| known == name).map(|(_, shape)| shape.clone())
    }

    fn read(&self, name: &str) -> Result<Vec<f32>> {
        let count: usize = self.shape(name).unwrap_or_default().iter().product();
        let stream = Stream::new(1, name);
        Ok((0..count as u64)
            .map(|index| match self.form {
                // Both ends of the codes occur in every block, as in files.
                "four bits" => {
                    let code = [0, 15, stream.below_at(index, 16)][(index % 32).min(2) as usize];
                    (code as f32 - 7.5) * 0.0078125
                }
                "bf16" => f32::from_bits((0.03 * stream.normal_at(index) as f32).to_bits() & 0xffff_0000),
                _ => 0.03 * stream.normal_at(index) as f32,
            })
            .collect())
    }

    fn origin(&self) -> String {
        "random numbers".to_owned()
    }
}

fn network(form: &'static str) -> CausalLm {
    let config = serde_json::json!({"model_type": "llama", "vocab_size": VOCABULARY, "hidden_size": 576,
        "num_hidden_layers": 4, "num_attention_heads": 9, "num_key_value_heads": 3, "intermediate_size": 1536,
        "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "hidden_act": "silu"});
    let config = CausalConfig::from_hf(config.as_object().unwrap()).unwrap();
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_owned(), vec![VOCABULARY, 576]),
        ("model.norm.weight".to_owned(), vec![576]),
    ];
    for layer in 0..4 {
        let parts: [(&str, &[usize]); 9] = [
            ("input_layernorm", &[576]),
            ("post_attention_layernorm", &[576]),
            ("self_attn.q_proj", &[576, 576]),
            ("self_attn.k_proj", &[192, 576]),
            ("self_attn.v_proj", &[192, 576]),
            ("self_attn.o_proj", &[576, 576]),
            ("mlp.gate_proj", &[1536, 576]),
            ("mlp.up_proj", &[1536, 576]),
            ("mlp.down_proj", &[576, 1536]),
        ];
        shapes.extend(parts.map(|(part, shape)| (format!("model.layers.{layer}.{part}.weight"), shape.to_vec())));
    }
    CausalLm::load(&config, &Weights { shapes, form }, &Device::flex()).unwrap()
}

fn ids(rows: usize, tokens: usize) -> Tensor<2, Int> {
    let stream = Stream::new(2, "ids");
    let ids: Vec<i32> = (0..(rows * tokens) as u64).map(|at| stream.below_at(at, VOCABULARY as u64) as i32).collect();
    Tensor::from_data(TensorData::new(ids, [rows, tokens]), &Device::flex())
}

/// A state that has read a prompt.
fn after_prompt(network: &CausalLm, new: NewState, rows: usize) -> DecoderState {
    let mut state = new(network, vec![0; rows], PROMPT + ROOM);
    network.advance(network.embed(ids(rows, PROMPT)), &mut state);
    state
}

fn decoder(criterion: &mut Criterion) {
    let kinds: [(&str, NewState); 2] = [("kernels", DecoderState::new), ("plain", DecoderState::plain)];
    for form in ["f32", "bf16", "four bits"] {
        let network = network(form);
        for (kind, new) in kinds {
            // Plain operations do not know of forms.
            if kind == "plain" && form != "f32" {
                continue;
            }
            let mut group = criterion.benchmark_group(format!("decoder, weights of {form}, {kind}"));
            group.sample_size(20);
            for rows in [1, 16] {
                group.throughput(Throughput::Elements((rows * PROMPT) as u64));
                group.bench_function(format!("read {rows}x{PROMPT}"), |bencher| {
                    bencher.iter(|| after_prompt(&network, new, rows));
                });
                group.throughput(Throughput::Elements(rows as u64));
                let mut state = after_prompt(&network, new, rows);
                group.bench_function(format!("write {rows}"), |bencher| {
                    bencher.iter(|| {
                        if state.len() == PROMPT + ROOM {
                            state = after_prompt(&network, new, rows);
                        }
                        let hidden = network.advance(network.embed(ids(rows, 1)), &mut state).squeeze_dim::<2>(1);
                        let logits =
                            if kind == "plain" { network.logits_plain(hidden) } else { network.logits(hidden) };
                        logits.into_data()
                    });
                });
            }
            group.finish();
        }
    }
}

criterion_group!(benches, decoder);
criterion_main!(benches);
