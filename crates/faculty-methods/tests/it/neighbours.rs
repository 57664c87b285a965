//! Faculty's recipe: a gate over neighbours in the student's own space, and rounds in which the student is heard.

use crate::stage::{Stage, TEXTS, settings, weights};
use burn::tensor::Device;
use faculty_core::{NamedTensor, Silent};
use faculty_methods::{
    FacultySpec, MethodSpec, SelfTraining, TransferSet, amalgamate, gate_table, recipe_table, text_space,
};
use faculty_student::TrainRun;
use faculty_uncertainty::{ConfidenceSpec, Energy, GateRecipe, Neighbours, OwnerStatistics, TextSpace};

fn faculty(spec: FacultySpec) -> MethodSpec {
    let mut spec = spec;
    spec.passes.count = 4;
    MethodSpec::Faculty(spec)
}

fn trained(stage: &Stage, method: &MethodSpec, transfer: TransferSet<'_>) -> Vec<NamedTensor> {
    let (mut student, tokens) = stage.student();
    amalgamate(method, &mut student, &tokens, transfer, &settings(), TrainRun::new(3, &Silent)).unwrap();
    weights(&student)
}

#[test]
fn the_space_is_the_students_own_unless_one_is_handed_over() {
    let stage = Stage::new();
    let method = faculty(FacultySpec::default());
    let (student, tokens) = stage.student();
    let width = student.config.hidden_size;
    let values = text_space(&student, &tokens, &Silent).unwrap();
    assert_eq!(values.len(), TEXTS * width);
    let own = trained(&stage, &method, stage.transfer());
    let handed = trained(&stage, &method, stage.transfer().with_space(TextSpace { values: &values, width }));
    assert!(own == handed, "the same space, the same bytes");
    // Texts far from their own kind: every text lies beside those of the other teacher.
    let turned: Vec<f32> = (0..TEXTS).flat_map(|text| [(text as f32).cos(), (text as f32).sin()]).collect();
    let other = trained(&stage, &method, stage.transfer().with_space(TextSpace { values: &turned, width: 2 }));
    assert!(own != other, "another space, another gate");
}

#[test]
fn a_gate_over_neighbours_needs_their_vectors() {
    let stage = Stage::new();
    let recipe = faculty(FacultySpec::default()).recipe().unwrap();
    assert!(recipe.needs_space());
    let table = |transfer: &TransferSet<'_>| gate_table(&recipe, transfer, OwnerStatistics::default(), &Device::flex());
    let error = table(&stage.transfer()).unwrap_err().to_string();
    assert!(error.contains("vectors"), "{error}");
    let short = [1.0; 2 * (TEXTS - 1)];
    let error = table(&stage.transfer().with_space(TextSpace { values: &short, width: 2 })).unwrap_err().to_string();
    assert!(error.contains("vectors"), "{error}");
}

#[test]
fn without_a_share_for_neighbours_the_gate_is_the_plain_one() {
    let stage = Stage::new();
    let alone = Neighbours { share: 0.0, ..Neighbours::default() };
    let plain = faculty(FacultySpec { neighbours: alone, ..FacultySpec::default() }).recipe().unwrap();
    assert!(!plain.needs_space(), "no share, no search");
    let together = faculty(FacultySpec::default()).recipe().unwrap();
    let values: Vec<f32> = (0..TEXTS).flat_map(|text| [1.0, text as f32]).collect();
    let transfer = stage.transfer().with_space(TextSpace { values: &values, width: 2 });
    let table = |recipe| gate_table(recipe, &transfer, OwnerStatistics::default(), &Device::flex()).unwrap();
    assert_ne!(table(&plain).weights, table(&together).weights);
}

#[test]
fn a_cap_holds_behind_the_neighbours() {
    let mut stage = Stage::new();
    stage.outputs[0].logits.iter_mut().for_each(|logit| *logit += 3.0);
    let values: Vec<f32> = (0..TEXTS).flat_map(|text| [1.0, 0.01 * text as f32]).collect();
    let transfer = stage.transfer().with_space(TextSpace { values: &values, width: 2 });
    let mean_of_first = |cap| {
        // Plain scores favour the teacher that is surer of everything.
        let score = ConfidenceSpec::Energy(Energy {});
        let neighbours = Some(Neighbours { count: 7, share: 0.9 });
        let gate = GateRecipe { score, neighbours, cap, ..GateRecipe::default() };
        let table = recipe_table(&gate, &transfer, OwnerStatistics::default(), &Device::flex()).unwrap();
        let sum = |teacher| table.weights.iter().skip(teacher).step_by(2).sum::<f32>() / TEXTS as f32;
        f32::max(sum(0), sum(1))
    };
    let free = mean_of_first(None);
    assert!(free > 0.505, "{free}");
    assert!(mean_of_first(Some(0.5)) < 0.5 + 1e-5, "{free} {}", mean_of_first(Some(0.5)));
}

#[test]
fn what_a_table_leaves_out_is_facultys() {
    let parse = |text: &str| serde_json::from_str::<FacultySpec>(text).unwrap();
    let default = FacultySpec::default();
    let nearer = parse(r#"{"neighbours": {"share": 0.3}, "rounds": {"student_share": 0.8}}"#);
    assert_eq!(nearer.neighbours, Neighbours { share: 0.3, ..default.neighbours });
    assert_eq!(nearer.rounds, SelfTraining { student_share: 0.8, ..default.rounds });
    for (wrong, key) in [
        (r#"{"neighbours": {"share": -0.5}}"#, "neighbours.share"),
        (r#"{"relation": -2.0}"#, "losses.weight"),
        (r#"{"merged_share": 1.5}"#, "merged_share"),
    ] {
        let error = faculty(parse(wrong)).check(2).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
    faculty(parse(r#"{"gate": {"kind": "uniform"}}"#)).check(2).unwrap();
    assert!(serde_json::from_str::<FacultySpec>(r#"{"rounds": {"rounds": 3}}"#).is_err());
}

#[test]
fn rounds_change_what_the_student_learns_and_one_round_is_none() {
    let stage = Stage::new();
    let rounds = |count, student_share| {
        let rounds = SelfTraining { count, student_share };
        trained(&stage, &faculty(FacultySpec { rounds, ..FacultySpec::default() }), stage.transfer())
    };
    let one = rounds(1, 0.5);
    assert!(rounds(1, 0.9) == one, "nobody is heard");
    assert!(rounds(2, 0.0) == one, "the student has no share");
    let four = rounds(4, 0.5);
    assert!(four != one && rounds(2, 0.5) != one && rounds(2, 0.5) != four);
    assert!(rounds(9, 0.5) == four, "a round is at least a pass over the text, of which there are four");
}

#[test]
fn the_mean_of_the_weights_turns_a_gate_that_hears_it() {
    let stage = Stage::new();
    let alone = Neighbours { share: 0.0, ..Neighbours::default() };
    let hears =
        faculty(FacultySpec { neighbours: alone, merged_share: 1.0, ..FacultySpec::default() }).recipe().unwrap();
    assert!(hears.needs_merged());
    // The merged network says for every text that it is the other teacher's: union a, b, c, d.
    let logits: Vec<f32> =
        (0..TEXTS).flat_map(|text| if text % 4 < 2 { [0.0, 0.0, 5.0, 0.0] } else { [0.0, 5.0, 0.0, 0.0] }).collect();
    let table = |transfer: &TransferSet<'_>| {
        gate_table(&hears, transfer, OwnerStatistics::default(), &Device::flex()).unwrap().weights
    };
    let plain = table(&stage.transfer());
    let turned = table(&stage.transfer().with_merged(logits.as_slice()).unwrap());
    for text in 0..TEXTS {
        let owner = text % 4 / 2;
        assert!(plain[2 * text + owner] > 0.5, "text {text}: {plain:?}");
        assert!(turned[2 * text + 1 - owner] > 0.9, "text {text}: {turned:?}");
    }
    let deaf = faculty(FacultySpec { merged_share: 0.0, ..FacultySpec::default() }).recipe().unwrap();
    assert!(!deaf.needs_merged());
    let error = stage.transfer().with_merged(&logits[1..]).unwrap_err().to_string();
    assert!(error.contains("merged logits"), "{error}");
}
