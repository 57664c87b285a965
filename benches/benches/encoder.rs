//! The encoder: inference, a training step's forward and backward pass, Monte-Carlo passes; fused kernels and plain
//! Burn operations side by side. MiniLM-L3 sizes with a small vocabulary; short queries and long texts.
#![allow(missing_docs, clippy::unwrap_used)]

use burn::module::Module;
use burn::tensor::Device;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use faculty_core::Stream;
use faculty_nn::{
    DropoutPlan, DropoutRates, EncoderConfig, PassPlan, PassSites, Precision, RowKeys, SequenceClassifier, Spans, Taps,
    TokenInput,
};

fn config() -> EncoderConfig {
    let config = serde_json::json!({"model_type": "bert", "vocab_size": 2000, "hidden_size": 384,
        "num_hidden_layers": 3, "num_attention_heads": 12, "intermediate_size": 1536, "max_position_embeddings": 512});
    EncoderConfig::from_hf(config.as_object().unwrap()).unwrap()
}

fn input(config: &EncoderConfig, rows: usize, tokens: usize) -> TokenInput {
    let stream = Stream::new(1, "bench");
    let ids: Vec<u32> = (0..rows * tokens).map(|index| stream.below_at(index as u64, 2000) as u32).collect();
    let spans = Spans::right_padded(&vec![tokens; rows], tokens).unwrap();
    TokenInput::new(config, &ids, &vec![0; ids.len()], spans, &Device::flex()).unwrap()
}

fn sampled(rows: usize) -> DropoutPlan {
    let identities: Vec<u64> = (0..rows as u64).collect();
    DropoutPlan::Sampled {
        rates: DropoutRates::uniform(0.1),
        keys: RowKeys::for_pass(Stream::new(1, "d"), 0, &identities),
    }
}

fn encoder(criterion: &mut Criterion) {
    let config = config();
    let plain = SequenceClassifier::fresh(&config, 30, Stream::new(1, "model"), &Device::flex());
    let training = plain.clone().train();
    let mut half = plain.clone();
    half.set_precision(Precision::Bf16);
    for (rows, tokens) in [(32, 12), (32, 128)] {
        let mut group = criterion.benchmark_group(format!("minilm-l3 {rows}x{tokens}"));
        group.sample_size(20).throughput(Throughput::Elements(rows as u64));
        let input = input(&config, rows, tokens);
        group.bench_function("inference", |bencher| {
            bencher.iter(|| plain.logits(&input, &DropoutPlan::Off).into_data());
        });
        group.bench_function("inference in bf16", |bencher| {
            bencher.iter(|| half.logits(&input, &DropoutPlan::Off).into_data());
        });
        // What the last layer costs when it computes every token and not the first of every text alone.
        group.bench_function("inference with all hidden states", |bencher| {
            bencher.iter(|| plain.forward(&input, &DropoutPlan::Off, &Taps::None).logits.into_data());
        });
        group.bench_function("forward and backward", |bencher| {
            bencher.iter(|| training.logits(&input, &sampled(rows)).sum().backward());
        });
        let identities: Vec<u64> = (0..rows as u64).collect();
        group.bench_function("8 Monte-Carlo passes", |bencher| {
            let plan = PassPlan {
                rates: DropoutRates::uniform(0.1),
                sites: PassSites::All,
                stream: Stream::new(1, "mc"),
                passes: 0..8,
                tokens_together: 2048,
            };
            bencher.iter(|| plain.sample(&input, &plan, &identities).passes.into_data());
        });
        group.finish();
    }
}

fn layer(criterion: &mut Criterion) {
    let config = config();
    let model = SequenceClassifier::fresh(&config, 30, Stream::new(1, "model"), &Device::flex());
    let block = &model.encoder.layers[0];
    let mut group = criterion.benchmark_group("one layer, 32 rows");
    group.sample_size(20);
    for tokens in [12, 128] {
        let input = input(&config, 32, tokens);
        let hidden = model.encoder.embeddings.embed(&input);
        for (name, dropout) in [("", DropoutPlan::Off), (" with dropout", sampled(32))] {
            group.bench_with_input(BenchmarkId::new(format!("fused{name}"), tokens), &hidden, |bencher, hidden| {
                bencher.iter(|| block.forward(0, hidden.clone(), input.spans(), &dropout).into_data());
            });
            group.bench_with_input(BenchmarkId::new(format!("plain{name}"), tokens), &hidden, |bencher, hidden| {
                bencher.iter(|| block.forward_plain(0, hidden.clone(), input.spans(), &dropout).into_data());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, encoder, layer);
criterion_main!(benches);
