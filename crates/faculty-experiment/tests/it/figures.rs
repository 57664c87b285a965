//! A small table whose cells have every part that figures are drawn from, computed by the real metrics.

use crate::tables::row;
use faculty_core::Stream;
use faculty_core::metrics::{
    Predictions, RightAnswers, Separation, gate_quality, score_histograms, selection_matrix, separation,
    teacher_selection,
};
use faculty_experiment::schema::{Metric, Published, Reference, Role};
use faculty_experiment::{
    AccuracyPoint, CellDetails, CellRecord, CellStatus, GateKind, GateOutOfScope, LossPoint, OutOfScope, Precisions,
    RawRecord, RunRecord, ScoreSeparation, ScoreStudy, Seconds, SetupRecord, StudiedScore, TableRecord, TeacherRecord,
    exact,
};
use faculty_methods::{MethodSpec, MukiSpec};

/// The classes of the two teachers.
const KNOWS: [&[usize]; 2] = [&[0, 1, 2], &[3, 4]];
const CLASSES: usize = 5;
const TEXTS: usize = 60;

fn labels() -> Vec<usize> {
    (0..TEXTS as u64).map(|text| Stream::new(1, "labels").below_at(text, CLASSES as u64) as usize).collect()
}

/// Predictions that are right the more often the larger `skill` is.
fn predictions(name: &str, seed: u64, skill: f32) -> Predictions {
    let stream = Stream::new(seed, name);
    let labels = labels();
    let mut logits: Vec<f32> = (0..(TEXTS * CLASSES) as u64).map(|at| stream.normal_at(at) as f32).collect();
    labels.iter().enumerate().for_each(|(text, label)| logits[text * CLASSES + label] += skill);
    Predictions::from_logits(&logits, CLASSES, &labels).unwrap()
}

/// A cell of a row; `seed` is none for rows without training.
pub fn cell(name: &str, seed: Option<u64>, skill: f32) -> CellRecord {
    let predictions = predictions(name, seed.unwrap_or(0), skill);
    let trained = seed.is_some();
    let details = CellDetails {
        reliability: predictions.reliability(),
        right: Some(RightAnswers::new(predictions.correct())),
        loss: match seed {
            Some(seed) => LossPoint::thin((1..=12).map(|at| (at * 10, 2.0 / (at as f64).sqrt() + 0.01 * seed as f64))),
            None => Vec::new(),
        },
        accuracy: match seed {
            Some(seed) => (1..=4)
                .map(|at| AccuracyPoint {
                    step: at * 30,
                    accuracy: 0.5 + 0.1 * at as f64 - 0.01 * seed as f64,
                    texts: 40,
                })
                .collect(),
            None => vec![AccuracyPoint { step: 0, accuracy: 0.725, texts: 40 }],
        },
        ..CellDetails::default()
    };
    CellRecord {
        row: name.to_owned(),
        seed,
        status: CellStatus::Ok,
        reason: None,
        metrics: Some(predictions.classification()),
        slices: predictions.slices(&KNOWS),
        test_sets: Vec::new(),
        selection: None,
        target_accuracy: None,
        parameters: if trained { 17_424_474 } else { 34_800_000 },
        steps: if trained { 120 } else { 0 },
        texts_seen: if trained { 3840 } else { 0 },
        truncated: 2,
        seconds: Seconds { train: if trained { 12.5 + seed.unwrap_or(0) as f64 } else { 0.0 }, evaluate: 0.25 },
        peak_memory_bytes: Some(410_000_000),
        config_hash: faculty_core::hash_bytes(format!("{name} {seed:?}").as_bytes()),
        details,
    }
}

/// [`cell`] with a gate.
fn gated(name: &str, seed: u64, skill: f32) -> CellRecord {
    let (labels, stream) = (labels(), Stream::new(1, "gate"));
    let scores: Vec<f32> = labels
        .iter()
        .enumerate()
        .flat_map(|(text, label)| {
            KNOWS.map(|classes| {
                let own = if classes.contains(label) { 0.35 } else { 0.0 };
                (0.6 * stream.uniform_at(2 * text as u64 + classes.len() as u64 % 2) + own) as f32
            })
        })
        .collect();
    let weights: Vec<f32> = scores
        .chunks_exact(2)
        .flat_map(|row| {
            let parts = [(row[0] / 0.2).exp(), (row[1] / 0.2).exp()];
            parts.map(|part| part / (parts[0] + parts[1]))
        })
        .collect();
    let mut record = cell(name, Some(seed), skill);
    record.selection = Some(teacher_selection(&weights, &labels, &KNOWS).unwrap());
    record.details.selection = Some(selection_matrix(&weights, &labels, &KNOWS).unwrap());
    record.details.scores = Some(score_histograms(&scores, &labels, &KNOWS).unwrap());
    record
}

fn teacher(name: &str, labels: usize, accuracy: f64) -> TeacherRecord {
    TeacherRecord {
        name: name.to_owned(),
        labels,
        texts: 600,
        own_slice_accuracy: Some(accuracy),
        parameters: 17_401_374,
        steps: 95,
        seconds: 20.5,
        sha256: faculty_core::hash_bytes(name.as_bytes()),
        precision: None,
        nasty: None,
    }
}

/// The raw lines: an ensemble, two rows of three seeds, of which one failed, the ceiling, and a row that did not run.
pub fn records() -> Vec<RawRecord> {
    let of = |json: &str| -> MethodSpec { serde_json::from_str(json).unwrap() };
    let mut uhc = row("UHC", Role::Baseline, MethodSpec::Uhc { temperature: 1.0 });
    uhc.reference = Reference::Published(Published { value: 0.9, sd: Some(0.01), place: "Table 2".to_owned() });
    let mut later = row("VKD, later", Role::Variant, of("{\"kind\": \"vanilla-kd\"}"));
    later.note = "waits for a larger machine".to_owned();
    let table = TableRecord {
        experiment: "tiny".to_owned(),
        tier: Some("smoke".to_owned()),
        title: "Two teams & one student".to_owned(),
        metric: Metric::Accuracy,
        rows: vec![
            row("concat", Role::Baseline, of("{\"kind\": \"concat\"}")),
            uhc,
            row("MUKI", Role::Method, MethodSpec::Muki(MukiSpec::default())),
            later,
            row("ceiling", Role::Ceiling, of("{\"kind\": \"supervised\"}")),
        ],
        headline: Some("MUKI".to_owned()),
        notes: vec!["every student starts from minilm-l3".to_owned()],
    };
    let setup = SetupRecord {
        teachers: vec![teacher("bank", 3, 0.95), teacher("trips", 2, 0.9)],
        scan_seconds: 31.25,
        transfer_texts: 1640,
        test_texts: TEXTS,
        selection_on: "test".to_owned(),
        precision: Precisions::default(),
    };
    let run = RunRecord {
        version: "0.1.0".to_owned(),
        commit: Some("0123456789abcdef0123456789abcdef01234567".to_owned()),
        device: "cpu".to_owned(),
        processor: Some("A Processor @ 2.00GHz".to_owned()),
        cpu_features: vec!["avx2".to_owned(), "avx512".to_owned()],
        threads: 2,
        system: "linux x86_64".to_owned(),
        started_unix: 1_795_300_000,
    };
    let mut cells = vec![cell("concat", None, 2.4)];
    for seed in 1..=3 {
        cells.push(cell("UHC", Some(seed), 2.0));
        cells.push(gated("MUKI", seed, 2.6));
        cells.push(cell("ceiling", Some(seed), 3.4));
    }
    let failed = cells.iter_mut().find(|cell| cell.row == "UHC" && cell.seed == Some(3)).unwrap();
    *failed = CellRecord {
        status: CellStatus::Failed,
        reason: Some("the loss became infinite at step 30".to_owned()),
        metrics: None,
        slices: Vec::new(),
        details: CellDetails::default(),
        ..failed.clone()
    };
    let mut records = vec![RawRecord::Table(table), RawRecord::Setup(setup), RawRecord::Run(run)];
    records.extend(cells.iter().map(|cell| RawRecord::Cell(Box::new(exact(cell).unwrap()))));
    records
}

/// Four texts in scope and two out of it; AUROC by hand: 4.5, 5.5, 4 and 8 of 8 pairs.
fn separations() -> [Separation; 4] {
    let of = |inside: [f64; 4], outside: [f64; 2]| separation(&inside, &outside).unwrap();
    [
        of([0.9, 0.8, 0.5, 0.5], [0.5, 0.8]),
        of([4.0, 3.0, 2.0, 1.0], [0.0, 3.0]),
        of([1.0, 1.0, 1.0, 1.0], [1.0, 1.0]),
        of([1.0, 1.0, 1.0, 1.0], [0.0, 0.5]),
    ]
}

/// [`records`], measured on out-of-scope texts but for `concat`.
pub fn with_out_of_scope() -> Vec<RawRecord> {
    let [confidence, energy, nothing, perfect] = separations();
    let answer = |score: &str, separation| ScoreSeparation { score: score.to_owned(), separation };
    let kind = |weights: [f32; 4], sample_weight, dropped| GateKind {
        quality: gate_quality(&weights, 2).unwrap(),
        sample_weight,
        dropped,
    };
    let gate = GateOutOfScope {
        largest_score: nothing,
        largest_weight: confidence,
        sample_weight: Some(perfect),
        inside: kind([1.0, 0.0, 0.0, 1.0], 1.0, 0.0),
        outside: kind([1.0, 0.0, 0.5, 0.5], 0.25, 0.25),
    };
    let study = ScoreStudy {
        inside_are: "test".to_owned(),
        inside: 4,
        outside: 2,
        scores: vec![StudiedScore {
            score: "energy".to_owned(),
            largest: energy,
            standardised: perfect,
            own: vec![Some(confidence), None],
            foreign: vec![Some(perfect), Some(nothing)],
        }],
    };
    let mut records = records();
    records.push(RawRecord::OutOfScope(exact(&study).unwrap()));
    for record in &mut records {
        if let RawRecord::Cell(cell) = record
            && cell.status == CellStatus::Ok
            && cell.row != "concat"
        {
            cell.details.out_of_scope = Some(OutOfScope {
                answers: vec![
                    answer("max-softmax", confidence),
                    answer("entropy", confidence),
                    answer("energy", energy),
                ],
                confidence_inside: 0.675,
                confidence_outside: 0.65,
                gate: (cell.row == "MUKI").then(|| gate.clone()),
            });
        }
    }
    records
}
