//! Stage 1 of AS-DFD-style distillation: guesses, and how models read them.

use crate::taught::{Taught, assert_close, taught, teach};
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::Silent;
use faculty_losses::log_softmax;
use faculty_methods::{
    Critic, Draft, EmbeddingGuesser, GuessForm, GuessStart, Guesses, GuessingSpec, Moments, Rebuilder, ReplayBuffer,
};
use faculty_model::Classifier;
use faculty_nn::{DropoutPlan, EncoderConfig, Spans, TokenInput, host_values};
use faculty_testkit::{TinySpec, tiny_classifier_dir};
use serde_json::json;

/// Short guesses.
pub fn spec() -> GuessingSpec {
    GuessingSpec { lengths: [5, 12], bucket: 4, ..GuessingSpec::default() }
}

fn plain() -> GuessingSpec {
    GuessingSpec { beta: 0.0, nearest: 0.0, moments: 0.0, others: 0.0, ..spec() }
}

pub fn guesser(world: &Taught, spec: GuessingSpec) -> EmbeddingGuesser {
    EmbeddingGuesser::new(&world.student(), &world.asked(), &world.join, spec, 7).unwrap()
}

pub fn ids(model: &Classifier, texts: &[&str]) -> (Vec<usize>, TokenInput) {
    let tokens = model.tokenize(texts, None).unwrap();
    let rows: Vec<usize> = (0..texts.len()).collect();
    (tokens.lengths(), tokens.batch(&rows, &model.config, &Device::flex()).unwrap())
}

pub const TEXTS: [&str; 3] = ["my bank account", "play the song please", "flight to the airport hotel"];

/// What every teacher says of texts by their ids.
pub fn by_ids(world: &Taught, texts: &[&str]) -> Vec<Vec<f32>> {
    let of = |model: &Classifier| model.logits(&model.tokenize(texts, None).unwrap(), &Silent).unwrap();
    world.teachers.iter().map(of).collect()
}

#[test]
fn real_rows_are_read_like_their_ids() {
    let world = taught();
    let guesser = guesser(world, spec());
    let student = world.student();
    let (lengths, input) = ids(&student, &TEXTS);
    let words = student.network.encoder.embeddings.look_up(&input);
    let reading = guesser.read(words.clone(), &lengths).unwrap();
    for (found, expected) in reading.teachers.into_iter().zip(by_ids(world, &TEXTS)) {
        assert_close(&host_values(found).unwrap(), &expected, 1e-6);
    }
    assert_eq!(host_values(reading.entry).unwrap(), host_values(words).unwrap());
    assert!(guesser.unexplained().iter().all(|share| *share == 0.0), "one word table");
}

#[test]
fn a_teacher_with_another_table_reads_guesses_through_the_map() {
    let (world, dir) = (taught(), tempfile::tempdir().unwrap());
    let other = TinySpec { hidden: 48, heads: 4, ..TinySpec::new(["trip", "food"]).seed(9) };
    let other = Classifier::open(tiny_classifier_dir(dir.path(), &other), &Device::flex()).unwrap();
    let parts = [("one", &world.teachers[0].labels), ("other", &other.labels)];
    let join = faculty_core::LabelJoin::build(&parts, &faculty_core::Aliases::default());
    // Both know a class of one name, which is theirs together.
    let join = join.unwrap();
    let asked = [&world.teachers[0], &other];
    let guesser = EmbeddingGuesser::new(&world.student(), &asked, &join, spec(), 7).unwrap();
    assert!(guesser.unexplained()[1] > 0.1);
    let guesses = guesser.guess(&guesser.drafts(0, 4), None).unwrap();
    assert_eq!(guesses.logits[1].dims(), [4, 2]);
    // Its own special tokens, and moved rows of the student's in between.
    let map = faculty_methods::EmbeddingMap::fit(&world.student(), &other).unwrap();
    let (width, lengths) = (guesses.entry.dims()[1], &guesses.lengths);
    let spans = Spans::right_padded(lengths, width).unwrap();
    let special = other.tokenizer.special_ids();
    let mut row = vec![special.pad; 4 * width];
    for (at, &length) in lengths.iter().enumerate() {
        row[at * width] = special.cls.unwrap();
        row[at * width + length - 1] = special.sep.unwrap();
    }
    let input = TokenInput::new(&other.config, &row, &vec![0; row.len()], spans, &Device::flex()).unwrap();
    let own = host_values(other.network.encoder.embeddings.look_up(&input)).unwrap();
    let mut words = host_values(map.apply(guesses.entry.clone())).unwrap();
    let size = words.len() / row.len();
    for (at, id) in row.iter().enumerate() {
        let inside = at % width < lengths[at / width];
        if special.all.contains(id) && (*id != special.pad || !inside) {
            words[at * size..(at + 1) * size].copy_from_slice(&own[at * size..(at + 1) * size]);
        }
    }
    let words = Tensor::<3>::from_data(TensorData::new(words, [4, width, size]), &Device::flex());
    let (encoder, head) = (&other.network.encoder, &other.network.head);
    let hidden =
        encoder.embeddings.enter(encoder.embeddings.embed_soft(words, &input), input.spans(), &DropoutPlan::Off);
    let expected =
        head.from_first(encoder.forward_first(0, hidden, input.spans(), &DropoutPlan::Off), &DropoutPlan::Off);
    assert_close(&host_values(guesses.logits[1].clone()).unwrap(), &host_values(expected).unwrap(), 1e-4);
}

#[test]
fn teachers_are_sure_of_every_class_and_special_rows_do_not_move_by_a_bit() {
    let world = taught();
    for spec in [spec(), plain()] {
        let guesser = guesser(world, spec);
        let drafts = guesser.drafts(0, 24);
        let start = guesser.draw(&drafts).unwrap();
        let guesses = guesser.guess(&drafts, None).unwrap();
        for (draft, sure) in drafts.iter().zip(&guesses.confidence) {
            assert!(*sure > 0.9, "class {} of teacher {}: {sure}", draft.class, draft.teacher);
        }
        for teacher in 0..2 {
            for class in 0..2 {
                let of = |at: &usize| guesses.teachers[*at] == teacher && guesses.classes[*at] == class;
                assert_eq!((0..24).filter(of).count(), 6);
            }
        }
        let [_, tokens, width] = start.dims();
        let (before, after) = (host_values(start).unwrap(), host_values(guesses.entry.clone()).unwrap());
        for (row, &length) in guesses.lengths.iter().enumerate() {
            for at in 0..length {
                let range = (row * tokens + at) * width..(row * tokens + at + 1) * width;
                let stays = at == 0 || at + 1 == length || guesses.steps[row] == 0;
                assert_eq!(before[range.clone()] == after[range], stays, "guess {row}, token {at}");
            }
        }
        let moved = guesses.steps.iter().filter(|steps| **steps > 0).count();
        assert!(moved > 8 && guesses.steps.iter().any(|steps| *steps < 50), "{:?}", guesses.steps);
    }
}

#[test]
fn a_guess_depends_on_nothing_that_is_guessed_beside_it() {
    let world = taught();
    let guesser = guesser(world, GuessingSpec { nearest: 0.5, others: 0.5, ..spec() });
    let drafts = guesser.drafts(0, 8);
    let together = guesser.guess(&drafts, None).unwrap();
    for at in [0, 3, 6] {
        let alone = guesser.guess(&drafts[at..=at], None).unwrap();
        let expected = host_values(together.select(&[at]).entry).unwrap();
        assert_close(&host_values(alone.entry).unwrap(), &expected, 2e-3);
        assert_eq!(alone.steps[0], together.steps[at]);
    }
}

#[test]
fn no_step_leaves_what_was_drawn() {
    let world = taught();
    let guesser = guesser(world, GuessingSpec { steps: 0, ..spec() });
    let drafts = guesser.drafts(3, 6);
    let guesses = guesser.guess(&drafts, None).unwrap();
    assert_eq!(host_values(guesses.entry.clone()).unwrap(), host_values(guesser.draw(&drafts).unwrap()).unwrap());
    let reading = guesser.read(guesses.entry, &guesses.lengths).unwrap();
    for (found, read) in guesses.logits.into_iter().zip(reading.teachers) {
        assert_eq!(host_values(found).unwrap(), host_values(read).unwrap());
    }
}

#[test]
fn draws_have_the_moments_of_the_words_or_those_of_the_ablation() {
    let world = taught();
    let student = world.student();
    let table = student.network.encoder.embeddings.words.val();
    let expected = Moments::of_rows(table.clone()).unwrap();
    let (mean, deviation) = {
        let values = host_values(table.clone()).unwrap();
        let column: Vec<f64> = values.chunks(32).map(|row| f64::from(row[3])).collect();
        let mean = column.iter().sum::<f64>() / column.len() as f64;
        let square = column.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / column.len() as f64;
        (mean, square.sqrt())
    };
    assert!((f64::from(expected.mean[3]) - mean).abs() < 1e-6);
    assert!((f64::from(expected.deviation[3]) - deviation).abs() < 1e-6);
    for (start, expected) in [(GuessStart::Moments, expected), (GuessStart::Standard, Moments::standard(32))] {
        let guesser = guesser(world, GuessingSpec { start, lengths: [40, 40], ..spec() });
        let drawn = guesser.draw(&guesser.drafts(0, 50)).unwrap().narrow(1, 1, 38).reshape([-1, 32]);
        let found = Moments::of_rows(drawn).unwrap();
        for (found, expected) in found.deviation.iter().zip(&expected.deviation) {
            assert!((found / expected - 1.0).abs() < 0.1, "{found}, {expected}");
        }
    }
}

/// Mean errors of rebuilding guesses by the student.
fn rebuilding(world: &Taught, guesser: &EmbeddingGuesser, guesses: &Guesses) -> f32 {
    let student = world.student();
    let head = guesser.fresh_head();
    let (input, masked, mask_row) = rebuilding_parts(&student.config, &student, guesses);
    let rebuilder = Rebuilder { network: &student.network, head: &head, mask_row: &mask_row };
    let errors = rebuilder.errors(guesses.entry.clone(), &masked, &input, &DropoutPlan::Off);
    host_values(errors.mean()).unwrap()[0]
}

/// The second token of every guess is masked.
fn rebuilding_parts(
    config: &EncoderConfig,
    student: &Classifier,
    guesses: &Guesses,
) -> (TokenInput, Tensor<3>, Tensor<3>) {
    let [count, width, _] = guesses.entry.dims();
    let spans = Spans::right_padded(&guesses.lengths, width).unwrap();
    let input =
        TokenInput::new(config, &vec![5; count * width], &vec![0; count * width], spans, &Device::flex()).unwrap();
    let masked: Vec<f32> = (0..count * width).map(|at| f32::from(u8::from(at % width == 1))).collect();
    let masked = Tensor::from_data(TensorData::new(masked, [count, width, 1]), &Device::flex());
    let mask = student.tokenizer.special_ids().mask.unwrap() as usize;
    let mask_row = student.network.encoder.embeddings.words.val().narrow(0, mask, 1).unsqueeze_dim(0);
    (input, masked, mask_row)
}

#[test]
fn stage_1_looks_for_what_the_student_cannot_rebuild_and_moves_no_weight() {
    let world = taught();
    // All words are masked, so that the one that is measured is among them.
    let guesser = guesser(world, GuessingSpec { stop: 1.0, steps: 20, masked: 1.0, ..plain() });
    let (student, head, drafts) = (world.student(), guesser.fresh_head(), guesser.drafts(0, 8));
    let before = student.network.export(&student.config).unwrap();
    let weights =
        || world.teachers.iter().map(|teacher| teacher.network.export(&teacher.config).unwrap()).collect::<Vec<_>>();
    let (teachers, head_before) = (weights(), host_values(head.weight.val()).unwrap());
    let plain = guesser.guess(&drafts, None).unwrap();
    let critic = |beta| Some(Critic { network: &student.network, head: &head, beta });
    let hard = guesser.guess(&drafts, critic(5.0)).unwrap();
    let same = guesser.guess(&drafts, critic(0.0)).unwrap();
    assert_eq!(host_values(plain.entry.clone()).unwrap(), host_values(same.entry).unwrap(), "beta 0 is plain guessing");
    let (easy, hard) = (rebuilding(world, &guesser, &plain), rebuilding(world, &guesser, &hard));
    assert!(hard > 1.5 * easy, "{easy} -> {hard}");
    assert!(student.network.export(&student.config).unwrap() == before, "the student");
    assert!(weights() == teachers, "the teachers");
    assert_eq!(host_values(head.weight.val()).unwrap(), head_before, "what rebuilds");
}

#[test]
fn rebuilding_pulls_the_student_and_its_head() {
    use burn::module::Module;
    let world = taught();
    let guesser = guesser(world, spec());
    let guesses = guesser.guess(&guesser.drafts(0, 4), None).unwrap();
    let student = world.student();
    let (input, masked, mask_row) = rebuilding_parts(&student.config, &student, &guesses);
    let (network, head) = (student.network.clone().train(), guesser.fresh_head().train());
    // The head of a training wants gradients.
    let head = faculty_nn::Linear {
        weight: head.weight.clone().set_require_grad(true),
        bias: head.bias.clone().set_require_grad(true),
    };
    let words = Tensor::from_inner(guesses.entry.clone());
    let errors = Rebuilder { network: &network, head: &head, mask_row: &mask_row }.errors(
        words,
        &masked,
        &input,
        &DropoutPlan::Off,
    );
    let gradients = errors.clone().mean().backward();
    let inner = &network.encoder.layers[0].feed_forward_in.weight.val();
    assert!(inner.grad(&gradients).is_some() && head.weight.val().grad(&gradients).is_some());
    // A step against the gradient lowers the error: what stage 1 raises, stage 2 lowers.
    let step = head.weight.val().grad(&gradients).unwrap().mul_scalar(-1e-3);
    let moved = faculty_nn::Linear {
        weight: burn::module::Param::from_tensor(head.weight.val().inner() + step),
        bias: head.bias.clone().set_require_grad(false),
    };
    let again = Rebuilder { network: &student.network, head: &moved, mask_row: &mask_row }.errors(
        guesses.entry.clone(),
        &masked,
        &input,
        &DropoutPlan::Off,
    );
    let (before, after) = (host_values(errors.mean().inner()).unwrap()[0], host_values(again.mean()).unwrap()[0]);
    assert!(after < before, "{before} -> {after}");
}

#[test]
fn the_word_prior_draws_rows_to_words() {
    let world = taught();
    let distance = |nearest| {
        let guesser = guesser(world, GuessingSpec { nearest, stop: 1.0, steps: 30, rate: 0.01, ..plain() });
        guesser.distance(&guesser.guess(&guesser.drafts(0, 8), None).unwrap()).unwrap()
    };
    let (free, drawn) = (distance(0.0), distance(10.0));
    assert!(drawn < 0.7 * free, "{free} -> {drawn}");
}

#[test]
fn the_moments_prior_keeps_guesses_at_the_scale_of_words() {
    let world = taught();
    let scale = |moments| {
        let guesser = guesser(world, GuessingSpec { moments, stop: 1.0, steps: 30, rate: 0.05, ..plain() });
        let entry = guesser.guess(&guesser.drafts(0, 8), None).unwrap().entry;
        let found = Moments::of_rows(entry.narrow(1, 1, 3).reshape([-1, 32])).unwrap();
        found.deviation.iter().sum::<f32>()
    };
    let table = world.student().network.encoder.embeddings.words.val();
    let words: f32 = Moments::of_rows(table).unwrap().deviation.iter().sum();
    let (free, held) = (scale(0.0), scale(100.0));
    assert!(held < 0.8 * free && held > 0.3 * words, "{free} -> {held}, words {words}");
}

#[test]
fn other_teachers_are_less_sure_of_what_was_not_made_for_them() {
    let world = taught();
    let energy = |others| {
        let guesser = guesser(world, GuessingSpec { others, stop: 1.0, steps: 30, ..plain() });
        let guesses = guesser.guess(&guesser.drafts(0, 16), None).unwrap();
        let mut sum = 0.0;
        for (other, logits) in guesses.logits.iter().enumerate() {
            let energies = host_values(log_softmax(logits.clone(), 1.0).log_sum_exp.neg()).unwrap();
            let foreign = energies.iter().zip(&guesses.teachers).filter(|(_, own)| **own != other);
            sum += foreign.map(|(energy, _)| f64::from(*energy)).sum::<f64>();
        }
        sum / 16.0
    };
    let (free, pulled) = (energy(0.0), energy(5.0));
    assert!(pulled > free + 0.05, "{free} -> {pulled}");
}

#[test]
fn classes_take_turns_and_the_buffer_is_flat() {
    let world = taught();
    let guesser = guesser(world, GuessingSpec { steps: 0, buffer: 6, ..plain() });
    let mut buffer = ReplayBuffer::new(6);
    for batch in 0..9 {
        buffer.push(guesser.guess(&guesser.drafts(16 * batch, 16), None).unwrap());
    }
    assert_eq!(buffer.len(), 96, "the three oldest are gone");
    let counts: Vec<usize> = buffer.histogram(&[2, 2]).into_iter().flatten().collect();
    assert_eq!(counts, [24, 24, 24, 24]);
    let first: Vec<usize> = guesser.drafts(0, 16).iter().map(|draft| draft.class).collect();
    let later: Vec<usize> = guesser.drafts(16, 16).iter().map(|draft| draft.class).collect();
    assert_ne!(first, later, "not always in the same order");
    let lengths: Vec<usize> =
        (0..200).flat_map(|batch| guesser.drafts(16 * batch, 16)).map(|draft| draft.length).collect();
    assert!((5..=12).all(|length| lengths.contains(&length)) && lengths.iter().all(|length| (5..=12).contains(length)));
    let spread = guesser.drafts(32, 16);
    let (least, most) =
        (spread.iter().map(|d| d.length).min().unwrap(), spread.iter().map(|d| d.length).max().unwrap());
    assert!(most - least < 4, "one bucket: {least} to {most}");

    let stream = faculty_core::Stream::new(1, "sample");
    let chosen = buffer.sample(40, stream).unwrap().unwrap();
    assert_eq!((chosen.len(), chosen.logits[1].dims()), (40, [40, 2]));
    assert_eq!(buffer.sample(500, stream).unwrap().unwrap().len(), 96, "none twice");
    assert!(ReplayBuffer::new(2).sample(4, stream).unwrap().is_none());
}

#[test]
fn classes_of_unequal_teachers_come_equally_often() {
    let world = teach(&[(0, 1), (1, 4)]);
    let guesser = guesser(&world, GuessingSpec { steps: 0, ..plain() });
    let mut counts = [0; 4];
    for batch in 0..6 {
        guesser.drafts(16 * batch, 16).iter().for_each(|draft| counts[draft.teacher + draft.class] += 1);
    }
    assert_eq!(counts, [24; 4]);
    // What is found once is found from rows of all, however few classes one has.
    let form = GuessForm::Mixture { words: 40, rate: 0.3, spread: 3.0 };
    assert_eq!(self::guesser(&world, GuessingSpec { form, ..spec() }).vocabulary().len(), 40);
}

#[test]
fn a_single_teacher_guesses_as_it_does_beside_another_that_is_not_asked() {
    let (world, alone) = (taught(), teach(&[(0, 2)]));
    let two = guesser(world, plain());
    let one = guesser(&alone, plain());
    let draft = |number| Draft { number, teacher: 0, class: 1, length: 9 };
    let drafts = [draft(4), draft(5)];
    let (two, one) = (two.guess(&drafts, None).unwrap(), one.guess(&drafts, None).unwrap());
    assert_eq!(host_values(two.entry).unwrap(), host_values(one.entry).unwrap());
    assert_eq!(one.logits.len(), 1);
}

#[test]
fn what_cannot_be_guessed_is_refused_with_a_sentence() {
    let world = taught();
    let dir = tempfile::tempdir().unwrap();
    let odd = tiny_classifier_dir(dir.path().join("odd"), &TinySpec::new(["food", "music"]));
    let path = odd.join("tokenizer.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("\"balance\"", "\"balances\"");
    std::fs::write(&path, text).unwrap();
    let odd = Classifier::open(odd, &Device::flex()).unwrap();
    let wide = TinySpec { hidden: 48, ..TinySpec::new(["food", "music"]) };
    let wide = Classifier::open(tiny_classifier_dir(dir.path().join("wide"), &wide), &Device::flex()).unwrap();
    let deep = TinySpec { layers: 3, ..TinySpec::new(["food", "music"]) };
    let deep = Classifier::open(tiny_classifier_dir(dir.path().join("deep"), &deep), &Device::flex()).unwrap();
    let (student, known) = (world.student(), &world.teachers[0]);
    let refused = |other: &Classifier, spec: GuessingSpec| {
        EmbeddingGuesser::new(&student, &[known, other], &world.join, spec, 1).unwrap_err().to_string()
    };
    let error = refused(&odd, spec());
    assert!(error.contains("`two` has another vocabulary") && error.contains("snap"), "{error}");
    let hidden = |layer| GuessingSpec {
        form: GuessForm::Hidden { layer },
        beta: 0.0,
        self_supervision: 0.0,
        nearest: 0.0,
        ..spec()
    };
    assert!(refused(&wide, hidden(1)).contains("kind = \"mixture\""));
    assert!(refused(&deep, hidden(1)).contains("one depth"));
    assert!(refused(&world.teachers[1], hidden(2)).contains("others above it"));
    assert!(refused(&world.teachers[1], GuessingSpec { lengths: [2, 8], ..spec() }).contains("at least 3"));
    assert!(refused(&world.teachers[1], GuessingSpec { lengths: [4, 80], ..spec() }).contains("at most 64"));
    for (wrong, key) in [
        (json!({"beta": -0.1}), "guessing.beta"),
        (json!({"rate": 0.0}), "guessing.rate"),
        (json!({"stop": 1.5}), "guessing.stop"),
        (json!({"masked": 0.0}), "guessing.masked"),
        (json!({"smoothing": 1.0}), "guessing.smoothing"),
        (json!({"steps": 20_000}), "guessing.steps"),
        (json!({"every": 0}), "guessing.every"),
        (json!({"lengths": [9, 4]}), "guessing.lengths"),
        (json!({"form": {"kind": "mixture", "words": 1}}), "guessing.form.words"),
        (json!({"form": {"kind": "mixture", "rate": -1.0}}), "guessing.form.rate"),
        (json!({"form": {"kind": "hidden", "layer": 1}}), "guessing.beta"),
        (json!({"form": {"kind": "hidden", "layer": 0}}), "guessing.form.layer"),
    ] {
        let spec: GuessingSpec = serde_json::from_value(wrong).unwrap();
        let error = spec.check().unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
    assert!(serde_json::from_value::<GuessingSpec>(json!({"step": 3})).is_err());
}
