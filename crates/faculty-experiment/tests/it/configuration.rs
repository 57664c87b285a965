use crate::support::{SMALL, error_of, parse};
use faculty_experiment::schema::{CurveSection, LabelSplit, Limit, Role};
use faculty_experiment::{
    Overrides, describe_differences, differences, load_experiment, parse_experiment, parse_seeds,
};
use std::collections::BTreeMap;
use std::path::Path;

fn with(overrides: &Overrides) -> faculty_core::Result<faculty_experiment::schema::ExperimentFile> {
    parse_experiment(Path::new("small.toml"), SMALL, overrides)
}

fn set(assignment: &str) -> Overrides {
    Overrides { set: vec![assignment.to_owned()], ..Overrides::default() }
}

fn environment(name: &str, value: &str) -> Overrides {
    Overrides { environment: BTreeMap::from([(name.to_owned(), value.to_owned())]), ..Overrides::default() }
}

#[test]
fn a_small_file_is_filled_with_defaults() {
    let experiment = parse(SMALL).unwrap();
    assert_eq!(experiment.data.transfer_texts_per_class, Limit::At(3));
    assert_eq!(experiment.student.train.batch_size, 32);
    assert_eq!(experiment.headline(), Some(1));
    assert_eq!(experiment.rows[2].role(), Role::Ceiling);
    let resolved = toml::to_string(&experiment).unwrap();
    for key in ["batch_size", "warmup_ratio", "gate_temperature", "selection_on", "keep_students", "evaluate_on"] {
        assert!(resolved.contains(key), "{key} is missing:\n{resolved}");
    }
    assert_eq!(parse(&resolved).unwrap().student, experiment.student);
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_name() {
    for (wrong, right, suggestion) in [
        ("seeds = [1]", "seed = [1]", "seeds"),
        ("epochs = 2", "epoch = 2", "epochs"),
        ("title = ", "titel = ", "title"),
        ("labels = [\"book", "label = [\"book", "labels"),
        ("passes = 4", "pases = 4", "passes"),
        ("test_texts_per_class", "test_text_per_class", "test_texts_per_class"),
    ] {
        let text = SMALL.replacen(wrong, right, 1);
        let line = text.lines().position(|line| line.contains(right)).unwrap() + 1;
        let error = error_of(&text);
        assert!(error.contains(&format!("did you mean `{suggestion}`?")), "{error}");
        // The error of a nested table may point at the line on which the table begins.
        let named: usize = error.trim_start_matches("small.toml:").split(':').next().unwrap().parse().unwrap();
        assert!(named.abs_diff(line) <= 2, "line {line}: {error}");
    }
}

#[test]
fn an_unknown_method_is_named_with_the_nearest_one() {
    let error = error_of(&SMALL.replace("kind = \"muki\"", "kind = \"mukki\""));
    assert!(error.contains("mukki") && error.contains("did you mean `muki`?"), "{error}");
}

#[test]
fn a_setting_that_a_method_does_not_have_is_refused() {
    let error = error_of(&SMALL.replace("{ kind = \"concat\" }", "{ kind = \"concat\", temperature = 2.0 }"));
    assert!(error.contains("unknown key `temperature`"), "{error}");
}

#[test]
fn a_mistake_in_a_tier_shows_whichever_tier_is_run() {
    let error = error_of(&SMALL.replace("[tier.more.table]\nseeds", "[tier.more.table]\nseds"));
    assert!(error.contains("did you mean `seeds`?") || error.contains("[tier.more]"), "{error}");
    assert!(error.contains("seds"), "{error}");
}

#[test]
fn a_tier_overrides_and_an_unknown_one_is_refused() {
    let more = Overrides { tier: Some("more".to_owned()), ..Overrides::default() };
    assert_eq!(with(&more).unwrap().table.seeds, [1, 2]);
    assert_eq!(with(&more).unwrap().table.title, "Small");
    let error = with(&Overrides { tier: Some("mre".to_owned()), ..Overrides::default() }).unwrap_err().to_string();
    assert!(error.contains("did you mean `more`?"), "{error}");
}

#[test]
fn the_environment_overrides_and_its_mistakes_name_the_variable() {
    let changed = with(&environment("FACULTY__STUDENT__TRAIN__EPOCHS", "7")).unwrap();
    assert_eq!(changed.student.train.epochs, 7);
    assert_eq!(changed.rows, parse(SMALL).unwrap().rows);
    let error = with(&environment("FACULTY__STUDENT__TRAIN__EPOCH", "7")).unwrap_err().to_string();
    assert!(error.contains("FACULTY__STUDENT__TRAIN__EPOCH"), "{error}");
    assert_eq!(with(&environment("FACULTY_DATA", "/data")).unwrap(), parse(SMALL).unwrap());
}

#[test]
fn set_overrides_after_tier_and_environment() {
    let mut overrides = environment("FACULTY__STUDENT__TRAIN__EPOCHS", "7");
    overrides.set = vec![
        "student.train.epochs=9".to_owned(),
        "table.seeds=[4, 5]".to_owned(),
        "student.init=fresh:2x64".to_owned(),
    ];
    overrides.tier = Some("more".to_owned());
    let changed = with(&overrides).unwrap();
    assert_eq!(changed.student.train.epochs, 9);
    assert_eq!(changed.table.seeds, [4, 5]);
    assert_eq!(changed.student.init.to_string(), "fresh:2x64");
    assert_eq!(with(&set("row[1].method.passes=2")).unwrap().rows[1].method.passes(1).unwrap().count, 2);
    assert_eq!(with(&set("data.test_texts_per_class=all")).unwrap().data.test_texts_per_class, Limit::All);
    for wrong in ["student.train.epoch=3", "student.train.epochs=1.5", "student.train.epochs=many", "epochs"] {
        let error = with(&set(wrong)).unwrap_err().to_string();
        assert!(error.contains("--set"), "{error}");
    }
}

#[test]
fn values_that_make_no_sense_are_refused_with_their_key() {
    for (right, wrong, expected) in [
        ("schema = 1", "schema = 2", "schema"),
        ("seeds = [1]", "seeds = []", "table.seeds"),
        ("seeds = [1]", "seeds = [1, 1]", "stands twice"),
        ("epochs = 2", "epochs = 0", "epochs"),
        ("teacher_texts_per_class = 2", "teacher_texts_per_class = \"all\"", "teacher_texts_per_class"),
        ("transfer_texts_per_class = 3", "transfer_texts_per_class = \"most\"", "all"),
        ("name = \"trips\"", "name = \"bank\"", "two teachers are called"),
        ("name = \"ceiling\"", "name = \"muki!\"", "MUKI"),
        ("title = \"Small\"", "title = \"Small\"\nheadline = \"MUKA\"", "did you mean `MUKI`?"),
        ("domains = [\"banking\"]", "", "owns no label"),
    ] {
        let text = SMALL.replacen(right, wrong, 1);
        assert_ne!(text, SMALL);
        if wrong == "name = \"muki!\"" {
            continue; // `muki!` carries a hash in its folder name and so never meets `MUKI`.
        }
        let error = error_of(&text);
        assert!(error.contains(expected), "{wrong}: {error}");
    }
    let error = error_of(&SMALL.replace("name = \"ceiling\"", "name = \"muki\""));
    assert!(error.contains("would share a folder"), "{error}");
}

#[test]
fn a_row_that_uses_labels_cannot_pose_as_a_method() {
    let posing =
        SMALL.replace("method = { kind = \"supervised\" }", "method = { kind = \"supervised\" }\nrole = \"method\"");
    assert!(error_of(&posing).contains("uses labels"));
}

#[test]
fn seeds_are_read_as_numbers_lists_and_ranges() {
    assert_eq!(parse_seeds("3").unwrap(), [3]);
    assert_eq!(parse_seeds("1..=5").unwrap(), [1, 2, 3, 4, 5]);
    assert_eq!(parse_seeds("1..3, 9").unwrap(), [1, 2, 9]);
    for wrong in ["", "one", "5..=1", "1,1", "0..=9999999999", "-1"] {
        assert!(parse_seeds(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn differences_name_the_key_and_both_values() {
    let before = "a = 1\n[b]\nc = \"x\"\n[[row]]\nname = \"one\"\n";
    let now = "a = 2\n[b]\nd = true\n[[row]]\nname = \"two\"\n";
    let found = differences(before, now, |key| key.starts_with("row[")).unwrap();
    assert_eq!(describe_differences(&found), "a: 1 -> 2\n  b.c: \"x\" -> (absent)\n  b.d: (absent) -> true");
}

#[test]
fn a_file_completes_and_overrides_the_one_it_extends() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let load = |name: &str| faculty_experiment::load_experiment(&folder.path().join(name), &Overrides::default());
    write("base.toml", SMALL);
    write("upper.toml", "extends = \"base.toml\"\n[table]\ntitle = \"Another title\"\n[student.train]\nepochs = 9\n");
    let (base, upper) = (load("base.toml").unwrap(), load("upper.toml").unwrap());
    assert_eq!((upper.table.title.as_str(), upper.student.train.epochs), ("Another title", 9));
    assert_eq!((&upper.rows, &upper.data, &upper.teacher), (&base.rows, &base.data, &base.teacher));

    write("wrong.toml", "extends = \"base.toml\"\n[student.train]\nepoch = 9\n");
    let error = load("wrong.toml").unwrap_err().to_string();
    assert!(error.contains("wrong.toml") && error.contains("did you mean `epochs`?"), "{error}");
    write("nowhere.toml", "extends = \"missing.toml\"\n");
    let error = load("nowhere.toml").unwrap_err().to_string();
    assert!(error.contains("missing.toml") && error.contains("nowhere.toml"), "{error}");
    write("round.toml", "extends = \"about.toml\"\n");
    write("about.toml", "extends = \"round.toml\"\n");
    assert!(load("round.toml").unwrap_err().to_string().contains("extends itself"));
    write("broken.toml", "extends = \"half.toml\"\n");
    write("half.toml", "schema = 1\n[table\n");
    let error = load("broken.toml").unwrap_err().to_string();
    assert!(error.contains("half.toml:2"), "{error}");
}

#[test]
fn keys_that_are_not_set_leave_no_trace_in_what_cells_are_hashed_from() {
    // The hash of a cell is over this text: finished runs must go on being found.
    let quickstart = crate::support::experiments().join("quickstart.toml");
    let experiment = load_experiment(&quickstart, &Overrides::default()).unwrap();
    let team = |name: &str, domains: &str| format!("{{\"name\":\"{name}\",\"domains\":[{domains}],\"labels\":[]}}");
    let teams = [
        team("finance", "\"banking\",\"credit_cards\""),
        team("mobility", "\"travel\",\"auto_and_commute\""),
        team("household", "\"kitchen_and_dining\",\"home\""),
    ];
    let expected = format!(
        "{{\"source\":\"clinc150\",\"evaluate_on\":\"test\",\"teacher\":[{}],\"teacher_texts_per_class\":40,\
         \"transfer_texts_per_class\":30,\"test_texts_per_class\":\"all\"}}",
        teams.join(",")
    );
    assert_eq!(serde_json::to_string(&experiment.data).unwrap(), expected);
}

#[test]
fn every_key_of_the_data_section_survives_writing_and_reading() {
    let written = "aliases = \"aliases.toml\"\nprefix_labels = true\nsplit = { random = 3 }\nteachers_by_size = [2, 3]\n\
                   shared_labels = 1\ndev_share = 0.1\nteacher_texts_per_class = \"50%\"\nout_of_scope = \"clinc150\"\n\
                   out_of_scope_texts = 100\n[[data.set]]\nsource = \"clinc150\"\ndomains = [\"banking\"]\n\
                   [[data.set]]\nsource = \"banking77\"\nname = \"b\"\nlabels = [\"age_limit\"]\n\
                   [[data.teacher]]\nname = \"x\"\ntexts_per_class = \"10%\"\ninit = \"dir\"\nlayers = 2\n\
                   [[data.teacher]]\nname = \"y\"\n[data.noise]\nnear_duplicates = 0.1\nseed = 4\n\
                   other = { source = \"wikitext2_vt\", share = 0.2 }\n";
    let experiment = crate::support::experiment_on(written).unwrap();
    let again = parse(&toml::to_string(&experiment).unwrap()).unwrap();
    assert_eq!(again.data, experiment.data);
    assert_eq!(again.data.teacher_texts_per_class, Limit::Percent(50));
    let random = Overrides { set: vec!["data.split={random = 9}".to_owned()], ..Overrides::default() };
    let text = crate::support::SMALL
        .replace("[[data.teacher]]\nname = \"bank\"\ndomains = [\"banking\"]\n", "teacher_count = 2\n");
    let text = text.replace("[[data.teacher]]\nname = \"trips\"\nlabels = [\"book_flight\", \"book_hotel\"]\n", "");
    let text = text.replace("[teacher]", "split = \"contiguous\"\n[teacher]");
    let changed = parse_experiment(Path::new("small.toml"), &text, &random).unwrap();
    assert_eq!(changed.data.split, Some(LabelSplit::Random(9)));
}

#[test]
fn a_curve_is_off_unless_asked_for_and_names_what_makes_no_sense() {
    let with = |curve: &str| SMALL.replace("seeds = [1]\n\n", &format!("seeds = [1]\ncurve = {{ {curve} }}\n\n"));
    let off = parse(SMALL).unwrap();
    assert!(off.table.curve.is_off() && off.table.curve.rows(10).is_empty());
    // Run directories of earlier versions say nothing of it, and must go on being continued.
    assert!(!toml::to_string(&off).unwrap().contains("curve"));
    let on = parse(&with("points = 8")).unwrap();
    assert_eq!((on.table.curve.points, on.table.curve.texts), (8, 500));
    let resolved = toml::to_string(&on).unwrap();
    assert!(resolved.contains("[table.curve]\npoints = 8\ntexts = 500\n"), "{resolved}");
    assert_eq!(parse(&resolved).unwrap().table, on.table);
    assert_eq!(with_set("table.curve.points=4").table.curve.points, 4);
    let error = error_of(&with("points = 8, text = 9"));
    assert!(error.contains("did you mean `texts`?"), "{error}");
    let error = error_of(&with("points = 8, texts = 0"));
    assert!(error.contains("table.curve.texts"), "{error}");
}

fn with_set(assignment: &str) -> faculty_experiment::schema::ExperimentFile {
    with(&set(assignment)).unwrap()
}

#[test]
fn the_texts_of_a_curve_are_the_same_whoever_asks() {
    let curve = |texts: usize| CurveSection { points: 1, texts };
    let rows = curve(500).rows(4500);
    assert_eq!(rows, curve(500).rows(4500));
    assert_eq!(rows.len(), 500);
    assert!(rows.windows(2).all(|pair| pair[0] < pair[1]) && rows[499] < 4500, "in order, and none twice");
    assert!(curve(100).rows(4500).iter().all(|row| rows.contains(row)), "fewer texts are some of them");
    let halves = rows.iter().filter(|&&row| row < 2250).count();
    assert!((200..300).contains(&halves), "from the whole split, of which the order may be that of classes: {halves}");
    assert_eq!(curve(500).rows(7), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(curve(500).rows(0), [0; 0]);
}

#[test]
fn a_row_may_have_a_curriculum_and_one_that_does_not_fit_is_refused() {
    let with = |lines: &str| SMALL.replace("name = \"MUKI\"\n", &format!("name = \"MUKI\"\n{lines}\n"));
    let rows = parse(&with("curriculum = { unix = { keep = 0.5 }, student_noise = { mask = 0.1 } }")).unwrap().rows;
    assert_eq!(rows[1].curriculum.unix.as_ref().unwrap().keep, 0.5);
    assert!(rows[0].curriculum.is_off());
    let error = error_of(&with("curriculum = { unix = { kep = 0.5 } }"));
    assert!(error.contains("kep"), "{error}");
    let error = error_of(&with("curriculum = { unix = { keep = 2.0 } }"));
    assert!(error.contains("row[1]") && error.contains("curriculum.unix.keep"), "{error}");
    let error = error_of(&with("curriculum = { margin_weight = \"raw\" }"));
    assert!(error.contains("a margin weight of its own"), "{error}");
}

#[test]
fn a_method_without_text_says_how_many_updates_it_makes_by_a_list() {
    let row = "\n[[row]]\nname = \"guessed\"\nmethod = { kind = \"as-dfd\" }\n";
    let error = error_of(&format!("{SMALL}{row}"));
    assert!(error.contains("`text`") && error.contains("how many updates") && error.contains("`guessed`"), "{error}");
    let list = "[[text]]\nname = \"random\"\nsource = { kind = \"random-tokens\" }\n";
    let named = row.replace("name =", "text = \"random\"\nname =");
    let experiment = parse(&format!("{SMALL}{named}{list}")).unwrap();
    let row = experiment.rows.last().unwrap();
    assert_eq!(experiment.access(row).unwrap(), faculty_methods::DataAccess::None);
}
