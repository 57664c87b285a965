//! Every kernel of the encoder layer alone, on one thread: short queries and long texts at MiniLM's width.
#![allow(missing_docs)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use faculty_nn::fused::kernels::kernels;

fn single(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("kernels");
    group.sample_size(20);
    for (rows, tokens) in [(16, 12), (2, 128)] {
        for mut kernel in kernels(rows, tokens, 384, 12) {
            group.throughput(Throughput::Bytes(kernel.bytes as u64));
            group.bench_function(&kernel.name, |bencher| bencher.iter(&mut kernel.run));
        }
    }
    group.finish();
}

criterion_group!(benches, single);
criterion_main!(benches);
