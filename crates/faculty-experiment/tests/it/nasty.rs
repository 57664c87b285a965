//! A team whose teacher was made nasty.

use crate::small_world::{Heard, experiment, setup, teacher_dirs};
use crate::support::{data_error, experiment_on};
use burn::tensor::Device;
use faculty_core::{Aliases, LabelJoin, Silent};
use faculty_experiment::{ExperimentOptions, Manifest, TeacherRecord, prepare_experiment, run_experiment};
use faculty_methods::{AuditFlag, AuditReport, AuditThresholds, TransferSet, audit};
use faculty_model::Classifier;
use faculty_teacher::{Ask, ClassifierTeacher, Teacher};

/// Three teams of four classes each; `second` is said of the second one.
fn teams(second: &str) -> String {
    format!(
        "[data]\nsource = \"words\"\nsplit = \"contiguous\"\nteacher_count = 3\nteacher_texts_per_class = 40\n\
         transfer_texts_per_class = 6\n[[data.teacher]]\nname = \"finance\"\n[[data.teacher]]\nname = \"mobility\"\n{second}\n\
         [[data.teacher]]\nname = \"household\"\n[[row]]\nname = \"concat\"\nmethod = {{ kind = \"concat\" }}"
    )
}

const NASTY: &str = "nasty = { omega = 0.2, temperature = 4.0 }";

/// The teachers of a run, audited on its measuring texts.
fn audited(options: &ExperimentOptions) -> AuditReport {
    let (device, found) = (Device::flex(), setup(options));
    let classifiers: Vec<Classifier> =
        teacher_dirs(options).iter().map(|dir| Classifier::open(dir, &device).unwrap()).collect();
    let of = |record: &TeacherRecord| classifiers.iter().find(|found| found.hash == record.sha256).unwrap();
    let texts = prepare_experiment(options, &Silent).unwrap().data.test.texts;
    let teachers: Vec<ClassifierTeacher> =
        found.teachers.iter().map(|record| ClassifierTeacher::new(&record.name, of(record).clone())).collect();
    let outputs: Vec<_> =
        teachers.iter().map(|teacher| teacher.outputs(&texts, &Ask::default(), &Silent).unwrap()).collect();
    let parts: Vec<_> = teachers.iter().map(|teacher| (teacher.name(), teacher.labels())).collect();
    let join = LabelJoin::build(&parts, &Aliases::default()).unwrap();
    audit(&TransferSet::new(&outputs, &join).unwrap(), &AuditThresholds::default(), &device).unwrap()
}

#[test]
fn a_nasty_teacher_is_made_of_the_ordinary_one_and_the_audit_finds_it_alone() {
    let root = tempfile::tempdir().unwrap();
    let honest = experiment(root.path(), "honest", 12, &teams(""));
    let nasty = experiment(root.path(), "nasty", 12, &teams(NASTY));
    let plan = prepare_experiment(&nasty, &Silent).unwrap().plan;
    assert!(plan.describe().contains("then as many to make it nasty"), "{}", plan.describe());
    run_experiment(&honest, &Silent).unwrap();
    let summary = run_experiment(&nasty, &Silent).unwrap();

    // The same three ordinary teachers under the same keys; the nasty one has a key, weights and an entry of its own.
    let names =
        |options| -> Vec<_> { teacher_dirs(options).iter().map(|dir| dir.file_name().unwrap().to_owned()).collect() };
    let (ordinary, all) = (names(&honest), names(&nasty));
    assert_eq!((ordinary.len(), all.len()), (3, 4));
    assert!(ordinary.iter().all(|name| all.contains(name)));
    let (before, after) = (setup(&honest), setup(&nasty));
    let same = before.teachers.iter().zip(&after.teachers).map(|(a, b)| a.sha256 == b.sha256);
    assert_eq!(same.collect::<Vec<_>>(), [true, false, true]);
    let scans = |options: &ExperimentOptions| options.run_path().join("scans").read_dir().unwrap().count();
    assert!(scans(&nasty) > scans(&honest), "what the twin answers is asked apart");

    // It keeps its accuracy, and everybody is told.
    let (twin, found) = (&before.teachers[1], &after.teachers[1]);
    let record = found.nasty.as_ref().unwrap();
    assert_eq!((record.accuracy, record.twin_accuracy), (found.own_slice_accuracy, twin.own_slice_accuracy));
    assert!(record.accuracy.unwrap() > record.twin_accuracy.unwrap() - 0.1, "{record}");
    assert_eq!((record.settings.omega, record.settings.temperature), (0.2, 4.0));
    assert_eq!(found.steps, 2 * twin.steps, "its own updates on top of its twin's");
    assert!(after.teachers[0].nasty.is_none() && twin.nasty.is_none());
    for part in
        ["teacher mobility is nasty (arXiv 2105.07381)", "teacher mobility is nasty (omega 0.2, temperature 4):"]
    {
        assert!(summary.table.contains(part), "{}", summary.table);
    }
    let page = std::fs::read_to_string(&summary.page_path).unwrap();
    assert!(page.contains("its ordinary twin"));
    let manifest = std::fs::read_to_string(summary.run_dir.join("manifest.json")).unwrap();
    let manifest: Manifest = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest.nasty_teachers.keys().collect::<Vec<_>>(), ["mobility"]);
    assert_eq!(manifest.nasty_teachers["mobility"], *record);
    let source = &manifest.models.iter().find(|model| model.role == "teacher mobility").unwrap().reference;
    assert!(source.ends_with("then made nasty (omega 0.2, temperature 4)"), "{source}");

    let (clean, suspicious) = (audited(&honest), audited(&nasty));
    assert!(!clean.is_suspicious(), "{}", clean.describe());
    for teacher in &suspicious.teachers {
        let flagged = teacher.flags.contains(&AuditFlag::SoftPeak) || teacher.flags.contains(&AuditFlag::SecondPeak);
        assert_eq!(flagged, teacher.name == "mobility", "{}", suspicious.describe());
    }
    assert_eq!(suspicious.ranking()[0].name, "mobility");

    // Another look finds both, the nasty one and what it was made of.
    std::fs::remove_dir_all(summary.run_dir.join("cells")).unwrap();
    let heard = Heard::default();
    assert_eq!(run_experiment(&nasty, &heard).unwrap().computed, 1);
    let stages = heard.stages.into_inner().unwrap();
    assert!(!stages.iter().any(|stage| stage.contains("fine-tune") || stage.contains("nasty")), "{stages:?}");
    assert_eq!(setup(&nasty), after);
}

#[test]
fn nasty_settings_are_read_and_refused_by_key() {
    let teams = |second: &str| {
        format!(
            "source = \"clinc150\"\n[[data.teacher]]\nname = \"bank\"\ndomains = [\"banking\"]\n[[data.teacher]]\n\
             name = \"trips\"\n{second}\n"
        )
    };
    let read = experiment_on(&teams("domains = [\"travel\"]\nnasty = { omega = 0.5 }")).unwrap();
    let nasty = read.data.teachers[1].nasty.unwrap();
    assert_eq!((nasty.omega, nasty.temperature), (0.5, 4.0));
    assert!(read.data.teachers[0].nasty.is_none());
    let written = toml::to_string(&read).unwrap();
    assert_eq!(written.matches("nasty").count(), 1, "a key that is not set leaves no trace: {written}");
    let error = data_error(&teams("domains = [\"travel\"]\nnasty = { omega = -1.0 }"));
    assert!(error.contains("omega") && error.contains("data.teacher[1].nasty"), "{error}");
    let error = data_error(&teams("domains = [\"travel\"]\nnasty = { tau = 1.0 }"));
    assert!(error.contains("tau"), "{error}");
    let error = data_error(&teams("model = \"some/model\"\nnasty = {}"));
    assert!(error.contains("a model that exists is not trained"), "{error}");
}
