//! `faculty amalgamate`.

use crate::workplace::{Workplace, bank_rows, travel_rows};

/// Two small teachers that know their trade, and the unlabelled texts of both.
pub fn place_with_teachers() -> Workplace {
    let place = Workplace::new();
    place.tiny("encoder", ["a", "b"]);
    place.labelled("bank.jsonl", &bank_rows());
    place.labelled("travel.jsonl", &travel_rows());
    let options = "--epochs 20 --learning-rate 3e-3 --batch-size 8";
    for name in ["bank", "travel"] {
        place.faculty(&format!("finetune --model encoder --train {name}.jsonl --out teachers/{name} {options}")).good();
    }
    let all: Vec<_> = bank_rows().into_iter().chain(travel_rows()).collect();
    place.labelled("all.jsonl", &all);
    place.write("texts.txt", all.iter().map(|(text, _)| format!("{text}\n")).collect::<String>());
    place
}

pub const TRAINED: &str = "amalgamate --teacher teachers/bank --teacher teachers/travel --text texts.txt --student encoder \
                       --epochs 20 --learning-rate 3e-3 --batch-size 8 --passes 4";

#[test]
fn two_teachers_become_one_student_over_all_labels() {
    let place = place_with_teachers();
    let run = place.faculty(&format!("{TRAINED} --method muki --out student --eval all.jsonl")).good();
    assert!(run.stdout.contains("4 labels  union (0 shared)"), "the join is printed: {}", run.stdout);

    let found = place.faculty("evaluate --model student --data all.jsonl --json").good().json();
    assert!(found["accuracy"].as_f64().unwrap() > 0.7, "{found}");

    let join = place.json("student/label_join.json");
    assert_eq!(join["union"], serde_json::json!(["balance", "pay_bill", "flight", "hotel"]));
    let manifest = place.json("student/faculty.json");
    assert_eq!(manifest["teachers"][1]["name"], "travel");
    assert_eq!(manifest["teachers"][1]["hash"].as_str().unwrap().len(), 64);
    assert_eq!((manifest["texts"].as_u64(), manifest["text"][0]["broken"].as_u64()), (Some(60), Some(0)));
    assert_eq!(manifest["truncated"], serde_json::json!({"student": 0, "bank": 0, "travel": 0}));
    assert_eq!(manifest["label_join"], join);
    assert!(manifest["seconds"].as_f64().unwrap() > 0.0 && manifest["threads"].as_u64().unwrap() > 0);
    let card = std::fs::read_to_string(place.path("student/README.md")).unwrap();
    for word in ["unlabelled text (60 texts)", "| travel |", "accuracy", "MUKI soft+margin", "gate_temperature = 0.2"] {
        assert!(card.contains(word), "the card lacks `{word}`: {card}");
    }
}

#[test]
fn a_student_of_some_labels_knows_no_others() {
    let place = place_with_teachers();
    let command = format!("{TRAINED} --method muki");
    place.faculty(&format!("{command} --only hotel,balance,pay_bill --out some")).good();
    let join = place.json("some/label_join.json");
    assert_eq!(join["union"], serde_json::json!(["balance", "pay_bill", "hotel"]));
    assert_eq!(join["left_out"], serde_json::json!(["flight"]));
    let rows: Vec<_> = bank_rows().into_iter().chain(travel_rows()).filter(|(_, label)| *label != "flight").collect();
    place.labelled("some.jsonl", &rows);
    let found = place.faculty("evaluate --model some --data some.jsonl --json").good().json();
    assert!(found["accuracy"].as_f64().unwrap() > 0.8, "{found}");
    let run = place.faculty("predict --model some --text texts.txt --out predictions.jsonl").good();
    let predictions = std::fs::read_to_string(place.path("predictions.jsonl")).unwrap();
    assert!(!predictions.contains("flight") && predictions.contains("hotel"), "{run:?}");

    // All labels are no filter.
    place.faculty(&format!("{command} --epochs 2 --out plain").replacen("--epochs 20", "", 1)).good();
    let all = "--only balance --only pay_bill,flight,hotel";
    place.faculty(&format!("{command} --epochs 2 {all} --out all").replacen("--epochs 20", "", 1)).good();
    let bytes = |dir: &str| std::fs::read(place.path(&format!("{dir}/model.safetensors"))).unwrap();
    assert_eq!(bytes("plain"), bytes("all"));

    place.faculty(&format!("{command} --only balance,hotels --out no")).refused(2, &["--only", "mean `hotel`?"]);
    place.faculty(&format!("{command} --only balance --out no")).refused(2, &["--only", "teacher `travel` has none"]);
    let guessing = command.replace("--passes 4", "").replace("muki", "as-dfd");
    place.faculty(&format!("{guessing} --only balance,hotel --out no")).refused(2, &["--method", "leave --only out"]);
}

#[test]
fn backward_pass_kd_asks_the_teachers_while_it_trains_and_says_how_often() {
    let place = place_with_teachers();
    let command = TRAINED.replace("--epochs 20", "--epochs 2").replace("--batch-size 8 --passes 4", "--batch-size 6");
    place.faculty(&format!("{command} --method backward-kd --out student")).good();
    let manifest = place.json("student/faculty.json");
    // 60 texts in batches of 6, twice: 20 updates, of which 5 ask two teachers three times forward and twice backward.
    let counts = &manifest["counts"];
    assert_eq!(counts["teacher_forward_passes"], 5 * 6 * 2 * 3);
    assert_eq!(counts["teacher_backward_passes"], 5 * 6 * 2 * 2);
    let card = std::fs::read_to_string(place.path("student/README.md")).unwrap();
    assert!(card.contains("backward-pass KD (texts moved in every 4 updates") && card.contains("every = 4"), "{card}");
    place
        .faculty(&format!("{command} --method backwards-kd --out other"))
        .refused(2, &["there is no method `backwards-kd`", "did you mean `backward-kd`?"]);
}

#[test]
fn stratanet_and_tail_judges_ask_the_teachers_while_they_train() {
    let place = place_with_teachers();
    let command = TRAINED.replace("--epochs 20", "--epochs 2").replace("--batch-size 8 --passes 4", "--batch-size 6");
    place.faculty(&format!("{command} --method stratanet --temperature 3 --out blocks")).good();
    // Two teachers, 60 texts: once to be weighed, and once in each of two epochs.
    assert_eq!(place.json("blocks/faculty.json")["counts"]["teacher_forward_passes"], 2 * 60 * 3);
    let card = std::fs::read_to_string(place.path("blocks/README.md")).unwrap();
    assert!(card.contains("STRATANET-style: selective-transformer over blocks by rmd"), "{card}");
    assert!(card.contains("temperature = 3.0"), "{card}");
    place.faculty(&format!("{command} --method tail-judge --out judged")).good();
    assert!(place.json("judged/faculty.json")["counts"]["teacher_backward_passes"].as_u64().unwrap() > 0);
    let error = format!("{command} --method stratanet --gate-temperature 1 --out other");
    place.faculty(&error).refused(2, &["has no meaning for method `stratanet`"]);
}

#[test]
fn a_finished_student_is_resumed_and_another_configuration_is_refused() {
    let place = place_with_teachers();
    let command = format!("{TRAINED} --method muki --epochs 1 --out student").replacen("--epochs 20", "", 1);
    place.faculty(&format!("{command} --resume")).good();
    let weights = std::fs::read(place.path("student/model.safetensors")).unwrap();
    let changed = std::fs::metadata(place.path("student/model.safetensors")).unwrap().modified().unwrap();

    let again = place.faculty(&format!("{command} --resume")).good();
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    assert_eq!(std::fs::metadata(place.path("student/model.safetensors")).unwrap().modified().unwrap(), changed);
    place.faculty(&command).refused(2, &["student", "exists"]);
    // The order of the teachers is that of the union; figures are not there because they are asked for.
    let (bank, travel) = ("--teacher teachers/bank", "--teacher teachers/travel");
    assert!(command.contains(bank) && command.contains(travel), "{command}");
    let turned = command.replace(bank, "--teacher X").replace(travel, bank).replace("--teacher X", travel);
    place.faculty(&format!("{turned} --resume")).refused(2, &["teachers[0].name"]);
    place.faculty(&format!("{command} --resume --eval all.jsonl")).refused(2, &["--eval", "not measured"]);
    place
        .faculty(&format!("{command} --resume --gate-temperature 0.5"))
        .refused(2, &["student", "method.gate_temperature: 0.2 -> 0.5"]);

    // Another text of the same name is another configuration too.
    place.write("texts.txt", "pay the bill\nbook a flight\n");
    place.faculty(&format!("{command} --resume")).refused(2, &["text[0].sha256"]);
    assert_eq!(std::fs::read(place.path("student/model.safetensors")).unwrap(), weights);
    place.faculty(&format!("{command} --overwrite")).good();
    assert_ne!(std::fs::read(place.path("student/model.safetensors")).unwrap(), weights);
}

#[test]
fn every_method_trains_a_student() {
    let place = place_with_teachers();
    let common = "amalgamate --teacher teachers/bank --teacher teachers/travel --text texts.txt --epochs 1";
    for (method, student) in [
        ("muki --passes 2 --no-margin", "encoder --student-layers 1"),
        ("muki --single-pass", "teacher:1"),
        ("faculty --passes 2 --gate-temperature 0.3 --base encoder", "encoder"),
        ("faculty --single-pass", "encoder"),
        ("vanilla-kd --temperature 2", "encoder"),
        ("uhc", "fresh:1x16"),
        ("uniform", "encoder"),
        ("max-confidence --z-normalise", "encoder"),
        ("faculty-data-free --base encoder", "merged"),
        ("aug-kd", "encoder"),
        ("as-dfd", "encoder"),
    ] {
        let run =
            place.faculty(&format!("{common} --student {student} --method {method} --out out --overwrite --json"));
        assert_eq!(run.good().json()["labels"], 4, "{method}");
    }
    let start = place.json("out/faculty.json")["student_start"]["description"].clone();
    assert!(start.as_str().unwrap().contains("pretrained encoder"), "{start}");
}

#[test]
fn the_mean_of_the_teachers_is_asked_where_their_base_is_named_and_heard_where_it_is_worth_it() {
    let place = place_with_teachers();
    place.tiny("other", ["x", "y"]);
    let command = "amalgamate --teacher teachers/bank --teacher teachers/travel --text texts.txt --student encoder \
                   --method faculty --passes 2 --epochs 2 --seed 3";
    let run = place.faculty(&format!("{command} --out alone")).good();
    assert!(run.stderr.contains("--base"), "{}", run.stderr);
    let run = place.faculty(&format!("{command} --base encoder --out beside")).good();
    assert!(!run.stderr.contains("--base"), "{}", run.stderr);
    let weights = |out: &str| std::fs::read(place.path(out).join("model.safetensors")).unwrap();
    // These teachers have gone far from their start, each its own way: their mean knows nothing, and the run says so.
    assert!(run.stderr.contains("goes without the mean of the teachers' weights: it answers as"), "{}", run.stderr);
    assert_eq!(weights("alone"), weights("beside"));
    let recorded = |out: &str| place.json(&format!("{out}/faculty.json"))["configuration"]["base"].clone();
    assert!(recorded("alone").is_null() && recorded("beside").as_str().unwrap().len() == 64);
    let share =
        |out: &str| place.json(&format!("{out}/faculty.json"))["configuration"]["method"]["merged_share"].clone();
    assert_eq!((share("alone"), share("beside")), (0.0.into(), 0.7.into()));
    let card = std::fs::read_to_string(place.path("beside/README.md")).unwrap();
    assert!(!card.contains("the mean of the teachers' weights"), "{card}");
    place.faculty(&format!("{command} --base other --out wrong")).refused(2, &["bank", "it was fine-tuned from"]);
}

#[test]
fn a_student_may_start_from_the_mean_of_its_teachers() {
    let place = place_with_teachers();
    let command = "amalgamate --teacher teachers/bank --teacher teachers/travel --text texts.txt --student merged \
                   --method vanilla-kd --epochs 1 --seed 3";
    place.faculty(&format!("{command} --out no")).refused(2, &["--base", "--student merged"]);
    place.faculty(&format!("{command} --base encoder --student-layers 1 --out no")).refused(2, &["--student-layers"]);
    let run = place.faculty(&format!("{command} --base encoder --learning-rate 1e-12 --out out")).good();
    assert!(run.stderr.contains("starts from teachers' weights"), "{}", run.stderr);
    let start = place.json("out/faculty.json")["student_start"].clone();
    assert_eq!(
        (start["description"].as_str().unwrap(), &start["from_teacher"]),
        ("the mean of the teachers' weights", &true.into())
    );
    // A student that hardly moves answers as what it started from.
    place
        .faculty("merge --rule average --base encoder --teacher teachers/bank --teacher teachers/travel --out mean")
        .good();
    let answers = |model: &str| {
        place.faculty(&format!("predict --model {model} --text texts.txt --out {model}.jsonl")).good();
        let lines = std::fs::read_to_string(place.path(&format!("{model}.jsonl"))).unwrap();
        let label = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["label"].clone();
        lines.lines().map(label).collect::<Vec<_>>()
    };
    assert!(answers("mean").iter().all(serde_json::Value::is_string));
    assert_eq!(answers("mean"), answers("out"));
}

#[test]
fn options_may_come_from_a_file_and_flags_win() {
    let place = place_with_teachers();
    let file = "teacher = [\"b=teachers/bank\", \"teachers/travel\"]\ntext = [\"texts.txt\"]\nstudent = \"encoder\"\n\
                method = \"vanilla-kd\"\ntemperature = 2.0\nepochs = 7\nlearning_rate = 1e-3\n";
    place.write("student.toml", file);
    place.faculty("amalgamate --config student.toml --epochs 1 --out student").good();
    let configuration = place.json("student/faculty.json")["configuration"].clone();
    assert_eq!(configuration["settings"]["epochs"], 1);
    assert_eq!(configuration["settings"]["learning_rate"], 1e-3);
    assert_eq!(configuration["method"], serde_json::json!({"kind": "vanilla-kd", "temperature": 2.0}));
    assert_eq!(
        (&configuration["teachers"][0]["name"], &configuration["teachers"][1]["name"]),
        (&"b".into(), &"travel".into())
    );
}

#[test]
fn an_unknown_key_suggests_the_nearest_name() {
    let place = Workplace::new();
    place.write("student.toml", "text = [\"texts.txt\"]\nlearning_rat = 1e-3\n");
    place
        .faculty("amalgamate --config student.toml --out student")
        .refused(2, &["student.toml", "learning_rat", "did you mean `learning_rate`?"]);
    place.write("student.toml", "text = [\"texts.txt\"]\nepochs = \"many\"\n");
    place.faculty("amalgamate --config student.toml --out student").refused(2, &["student.toml:2", "invalid type"]);
    place.write("student.toml", "text = [\n");
    place.faculty("amalgamate --config student.toml --out student").refused(2, &["student.toml"]);
    assert_eq!(place.listing(), ["student.toml"]);
}

#[test]
fn generic_labels_need_an_alias_file() {
    let place = Workplace::new();
    place.tiny("one", ["LABEL_0", "LABEL_1"]);
    place.tiny("two", ["LABEL_0", "LABEL_1"]);
    place.write("texts.txt", "pay the bill\nbook a flight\n");
    let before = place.listing();
    let command =
        "amalgamate --teacher one --teacher two --text texts.txt --student teacher:0 --method uniform --epochs 1";
    place.faculty(&format!("{command} --out student")).refused(2, &["one", "generic", "--aliases", "[rename.\"one\"]"]);
    assert_eq!(place.listing(), before);

    place.write(
        "aliases.toml",
        "[rename.one]\nLABEL_0 = \"balance\"\nLABEL_1 = \"bill\"\n[rename.two]\nLABEL_0 = \"flight\"\nLABEL_1 = \"hotel\"\n",
    );
    place.faculty(&format!("{command} --aliases aliases.toml --out student")).good();
    let labels = &place.json("student/config.json")["id2label"];
    assert_eq!(labels["3"], "hotel");
    place.write("aliases.toml", "[renam.one]\nLABEL_0 = \"balance\"\n");
    place.faculty(&format!("{command} --aliases aliases.toml --out other")).refused(2, &["aliases.toml", "renam"]);
}

#[test]
fn what_has_no_meaning_is_refused() {
    let place = Workplace::new();
    place.tiny("one", ["a", "b"]);
    place.tiny("two", ["c", "d"]);
    place.write("texts.txt", "pay the bill\nbook a flight\n");
    let before = place.listing();
    let command = "amalgamate --teacher one --teacher two --text texts.txt --out student --student teacher:0";
    for (options, words) in [
        ("--method mukki", vec!["mukki", "did you mean `muki`?"]),
        ("--method uhc --passes 4", vec!["passes", "uhc"]),
        ("--method muki --single-pass --passes 4", vec!["single_pass"]),
        ("--method uhc --pass-sites head", vec!["pass_sites", "uhc"]),
        ("--method muki --base one", vec!["base", "muki"]),
        ("--method faculty --no-margin", vec!["no_margin", "faculty"]),
        ("--method faculty --single-pass --dropout 0.2", vec!["single_pass"]),
        ("--method muki --pass-sites tail", vec!["tail", "last-N"]),
        ("--method muki --pass-sites last-9", vec!["pass_sites", "last-9", "layers"]),
        ("--method muki --gate-temperature 0", vec!["gate_temperature", "positive"]),
        ("--teacher x=one --teacher x=two", vec!["two teachers are called `x`"]),
        ("--student-layers 9", vec!["9 layers"]),
        ("--max-length 1000", vec!["--max-length", "64"]),
    ] {
        place.faculty(&format!("{command} {options}")).refused(2, &words);
    }
    place.faculty(&command.replace("teacher:0", "teacher:7")).refused(2, &["teacher 7", "teacher:1"]);
    place.faculty("amalgamate --teacher one --text texts.txt --out student").refused(2, &["--student"]);
    assert_eq!(place.listing(), before, "{before:?}");
}

#[test]
fn monte_carlo_passes_that_do_not_differ_end_the_run() {
    let place = Workplace::new();
    place.tiny("one", ["a", "b"]);
    place.tiny("two", ["c", "d"]);
    place.write("texts.txt", "pay the bill\nbook a flight\n");
    // A checkpoint whose every rate is 0, sampled at a hidden rate so small that no unit is ever dropped.
    for name in ["one", "two"] {
        let path = place.path(name).join("config.json");
        let mut config = crate::workplace::read_json(&path);
        for rate in ["hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"] {
            config[rate] = 0.0.into();
        }
        std::fs::write(&path, config.to_string()).unwrap();
    }
    let command =
        "amalgamate --teacher one --teacher two --text texts.txt --student teacher:0 --epochs 1 --out student";
    place.faculty(&format!("{command} --dropout 1e-12")).refused(1, &["identical", "one"]);
    assert!(!place.path("student").exists());
    place.faculty(command).good();
}
