//! Tokens a second of a causal language model: reading prompts and writing, by the kernels and by plain Burn operations.
//!
//! `cargo run -p faculty-model --example generate_speed -- MODEL [BATCH] [PROMPT TOKENS] [NEW TOKENS] [f32|bf16] [plain]`
#![allow(clippy::print_stdout, clippy::print_stderr)]

use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::Result;
use faculty_model::CausalModel;
use faculty_nn::causal::DecoderState;
use faculty_nn::{PrecisionChoice, host_values};
use std::time::Instant;

/// Runs, of which the fastest counts: the machine may be busy.
const RUNS: usize = 5;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let Some(path) = arguments.get(1) else {
        eprintln!("say which model: a directory or a GGUF file");
        return Ok(());
    };
    let number = |index: usize, default| arguments.get(index).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (rows, prompt, new) = (number(2, 1), number(3, 64), number(4, 32));
    let plain = arguments.iter().any(|argument| argument == "plain");
    let start = Instant::now();
    let mut model = CausalModel::open(path, &Device::flex())?;
    model.network.precision = arguments.get(5).map_or(Ok(PrecisionChoice::F32), |text| text.parse())?.resolve();
    let opened = start.elapsed();
    let bytes = model.network.bytes_a_step().unwrap_or(0);
    println!(
        "opened in {:.2} s, packed in {:.2} s: {:.1} MB a step",
        opened.as_secs_f64(),
        (start.elapsed() - opened).as_secs_f64(),
        bytes as f64 / 1e6
    );
    let (mut reading, mut writing) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..RUNS {
        let padding = vec![0; rows];
        let mut state = match plain {
            true => DecoderState::plain(&model.network, padding, prompt + new),
            false => DecoderState::new(&model.network, padding, prompt + new),
        };
        let ids: Vec<i32> = (0..rows * prompt).map(|index| 100 + (index * 7919 % 40_000) as i32).collect();
        let start = Instant::now();
        let mut ids = next(&model, &mut state, ids, plain)?;
        reading = reading.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        for _ in 0..new {
            ids = next(&model, &mut state, ids, plain)?;
        }
        writing = writing.min(start.elapsed().as_secs_f64());
    }
    println!(
        "batch {rows}: {prompt} tokens read at {:.0} tokens/s, {new} written at {:.1} tokens/s ({:.2} ms a step)",
        (rows * prompt) as f64 / reading,
        (rows * new) as f64 / writing,
        1e3 * writing / new as f64
    );
    Ok(())
}

/// Reads tokens; the most likely next one of every row.
fn next(model: &CausalModel, state: &mut DecoderState, ids: Vec<i32>, plain: bool) -> Result<Vec<i32>> {
    let rows = state.rows();
    let tokens = ids.len() / rows;
    let ids = Tensor::from_data(TensorData::new(ids, [rows, tokens]), &model.device);
    let hidden = model.network.advance(model.network.embed(ids), state).narrow(1, tokens - 1, 1).squeeze_dim::<2>(1);
    let logits = if plain { model.network.logits_plain(hidden) } else { model.network.logits(hidden) };
    let logits = host_values(logits)?;
    Ok(logits.chunks_exact(logits.len() / rows).map(|row| faculty_core::metrics::argmax(row) as i32).collect())
}
