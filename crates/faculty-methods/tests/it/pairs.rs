//! Teachers of pairs of texts: what is rewritten stays a pair, and a student learns from them.

use crate::rewriting_world::{tiny_generator, world};
use crate::sentences::sentences;
use crate::toy;
use burn::tensor::{Device, Tensor};
use faculty_core::{Aliases, LabelJoin, Silent, Stream, join_pair};
use faculty_methods::{
    AdversaryChoice, AmalgamateRun, BackwardPass, MethodSpec, OtherTokenizers, Rewriting, TextRewriter, TransferSet,
    ZeroShotMethod, amalgamate, fine_tune,
};
use faculty_model::{Classifier, Tokens};
use faculty_nn::{DropoutPlan, host_values};
use faculty_student::{TrainRun, TrainSettings};
use faculty_teacher::{Ask, ClassifierTeacher, Teacher};
use faculty_testkit::{TinySpec, tiny_classifier_dir};

const PAIRS: usize = 6;

fn pairs() -> Vec<String> {
    let (first, second) = (sentences(PAIRS, 4), sentences(PAIRS, 5));
    first.iter().zip(&second).map(|(first, second)| join_pair(first, second)).collect()
}

fn rows() -> Vec<usize> {
    (0..PAIRS).collect()
}

#[test]
fn a_rewritten_pair_is_a_pair_with_the_token_types_that_it_had() {
    let world = world();
    let tokens = world.student.tokenize(&pairs(), None).unwrap();
    let teachers: Vec<&Classifier> = world.teachers.iter().collect();
    let spec = Rewriting { mask_rate: 0.5, learning_rate: 1e-3, ..Rewriting::default() };
    let mut rewriter = TextRewriter::new(spec, &world.generator, &world.student, &teachers, &world.join, 1).unwrap();
    let special = &world.student.tokenizer.special_ids().all;
    let (mut of_first, mut of_second) = (0, 0);
    for step in 0..20 {
        let written = rewriter.rewrite(&tokens, &rows(), step).unwrap();
        for (before, after) in tokens.rows.iter().zip(&written.rows) {
            assert_eq!((&before.type_ids, before.second), (&after.type_ids, after.second));
            for (token, (old, new)) in before.ids.iter().zip(&after.ids).enumerate() {
                assert!(old == new || !special.contains(old) && !special.contains(new), "token {token}");
                let changed = usize::from(old != new);
                *(if Some(token) < before.second { &mut of_first } else { &mut of_second }) += changed;
            }
        }
    }
    assert!(of_first > 20 && of_second > 20, "{of_first} and {of_second}");
    // What teachers say of it is what they say of these tokens with these types.
    let found = host_values(rewriter.ask(&tokens).unwrap().remove(0)).unwrap();
    let own = world.teachers[0].logits(&tokens, &Silent).unwrap();
    assert!(found.iter().zip(&own).all(|(found, own)| (found - own).abs() < 1e-5));
    let weights = Tensor::<2>::full([PAIRS, 2], 0.5, &Device::flex());
    let step =
        rewriter.learn(&world.student.network, &tokens, &rows(), &weights, &DropoutPlan::Off, 1).unwrap().unwrap();
    assert!(step.divergence > 0.0 && step.gradient_norm > 0.0);
}

#[test]
fn a_teacher_of_another_tokenizer_reads_a_pair_as_a_pair() {
    let world = world();
    let dir = world.dir.path().join("odd");
    let dir = tiny_classifier_dir(dir, &TinySpec { gain: 6.0, ..TinySpec::new(["c", "d"]).seed(3) });
    let path = dir.join("tokenizer.json");
    // `gas` and `am` trade places.
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("\"gas\":", "\"@\":").replace("\"am\":", "\"gas\":").replace("\"@\":", "\"am\":");
    std::fs::write(&path, text).unwrap();
    let odd = Classifier::open(dir, &Device::flex()).unwrap();
    let spec = Rewriting { other_tokenizers: OtherTokenizers::Text, ..Rewriting::default() };
    let teachers = [&world.teachers[0], &odd];
    let rewriter = TextRewriter::new(spec, &world.generator, &world.student, &teachers, &world.join, 1).unwrap();
    let tokens = world.student.tokenize(&pairs(), None).unwrap();
    let found = host_values(rewriter.ask(&tokens).unwrap().remove(1)).unwrap();
    let own = odd.tokenize(&pairs(), None).unwrap();
    assert_eq!(found, odd.logits(&own, &Silent).unwrap());
}

/// Pairs of a text of class 0 and one of class 1 of the toy task, and which of the two comes first.
fn ordered_pairs(count: usize, seed: u64) -> (Vec<String>, Vec<usize>) {
    let (texts, _) = toy::texts(0..2, count, seed);
    let (zero, one) = texts.split_at(count);
    let stream = Stream::new(seed, "order");
    let pair = |(at, (zero, one)): (usize, (&String, &String))| match stream.below_at(at as u64, 2) {
        0 => (join_pair(zero, one), 0),
        _ => (join_pair(one, zero), 1),
    };
    zero.iter().zip(one).enumerate().map(pair).unzip()
}

fn right(model: &Classifier, (texts, labels): &(Vec<String>, Vec<usize>)) -> f64 {
    let logits = model.logits(&model.tokenize(texts, None).unwrap(), &Silent).unwrap();
    let right = logits.chunks(2).zip(labels).filter(|(row, label)| usize::from(row[1] > row[0]) == **label).count();
    right as f64 / labels.len() as f64
}

#[test]
fn a_teacher_of_pairs_is_distilled_from_pairs_without_labels() {
    let (dir, device) = (tempfile::tempdir().unwrap(), Device::flex());
    let open = |name: &str, seed| {
        let spec = TinySpec { gain: 3.0, ..TinySpec::new(["zero first", "one first"]).seed(seed) };
        Classifier::open(tiny_classifier_dir(dir.path().join(name), &spec), &device).unwrap()
    };
    let settings = TrainSettings { learning_rate: 3e-3, batch_size: 16, epochs: 12, ..TrainSettings::default() };
    let mut teacher = open("teacher", 1);
    let (texts, labels) = ordered_pairs(200, 1);
    let tokens = teacher.tokenize(&texts, None).unwrap();
    fine_tune(&mut teacher, &tokens, &labels, &settings, TrainRun::new(1, &Silent)).unwrap();
    let test = ordered_pairs(100, 3);
    assert!(right(&teacher, &test) > 0.9, "the teacher: {}", right(&teacher, &test));

    tiny_generator(dir.path());
    let (texts, _) = ordered_pairs(160, 2);
    let join = LabelJoin::build(&[("teacher", &teacher.labels)], &Aliases::default()).unwrap();
    let outputs =
        vec![ClassifierTeacher::new("teacher", teacher.clone()).outputs(&texts, &Ask::default(), &Silent).unwrap()];
    let generator = dir.path().join("generator").to_str().unwrap().to_owned();
    let rewriting = Rewriting { generator, generator_steps: 2, student_steps: 10, ..Rewriting::default() };
    for adversary in [
        AdversaryChoice::None {},
        AdversaryChoice::EmbeddingGradient(BackwardPass::default()),
        AdversaryChoice::Mlm(rewriting),
    ] {
        let mut student = open("student", 2);
        let tokens: Tokens = student.tokenize(&texts, None).unwrap();
        let method = MethodSpec::ZeroShot(Box::new(ZeroShotMethod { adversary, ..ZeroShotMethod::default() }));
        let teachers = [&teacher];
        let run = AmalgamateRun::new(TrainRun::new(1, &Silent)).with_teachers(&teachers);
        let transfer = TransferSet::new(&outputs, &join).unwrap();
        amalgamate(&method, &mut student, &tokens, transfer, &settings, run).unwrap();
        let found = right(&student, &test);
        assert!(found > 0.8, "{}: {found}, and chance is 0.5", method.describe());
    }
}
