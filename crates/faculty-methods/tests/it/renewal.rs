//! Texts that are renewed in the midst of a training.

use crate::blocks::{World, world};
use crate::observed::{Notes, assert_resumes, count};
use faculty_core::Silent;
use faculty_methods::{Curriculum, MethodSpec, Recipe, Renewal, SelfTraining, StratanetMethod, TransferSet};

fn renewal(share: f64, adversary: f64) -> Renewal {
    Renewal { spare: 0.5, share, after: 0.5, adversary }
}

fn stratanet(renew: Renewal) -> MethodSpec {
    MethodSpec::Stratanet(StratanetMethod { renew: Some(renew), ..StratanetMethod::default() })
}

/// 80 texts, 20 a class, of which 40 are learnt from.
fn texts() -> World {
    world(20, 10)
}

#[test]
fn a_student_learns_from_as_many_texts_and_others_come() {
    let world = texts();
    let notes = Notes::default();
    let (adversary, report) = world.train_on(&stratanet(renewal(0.5, 10.0)), world.transfer(), None, &notes).unwrap();
    assert_eq!((report.steps, report.texts), (6, 80), "two passes of three batches over 40 texts");
    let notes = notes.into_inner();
    let renewed: Vec<&String> = notes.iter().filter(|note| note.contains("renewed")).collect();
    assert!(renewed.len() == 1 && renewed[0].starts_with("20 of 40 texts renewed"), "{notes:?}");
    // Gates are those of the texts that are learnt from, in both parts.
    let own = notes.iter().filter(|note| note.starts_with("teacher first: 20 texts of its own")).count();
    assert_eq!(own, 2, "{notes:?}");
    // In each part two teachers are asked about 40 texts for the weights and about 40 in its pass.
    assert_eq!(count(&report, "teacher_forward_passes"), 2 * (2 * 40 + 2 * 40));
    let (surest, _) = world.train(&stratanet(renewal(0.5, 0.0)));
    let (none, _) = world.train(&stratanet(renewal(0.0, 10.0)));
    assert!(adversary != surest && adversary != none && surest != none);
    // Which texts are kept back hangs on whom they were written for alone: nothing comes, so nothing changes with the adversary.
    assert!(none == world.train(&stratanet(renewal(0.0, 0.0))).0);
}

#[test]
fn a_killed_training_ends_as_if_it_had_not_been() {
    let world = texts();
    let energy = MethodSpec::Recipe(Box::new(Recipe { renew: Some(renewal(0.4, 1.0)), ..Recipe::default() }));
    for method in [stratanet(renewal(0.4, 1.0)), energy] {
        assert_resumes([1, 3, 5], |checkpoints, observer| {
            world.train_on(&method, world.transfer(), checkpoints, observer)
        });
    }
}

#[test]
fn what_does_not_go_with_it_is_refused() {
    let world = texts();
    let bare = TransferSet::new(&world.outputs, &world.join).unwrap();
    let error = world.train_on(&stratanet(renewal(0.2, 0.1)), bare, None, &Silent).unwrap_err().to_string();
    assert!(error.contains("renew") && error.contains("nobody"), "{error}");
    let rounds = SelfTraining { count: 2, ..SelfTraining::default() };
    let in_rounds = Recipe { renew: Some(Renewal::default()), rounds, ..Recipe::default() };
    assert!(in_rounds.check(2).unwrap_err().to_string().contains("renew"));
    let claimed = Curriculum { claimed_only: true, ..Curriculum::default() };
    let method = MethodSpec::Recipe(Box::new(Recipe { rounds: SelfTraining::default(), ..in_rounds }));
    assert!(claimed.check(&method).unwrap_err().to_string().contains("renew"));
    assert!(method.describe().contains("renewed after 0.5 of the passes"), "{}", method.describe());
}
