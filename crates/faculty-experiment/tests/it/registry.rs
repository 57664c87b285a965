//! Data sets by name: declarations, what is there, getting and checking.

use crate::support::{Row, compressed, declare, rows, shared_out};
use faculty_core::{ErrorKind, Silent, hash_bytes};
use faculty_experiment::{
    DataPlaces, Presence, Registry, Source, check_set, get_set, missing_sources, presence, read_data,
};
use faculty_hub::Environment;
use std::path::{Path, PathBuf};

fn places(root: &Path) -> DataPlaces {
    DataPlaces { data_dir: Some(root.to_path_buf()), relative_to: root.to_path_buf() }
}

fn declaration_error(text: &str) -> String {
    Registry::parse(text, Path::new("sets.toml")).expect_err("the declaration is wrong").to_string()
}

/// The folder of real data sets, if this machine has one.
fn real_data() -> Option<PathBuf> {
    let named = std::env::var_os("FACULTY_DATA").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let found = named.into_iter().chain([beside]).find(|dir| dir.join("META.json").is_file());
    if found.is_none() {
        eprintln!("skipped: no folder of data sets (FACULTY_DATA)");
    }
    found
}

#[test]
fn every_set_of_the_task_list_is_declared() {
    let registry = Registry::built_in().unwrap();
    let names: Vec<&str> = registry.names().collect();
    let expected = "abstracts5 ag_news banking77 brown clinc150 cola dbpedia14 imdb_unsup mr newsgroups20 ohsumed23 reuters_r52 \
                    reuters_r8 sst2 trec6 wikitext2_vt wordnet";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    for (name, set) in registry.sets() {
        assert!(!set.licence.is_empty() && !set.source.is_empty(), "{name}");
        assert!(set.hub.is_none(), "{name}: no revision of a hub data set could be checked");
        assert_eq!(set.labels.is_none(), set.split.contains_key("unlabelled"), "{name}");
    }
    let clinc = registry.find("clinc150").unwrap().domain_labels();
    assert!(Source::Clinc150.is_available(&DataPlaces::default()));
    assert_eq!(
        (clinc.len(), clinc[1].0.as_str(), clinc[1].1[0].as_str()),
        (10, "credit_cards", "replacement_card_duration")
    );
}

#[test]
fn the_declared_domains_of_clinc150_are_those_of_its_embedded_form() {
    let section = crate::support::parse(crate::support::SMALL).unwrap().data;
    let embedded = read_data(&section, &DataPlaces::default()).unwrap();
    assert_eq!(Registry::built_in().unwrap().find("clinc150").unwrap().domain_labels(), embedded.domains);
}

#[test]
fn the_embedded_corpora_are_the_declared_files_and_have_no_labels() {
    let registry = Registry::built_in().unwrap();
    for name in ["brown", "wordnet"] {
        let declared = &registry.find(name).unwrap().split["unlabelled"];
        let corpus = faculty_experiment::read_texts(name, &DataPlaces::default()).unwrap();
        assert_eq!((corpus.texts.len(), &corpus.files[0].sha256), (declared.rows, &declared.sha256));
        // Neither tags nor pointers of the database.
        let plain =
            |text: &String| text.split_whitespace().count() >= 3 && !text.contains("/nn") && !text.contains(" | ");
        assert!(corpus.texts.iter().all(plain), "{name}");
        let source = format!("source = \"{name}\"\nteacher_count = 2");
        let section = crate::support::experiment_on(&source).unwrap().data;
        let error = read_data(&section, &DataPlaces::default()).unwrap_err().to_string();
        assert!(error.contains(&format!("`{name}` has no labels")), "{error}");
    }
}

#[test]
fn declarations_are_what_the_data_folder_records() {
    let Some(root) = real_data() else { return };
    let meta: serde_json::Value = serde_json::from_slice(&std::fs::read(root.join("META.json")).unwrap()).unwrap();
    let registry = Registry::built_in().unwrap();
    // Brown and WordNet come from packages alone.
    assert_eq!(registry.names().count(), meta.as_object().unwrap().len() + 2);
    for (name, set) in registry.sets().filter(|(name, _)| !["brown", "wordnet"].contains(name)) {
        let recorded = &meta[name];
        assert_eq!(serde_json::json!(set.labels), recorded["labels"], "{name}");
        assert_eq!(serde_json::json!(set.licence), recorded["licence"], "{name}");
        assert_eq!(serde_json::json!(set.source), recorded["source"], "{name}");
        assert_eq!(serde_json::json!(set.note), recorded["note"], "{name}");
        assert_eq!(set.split.len(), recorded["splits"].as_object().unwrap().len(), "{name}");
        for (split, facts) in &set.split {
            let recorded = &recorded["splits"][split];
            assert_eq!(serde_json::json!(facts.rows), recorded["rows"], "{name} {split}");
            assert_eq!(serde_json::json!(facts.sha256), recorded["sha256"], "{name} {split}");
            let counts = facts.per_class.as_ref().map(|counts| counts.counts(set.classes()));
            assert_eq!(serde_json::json!(counts), recorded["per_class"], "{name} {split}");
        }
    }
}

#[test]
fn real_sets_are_read_and_checked_by_name() {
    let Some(root) = real_data() else { return };
    let registry = Registry::built_in().unwrap();
    for name in ["trec6", "cola", "clinc150", "wikitext2_vt"] {
        let set = registry.find(name).unwrap();
        let checked = check_set(name, set, &places(&root)).unwrap();
        assert_eq!(checked.rows.len(), set.split.len());
    }
    let by_name = shared_out(&root, "source = \"trec6\"\nteacher_count = 2\nteacher_texts_per_class = 20").unwrap();
    assert_eq!(by_name.union.names(), ["DESC", "ENTY", "ABBR", "HUM", "LOC", "NUM"]);
    let folder =
        shared_out(&root, "source = \"folder:trec6\"\nteacher_count = 2\nteacher_texts_per_class = 20").unwrap();
    assert_eq!((by_name.transfer, by_name.test), (folder.transfer, folder.test));
    let cola = shared_out(&root, "source = \"cola\"\nteacher_count = 1\ndev_share = 0.05").unwrap();
    assert!(cola.notes.iter().any(|note| note.contains("the development split measures")), "{:?}", cola.notes);
    let clinc =
        shared_out(&root, "source = \"folder:clinc150\"\nsplit = \"domains\"\nout_of_scope = \"clinc150\"").unwrap();
    assert_eq!((clinc.teachers.len(), clinc.teachers[9].name.as_str()), (10, "meta"));
    assert!(clinc.out_of_scope.unwrap().len() > 1_100);
}

#[test]
fn a_set_of_the_users_own_is_a_source_by_its_name() {
    let root = tempfile::tempdir().unwrap();
    let splits = [("train", rows("train", 2, 9)), ("dev", rows("dev", 2, 3)), ("test", rows("test", 2, 4))];
    declare(root.path(), "mine", &["a", "b"], "note = \"written by hand\"", &splits);
    let lines = "source = \"mine\"\nteacher_count = 1\nteacher_texts_per_class = 3\n";
    let data = shared_out(root.path(), lines).unwrap();
    assert_eq!((data.teachers[0].texts.len(), data.transfer.len(), data.test.len()), (6, 12, 8));
    assert_eq!(data.files[0].name, "registry:mine");
    assert_eq!(data.notes, ["mine: none", "mine: written by hand"]);
    let on_dev = shared_out(root.path(), &format!("{lines}evaluate_on = \"dev\"")).unwrap();
    assert_eq!(on_dev.test.len(), 6);

    // Other names of the same labels are other data, whatever the files say.
    let own = root.path().join("sets.toml");
    let text = std::fs::read_to_string(&own).unwrap();
    std::fs::write(&own, text.replace("[\"a\", \"b\"]", "[\"b\", \"a\"]")).unwrap();
    assert_ne!(shared_out(root.path(), lines).unwrap().files[0].sha256, data.files[0].sha256);

    std::fs::write(&own, text.replace("[mine", "[ag_news")).unwrap();
    let error = shared_out(root.path(), lines).unwrap_err().to_string();
    assert!(error.contains("sets.toml") && error.contains("another name"), "{error}");
}

#[test]
fn a_wrong_hash_row_or_count_is_an_error_that_names_the_file() {
    let lines = "source = \"mine\"\nteacher_count = 1\n";
    let spoilt = |change: &dyn Fn(String) -> String| {
        let root = tempfile::tempdir().unwrap();
        let splits = [("train", rows("train", 2, 100)), ("test", rows("test", 2, 4))];
        declare(root.path(), "mine", &["a", "b"], "", &splits);
        let own = root.path().join("sets.toml");
        let text = std::fs::read_to_string(&own).unwrap();
        std::fs::write(&own, change(text)).unwrap();
        let registry = Registry::load(&places(root.path())).unwrap();
        let by_check = check_set("mine", registry.find("mine").unwrap(), &places(root.path())).map(|_| ());
        let by_run = shared_out(root.path(), lines).map(|_| ());
        assert_eq!(by_check.is_ok(), by_run.is_ok());
        by_run
    };
    spoilt(&|text| text).unwrap();
    spoilt(&|text| text.replace("rows = 8", "rows = 8\nper_class = 4")).unwrap();
    let error = spoilt(&|text| text.replace("rows = 8", "rows = 9")).unwrap_err().to_string();
    assert!(error.contains("mine/test.jsonl.zst") && error.contains("9 rows"), "{error}");
    let error = spoilt(&|text| text.replace("rows = 8", "rows = 8\nper_class = [3, 5]")).unwrap_err().to_string();
    assert!(error.contains("counts of the classes"), "{error}");
    let other = hash_bytes(b"another file");
    let error = spoilt(&|text| {
        let (head, hash) = text.rsplit_once("sha256 = \"").unwrap();
        format!("{head}sha256 = \"{other}{}", &hash[64..])
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("SHA-256") && error.contains("mine/test.jsonl.zst"), "{error}");
}

#[test]
fn an_absent_set_says_how_to_get_it() {
    let root = tempfile::tempdir().unwrap();
    let registry = Registry::built_in().unwrap();
    let set = registry.find("ohsumed23").unwrap();
    assert_eq!(presence("ohsumed23", set, &places(root.path())), Presence::Absent);
    let error = shared_out(root.path(), "source = \"ohsumed23\"\nteachers_by_size = [5, 5, 5, 8]").unwrap_err();
    for words in
        ["ohsumed23", "yao8839836/text_gcn", "non-commercial", "train.jsonl.zst", "2697b0b8a374", "folder:NAME"]
    {
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
    let by_hand = get_set("ohsumed23", set, &places(root.path()), &Environment::default(), &Silent).unwrap_err();
    assert!(by_hand.to_string().contains("no automatic way") && by_hand.to_string().contains("4043 rows"), "{by_hand}");
    assert_eq!(by_hand.kind(), ErrorKind::Input);

    std::fs::create_dir(root.path().join("ohsumed23")).unwrap();
    let Presence::Incomplete { missing, .. } = presence("ohsumed23", set, &places(root.path())) else { unreachable!() };
    assert_eq!(missing, ["train.jsonl.zst", "test.jsonl.zst"]);
    let error = check_set("ohsumed23", set, &places(root.path())).unwrap_err().to_string();
    assert!(error.contains("lacks train.jsonl.zst, test.jsonl.zst"), "{error}");
    assert!(registry.find("ohsumed").unwrap_err().to_string().contains("did you mean `ohsumed23`?"));
    let error = Source::parse("agnews").unwrap_err().to_string();
    assert!(error.contains("did you mean `ag_news`?"), "{error}");
}

#[test]
fn sources_that_a_machine_lacks_are_listed() {
    let root = tempfile::tempdir().unwrap();
    let lines = "out_of_scope = \"clinc150\"\nteacher_count = 2\n[[data.set]]\nsource = \"clinc150\"\n[[data.set]]\n\
                 source = \"banking77\"\n[data.noise]\nother = { source = \"wikitext2_vt\", share = 0.1 }\n";
    let section = crate::support::experiment_on(lines).unwrap().data;
    let missing = missing_sources(&section, std::iter::empty(), &places(root.path())).unwrap();
    assert_eq!(missing, ["banking77", "wikitext2_vt", "clinc150"]);
    let plain = crate::support::experiment_on("source = \"clinc150\"\nteacher_count = 2").unwrap().data;
    assert!(missing_sources(&plain, std::iter::empty(), &DataPlaces::default()).unwrap().is_empty());
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A set that the hub has: declared in `root`, its files in the cache of the hub.
fn on_the_hub(root: &Path, hub: &Path, file: &str, contents: &[(&str, Vec<u8>, usize)]) {
    let mut text =
        "[remote]\ntitle = \"remote\"\nlabels = [\"a\", \"b\"]\nlicence = \"none\"\nsource = \"a test\"\n".to_owned();
    let files: Vec<String> =
        contents.iter().map(|(split, _, _)| format!("{split} = \"data/{split}.{file}\"")).collect();
    let files = files.join(", ");
    text.push_str(&format!("hub = {{ repo = \"owner/name\", revision = \"{COMMIT}\", files = {{ {files} }} }}\n"));
    for (split, bytes, rows) in contents {
        let path = hub.join(format!("datasets--owner--name/snapshots/{COMMIT}/data/{split}.{file}"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        let sha256 = hash_bytes(bytes);
        text.push_str(&format!(
            "[remote.split.{split}]\nfile = \"{split}.{file}\"\nrows = {rows}\nsha256 = \"{sha256}\"\n"
        ));
    }
    std::fs::write(root.join("sets.toml"), text).unwrap();
}

fn offline(hub: &Path) -> Environment {
    Environment { hf_hub_cache: Some(hub.to_path_buf()), hf_hub_offline: true, ..Environment::default() }
}

fn lines(rows: &[Row]) -> Vec<u8> {
    let lines = rows.iter().map(|(text, label)| serde_json::json!({"text": text, "label": label}).to_string() + "\n");
    compressed(&lines.collect::<String>())
}

#[test]
fn a_set_of_the_hub_is_put_in_place_checked_and_then_found_by_name() {
    let (root, hub) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let contents = [("train", lines(&rows("train", 2, 9)), 18), ("test", lines(&rows("test", 2, 2)), 4)];
    on_the_hub(root.path(), hub.path(), "jsonl.zst", &contents);
    let get = || {
        let registry = Registry::load(&places(root.path())).unwrap();
        get_set("remote", registry.find("remote").unwrap(), &places(root.path()), &offline(hub.path()), &Silent)
    };
    assert_eq!(get().unwrap(), root.path().join("remote"));
    let source = "source = \"remote\"\nteacher_count = 1\nteacher_texts_per_class = 3";
    assert_eq!(shared_out(root.path(), source).unwrap().transfer.len(), 12);
    // What is there is used, and what is there wrongly is not.
    std::fs::remove_dir_all(hub.path().join("datasets--owner--name")).unwrap();
    get().unwrap();
    std::fs::remove_file(root.path().join("remote/test.jsonl.zst")).unwrap();
    let error = get().unwrap_err().to_string();
    assert!(error.contains("HF_HUB_OFFLINE") && error.contains("owner/name"), "{error}");

    let wrong = [("train", lines(&rows("other", 2, 9)), 18), ("test", lines(&rows("test", 2, 2)), 4)];
    on_the_hub(root.path(), hub.path(), "jsonl.zst", &wrong);
    let promised = std::fs::read_to_string(root.path().join("sets.toml")).unwrap();
    let promised = promised.replace(&hash_bytes(&wrong[1].1), &hash_bytes(b"something else"));
    std::fs::write(root.path().join("sets.toml"), promised).unwrap();
    let error = get().unwrap_err().to_string();
    assert!(error.contains("SHA-256") && error.contains("declaration of `remote`"), "{error}");
    assert!(!root.path().join("remote/test.jsonl.zst").exists(), "nothing wrong is left under the set's name");
}

#[test]
fn declarations_that_contradict_themselves_are_refused() {
    let good = format!(
        "[x]\ntitle = \"x\"\nlabels = [\"a\", \"b\"]\nlicence = \"none\"\nsource = \"s\"\n[x.split.train]\nrows = 4\n\
         sha256 = \"{}\"\nper_class = 2\n",
        "0".repeat(64)
    );
    Registry::parse(&good, Path::new("sets.toml")).unwrap();
    let hub = |rest: &str| format!("source = \"s\"\nhub = {{ repo = \"o/n\", {rest} }}");
    let pinned = format!("revision = \"{COMMIT}\"");
    for (right, wrong, expected) in [
        ("[x", "[\"../x\"", "no name of a data set"),
        ("labels = [\"a\", \"b\"]", "labels = [\"a\", \"a\"]", "appears twice"),
        ("labels = [\"a\", \"b\"]\n", "", "the set names none"),
        ("per_class = 2", "per_class = [2, 3]", "sum to 5"),
        ("per_class = 2", "per_class = [4]", "1 counts"),
        ("split.train", "split.trian", "trian"),
        ("rows = 4", "rows = 4\nfile = \"../train.jsonl\"", "no file name"),
        ("rows = 4", "rows = 4\nfile = \"train.xlsx\"", "train.xlsx"),
        ("sha256 = \"00", "sha256 = \"0G", "no SHA-256"),
        ("source = \"s\"", "source = \"s\"\ndomains = [\"p\", \"q\", \"r\"]", "equal blocks"),
        ("source = \"s\"", "source = \"s\"\nlicense = \"MIT\"", "did you mean `licence`?"),
        ("source = \"s\"", hub("revision = \"main\", files = { train = \"t.parquet\" }").as_str(), "may move"),
        (
            "source = \"s\"",
            hub(&format!("{pinned}, files = {{ test = \"t.parquet\" }}")).as_str(),
            "no file for the split",
        ),
        (
            "source = \"s\"",
            hub(&format!("{pinned}, files = {{ train = \"../t.parquet\" }}")).as_str(),
            "no file of a repository",
        ),
    ] {
        let text = good.replace(right, wrong);
        assert_ne!(text, good);
        let error = declaration_error(&text);
        assert!(error.contains(expected) && error.contains("sets.toml"), "{wrong}: {error}");
    }
}

#[cfg(feature = "parquet")]
#[test]
fn a_parquet_set_of_the_hub_is_checked_with_its_label_names() {
    let (root, hub) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let fixture =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../faculty-text/tests/data/pyarrow.parquet"));
    let contents = [("train", fixture.unwrap(), 3)];
    on_the_hub(root.path(), hub.path(), "parquet", &contents);
    let own = root.path().join("sets.toml");
    let declared = std::fs::read_to_string(&own).unwrap().replace("[\"a\", \"b\"]", "[\"sports\", \"world\"]");
    let get = |text: &str| {
        std::fs::write(&own, text).unwrap();
        let registry = Registry::load(&places(root.path())).unwrap();
        get_set("remote", registry.find("remote").unwrap(), &places(root.path()), &offline(hub.path()), &Silent)
    };
    let counted = declared.replace("rows = 3", "rows = 3\nper_class = [2, 1]");
    assert!(get(&counted).unwrap().join("train.parquet").is_file());
    let error = get(&declared.replace("rows = 3", "rows = 3\nper_class = [1, 2]")).unwrap_err().to_string();
    assert!(error.contains("counts of the classes"), "{error}");
    // The column of class indices, in place of that of names.
    let by_index = declared.replace("revision =", "label = \"id\", revision =");
    get(&by_index.replace("rows = 3", "rows = 3\nper_class = [1, 2]")).unwrap();
}
