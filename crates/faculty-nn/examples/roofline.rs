//! How near the kernels are to what the machine can do: `cargo run -p faculty-nn --example roofline [seconds a figure]`
//! prints the ceilings that it measured, every kernel's share of the nearer one, and the errors of f32 products, as Markdown
//! tables. One thread; the best of many runs, since other work on the machine only ever makes a run slower.

#![allow(clippy::print_stdout)]

use faculty_nn::fused::kernels::{Kernel, kernels, product_errors};
use std::hint::black_box;
use std::time::{Duration, Instant};

fn best(seconds: f64, mut run: impl FnMut()) -> f64 {
    let (start, mut best) = (Instant::now(), Duration::MAX);
    while start.elapsed().as_secs_f64() < seconds {
        let begin = Instant::now();
        run();
        best = best.min(begin.elapsed());
    }
    best.as_secs_f64()
}

/// Bytes read and written a second when `size` bytes are copied.
fn copy(seconds: f64, size: usize) -> f64 {
    let (from, mut to) = (vec![1_u8; size], vec![0_u8; size]);
    2.0 * size as f64 / best(seconds, || to.copy_from_slice(black_box(&from)))
}

/// The fastest product of a kind among sizes that stay in the second-level cache.
fn products(seconds: f64, kind: &str) -> f64 {
    let sizes = [(96, 256), (192, 384), (128, 512)];
    let found = sizes.into_iter().flat_map(|(tokens, width)| kernels(1, tokens, width, 4));
    found
        .filter(|kernel| kernel.name.starts_with("product") && kernel.name.ends_with(kind))
        .map(|mut kernel| kernel.operations / best(seconds, &mut kernel.run))
        .fold(0.0, f64::max)
}

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0.5);
    println!("instruction sets: {}\n", faculty_nn::fused::features().join(" "));
    let near = copy(seconds, 512 << 10);
    println!(
        "copy within the second-level cache: {:.0} GB/s, in memory: {:.0} GB/s",
        near / 1e9,
        copy(seconds, 256 << 20) / 1e9
    );
    let kinds = ["f32 vectors", "f32 by three planes of tiles", "bf16 tiles"];
    let ceilings = kinds.map(|kind| (kind, products(seconds, kind)));
    for (kind, ceiling) in &ceilings {
        println!("products, {kind}: {:.0} GF/s", ceiling / 1e9);
    }
    println!("\n| kernel | microseconds | GF/s | GB/s | bound | share of it |\n|---|---|---|---|---|---|");
    for (rows, tokens) in [(16, 12), (2, 128)] {
        for Kernel { name, operations, bytes, mut run } in kernels(rows, tokens, 384, 12) {
            let time = best(seconds, &mut run);
            let compute =
                ceilings.iter().find(|(kind, _)| name.ends_with(kind)).map_or(ceilings[0].1, |(_, rate)| *rate);
            let (by_compute, by_copy) = (operations / compute, bytes / near);
            let (bound, least) = if by_compute > by_copy { ("compute", by_compute) } else { ("cache", by_copy) };
            println!(
                "| {name} | {:.1} | {:.0} | {:.0} | {bound} | {:.0} % |",
                time * 1e6,
                operations / time * 1e-9,
                bytes / time * 1e-9,
                100.0 * least / time
            );
        }
    }
    println!("\n| product of normal numbers | f32 vectors, rms error | three planes, rms error |\n|---|---|---|");
    for (m, k, n) in [(64, 384, 96), (64, 1536, 64), (32, 3072, 32)] {
        let [vectors, planes] = product_errors(m, k, n);
        println!("| {m} x {k} x {n} | {vectors:.1e} | {planes:.1e} |");
    }
}
