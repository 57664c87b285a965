use crate::support::check_snapshot;
use faculty_core::metrics::{Classification, Selection};
use faculty_experiment::schema::{Metric, Published, Reference, Role, Unknown};
use faculty_experiment::table::{Status, Table, TableFormat};
use faculty_experiment::{
    CellDetails, CellRecord, CellStatus, MethodRecord, Precisions, RawRecord, RowRecord, Seconds, SetupRecord,
    TableRecord, TeacherRecord,
};
use faculty_methods::{MethodSpec, MukiSpec};
use faculty_model::PrecisionCheck;
use faculty_nn::Precision;

pub fn row(name: &str, role: Role, method: MethodSpec) -> RowRecord {
    RowRecord {
        name: name.to_owned(),
        role,
        access: method.access(),
        seeded: method.trains(),
        method: MethodRecord::of(&method).unwrap(),
        reference: Reference::Word(Unknown::Unknown),
        note: String::new(),
        text: None,
    }
}

fn table() -> TableRecord {
    TableRecord {
        experiment: "small".to_owned(),
        tier: None,
        title: "Small & honest".to_owned(),
        metric: Metric::Accuracy,
        rows: vec![
            row("teacher bank", Role::Baseline, MethodSpec::Teacher { index: 0 }),
            row("concat", Role::Baseline, serde_json::from_str("{\"kind\": \"concat\"}").unwrap()),
            row("UHC", Role::Baseline, MethodSpec::Uhc { temperature: 1.0 }),
            row("MUKI", Role::Method, MethodSpec::Muki(MukiSpec::default())),
            row("ceiling", Role::Ceiling, serde_json::from_str("{\"kind\": \"supervised\"}").unwrap()),
        ],
        headline: Some("MUKI".to_owned()),
        notes: vec!["a remark".to_owned()],
    }
}

fn cell(row: &str, seed: Option<u64>, accuracy: f64) -> CellRecord {
    CellRecord {
        row: row.to_owned(),
        seed,
        status: CellStatus::Ok,
        reason: None,
        metrics: Some(Classification {
            accuracy,
            macro_f1: accuracy - 0.01,
            ece: 0.05,
            brier: 0.2,
            nll: 0.5,
            texts: 200,
            classes_absent: 0,
        }),
        slices: Vec::new(),
        test_sets: Vec::new(),
        selection: (row == "MUKI").then(|| Selection {
            accuracy: 0.95,
            chance: 0.5,
            owner_weight: 0.8,
            texts: 200,
            abstained: 0,
            uniform: false,
            owners: Vec::new(),
        }),
        target_accuracy: None,
        parameters: 17_250_000,
        steps: 100,
        texts_seen: 3200,
        truncated: 0,
        seconds: Seconds { train: 12.0, evaluate: 0.5 },
        peak_memory_bytes: Some(1 << 30),
        config_hash: "abcdef0123456789".to_owned(),
        details: CellDetails::default(),
    }
}

fn records(cells: Vec<CellRecord>) -> Vec<RawRecord> {
    let setup = SetupRecord {
        teachers: vec![TeacherRecord {
            name: "bank".to_owned(),
            labels: 15,
            texts: 600,
            own_slice_accuracy: Some(0.9),
            parameters: 17_250_000,
            steps: 95,
            seconds: 20.0,
            sha256: "00".to_owned(),
            precision: None,
            nasty: None,
        }],
        scan_seconds: 31.25,
        transfer_texts: 640,
        test_texts: 200,
        selection_on: "test".to_owned(),
        precision: Precisions::default(),
    };
    let mut records = vec![RawRecord::Table(table()), RawRecord::Setup(setup)];
    records.extend(cells.into_iter().map(|cell| RawRecord::Cell(Box::new(cell))));
    records
}

fn five_seeds(muki: f64) -> Vec<RawRecord> {
    let mut cells = vec![cell("teacher bank", None, 0.45), cell("concat", None, 0.8)];
    for seed in 1..=5 {
        let wobble = seed as f64 * 0.002;
        cells.push(cell("UHC", Some(seed), 0.82 + wobble));
        cells.push(cell("MUKI", Some(seed), muki - wobble));
        cells.push(cell("ceiling", Some(seed), 0.9));
    }
    records(cells)
}

fn build(records: &[RawRecord]) -> Table {
    Table::from_raw(records).unwrap()
}

#[test]
fn a_table_is_rendered_byte_for_byte_the_same() {
    let records = five_seeds(0.87);
    for (format, name) in
        [(TableFormat::Markdown, "five.md"), (TableFormat::Csv, "five.csv"), (TableFormat::Latex, "five.tex")]
    {
        let text = build(&records).render(format);
        check_snapshot(name, &text);
        let lines: Vec<String> = records.iter().map(|record| serde_json::to_string(record).unwrap()).collect();
        let reread: Vec<RawRecord> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(build(&reread).render(format), text);
    }
}

#[test]
fn what_a_precision_changed_stands_beside_the_teacher() {
    let mut records = five_seeds(0.87);
    let check = PrecisionCheck { precision: Precision::Bf16, texts: 128, largest: 0.031, rms: 0.008, changed: 1 };
    let Some(RawRecord::Setup(setup)) = records.get_mut(1) else { panic!("the setup comes second") };
    setup.teachers[0].precision = Some(check.clone());
    setup.precision.scan = Precision::Bf16;
    let line = serde_json::to_string(&records[1]).unwrap();
    assert_eq!(serde_json::from_str::<RawRecord>(&line).unwrap(), records[1]);
    let text = build(&records).render(TableFormat::Markdown);
    let teacher = text.lines().find(|line| line.starts_with("- bank: ")).unwrap();
    assert!(teacher.ends_with(&format!("; {check}")), "{teacher}");
}

#[test]
fn one_seed_has_no_spread_and_says_so() {
    let table = build(&records(vec![cell("MUKI", Some(1), 0.84), cell("concat", None, 0.8)]));
    let text = table.render(TableFormat::Markdown);
    assert!(text.contains("84.0 (n=1)") && text.contains("80.0 (fixed)") && !text.contains('±'), "{text}");
    assert!(table.paired_differences().is_empty());
}

#[test]
fn the_verdict_says_when_the_method_wins() {
    let verdict = build(&five_seeds(0.87)).verdict().unwrap();
    assert!(verdict.beats_all, "{}", verdict.sentence);
    assert_eq!(
        verdict.sentence,
        "MUKI beats every label-free baseline on the mean of 5 seeds: accuracy 86.4 % against 82.6 % of the best, UHC."
    );
}

#[test]
fn the_verdict_names_the_row_that_is_ahead() {
    let verdict = build(&five_seeds(0.82)).verdict().unwrap();
    assert!(!verdict.beats_all);
    assert!(
        verdict.sentence.contains("does not beat") && verdict.sentence.contains("UHC (82.6 %) is ahead"),
        "{}",
        verdict.sentence
    );
    assert!(!verdict.sentence.contains("ceiling"), "the ceiling is no rival: {}", verdict.sentence);
}

#[test]
fn a_tie_is_no_win() {
    let cells = vec![
        cell("teacher bank", None, 0.4),
        cell("concat", None, 0.8),
        cell("UHC", Some(1), 0.8),
        cell("MUKI", Some(1), 0.8),
    ];
    let verdict = build(&records(cells)).verdict().unwrap();
    assert!(!verdict.beats_all && verdict.sentence.contains("the same accuracy"), "{}", verdict.sentence);
}

#[test]
fn a_baseline_without_a_result_is_named_and_keeps_the_verdict_partial() {
    let verdict = build(&records(vec![cell("concat", None, 0.8), cell("MUKI", Some(1), 0.9)])).verdict().unwrap();
    assert!(!verdict.beats_all);
    assert!(verdict.sentence.contains("Not compared: teacher bank, UHC."), "{}", verdict.sentence);
}

#[test]
fn a_failure_stays_in_the_table_until_a_later_line_replaces_it() {
    let failed = CellRecord {
        status: CellStatus::Failed,
        reason: Some("the loss became NaN at step 3".to_owned()),
        metrics: None,
        ..cell("MUKI", Some(2), 0.0)
    };
    let mut lines = records(vec![cell("MUKI", Some(1), 0.84), failed]);
    let table = build(&lines);
    let text = table.render(TableFormat::Markdown);
    assert!(text.contains("failed (1 of 2)") && text.contains("MUKI, seed 2 failed: the loss became NaN"), "{text}");
    assert!(!table.verdict().is_some_and(|verdict| verdict.beats_all));
    lines.push(RawRecord::Cell(Box::new(cell("MUKI", Some(2), 0.85))));
    assert!(!build(&lines).render(TableFormat::Markdown).contains("failed"));
}

#[test]
fn retained_share_is_paired_by_seed_and_one_for_the_ceiling_itself() {
    let cells = vec![
        cell("concat", None, 0.45),
        cell("MUKI", Some(1), 0.45),
        cell("MUKI", Some(2), 0.8),
        cell("ceiling", Some(1), 0.9),
        cell("ceiling", Some(2), 0.8),
    ];
    let table = build(&records(cells));
    let retained = |name: &str| table.rows.iter().find(|row| row.row.name == name).unwrap().retained.unwrap();
    assert_eq!(retained("MUKI").mean, 0.75);
    assert_eq!((retained("ceiling").mean, retained("ceiling").sd), (1.0, Some(0.0)));
    assert_eq!(retained("concat").n, 2);
}

#[test]
fn statuses_follow_the_published_values() {
    let status = |reference: Reference, values: &[f64]| {
        let mut lines = records(values.iter().zip(1..).map(|(value, seed)| cell("MUKI", Some(seed), *value)).collect());
        let RawRecord::Table(record) = &mut lines[0] else { unreachable!() };
        record.rows[3].reference = reference;
        build(&lines).rows[3].status
    };
    let published = |value, sd| Reference::Published(Published { value, sd, place: "Table 2".to_owned() });
    assert_eq!(status(Reference::Word(Unknown::Unknown), &[0.8]), Status::NoReference);
    assert_eq!(status(Reference::Word(Unknown::Unknown), &[]), Status::NotRun);
    assert_eq!(status(published(0.81, None), &[0.80, 0.81, 0.82]), Status::Reproduced);
    assert_eq!(status(published(0.9, None), &[0.80, 0.81, 0.82]), Status::Differs);
    assert_eq!(status(published(0.81, Some(0.02)), &[0.80]), Status::Reproduced);
    assert_eq!(status(published(0.81, None), &[0.80]), Status::Differs);
}

#[test]
fn paired_differences_have_an_interval_and_an_honest_test() {
    let table = build(&five_seeds(0.87));
    let differences = table.paired_differences();
    let uhc = differences.iter().find(|difference| difference.rival == "UHC").unwrap();
    assert_eq!(uhc.difference.n, 5);
    assert!((uhc.difference.mean - 0.038).abs() < 1e-12);
    assert!(uhc.sentence().contains("(95 %, n=5)") && uhc.sentence().contains("n too small"), "{}", uhc.sentence());
}
