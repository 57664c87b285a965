//! What a guess may be: rows, mixtures of words, hidden states; and the way back to text.

use crate::guessing::{TEXTS, by_ids, guesser, ids, spec};
use crate::taught::{assert_close, taught};
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{Aliases, LabelJoin, Stream};
use faculty_methods::{EmbeddingGuesser, GuessForm, Guesses, GuessingSpec, WordSearch};
use faculty_model::Classifier;
use faculty_nn::{DropoutPlan, Spans, TokenInput, host_values};
use faculty_testkit::{TinySpec, tiny_classifier_dir};

/// Special tokens around six words of a mixture's vocabulary, and shares that are these words alone.
fn one_word_each(guesser: &EmbeddingGuesser, student: &Classifier) -> (Vec<u32>, Tensor<3>) {
    let words = &guesser.vocabulary()[3..9];
    let (cls, sep) = (student.tokenizer.special_ids().cls.unwrap(), student.tokenizer.special_ids().sep.unwrap());
    let ids = [cls].into_iter().chain(words.iter().copied()).chain([sep]).collect();
    let mut shares = vec![0.0f32; 8 * 40];
    (0..6).for_each(|at| shares[(at + 1) * 40 + at + 3] = 1e4);
    (ids, Tensor::from_data(TensorData::new(shares, [1, 8, 40]), &Device::flex()))
}

fn eight(model: &Classifier, ids: &[u32]) -> TokenInput {
    TokenInput::new(&model.config, ids, &[0; 8], Spans::dense(1, 8), &Device::flex()).unwrap()
}

#[test]
fn a_teacher_of_another_width_reads_mixtures_of_its_own_words() {
    let (world, dir) = (taught(), tempfile::tempdir().unwrap());
    let wide = TinySpec { hidden: 48, heads: 4, ..TinySpec::new(["trip", "food"]).seed(9) };
    let wide = Classifier::open(tiny_classifier_dir(dir.path(), &wide), &Device::flex()).unwrap();
    let parts = [("one", &world.teachers[0].labels), ("wide", &wide.labels)];
    let join = LabelJoin::build(&parts, &Aliases::default()).unwrap();
    let student = world.student();
    let form = GuessForm::Mixture { words: 40, rate: 0.3, spread: 3.0 };
    let asked = [&world.teachers[0], &wide];
    let guesser = EmbeddingGuesser::new(&student, &asked, &join, GuessingSpec { form, ..spec() }, 7).unwrap();
    let (ids, shares) = one_word_each(&guesser, &student);
    let found = guesser.read(shares, &[8]).unwrap().teachers.remove(1);
    let expected = wide.network.logits(&eight(&wide, &ids), &DropoutPlan::Off);
    assert_close(&host_values(found).unwrap(), &host_values(expected).unwrap(), 1e-5);
}

#[test]
fn mixtures_are_in_the_hull_of_words_and_one_word_is_its_id() {
    let world = taught();
    let form = GuessForm::Mixture { words: 40, rate: 0.3, spread: 3.0 };
    let guesser = guesser(world, GuessingSpec { form, ..spec() });
    let vocabulary = guesser.vocabulary().to_vec();
    let student = world.student();
    let special = &student.tokenizer.special_ids().all;
    assert!(vocabulary.len() == 40 && vocabulary.iter().all(|id| !special.contains(id)));

    // Each word alone, by a share of 1.
    let (ids, shares) = one_word_each(&guesser, &student);
    let reading = guesser.read(shares, &[8]).unwrap();
    for (model, found) in world.teachers.iter().zip(reading.teachers) {
        let expected = model.network.logits(&eight(model, &ids), &DropoutPlan::Off);
        assert_close(&host_values(found).unwrap(), &host_values(expected).unwrap(), 1e-5);
    }
    let expected = student.network.encoder.embeddings.look_up(&eight(&student, &ids));
    assert_eq!(host_values(reading.entry).unwrap(), host_values(expected).unwrap());

    // Any shares: their softmax, times the rows of the words.
    let table = host_values(student.network.encoder.embeddings.words.val()).unwrap();
    let free: Vec<f32> = (0..8 * 40).map(|at| 2.0 * Stream::new(3, "shares").normal_at(at) as f32).collect();
    let shares = Tensor::<3>::from_data(TensorData::new(free.clone(), [1, 8, 40]), &Device::flex());
    let entry = host_values(guesser.read(shares, &[8]).unwrap().entry).unwrap();
    let width = entry.len() / 8;
    for at in 1..7 {
        let weights = faculty_core::metrics::softmax(&free[at * 40..(at + 1) * 40]);
        for dimension in 0..width {
            let rows = vocabulary.iter().map(|id| f64::from(table[*id as usize * width + dimension]));
            let expected: f64 = rows.zip(&weights).map(|(row, weight)| row * weight).sum();
            assert!((f64::from(entry[at * width + dimension]) - expected).abs() < 1e-5);
        }
    }
    let guesses = guesser.guess(&guesser.drafts(0, 8), None).unwrap();
    assert!(guesses.confidence.iter().all(|sure| *sure > 0.9), "{:?}", guesses.confidence);
}

#[test]
fn hidden_states_are_judged_by_what_is_above_them() {
    let world = taught();
    let form = GuessForm::Hidden { layer: 1 };
    let hidden = GuessingSpec { form, beta: 0.0, self_supervision: 0.0, nearest: 0.0, rate: 0.1, ..spec() };
    let guesser = guesser(world, hidden);
    // Hidden states of a real text are read as the text is.
    let (lengths, input) = ids(&world.teachers[0], &TEXTS);
    let state = world.teachers[0].network.encoder.forward_to(1, &input);
    let reading = guesser.read(state, &lengths).unwrap();
    assert_close(&host_values(reading.teachers[0].clone()).unwrap(), &by_ids(world, &TEXTS)[0], 1e-5);
    let guesses = guesser.guess(&guesser.drafts(0, 12), None).unwrap();
    assert!(guesses.confidence.iter().all(|sure| *sure > 0.9), "{:?}", guesses.confidence);
    assert!(guesser.snap(&guesses).unwrap_err().to_string().contains("near to no word"));
    let logits = guesser.student_logits(&world.student().network, &guesses, &DropoutPlan::Off).unwrap();
    assert_eq!(logits.dims(), [12, 4]);
}

#[test]
fn real_rows_snap_back_to_their_text() {
    let world = taught();
    let guesser = guesser(world, spec());
    let student = world.student();
    let (lengths, input) = ids(&student, &TEXTS);
    let entry = student.network.encoder.embeddings.look_up(&input);
    let count = lengths.len();
    let guesses = Guesses {
        entry: entry.mul_scalar(1.001),
        lengths,
        teachers: vec![0; count],
        classes: vec![0; count],
        logits: Vec::new(),
        confidence: vec![1.0; count],
        steps: vec![0; count],
    };
    assert_eq!(guesser.snap(&guesses).unwrap(), TEXTS);
    assert!(guesser.distance(&guesses).unwrap() < 1e-2);
    let made = guesser.guess(&guesser.drafts(0, 3), None).unwrap();
    assert!(guesser.snap(&made).unwrap().iter().all(|text| !text.is_empty() && !text.contains('[')));
}

#[test]
fn the_nearest_word_is_that_of_an_exhaustive_search() {
    let device = Device::flex();
    let stream = faculty_core::Stream::new(2, "words");
    let matrix = |rows: usize, stream: faculty_core::Stream| {
        let values: Vec<f32> = (0..rows as u64 * 6).map(|at| stream.normal_at(at) as f32).collect();
        Tensor::<2>::from_data(TensorData::new(values, [rows, 6]), &device)
    };
    // More words than are compared at once.
    let (table, rows) = (matrix(9000, stream.fork(0)), matrix(5, stream.fork(1)));
    let (words, wanted) = (host_values(table.clone()).unwrap(), host_values(rows.clone()).unwrap());
    let left_out = [17, 4242];
    let expected: Vec<i32> = wanted
        .chunks(6)
        .map(|row| {
            let far = |word: usize| -> f32 { (0..6).map(|at| (words[word * 6 + at] - row[at]).powi(2)).sum() };
            let among = (0..9000).filter(|word| !left_out.contains(&(*word as u32)));
            among.min_by(|a, b| far(*a).total_cmp(&far(*b))).unwrap() as i32
        })
        .collect();
    let search = WordSearch::new(table.clone(), &left_out);
    assert_eq!(search.ids(rows).unwrap().try_into_vec_as::<i32>().unwrap(), expected);
    let own = search.ids(table.narrow(0, 4240, 3)).unwrap().try_into_vec_as::<i32>().unwrap();
    assert!(own[0] == 4240 && own[1] == 4241 && own[2] != 4242, "{own:?}");
}
