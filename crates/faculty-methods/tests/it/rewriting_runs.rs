//! The judge of runs of tokens.

use crate::rewriting_world::{TEXTS, World, plain, rows, world};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::Stream;
use faculty_methods::{LocalRealism, NgramDiscriminator, Rewriting};
use faculty_model::{MaskPlan, MaskedTexts, Tokens};
use faculty_nn::fused::{AdamWConfig, ModuleAdamW};
use faculty_nn::host_values;

fn masked(world: &World) -> MaskedTexts {
    let plan = MaskPlan::new(&world.generator.tokenizer, 0.3).unwrap();
    plan.apply(&world.tokens, &rows(), Stream::new(5, "masks"))
}

fn words_of(world: &World, tokens: &Tokens) -> Tensor<3> {
    let input = tokens.batch(&rows(), &world.generator.config, &Device::flex()).unwrap();
    world.generator.network.encoder.embeddings.look_up(&input)
}

#[test]
fn runs_have_one_logit_each_and_padding_does_not_count() {
    let world = world();
    let (spec, texts) = (LocalRealism::default(), masked(&world));
    let judge = NgramDiscriminator::fresh(&spec, 32, 0.1, Stream::new(1, "judge"), &Device::flex());
    let words = words_of(&world, &texts.clean);
    let [_, tokens, _] = words.dims();
    let shapes: Vec<[usize; 2]> = judge.logits(words.clone()).into_iter().map(|found| found.unwrap().dims()).collect();
    assert_eq!(shapes, [2, 3, 5].map(|window| [TEXTS, tokens + 1 - window]));
    // More padding, and other vectors in it, change nothing.
    let loss = |words: Tensor<3>, texts: &MaskedTexts| host_values(judge.loss(words, texts, true)).unwrap()[0];
    let expected = loss(words.clone(), &texts);
    let noise: Vec<f32> = (0..TEXTS * 3 * 32).map(|at| Stream::new(2, "padding").normal_at(at as u64) as f32).collect();
    let noise = Tensor::from_data(TensorData::new(noise, [TEXTS, 3, 32]), &Device::flex());
    let wider = texts.width + 3;
    let moved = texts.positions.iter().map(|at| at / texts.width * wider + at % texts.width).collect();
    let wide = MaskedTexts { width: wider, positions: moved, ..texts.clone() };
    let found = loss(Tensor::cat(vec![words, noise], 1), &wide);
    assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    // A text shorter than a run has none of it; nothing hidden is nothing to judge.
    let short = judge.logits(Tensor::zeros([1, 3, 32], &Device::flex()));
    assert_eq!(short.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
    let none = MaskedTexts { positions: Vec::new(), targets: Vec::new(), ..texts.clone() };
    assert_eq!(loss(words_of(&world, &texts.clean), &none), 0.0);
}

#[test]
fn equal_runs_leave_the_judge_at_log_two_and_others_are_told_apart() {
    let world = world();
    let spec = Rewriting { local: Some(LocalRealism { learning_rate: 1e-2, ..LocalRealism::default() }), ..plain() };
    let texts = masked(&world);
    let judge = NgramDiscriminator::fresh(&LocalRealism::default(), 32, 0.1, Stream::new(1, "judge"), &Device::flex());
    let told = |judge: &NgramDiscriminator, real: Tensor<3>, fake: Tensor<3>| {
        let loss = judge.loss(real, &texts, true) + judge.loss(fake, &texts, false);
        host_values(loss).unwrap()[0] / 2.0
    };
    let words = words_of(&world, &texts.clean);
    // Whatever it says of one set: -(log σ(l) + log(1 - σ(l))) / 2 is never below log 2.
    assert!(told(&judge, words.clone(), words) >= std::f32::consts::LN_2 - 1e-6);
    let mut rewriter = world.rewriter(spec);
    let found: Vec<f64> = (0..60).map(|step| world.learn(&mut rewriter, step).local.unwrap().0).collect();
    let mean = |steps: &[f64]| steps.iter().sum::<f64>() / steps.len() as f64;
    assert!(mean(&found[50..]) < 0.8 * f64::ln(2.0), "{found:?}");
    // It starts by knowing nothing.
    assert!((mean(&found[..3]) - f64::ln(2.0)).abs() < 0.15, "{found:?}");
}

#[test]
fn a_judge_that_learns_from_equal_sets_learns_nothing() {
    let (world, device) = (world(), Device::flex());
    let texts = masked(&world);
    let words = Tensor::from_inner(words_of(&world, &texts.clean));
    let mut judge =
        NgramDiscriminator::fresh(&LocalRealism::default(), 32, 0.1, Stream::new(1, "judge"), &device).train();
    let mut optimizer = ModuleAdamW::new(AdamWConfig::default());
    let loss = |judge: &NgramDiscriminator| {
        (judge.loss(words.clone(), &texts, true) + judge.loss(words.clone(), &texts, false)).div_scalar(2.0)
    };
    for _ in 0..60 {
        let mut gradients = loss(&judge).backward();
        let own = GradientsParams::from_module(&mut gradients, &judge);
        judge = optimizer.step(1e-2, judge, own);
    }
    let end = host_values(loss(&judge).inner()).unwrap()[0];
    assert!((end - std::f32::consts::LN_2).abs() < 0.02, "{end}");
}

#[test]
fn the_judge_of_runs_holds_the_text_near_its_source() {
    let world = world();
    let run = |local: Option<LocalRealism>| {
        let spec = Rewriting { mlm_weight: 0.0, learning_rate: 2e-3, local, ..plain() };
        let mut rewriter = world.rewriter(spec);
        let steps: Vec<f64> = (0..40).map(|step| world.learn(&mut rewriter, step).own_loss).collect();
        steps[30..].iter().sum::<f64>() / 10.0
    };
    let without = run(None);
    let with = run(Some(LocalRealism { weight: 5.0, learning_rate: 1e-2, ..LocalRealism::default() }));
    assert!(with < without, "{with} against {without} nats");
}
