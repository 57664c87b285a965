//! A masked language model that rewrites texts, and learns to rewrite them to where student and teachers differ.

use crate::rewriting_world::{TEXTS, plain, rows, weights_of, world};
use crate::sentences::sentences;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use faculty_core::{Aliases, LabelJoin};
use faculty_methods::{DivergenceForm, LocalRealism, OtherTokenizers, Rewriting, TextRewriter};
use faculty_model::{Classifier, MaskPlan};
use faculty_nn::{DropoutPlan, host_values};
use faculty_testkit::{TinySpec, kl_of_logits, tiny_classifier_dir};

#[test]
fn the_divergence_rises_on_a_frozen_student() {
    let world = world();
    let before = world.student.network.export(&world.student.config).unwrap();
    let teachers = |rewriter: &TextRewriter| -> Vec<Vec<faculty_core::NamedTensor>> {
        rewriter
            .networks()
            .zip(&world.teachers)
            .map(|(network, it)| network.valid().export(&it.config).unwrap())
            .collect()
    };
    for divergence in [DivergenceForm::Kl, DivergenceForm::SoftCrossEntropy] {
        let spec = Rewriting { divergence, mlm_weight: 0.0, learning_rate: 5e-3, ..plain() };
        let mut rewriter = world.rewriter(spec);
        let asked = teachers(&rewriter);
        // The same hidden tokens and noise in every step, so that nothing but the generator changes.
        let steps: Vec<f64> = (0..20).map(|_| world.learn(&mut rewriter, 3).divergence).collect();
        let mean = |steps: &[f64]| steps.iter().sum::<f64>() / steps.len() as f64;
        assert!(mean(&steps[15..]) > mean(&steps[..5]) && steps[19] > steps[0], "{divergence:?}: {steps:?}");
        assert!(teachers(&rewriter) == asked, "every weight of every teacher");
    }
    assert!(world.student.network.export(&world.student.config).unwrap() == before);
}

#[test]
fn nothing_but_hidden_tokens_is_rewritten_and_writing_teaches_the_generator_nothing() {
    let world = world();
    let rewriter = world.rewriter(Rewriting::default());
    let before = weights_of(&rewriter, &world);
    let plan = MaskPlan::new(&world.generator.tokenizer, 0.3).unwrap();
    let (mut changed, mut kept) = (0, 0);
    for step in 0..30 {
        let written = rewriter.rewrite(&world.tokens, &rows(), step).unwrap();
        for (clean, written) in world.tokens.rows.iter().zip(&written.rows) {
            assert_eq!(clean.ids.len(), written.ids.len());
            for (before, after) in clean.ids.iter().zip(&written.ids) {
                let special = plan.protected().contains(before);
                assert!(!special || before == after, "special tokens stay");
                assert!(special || !plan.protected().contains(after), "and none is written");
                if !special {
                    changed += usize::from(before != after);
                    kept += usize::from(before == after);
                }
            }
        }
        assert_eq!(written.rows, rewriter.rewrite(&world.tokens, &rows(), step).unwrap().rows, "a step repeats itself");
        // A text is rewritten alike in any batch (dropout and draws follow from its row).
        let alone = rewriter.rewrite(&world.tokens, &[2], step).unwrap();
        assert_eq!(alone.rows[0], written.rows[2]);
    }
    let share = changed as f64 / (changed + kept) as f64;
    assert!((0.2..0.36).contains(&share), "{share}");
    // The student's loss on what was written has no way to the generator.
    let written = rewriter.rewrite(&world.tokens, &rows(), 0).unwrap();
    let network = world.student.network.clone().train();
    let input = written.batch(&rows(), &world.student.config, &Device::flex()).unwrap();
    let gradients = network.logits(&input, &DropoutPlan::Off).sum().backward();
    assert!(network.head.output.weight.val().grad(&gradients).is_some());
    assert!(rewriter.generator().head.dense.weight.val().grad(&gradients).is_none());
    assert!(rewriter.generator().head.dense.weight.val().is_require_grad());
    assert!(weights_of(&rewriter, &world) == before);
    let special = world.rewriter(Rewriting { write_special: true, ..Rewriting::default() });
    let wrote = (0..60).any(|step| {
        let written = special.rewrite(&world.tokens, &rows(), step).unwrap();
        let inner = |row: &faculty_text::TokenRow| row.ids[1..row.ids.len() - 1].to_vec();
        written.rows.iter().flat_map(inner).any(|id| plan.protected().contains(&id))
    });
    assert!(wrote, "as released");
}

#[test]
fn one_teacher_is_the_loss_of_one_teacher() {
    let world = world();
    let whole = TinySpec { gain: 6.0, ..TinySpec::new(["a", "b", "c", "d"]).seed(9) };
    let teacher =
        Classifier::open(tiny_classifier_dir(world.dir.path().join("whole"), &whole), &Device::flex()).unwrap();
    let join = LabelJoin::build(&[("whole", &teacher.labels)], &Aliases::default()).unwrap();
    let rewriter = TextRewriter::new(plain(), &world.generator, &world.student, &[&teacher], &join, 1).unwrap();
    let ones = Tensor::ones([TEXTS, 1], &Device::flex());
    let found = rewriter.divergence(&world.student.network, &world.tokens, &ones).unwrap();
    let logits = |model: &Classifier| model.logits(&world.tokens, &faculty_core::Silent).unwrap();
    let (of_teacher, of_student) = (logits(&teacher), logits(&world.student));
    let rows = of_teacher.chunks(4).zip(of_student.chunks(4)).map(|(t, s)| kl_of_logits(t, s, 1.0));
    let expected = rows.sum::<f64>() / TEXTS as f64;
    assert!((found - expected).abs() < 1e-5 * expected, "{found} is not {expected}");
    let asked = host_values(rewriter.ask(&world.tokens).unwrap().remove(0)).unwrap();
    assert_eq!(asked, of_teacher);
}

#[test]
fn another_tokenizer_is_refused_or_read_as_text() {
    let world = world();
    let dir =
        tiny_classifier_dir(world.dir.path().join("odd"), &TinySpec { gain: 6.0, ..TinySpec::new(["c", "d"]).seed(3) });
    let path = dir.join("tokenizer.json");
    // `gas` and `am` trade places.
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("\"gas\":", "\"@\":").replace("\"am\":", "\"gas\":").replace("\"@\":", "\"am\":");
    std::fs::write(&path, text).unwrap();
    let odd = Classifier::open(dir, &Device::flex()).unwrap();
    let teachers = [&world.teachers[0], &odd];
    let new = |spec: Rewriting| TextRewriter::new(spec, &world.generator, &world.student, &teachers, &world.join, 1);
    let Err(error) = new(plain()) else { panic!("another tokenizer was taken") };
    let error = error.to_string();
    assert!(error.contains("`two` has another vocabulary than the generator: token"), "{error}");
    assert!(error.contains("other_tokenizers") && error.contains("\"text\""), "{error}");

    let spec = Rewriting { other_tokenizers: OtherTokenizers::Text, mlm_weight: 0.0, learning_rate: 5e-3, ..plain() };
    let mut rewriter = new(spec).unwrap();
    // It reads the words of the text by its own numbers.
    let found = host_values(rewriter.ask(&world.tokens).unwrap().remove(1)).unwrap();
    let own = odd.tokenize(&sentences(TEXTS, 4), None).unwrap();
    assert_ne!(own.rows, world.tokens.rows);
    assert_eq!(found, odd.logits(&own, &faculty_core::Silent).unwrap());
    // The generator still learns, from the student and the other teacher.
    let before = weights_of(&rewriter, &world);
    let steps: Vec<f64> = (0..20).map(|_| world.learn(&mut rewriter, 3).divergence).collect();
    assert!(steps[19] > steps[0], "{steps:?}");
    assert!(weights_of(&rewriter, &world) != before);
    // A student of another tokenizer never.
    let renamed = Classifier { labels: world.student.labels.clone(), ..odd.clone() };
    let teachers: Vec<&Classifier> = world.teachers.iter().collect();
    let Err(error) = TextRewriter::new(plain(), &world.generator, &renamed, &teachers, &world.join, 1) else {
        panic!("a student of another tokenizer was taken")
    };
    assert!(error.to_string().contains("the student has another vocabulary than the generator"), "{error}");
}

#[test]
fn texts_without_a_hidden_token_teach_nothing() {
    let world = world();
    let mut rewriter = world.rewriter(plain());
    let bare = world.student.tokenize(&["[UNK]"; TEXTS], None).unwrap();
    let found = rewriter.learn(&world.student.network, &bare, &rows(), &world.weights(), &DropoutPlan::Off, 0).unwrap();
    assert_eq!(found, None);
    assert_eq!(rewriter.rewrite(&bare, &rows(), 0).unwrap().rows, bare.rows);
    let one = Tensor::ones([TEXTS, 1], &Device::flex());
    let error = rewriter.learn(&world.student.network, &world.tokens, &rows(), &one, &DropoutPlan::Off, 0).unwrap_err();
    assert!(error.to_string().contains("gate weights of shape"), "{error}");
}

#[test]
fn settings_that_make_no_sense_are_refused_by_key() {
    let start = Rewriting::default;
    for (wrong, key) in [
        (Rewriting { generator: " ".to_owned(), ..start() }, "rewriting.generator"),
        (Rewriting { mask_rate: 1.0, ..start() }, "rewriting.mask_rate"),
        (Rewriting { gumbel_temperature: 0.0, ..start() }, "rewriting.gumbel_temperature"),
        (Rewriting { learning_rate: f64::NAN, ..start() }, "rewriting.learning_rate"),
        (Rewriting { mlm_weight: -1.0, ..start() }, "rewriting.mlm_weight"),
        (Rewriting { generator_steps: 101, ..start() }, "rewriting.generator_steps"),
        (Rewriting { student_steps: 0, generator_steps: 0, ..start() }, "rewriting.student_steps"),
        (Rewriting { stop_ratio: 0.0, ..start() }, "rewriting.stop_ratio"),
        (Rewriting { temperature: 0.0, ..start() }, "temperature"),
        (
            Rewriting { local: Some(LocalRealism { windows: vec![], ..LocalRealism::default() }), ..start() },
            "rewriting.local.windows",
        ),
        (
            Rewriting { local: Some(LocalRealism { beta1: 1.0, ..LocalRealism::default() }), ..start() },
            "rewriting.local.beta1",
        ),
    ] {
        let error = wrong.check().unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
    start().check().unwrap();
    let released = Rewriting::mate_kd();
    released.check().unwrap();
    assert_eq!((released.generator_steps, released.student_steps), (10, 100));
    assert_eq!((released.divergence, released.learning_rate), (DivergenceForm::SoftCrossEntropy, 5e-7));
    assert_eq!((released.mlm_weight, released.balance_weight, released.local), (0.0, 0.0, None));
    let due: Vec<usize> = (0..220).filter(|&step| start().is_due(step)).collect();
    assert_eq!(due, [(0..10), (100..110), (200..210)].into_iter().flatten().collect::<Vec<_>>());
}
