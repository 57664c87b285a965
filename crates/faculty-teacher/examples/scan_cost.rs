//! What a scan costs by dropout sites, against 17 plain passes.
//!
//! ```sh
//! cargo run -p faculty-teacher --example scan_cost -- MODEL_DIR TEXTS.txt [TEXTS [ROUNDS]]
//! ```
//!
//! One text a line. The kinds take turns; of every kind the fastest round counts, since others only add noise.

#![allow(clippy::print_stdout)]

use burn::tensor::Device;
use faculty_core::{Error, Result, Silent};
use faculty_nn::PassSites;
use faculty_teacher::{Ask, ClassifierTeacher, Passes, Teacher};
use std::time::Instant;

const K: u32 = 16;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, file, rest @ ..] = arguments.as_slice() else {
        return Err(Error::input("two arguments are needed").expected("MODEL_DIR TEXTS.txt [TEXTS [ROUNDS]]"));
    };
    let number = |index: usize, default| rest.get(index).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (count, rounds): (usize, usize) = (number(0, 256), number(1, 3));
    let lines = std::fs::read_to_string(file).map_err(|error| Error::io("read", file, error))?;
    let texts: Vec<String> = lines.lines().take(count).map(str::to_owned).collect();
    let teacher = ClassifierTeacher::open("teacher", model, &Device::flex())?;

    let at = |sites| Ask {
        passes: Some(Passes { count: K, hidden_rate: Some(0.1), seed: 1, sites }),
        max_length: Some(128),
        ..Ask::default()
    };
    let kinds = [
        ("deterministic".to_owned(), Ask { max_length: Some(128), ..Ask::default() }),
        ("all sites".to_owned(), at(PassSites::All)),
        (PassSites::LastLayers(2).describe(), at(PassSites::LastLayers(2))),
        (PassSites::LastLayers(1).describe(), at(PassSites::LastLayers(1))),
        (PassSites::LastLayers(0).describe(), at(PassSites::LastLayers(0))),
    ];
    let mut best = vec![f64::INFINITY; kinds.len()];
    for _ in 0..rounds {
        for ((_, ask), best) in kinds.iter().zip(&mut best) {
            let start = Instant::now();
            teacher.outputs(&texts, ask, &Silent)?;
            *best = best.min(start.elapsed().as_secs_f64());
        }
    }
    let plain = f64::from(1 + K) * best[0];
    println!("{} texts, K = {K}; 17 plain passes: {:.1} texts/s", texts.len(), texts.len() as f64 / plain);
    for ((name, _), seconds) in kinds.iter().zip(best) {
        println!("{name}: {:.1} texts/s, {:.3} of 17 plain passes", texts.len() as f64 / seconds, seconds / plain);
    }
    Ok(())
}
