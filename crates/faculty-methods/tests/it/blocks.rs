//! Block-wise amalgamation in a training: whom it trusts, what it learns, and that it goes on where it stopped.

use crate::observed::{Notes, assert_resumes, bits, part};
use crate::toy::{class_name, texts};
use burn::tensor::Device;
use faculty_core::{Aliases, LabelJoin, NamedTensor, Observer, Result, Silent, Stream};
use faculty_losses::features::{BlockSettings, Integrator};
use faculty_methods::{
    AmalgamateRun, BlockAmalgamation, BlockConfidence, BlockPositions, BlockScore, Intended, MethodSpec, PseudoClass,
    ScoredLayers, StratanetMethod, TransferSet, amalgamate, block_ends, block_weights, fine_tune,
};
use faculty_model::Classifier;
use faculty_student::{Checkpoints, TrainReport, TrainRun, TrainSettings};
use faculty_teacher::{Ask, ClassifierTeacher, Teacher, TeacherOutputs};
use faculty_testkit::{TINY_WORDS, TinySpec, tiny_classifier_dir};
use serde_json::json;

/// Two teachers of two classes each (one of them wider and deeper), a student over all four, and texts.
pub struct World {
    dir: tempfile::TempDir,
    teachers: Vec<Classifier>,
    pub outputs: Vec<TeacherOutputs>,
    pub join: LabelJoin,
    pub texts: Vec<String>,
    pub intended: Vec<Intended>,
}

fn settings(epochs: usize) -> TrainSettings {
    TrainSettings { learning_rate: 2e-3, batch_size: 16, epochs, ..TrainSettings::default() }
}

/// `count` texts a class, and how long the teachers learn.
pub fn world(count: usize, epochs: usize) -> World {
    let (dir, device) = (tempfile::tempdir().unwrap(), Device::flex());
    let spec = |classes: std::ops::Range<usize>| TinySpec { gain: 3.0, ..TinySpec::new(classes.map(class_name)) };
    tiny_classifier_dir(dir.path().join("student"), &spec(0..4).seed(7));
    let wide = TinySpec { hidden: 48, intermediate: 64, layers: 3, ..spec(2..4).seed(2) };
    let mut teachers = Vec::new();
    for (index, (spec, classes)) in [(spec(0..2).seed(1), 0..2), (wide, 2..4)].into_iter().enumerate() {
        let dir = tiny_classifier_dir(dir.path().join(index.to_string()), &spec);
        let mut teacher = Classifier::open(dir, &device).unwrap();
        let (texts, labels) = texts(classes.clone(), 30, 1);
        let labels: Vec<usize> = labels.iter().map(|label| label - classes.start).collect();
        let tokens = teacher.tokenize(&texts, None).unwrap();
        let run = TrainRun::new(index as u64, &Silent);
        fine_tune(&mut teacher, &tokens, &labels, &settings(epochs), run).unwrap();
        teachers.push(teacher);
    }
    let parts = [("first", &teachers[0].labels), ("second", &teachers[1].labels)];
    let join = LabelJoin::build(&parts, &Aliases::default()).unwrap();
    let (texts, labels) = texts(0..4, count, 2);
    let intended = labels.iter().map(|label| Some((label / 2, label % 2))).collect();
    let outputs = asked(&teachers, &texts);
    World { dir, teachers, outputs, join, texts, intended }
}

fn asked(teachers: &[Classifier], texts: &[String]) -> Vec<TeacherOutputs> {
    let ask = Ask::default().with_passes(4, 1);
    let one = |teacher: &Classifier| {
        ClassifierTeacher::new("a teacher", teacher.clone()).outputs(texts, &ask, &Silent).unwrap()
    };
    teachers.iter().map(one).collect()
}

fn small(integration: BlockSettings) -> BlockAmalgamation {
    BlockAmalgamation { integration, ..BlockAmalgamation::default() }
}

fn method(blocks: BlockAmalgamation) -> MethodSpec {
    MethodSpec::Stratanet(StratanetMethod { blocks, ..StratanetMethod::default() })
}

fn with(integrator: Integrator) -> BlockAmalgamation {
    small(BlockSettings { integrator, ..BlockSettings::default() })
}

fn scored(score: BlockScore) -> BlockAmalgamation {
    let confidence = BlockConfidence { score, ..BlockConfidence::default() };
    BlockAmalgamation { confidence, ..BlockAmalgamation::default() }
}

impl World {
    fn student(&self) -> Classifier {
        Classifier::open(self.dir.path().join("student"), &Device::flex()).unwrap()
    }

    pub fn transfer(&self) -> TransferSet<'_> {
        TransferSet::new(&self.outputs, &self.join).unwrap().with_intended(self.intended.as_slice()).unwrap()
    }

    pub fn train_on(
        &self,
        method: &MethodSpec,
        transfer: TransferSet<'_>,
        checkpoints: Option<&Checkpoints>,
        observer: &dyn Observer,
    ) -> Result<(Vec<NamedTensor>, TrainReport)> {
        let mut student = self.student();
        let tokens = student.tokenize(&self.texts, None).unwrap();
        let teachers: Vec<&Classifier> = self.teachers.iter().collect();
        let train = TrainRun { checkpoints, ..TrainRun::new(1, observer) };
        let run = AmalgamateRun::new(train).with_teachers(&teachers);
        let report = amalgamate(method, &mut student, &tokens, transfer, &settings(2), run)?;
        Ok((student.network.export(&student.config).unwrap(), TrainReport { seconds: 0.0, ..report }))
    }

    pub fn train(&self, method: &MethodSpec) -> (Vec<NamedTensor>, TrainReport) {
        self.train_on(method, self.transfer(), None, &Silent).unwrap()
    }

    /// The mean weight, by block, of each teacher on the texts with `owner`.
    fn own_weights(&self, blocks: &BlockAmalgamation, transfer: &TransferSet<'_>) -> Vec<Vec<f32>> {
        let student = self.student();
        let tokens = student.tokenize(&self.texts, None).unwrap();
        let teachers: Vec<&Classifier> = self.teachers.iter().collect();
        let tables = block_weights(blocks, &student, &teachers, transfer, &tokens, &Silent).unwrap();
        let mean = |weights: &[f32], teacher: usize| {
            let own: Vec<f32> = (0..self.texts.len())
                .filter(|&text| self.intended[text].unwrap().0 == teacher)
                .map(|text| weights[text * 2 + teacher])
                .collect();
            own.iter().sum::<f32>() / own.len() as f32
        };
        tables.iter().map(|table| vec![mean(&table.weights, 0), mean(&table.weights, 1)]).collect()
    }
}

#[test]
fn blocks_end_where_the_sheet_says() {
    assert_eq!(block_ends(3, 3), [1, 2, 3]);
    assert_eq!(block_ends(6, 4), [2, 3, 5, 6]);
    assert_eq!(block_ends(12, 4), [3, 6, 9, 12]);
    assert_eq!(block_ends(2, 4), [1, 1, 2, 2]);
}

#[test]
fn every_teacher_trusts_itself_most_on_its_own_texts_and_nobody_rules_random_words() {
    let world = world(20, 10);
    for spec in [scored(BlockScore::Rmd), scored(BlockScore::Mahalanobis), scored(BlockScore::Entropy)] {
        let by_block = world.own_weights(&spec, &world.transfer());
        let last = by_block.last().unwrap();
        assert!(last.iter().all(|weight| *weight > 0.55), "{:?}: {by_block:?}", spec.confidence.score);
    }
    assert_eq!(
        world.own_weights(&scored(BlockScore::Rmd), &world.transfer()).len(),
        2,
        "a block a layer of the student"
    );
    let last = BlockConfidence { layers: ScoredLayers::Last, ..BlockConfidence::default() };
    let last = BlockAmalgamation { confidence: last, ..BlockAmalgamation::default() };
    let (one, all) =
        (world.own_weights(&last, &world.transfer()), world.own_weights(&scored(BlockScore::Rmd), &world.transfer()));
    assert_eq!(one, all[1..]);
    assert_eq!(world.own_weights(&scored(BlockScore::Uniform), &world.transfer()), [[0.5, 0.5]]);
    // Whom a text was written for takes its share, whatever the score.
    for score in [BlockScore::Rmd, BlockScore::Uniform] {
        let plain = scored(score);
        let confidence = BlockConfidence { intended_share: 0.25, ..plain.confidence };
        let told = world.own_weights(&BlockAmalgamation { confidence, ..plain }, &world.transfer());
        for (found, before) in told.iter().flatten().zip(world.own_weights(&plain, &world.transfer()).iter().flatten())
        {
            assert!((found - (0.75 * before + 0.25)).abs() < 1e-5, "{score:?}: {found}, before {before}");
        }
    }

    // Random words, shared out at random: teachers have no texts of their own to be told from others'.
    let stream = Stream::new(5, "random words");
    let text = |text: u64| {
        let word = |at: u64| TINY_WORDS[stream.fork(text).below_at(at, TINY_WORDS.len() as u64) as usize];
        (0..5).map(word).collect::<Vec<_>>().join(" ")
    };
    let texts: Vec<String> = (0..80).map(text).collect();
    let intended = (0..80).map(|text| Some((text % 2, text / 2 % 2))).collect();
    let outputs = asked(&world.teachers, &texts);
    let random = World { texts, intended, outputs, ..world };
    let means = random.own_weights(&scored(BlockScore::Rmd), &random.transfer());
    assert!(means[1].iter().all(|weight| (weight - 0.5).abs() < 0.15), "{means:?}");
}

#[test]
fn texts_without_intention_belong_to_the_surest_teacher() {
    let world = world(20, 10);
    let bare = TransferSet::new(&world.outputs, &world.join).unwrap();
    let found = world.own_weights(&scored(BlockScore::Rmd), &bare);
    assert!(found[1].iter().all(|weight| *weight > 0.5), "{found:?}");
    // Texts with and without an intention may be mixed, and where all have one, classes may follow it.
    let some: Vec<Intended> =
        world.intended.iter().enumerate().map(|(text, own)| own.filter(|_| text % 2 == 0)).collect();
    assert!(world.own_weights(&scored(BlockScore::Rmd), &bare.with_intended(some.as_slice()).unwrap())[1][0] > 0.5);
    let confidence = BlockConfidence { classes: PseudoClass::Intended, ..BlockConfidence::default() };
    let meant = BlockAmalgamation { confidence, ..BlockAmalgamation::default() };
    assert!(world.own_weights(&meant, &world.transfer())[1][0] > 0.5);
    // A teacher without any text of its own is refused by name.
    let nobody = vec![Some((0, 0)); world.texts.len()];
    let starved = bare.with_intended(nobody.as_slice()).unwrap();
    let error = world.train_on(&method(scored(BlockScore::Rmd)), starved, None, &Silent).unwrap_err().to_string();
    assert!(error.contains("`second`"), "{error}");
    assert!(bare.with_intended(&world.intended[1..]).is_err(), "one a text");
    assert!(bare.with_intended(vec![Some((0, 2)); world.texts.len()].as_slice()).is_err(), "a class that is not there");
}

#[test]
fn a_student_learns_the_union_block_by_block() {
    let world = world(20, 10);
    let teachers = bits(&world.teachers);
    for blocks in [
        with(Integrator::SelectiveTransformer),
        with(Integrator::WeightedMean),
        with(Integrator::ConcatLinear),
        with(Integrator::CommonFeature),
        with(Integrator::None),
        BlockAmalgamation { positions: BlockPositions::Pooled, ..BlockAmalgamation::default() },
        scored(BlockScore::Uniform),
        scored(BlockScore::McDropout),
        scored(BlockScore::MaxSoftmax),
        BlockAmalgamation { balanced: true, ..BlockAmalgamation::default() },
    ] {
        let (weights, report) = world.train(&method(blocks));
        assert!(bits(&world.teachers) == teachers, "{blocks:?}: teachers are constants");
        assert_eq!(report.steps, 10, "equal updates for every form");
        assert!(report.curve.iter().all(|point| point.loss.is_finite()), "{blocks:?}");
        assert!(weights.iter().all(|tensor| tensor.values.iter().all(|value| value.is_finite())));
        if blocks.integration.integrator == Integrator::SelectiveTransformer {
            assert!(
                part(&report, 0, "block1_match") > Some(0.0) && part(&report, 0, "block2_reconstruction") > Some(0.0)
            );
            assert!(part(&report, 0, "block2_unified_rank") > Some(0.5));
        }
    }
}

#[test]
fn the_passes_of_teachers_are_counted() {
    let world = world(5, 1);
    let count = |blocks| {
        let (_, report) = world.train(&method(blocks));
        report.counts.iter().map(|(name, count)| (name.clone(), *count)).collect::<Vec<_>>()
    };
    let passes =
        |forward| vec![("teacher_forward_passes".to_owned(), forward), ("teacher_backward_passes".to_owned(), 0)];
    // Two teachers, 20 texts, two epochs: once for the weights, and once in every epoch where states meet token by token.
    assert_eq!(count(BlockAmalgamation::default()), passes(2 * 20 * 3));
    assert_eq!(
        count(BlockAmalgamation { positions: BlockPositions::Pooled, ..BlockAmalgamation::default() }),
        passes(2 * 20)
    );
    assert_eq!(count(scored(BlockScore::Uniform)), passes(2 * 20 * 2));
    assert_eq!(count(with(Integrator::None)), [], "an integrator that is none asks nobody in the training");
}

#[test]
fn without_integrator_and_weights_it_is_uniform_distillation() {
    let world = world(5, 1);
    let blocks = BlockAmalgamation { confidence: scored(BlockScore::Uniform).confidence, ..with(Integrator::None) };
    let plain = MethodSpec::Stratanet(StratanetMethod { temperature: 1.0, blocks, renew: None });
    assert!(world.train(&plain).0 == world.train(&MethodSpec::Uniform { temperature: 1.0 }).0);
}

#[test]
fn block_losses_of_weight_0_change_nothing_in_the_student() {
    let world = world(5, 1);
    let off = BlockSettings { match_weight: 0.0, reconstruction_weight: 1.0, ..BlockSettings::default() };
    let (alone, _) = world.train(&method(small(off)));
    let (without, _) = world.train(&method(with(Integrator::None)));
    // The student's last layer is computed for all tokens in the one and for first ones in the other: the same up to rounding.
    let far = alone.iter().zip(&without).flat_map(|(a, b)| a.values.iter().zip(&b.values)).map(|(a, b)| (a - b).abs());
    let far = far.fold(0.0_f32, f32::max);
    assert!(far < 1e-4, "{far}: reconstruction trains no student");
    let (matched, _) = world.train(&method(BlockAmalgamation::default()));
    assert!(
        matched.iter().zip(&without).any(|(a, b)| a.values.iter().zip(&b.values).any(|(a, b)| (a - b).abs() > 1e-3))
    );
}

#[test]
fn a_killed_training_ends_as_if_it_had_not_been() {
    let world = world(6, 1);
    for blocks in [
        BlockAmalgamation::default(),
        BlockAmalgamation { positions: BlockPositions::Pooled, ..with(Integrator::CommonFeature) },
    ] {
        let method = method(blocks);
        assert_resumes([1, 3], |checkpoints, observer| {
            world.train_on(&method, world.transfer(), checkpoints, observer)
        });
    }
}

#[test]
fn whom_the_weights_trust_is_said() {
    let world = world(5, 2);
    let notes = Notes::default();
    world.train_on(&method(BlockAmalgamation::default()), world.transfer(), None, &notes).unwrap();
    let notes = notes.into_inner();
    let found = |part: &str| notes.iter().any(|note| note.contains(part));
    assert!(found("teacher first: 10 texts of its own") && found("teacher second: 10 texts"), "{notes:?}");
}

#[test]
fn teachers_of_another_tokenizer_read_the_texts_themselves() {
    let mut world = world(5, 1);
    let dir = tiny_classifier_dir(world.dir.path().join("odd"), &TinySpec::new([class_name(2), class_name(3)]));
    let path = dir.join("tokenizer.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("\"balance\"", "\"balances\"");
    std::fs::write(&path, text).unwrap();
    world.teachers[1] = Classifier::open(dir, &Device::flex()).unwrap();
    world.outputs = asked(&world.teachers, &world.texts);
    let default = method(BlockAmalgamation::default());
    let error = world.train_on(&default, world.transfer(), None, &Silent).unwrap_err().to_string();
    assert!(error.contains("`second` reads by another tokenizer"), "{error}");
    let transfer = || world.transfer().with_texts(world.texts.as_slice()).unwrap();
    let (_, report) = world.train_on(&default, transfer(), None, &Silent).unwrap();
    assert_eq!(report.counts[0].1, 2 * 20, "pooled: each teacher once a text");
    let tokens = BlockAmalgamation { positions: BlockPositions::Tokens, ..BlockAmalgamation::default() };
    let error = world.train_on(&method(tokens), transfer(), None, &Silent).unwrap_err().to_string();
    assert!(error.contains("another vocabulary") && error.contains("pooled"), "{error}");
    assert!(world.transfer().with_texts(&world.texts[1..]).is_err(), "texts are one a row");
}

#[test]
fn facultys_recipe_without_data_is_its_parts_put_together_by_hand() {
    let world = world(10, 3);
    let spec = |value: serde_json::Value| -> MethodSpec { serde_json::from_value(value).unwrap() };
    let named = |settings: serde_json::Value| {
        let mut all = json!({"kind": "faculty-data-free"});
        all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        spec(all)
    };
    let by_hand = spec(json!({
        "kind": "recipe",
        "gate": "none",
        "losses": [{"loss": {"kind": "gated-kl"}, "weight": 0.5}, {"loss": {"kind": "uhc"}, "weight": 0.5}],
        "blocks": {"confidence": {"intended_share": 0.3}, "integration": {"integrator": "none"}},
    }));
    let recipe = world.train(&named(json!({})));
    assert!(recipe == world.train(&by_hand));
    for other in [json!({"intended_share": 0.0}), json!({"uhc": 0.0}), json!({"uhc": 1.0})] {
        assert!(recipe.0 != world.train(&named(other.clone())).0, "{other} changes nothing");
    }
    for (wrong, key) in [(json!({"intended_share": 1.5}), "intended_share"), (json!({"uhc": -0.1}), "uhc")] {
        let error = named(wrong).check(2).unwrap_err().to_string();
        assert!(error.contains(&format!("`{key}`")) && error.contains("0 to 1"), "{error}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_by_key() {
    for (wrong, key) in [
        (json!({"count": 0}), "blocks.count"),
        (json!({"confidence": {"temperature": 0.0}}), "blocks.confidence.temperature"),
        (json!({"confidence": {"fit": {"shrinkage": -0.1}}}), "fit.shrinkage"),
        (json!({"confidence": {"intended_share": 1.5}}), "blocks.confidence.intended_share"),
        (json!({"integration": {"heads": 0}}), "heads"),
        (json!({"integration": {"integrator": "concat-linear", "agreement_weight": 0.1}}), "agreement_weight"),
    ] {
        let method: MethodSpec = serde_json::from_value(json!({"kind": "stratanet", "blocks": wrong})).unwrap();
        let error = method.check(2).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
    let default: MethodSpec = serde_json::from_value(json!({"kind": "stratanet"})).unwrap();
    assert_eq!(default, MethodSpec::Stratanet(StratanetMethod::default()));
    default.check(2).unwrap();
    assert_eq!(default.describe(), "STRATANET-style: selective-transformer over blocks by rmd");
    assert!(serde_json::from_value::<MethodSpec>(json!({"kind": "stratanet", "score": "rmd"})).is_err());
    let gated: MethodSpec = serde_json::from_value(json!({"kind": "recipe", "blocks": {}})).unwrap();
    assert!(gated.check(2).unwrap_err().to_string().contains("gate"), "blocks bring their own gate");
    let recipe: MethodSpec = serde_json::from_value(json!({"kind": "recipe", "gate": "none", "blocks": {}})).unwrap();
    recipe.check(2).unwrap();
    let stored = serde_json::to_value(faculty_methods::Recipe::default()).unwrap();
    assert!(stored.get("blocks").is_none(), "configurations from before the key keep their hashes");
    // Teachers are needed only where they are asked.
    let asks = |blocks| method(blocks).recipe().unwrap().needs_teachers();
    assert!(asks(BlockAmalgamation::default()) && asks(with(Integrator::None)));
    assert!(!asks(BlockAmalgamation { confidence: scored(BlockScore::Entropy).confidence, ..with(Integrator::None) }));
    assert!(method(scored(BlockScore::McDropout)).recipe().unwrap().needs_passes());
}
