//! Every file under `experiments/` runs end to end in its smoke tier, on a tiny random encoder in place of the real one,
//! so that the ordinary suite needs neither weights nor minutes. Experiments whose data this machine lacks are skipped, which is
//! said. The smoke tier on real weights is part of CI.

use faculty::core::{Silent, Stream};
use faculty::experiment::schema::RowSection;
use faculty::experiment::{
    CellStatus, ExperimentOptions, RawRecord, experiment_files, load_experiment, missing_data, read_raw, run_experiment,
};
use faculty::model::MaskedModel;
use faculty::nn::DeviceName;
use faculty::textgen::Steering;
use faculty_testkit::{TinySpec, tiny_classifier_dir};
use std::path::{Path, PathBuf};

fn shipped() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments");
    let files: Vec<PathBuf> = experiment_files(&dir).unwrap().into_iter().map(|(_, file)| file).collect();
    assert!(!files.is_empty());
    files
}

/// An encoder for the longest texts that an experiment asks for.
fn tiny_encoder(dir: PathBuf) -> PathBuf {
    tiny_classifier_dir(dir, &TinySpec { max_tokens: 128, ..TinySpec::new(["a", "b"]) })
}

fn smoke(file: &Path, encoder: &Path, out: &Path) -> ExperimentOptions {
    let mut options = ExperimentOptions::new(file);
    let encoder = encoder.display().to_string();
    options.overrides.environment.clear();
    options.overrides.tier = Some("smoke".to_owned());
    // A teacher's own encoder is one that this machine may lack.
    let teachers = load_experiment(file, &options.overrides).unwrap().data.teachers;
    let own = teachers.iter().enumerate().filter(|(_, teacher)| teacher.init.is_some());
    let of_teachers = own.map(|(index, _)| format!("data.teacher[{index}].init={encoder:?}"));
    options.overrides.set = vec![format!("teacher.init={encoder:?}"), format!("student.init={encoder:?}")];
    options.overrides.set.extend(of_teachers);
    // Tiny teachers of one epoch believe nothing.
    let texts = load_experiment(file, &options.overrides).unwrap().texts;
    let judged = texts.iter().enumerate().filter(|(_, text)| !matches!(text.steering, Steering::None {}));
    options.overrides.set.extend(judged.map(|(index, _)| format!("text[{index}].steering.floor=0")));
    // Who rewrites texts has the tokenizer of those that read them.
    let rewrites = |row: &RowSection| row.method.recipe().is_some_and(|recipe| recipe.rewriting.is_some());
    let rows = load_experiment(file, &options.overrides).unwrap().rows;
    let generator = tiny_generator(Path::new(&encoder));
    let rewritten = rows.iter().enumerate().filter(|(_, row)| rewrites(row));
    options
        .overrides
        .set
        .extend(rewritten.map(|(index, _)| {
            format!("row[{index}].method.adversary.generator={:?}", generator.display().to_string())
        }));
    let paired = texts.iter().enumerate().filter(|(_, text)| text.pairs.is_some());
    options.overrides.set.extend(
        paired.map(|(index, _)| format!("text[{index}].pairs.masked_lm={:?}", generator.display().to_string())),
    );
    options.out = Some(out.to_path_buf());
    options
}

/// A masked language model from an encoder, beside it.
fn tiny_generator(encoder: &Path) -> PathBuf {
    let dir = encoder.with_file_name("generator");
    if !dir.exists() {
        std::fs::create_dir(&dir).unwrap();
        let model = MaskedModel::start_from(encoder, Stream::new(1, "generator"), &DeviceName::Cpu.open().unwrap());
        model.unwrap().write_into(&dir).unwrap();
    }
    dir
}

/// Rows that are refused because teachers of unlike encoders have no mean of weights.
fn refused_merges(raw: &Path) -> usize {
    let is_refused = |record: &RawRecord| matches!(record, RawRecord::Cell(cell) if cell.row == "weight average" && cell.status == CellStatus::Refused);
    read_raw(raw).unwrap().iter().filter(|record| is_refused(record)).count()
}

/// True if the teachers of a file do not share one encoder.
fn have_unlike_encoders(options: &ExperimentOptions) -> bool {
    let teachers = load_experiment(&options.file, &options.overrides).unwrap().data.teachers;
    teachers.iter().any(|teacher| teacher.fresh.is_some() || teacher.layers.is_some())
}

/// True if a row was not run.
fn has_rows_not_run(raw: &Path) -> bool {
    let is_not_run = |record: &RawRecord| matches!(record, RawRecord::Cell(cell) if cell.status == CellStatus::NotRun);
    read_raw(raw).unwrap().iter().any(is_not_run)
}

/// What gates made of the mean of the teachers' weights, row by row.
fn heard(raw: &Path) -> Vec<String> {
    let cells = read_raw(raw).unwrap().into_iter().filter_map(|record| match record {
        RawRecord::Cell(cell) => cell.details.merged,
        _ => None,
    });
    cells.collect()
}

#[test]
fn every_experiment_runs_in_its_smoke_tier_and_a_second_run_changes_nothing() {
    let mut run = 0;
    for file in shipped() {
        let scratch = tempfile::tempdir().unwrap();
        let encoder = tiny_encoder(scratch.path().join("encoder"));
        let options = smoke(&file, &encoder, &scratch.path().join("run"));
        let missing = missing_data(&options).unwrap();
        if !missing.is_empty() {
            eprintln!("skipped: {} reads {missing:?}, which this machine lacks", file.display());
            continue;
        }
        run += 1;

        let first = run_experiment(&options, &Silent).unwrap();
        assert_eq!(first.failed, 0, "{}", file.display());
        let unlike = have_unlike_encoders(&options);
        assert_eq!(refused_merges(&first.raw_path) > 0, unlike, "{}", file.display());
        let own_starts = load_experiment(&file, &options.overrides).unwrap().data.teachers;
        let alike = !unlike && own_starts.iter().all(|teacher| teacher.init.is_none());
        for words in heard(&first.raw_path) {
            // The mean of tiny teachers of one epoch may be worth nothing, which is another reason.
            let fits = words == "heard" || words.contains("are surest of");
            assert_eq!(fits, alike, "{}: {words}", file.display());
        }
        assert!(first.computed > 0 && first.reused == 0);
        for row in load_experiment(&file, &options.overrides).unwrap().rows {
            assert!(first.table.contains(&row.name), "{} is missing in:\n{}", row.name, first.table);
        }
        match &first.student_dir {
            Some(student) => {
                for name in ["config.json", "model.safetensors", "tokenizer.json", "README.md"] {
                    assert!(student.join(name).is_file(), "{name}");
                }
            }
            // Rows whose language model this machine lacks have no student.
            None => assert!(has_rows_not_run(&first.raw_path), "the headline student of {} is kept", file.display()),
        }
        let raw = std::fs::read(&first.raw_path).unwrap();
        assert!(read_raw(&first.raw_path).unwrap().iter().any(|record| matches!(record, RawRecord::Cell(_))));

        let second = run_experiment(&options, &Silent).unwrap();
        assert_eq!(second.computed, 0, "finished cells are no-ops");
        assert_eq!(second.table, first.table);
        let after = std::fs::read(&second.raw_path).unwrap();
        assert!(after == raw, "{}: raw lines are never rewritten, and there is nothing new to say", file.display());
    }
    assert!(run > 0, "the quickstart's data are part of the repository");
}

#[test]
fn the_same_seed_gives_the_same_results_in_another_run_directory() {
    let file = shipped().into_iter().find(|path| path.ends_with("quickstart.toml")).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let encoder = tiny_encoder(scratch.path().join("encoder"));
    let weights = |name: &str| {
        let summary = run_experiment(&smoke(&file, &encoder, &scratch.path().join(name)), &Silent).unwrap();
        std::fs::read(summary.student_dir.unwrap().join("model.safetensors")).unwrap()
    };
    assert_eq!(weights("one"), weights("two"), "the student's bytes");
}
