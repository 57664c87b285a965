//! Rows whose gate comes of hidden states, and rows whose texts are renewed.

use crate::small_world::cell;
use crate::support::parse;
use crate::texts::with_rows;
use faculty_core::Silent;
use faculty_experiment::{prepare_experiment, run_experiment};

const ROWS: &str = r#"
[[row]]
name = "blocks"
text = "keywords"
method = { kind = "faculty-data-free", intended_share = 0.0 }

[[row]]
name = "blocks, told"
text = "keywords"
method = { kind = "faculty-data-free", intended_share = 1.0 }

[[row]]
name = "uniform blocks, told"
text = "keywords"
method = { kind = "stratanet", blocks = { confidence = { score = "uniform", intended_share = 0.9 } } }

[[row]]
name = "nobody's"
text = "random"
method = { kind = "stratanet" }

[[row]]
name = "renewed"
text = "keywords"
method = { kind = "stratanet", renew = { adversary = 1.0 } }
"#;

#[test]
fn block_gates_are_judged_by_what_they_see_for_themselves() {
    let root = tempfile::tempdir().unwrap();
    let options = with_rows(root.path(), ROWS);
    let prepared = prepare_experiment(&options, &Silent).unwrap();
    let updates = |name: &str| prepared.plan.cells.iter().find(|cell| cell.name == name).unwrap().updates;
    assert_eq!(updates("renewed") * 2, updates("blocks"), "half of the texts are learnt from at a time");
    let summary = run_experiment(&options, &Silent).unwrap();
    assert_eq!(summary.failed, 0, "{}", summary.table);
    let selection = |row: &str| cell(&options, row).selection;
    let seen = selection("blocks").unwrap();
    assert!(seen.accuracy > 0.6 && seen.accuracy < 1.0, "two teachers: {seen:?}");
    assert_eq!(selection("blocks, told").unwrap(), seen, "nobody says whom the texts were written for");
    assert_eq!(selection("uniform blocks, told").unwrap().owner_weight, 0.5);
    assert!(selection("nobody's").is_none() && selection("renewed").is_none());
    assert_eq!(cell(&options, "renewed").steps, updates("renewed"));
}

#[test]
fn one_pass_has_no_middle() {
    let text = "schema = 1\n[table]\ntitle = \"x\"\nseeds = [1]\n[teacher]\ninit = \"minilm-l3\"\n[student]\n\
                init = \"minilm-l3\"\n[student.train]\nepochs = 1\n[data]\nsource = \"clinc150\"\ncontiguous_teachers = 2\n\
                [[row]]\nname = \"a\"\nmethod = { kind = \"stratanet\", renew = {} }\n";
    let error = parse(text).unwrap_err().to_string();
    assert!(error.contains("student.train.epochs") && error.contains("at least 2"), "{error}");
    let of_row = text.replace("epochs = 1\n[data]", "epochs = 4\n[data]") + "epochs = 1\n";
    let error = parse(&of_row).unwrap_err().to_string();
    assert!(!error.contains("student.train") && error.contains("epochs"), "{error}");
}
