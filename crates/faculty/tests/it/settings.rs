//! Settings of `[data]` that reach into a run: noise, few texts, teachers of different families, several data sets.

use crate::workplace::{Workplace, bank_rows, travel_rows};
use faculty_nn::Family;
use faculty_testkit::{TinySpec, tiny_classifier_dir};
use serde_json::Value;

const REST: &str = "
[teacher]
init = \"encoder\"
[teacher.train]
epochs = 1
[scan]
selection_on = \"transfer\"
[student]
init = \"encoder\"
[student.train]
epochs = 1
batch_size = 4
[[row]]
name = \"concat\"
method = { kind = \"concat\" }
[[row]]
name = \"MUKI\"
method = { kind = \"muki\", passes = 2 }
[[row]]
name = \"ceiling\"
method = { kind = \"supervised\" }
";

const TEAMS: &str = "
[[data.teacher]]
name = \"bank\"
set = \"bank\"
[[data.teacher]]
name = \"travel\"
set = \"travel\"
";

fn place(data: &str) -> Workplace {
    let place = Workplace::new();
    place.tiny("encoder", ["a", "b"]);
    place.declare("bank", &["balance", "pay_bill"], &bank_rows());
    place.declare("travel", &["flight", "hotel"], &travel_rows());
    let head = "schema = 1\n[table]\ntitle = \"Settings\"\nseeds = [1, 2]\n[data]\nteacher_texts_per_class = 4\n\
                transfer_texts_per_class = 6\n";
    let sets = "[[data.set]]\nsource = \"bank\"\n[[data.set]]\nsource = \"travel\"\n";
    let (keys, tables) =
        data.split_once('[').map_or((data, String::new()), |(keys, tables)| (keys, format!("[{tables}")));
    place.write("experiments/x.toml", format!("{head}{keys}\n{sets}{tables}{REST}"));
    place
}

fn run(place: &Workplace) -> (String, Vec<Value>) {
    let table = place.faculty("experiment x --data-dir sets").good().stdout;
    let raw = std::fs::read_to_string(place.path("runs/x/raw.jsonl")).unwrap();
    (table, raw.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn cell<'a>(lines: &'a [Value], row: &str, seed: Option<u64>) -> &'a Value {
    let found =
        lines.iter().find(|line| line["record"] == "cell" && line["row"] == row && line["seed"].as_u64() == seed);
    found.unwrap()
}

#[test]
fn teachers_of_several_sets_and_families_are_trained_and_every_set_is_measured() {
    let place = place(
        &TEAMS.replace("set = \"travel\"", "set = \"travel\"\ninit = \"distil\"\nlayers = 1\ntexts_per_class = 2"),
    );
    let distil = TinySpec::new(["x", "y"]).family(Family::Distilbert).seed(9);
    tiny_classifier_dir(place.path("distil"), &distil);
    let plan = place.faculty("experiment x --data-dir sets --dry-run").good().stdout;
    for words in ["read bank: 30 train, 30 test rows", "of 60 training rows: 12 to teachers, 24 to the transfer set"] {
        assert!(plan.contains(words), "{words}: {plan}");
    }
    let (table, lines) = run(&place);
    assert!(table.contains("teacher travel is trained in a way of its own: from distil, 1 layer"), "{table}");
    assert!(table.contains("Accuracy % on each data set, over the classes of all"), "{table}");
    let setup = lines.iter().find(|line| line["record"] == "setup").unwrap();
    let parameters = |teacher: usize| setup["teachers"][teacher]["parameters"].as_u64().unwrap();
    assert!(parameters(1) < parameters(0), "{setup}");
    assert_eq!((&setup["teachers"][0]["texts"], &setup["teachers"][1]["texts"]), (&8.into(), &4.into()));
    for seed in [Some(1), Some(2)] {
        let sets = &cell(&lines, "MUKI", seed)["test_sets"];
        let whole = cell(&lines, "MUKI", seed)["metrics"]["accuracy"].as_f64().unwrap();
        let mean = (sets[0]["accuracy"].as_f64().unwrap() + sets[1]["accuracy"].as_f64().unwrap()) / 2.0;
        assert_eq!((&sets[0]["set"], &sets[0]["texts"]), (&"bank".into(), &30.into()));
        assert!((whole - mean).abs() < 1e-6, "sets of one size: the whole is their mean");
    }
    let config = place.path("runs/x/teachers").read_dir().unwrap().map(|entry| entry.unwrap().path());
    let families: Vec<String> = config
        .map(|dir| std::fs::read_to_string(dir.join("config.json")).unwrap())
        .map(|config| serde_json::from_str::<Value>(&config).unwrap()["model_type"].as_str().unwrap().to_owned())
        .collect();
    assert!(families.contains(&"bert".to_owned()) && families.contains(&"distilbert".to_owned()), "{families:?}");
    place.faculty("table x --check").good();
}

#[test]
fn noise_reaches_the_label_free_rows_and_never_the_ceiling() {
    let place = place("[data.noise]\nnear_duplicates = 0.5\nempty = 0.25\n");
    let (table, lines) = run(&place);
    assert!(table.contains("noise among the transfer texts: 12 near-duplicates, 6 empty texts"), "{table}");
    let seen = |row: &str| cell(&lines, row, Some(1))["texts_seen"].as_u64().unwrap();
    assert_eq!((seen("MUKI"), seen("ceiling")), (42, 24));
    let selection = &cell(&lines, "MUKI", Some(1))["selection"];
    assert_eq!(selection["texts"], 24, "the gate is scored where there is a label: {selection}");
    let setup = lines.iter().find(|line| line["record"] == "setup").unwrap();
    assert_eq!(setup["transfer_texts"], 42);
}

#[test]
fn a_seed_learns_from_its_own_few_texts() {
    let place = place("few_shot_k = 2\n");
    let plan = place.faculty("experiment x --data-dir sets --dry-run").good().stdout;
    assert!(plan.contains("MUKI, seed 1: 2 updates"), "{plan}");
    let (table, lines) = run(&place);
    assert!(table.contains("8 texts, drawn from 24 for every seed anew"), "{table}");
    for row in ["MUKI", "ceiling"] {
        assert_eq!(cell(&lines, row, Some(1))["texts_seen"], 8);
    }
    let owners = |seed: u64| cell(&lines, "MUKI", Some(seed))["selection"]["texts"].clone();
    assert_eq!((owners(1), owners(2)), (8.into(), 8.into()));
    // The draw follows from the seed alone: another list of seeds makes the same students.
    let again = place.faculty("experiment x --data-dir sets --seeds 2,3").good().stdout;
    assert!(again.contains("cells computed"), "{again}");
    let raw = std::fs::read_to_string(place.path("runs/x/raw.jsonl")).unwrap();
    let cells: Vec<Value> = raw.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_two =
        cells.iter().filter(|line| line["record"] == "cell" && line["row"] == "MUKI" && line["seed"] == 2).count();
    assert_eq!(of_two, 1, "the finished cell of seed 2 is reused");
}

#[test]
fn an_experiment_on_absent_data_says_what_it_lacks() {
    let place = place("");
    place.faculty("experiment x --dry-run").refused(2, &["data.set[0]", "`bank`"]);
    let text = std::fs::read_to_string(place.path("experiments/x.toml")).unwrap();
    place.write("experiments/x.toml", text.replace("source = \"bank\"", "source = \"ag_news\""));
    place.faculty("experiment x --data-dir sets").refused(2, &["`ag_news` is not there", "forest-snow/alps"]);
    let plan = place.faculty("experiment x --data-dir sets --dry-run --allow-missing-data").good().stdout;
    assert!(plan.contains("no plan: these data sets are not there: ag_news"), "{plan}");
}
