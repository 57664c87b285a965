//! The same bytes on any number of threads: training and inference of a whole classifier.

use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{NamedTensor, Result, Silent, Stream};
use faculty_model::Classifier;
use faculty_student::{Objective, StepContext, StepLoss, TrainRun, TrainSettings, train};
use faculty_testkit::{TINY_WORDS, TinySpec, tiny_classifier_dir};

/// Targets by text length: the values do not matter here.
struct Alternating;

impl Objective for Alternating {
    fn loss(&mut self, step: &StepContext<'_>) -> Result<StepLoss> {
        let (logits, rows) = (step.student().logits.clone(), step.rows);
        let targets: Vec<f32> = rows.iter().flat_map(|row| [(row % 2) as f32, (row % 3) as f32]).collect();
        let targets = Tensor::<2>::from_data(TensorData::new(targets, [rows.len(), 2]), &logits.device());
        Ok(StepLoss { total: (logits - targets).square().mean(), parts: Vec::new() })
    }
}

/// Texts of 1 to 40 words.
fn texts(count: usize) -> Vec<String> {
    let stream = Stream::new(1, "texts");
    let word = |at: u64| TINY_WORDS[stream.below_at(at, TINY_WORDS.len() as u64) as usize];
    let text = |index: u64| (0..1 + stream.below_at(index, 40)).map(move |at| word(1000 + 50 * index + at));
    (0..count as u64).map(|index| text(index).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn training_and_inference_are_equal_bytes_on_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    // Wide enough that the backend and the kernels share their work among threads.
    let spec = TinySpec { hidden: 128, intermediate: 512, ..TinySpec::new(["a", "b"]) };
    tiny_classifier_dir(dir.path(), &spec);
    let texts = texts(160);
    let run = |threads: usize| -> (Vec<NamedTensor>, Vec<f32>, Vec<f32>) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut classifier = Classifier::open(dir.path(), &Device::flex()).unwrap();
            let tokens = classifier.tokenize(&texts, None).unwrap();
            let before = classifier.logits(&tokens, &Silent).unwrap();
            let settings = TrainSettings { batch_size: 32, epochs: 2, learning_rate: 1e-3, ..TrainSettings::default() };
            let report =
                train(&mut classifier, &tokens, &mut Alternating, &settings, TrainRun::new(1, &Silent)).unwrap();
            assert_eq!(report.steps, 10);
            let after = classifier.logits(&tokens, &Silent).unwrap();
            assert_ne!(before, after);
            (classifier.network.export(&classifier.config).unwrap(), before, after)
        })
    };
    let one = run(1);
    for threads in [2, 3] {
        let (weights, before, after) = run(threads);
        assert!(before == one.1, "logits before training on {threads} threads");
        let moved = weights.iter().zip(&one.0).filter(|(a, b)| a != b).map(|(a, _)| &a.name).collect::<Vec<_>>();
        assert!(moved.is_empty(), "weights on {threads} threads: {moved:?}");
        assert!(after == one.2, "logits after training on {threads} threads");
    }
}
