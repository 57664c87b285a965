//! A language model, and other sources, that write for several teachers.

use burn::tensor::Device;
use faculty_core::{ErrorKind, Event, Observer, Result, Silent, split_pair};
use faculty_model::{CausalModel, Classifier, MaskedModel};
use faculty_testkit::{TinySpec, golden_dir, tiny_classifier_dir};
use faculty_textgen::{Client, Commission, Commissioned, Delivery, Supplies};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Two tiny teachers, one of two classes and one of three.
struct Bureau {
    dir: tempfile::TempDir,
    labels: [Vec<String>; 2],
}

impl Bureau {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let labels = [vec!["pay_bill", "play_music"], vec!["book_flight", "call_taxi", "MoveHouse"]];
        let labels = labels.map(|labels| labels.into_iter().map(str::to_owned).collect::<Vec<_>>());
        for (name, labels) in ["bank", "travel"].iter().zip(&labels) {
            let spec = TinySpec { gain: 3.0, ..TinySpec::new(labels.clone()).seed(name.len() as u64) };
            tiny_classifier_dir(dir.path().join(name), &spec);
        }
        Self { dir, labels }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, commission: &str, drafts: Option<&Path>, observer: &dyn Observer) -> Result<Delivery> {
        let commission: Commission = serde_json::from_str(commission).unwrap();
        let opened = Cell::new(0);
        let open_model = |model: &str| {
            opened.set(opened.get() + 1);
            CausalModel::open(golden_dir().join("causal").join(model), &Device::flex())
        };
        let openers = ["bank", "travel"].map(|name| move || Classifier::open(self.path(name), &Device::flex()));
        let clients = [0, 1].map(|at| Client {
            name: ["bank", "travel"][at],
            labels: self.labels[at].as_slice(),
            classes: &[0, 1, 2, 3, 4][..self.labels[at].len()],
            open: &openers[at] as &dyn Fn() -> Result<Classifier>,
        });
        let corpus = ["the cat sat on the mat".to_owned(), "a dog ran over the old road".to_owned()];
        let open_masked = |model: &str| MaskedModel::open(golden_dir().join("masked-lm").join(model), &Device::flex());
        let supplies =
            Supplies { corpus: &corpus, open_model: &open_model, open_masked: &open_masked, max_length: None, drafts };
        let delivery = commission.write(&clients, &supplies, observer);
        assert!(opened.get() <= 1, "the language model is opened once");
        delivery
    }
}

fn by_model(more: &str) -> String {
    format!(
        r#"{{"source": {{"kind": "language-model", "model": "llama.gguf", "floor": 0.2, "near": 1.0, "most_drafts": 30,
        "prompting": {{"template": "{{label}}", "opening": "", "names": {{"pay_bill": "pay"}}}},
        "writing": {{"max_tokens": 8, "stop": ["e", "a"], "sampling": {{"temperature": 2.0}}}}{more}}}, "per_class": 6, "seed": 1}}"#
    )
}

#[test]
fn a_language_model_writes_for_every_class_of_every_teacher() {
    let bureau = Bureau::new();
    for guidance in ["", r#", "guidance": {"gamma": 2.0, "top": 4}"#] {
        let (texts, reports) = bureau.write(&by_model(guidance), None, &Silent).unwrap();
        assert_eq!(reports.iter().map(Vec::len).collect::<Vec<_>>(), [2, 3]);
        for (teacher, reports) in reports.iter().enumerate() {
            for (class, report) in reports.iter().enumerate() {
                let own = texts.iter().filter(|text| text.class == Some((teacher, class)));
                assert_eq!(own.clone().count(), report.kept);
                assert!(own.clone().all(|text| text.probability.unwrap() >= 0.2));
            }
        }
        assert!(texts.len() > 20, "{reports:?}");
        let mut said: Vec<String> = texts.iter().map(|text| faculty_core::normal_form(&text.text)).collect();
        said.sort();
        said.dedup();
        assert_eq!(said.len(), texts.len(), "no text is there twice");
        let again = bureau.write(&by_model(guidance), None, &Silent).unwrap();
        assert_eq!(again, (texts, reports));
    }
}

/// Counts how often it is asked whether to stop, which every token of a batch and every round of drafts does, and stops after
/// so many.
struct Impatient {
    asked: AtomicU64,
    stops_at: u64,
}

impl Impatient {
    fn new(stops_at: u64) -> Self {
        Self { asked: AtomicU64::new(0), stops_at }
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Observer for Impatient {
    fn on(&self, _: Event<'_>) {}

    fn interrupted(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed) + 1 >= self.stops_at
    }
}

#[test]
fn an_interrupted_commission_goes_on_and_writes_no_draft_again() {
    let bureau = Bureau::new();
    let guided = by_model(r#", "guidance": {"gamma": 2.0, "top": 4}"#);
    let whole = Impatient::new(u64::MAX);
    let expected = bureau.write(&guided, Some(&bureau.path("whole")), &whole).unwrap();
    for share in [3, 2] {
        let folder = bureau.path(&format!("part{share}"));
        let first = Impatient::new(whole.asked() * (share - 1) / share);
        assert_eq!(bureau.write(&guided, Some(&folder), &first).unwrap_err().kind(), ErrorKind::Interrupted);
        let then = Impatient::new(u64::MAX);
        assert_eq!(bureau.write(&guided, Some(&folder), &then).unwrap(), expected);
        // One round of drafts, which was under way, and a look at each round before it.
        let (first, then) = (first.asked(), then.asked());
        assert!(first + then < whole.asked() * 5 / 4, "{first} and {then} of {}", whole.asked());
        let lines = |folder: &Path| {
            let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
            files.sort();
            let name = |path: &PathBuf| path.file_name().unwrap().to_owned();
            files.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(lines(&folder), lines(&bureau.path("whole")), "every draft once, in its order");
    }
    let nothing = Impatient::new(u64::MAX);
    bureau.write(&guided, Some(&bureau.path("whole")), &nothing).unwrap();
    assert!(nothing.asked() * 4 < whole.asked(), "rounds are counted, no token is drawn: {}", nothing.asked());
    // What was drawn by the word of another teacher is not used.
    tiny_classifier_dir(bureau.path("bank"), &TinySpec::new(bureau.labels[0].clone()).seed(99));
    let other = Impatient::new(u64::MAX);
    bureau.write(&guided, Some(&bureau.path("whole")), &other).unwrap();
    assert!(other.asked() > 2 * nothing.asked(), "{}", other.asked());
}

#[test]
fn refined_texts_go_on_too() {
    let bureau = Bureau::new();
    let refined = r#"{"source": {"kind": "n-gram", "corpus": "x", "order": 2}, "per_class": 8, "seed": 1,
        "steering": {"kind": "keywords", "floor": 0.1, "refine": {"rounds": 3, "proposals": 2}}}"#;
    let expected = bureau.write(refined, None, &Silent).unwrap();
    let folder = bureau.path("drafts");
    let first = Impatient::new(20);
    bureau.write(refined, Some(&folder), &first).unwrap_err();
    assert!(folder.read_dir().unwrap().count() > 0);
    assert_eq!(bureau.write(refined, Some(&folder), &Silent).unwrap(), expected);
    assert_eq!(folder.read_dir().unwrap().count(), 4, "drafts and words of each teacher");
    // Words are asked about once, whatever is written with them; a damaged file is no obstacle.
    let plain = refined.replace(", \"refine\": {\"rounds\": 3, \"proposals\": 2}", "");
    let (counted, again) = (Impatient::new(u64::MAX), Impatient::new(u64::MAX));
    let alone = bureau.write(&plain, None, &counted).unwrap();
    assert_eq!(bureau.write(&plain, Some(&folder), &again).unwrap(), alone);
    assert!(again.asked() < counted.asked(), "{} {}", again.asked(), counted.asked());
    for file in folder.read_dir().unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_some_and(|extension| extension == "keywords") {
            std::fs::write(&file, "{").unwrap();
        }
    }
    assert_eq!(bureau.write(&plain, Some(&folder), &Silent).unwrap(), alone);
}

#[test]
fn altered_copies_stand_behind_their_texts() {
    let bureau = Bureau::new();
    let plain = r#"{"source": {"kind": "n-gram", "corpus": "x", "order": 2}, "per_class": 4, "seed": 1,
        "steering": {"kind": "keywords", "floor": 0.1}}"#;
    let altered = plain.replace("\"seed\": 1", "\"seed\": 1, \"augment\": {\"copies\": 2, \"dropout\": 0.4}");
    let ((texts, reports), (both, again)) =
        (bureau.write(plain, None, &Silent).unwrap(), bureau.write(&altered, None, &Silent).unwrap());
    assert_eq!(reports, again, "teachers judge the texts alone");
    let judged: Vec<_> = both.iter().filter(|text| text.probability.is_some()).cloned().collect();
    assert_eq!(judged, texts);
    assert!(both.len() > texts.len() + texts.len() / 2 && both.len() <= 3 * texts.len(), "{}", both.len());
    for pair in both.windows(2).filter(|pair| pair[1].probability.is_none()) {
        assert_eq!(pair[0].class, pair[1].class, "{pair:?}");
    }
    assert_eq!(bureau.write(&altered, None, &Silent).unwrap().0, both);
    let wrong = altered.replace("0.4", "1.4");
    assert!(bureau.write(&wrong, None, &Silent).unwrap_err().to_string().contains("dropout"));
}

/// Keeps warnings.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Observer for Heard {
    fn on(&self, event: Event<'_>) {
        if let Event::Warning { text } = event {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }
}

#[test]
fn a_class_that_stays_short_is_a_warning_or_the_end_by_choice() {
    let bureau = Bureau::new();
    let short = by_model("").replace("\"floor\": 0.2", "\"floor\": 0.999").replace("30", "4");
    let heard = Heard::default();
    let (texts, reports) = bureau.write(&short, None, &heard).unwrap();
    assert!(texts.len() < 30 && reports.iter().flatten().any(|report| report.kept < 6));
    let warnings = heard.0.into_inner().unwrap();
    assert!(warnings.iter().any(|text| text.contains("stayed short") && text.contains("judged")), "{warnings:?}");
    let stop = short.replace("\"seed\": 1", "\"seed\": 1, \"when_short\": \"stop\"");
    let error = bureau.write(&stop, None, &Silent).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Check);
    let error = error.to_string();
    for words in ["teacher bank", "stayed short", "when_short", "% hits of", "pay_bill", "go-on"] {
        assert!(error.contains(words), "{words}: {error}");
    }
    // Other sources likewise.
    let keywords = r#"{"source": {"kind": "n-gram", "corpus": "x"}, "per_class": 8, "seed": 1, "when_short": "stop",
        "steering": {"kind": "keywords", "floor": 0.9999, "most_drafts": 1}}"#;
    assert!(bureau.write(keywords, None, &Silent).unwrap_err().to_string().contains("stayed short"));
}

#[test]
fn a_source_that_says_always_the_same_stops_with_the_figures() {
    let bureau = Bureau::new();
    // The likeliest token, always.
    let greedy = by_model("").replace("\"temperature\": 2.0", "\"temperature\": 0.0");
    let error = bureau.write(&greedy, None, &Silent).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Check);
    assert!(error.to_string().contains("says always the same: of 60 drafts"), "{error}");
    let corpus = r#"{"source": {"kind": "corpus", "corpus": "x"}, "per_class": 40, "seed": 1}"#;
    let error = bureau.write(corpus, None, &Silent).unwrap_err().to_string();
    assert!(error.contains("a corpus of 2 texts, and 200 are wanted"), "{error}");
    // What teachers believe of so small a corpus is what there is.
    let believed = corpus.replace("\"seed\"", "\"steering\": {\"kind\": \"believed\"}, \"seed\"");
    let heard = Heard::default();
    assert_eq!(bureau.write(&believed, None, &heard).unwrap().0.len(), 2);
    let warnings = heard.0.into_inner().unwrap();
    assert!(!warnings.is_empty() && warnings.iter().all(|text| text.contains("stayed short")), "{warnings:?}");
    let many = corpus.replace("40", "2000000");
    assert!(bureau.write(&many, None, &Silent).unwrap_err().to_string().contains("1 to 1000000"));
}

#[test]
fn what_does_not_fit_a_language_model_is_refused_by_its_key() {
    let bureau = Bureau::new();
    let refused = |commission: &str, words: &str| {
        let error = bureau.write(commission, None, &Silent).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    };
    refused(&by_model("").replace("\"seed\": 1", "\"seed\": 1, \"steering\": {\"kind\": \"believed\"}"), "steering");
    refused(&by_model("").replace("pay_bill", "pay_bil"), "pay_bil");
    refused(&by_model("").replace("llama.gguf", "nowhere.gguf"), "nowhere.gguf");
    refused(&by_model("").replace("\"opening\"", "\"chat\": true, \"opening\""), "no chat template");
    refused(&by_model("").replace("\"max_tokens\": 8", "\"max_tokens\": 64"), "max_tokens");
    refused(&by_model("").replace("\"floor\": 0.2", "\"floor\": 1.0"), "language-model");
}

#[test]
fn pairs_are_written_of_a_corpus_with_copies_by_a_masked_language_model() {
    let bureau = Bureau::new();
    let commission = |pairs: &str, more: &str| {
        format!(
            r#"{{"source": {{"kind": "corpus", "corpus": "x"}}, "pairs": {pairs}, "per_class": 8, "seed": 1{more}}}"#
        )
    };
    let kinds = r#"{"masked_lm": "bert", "mask_rate": 0.5}"#;
    let (texts, reports) = bureau.write(&commission(kinds, ""), None, &Silent).unwrap();
    assert_eq!((texts.len(), reports.len()), (8 * 5, 0));
    let corpus = ["the cat sat on the mat", "a dog ran over the old road"];
    let mut rewritten = 0;
    for text in &texts {
        let (first, second) = split_pair(&text.text).unwrap();
        assert!(corpus.contains(&first) && !second.trim().is_empty(), "{text:?}");
        rewritten += usize::from(!corpus.contains(&second));
    }
    assert!((6..22).contains(&rewritten), "a third of 40, less those of which no token was hidden: {rewritten}");
    let again = bureau.write(&commission(kinds, ""), None, &Silent).unwrap();
    assert_eq!(again.0, texts);
    // A file has two columns, and gives the pair back.
    let line = serde_json::to_value(&texts[0]).unwrap();
    assert_eq!(line["text"], split_pair(&texts[0].text).unwrap().0);
    assert_eq!(line["text_pair"], split_pair(&texts[0].text).unwrap().1);
    let back: Commissioned = serde_json::from_value(line).unwrap();
    assert_eq!(back, texts[0]);
    // What teachers believe of pairs.
    let believed = commission(kinds, r#", "steering": {"kind": "believed", "drafts": 2}"#);
    let (texts, reports) = bureau.write(&believed, None, &Silent).unwrap();
    assert_eq!(reports.len(), 2);
    assert!(texts.iter().all(|text| split_pair(&text.text).is_some() && text.class.is_some()));
}

#[test]
fn what_cannot_be_paired_is_refused_by_key() {
    let check = |json: &str| serde_json::from_str::<Commission>(json).unwrap().check();
    for (wrong, expected) in [
        (r#"{"source": {"kind": "random-tokens"}, "pairs": {}, "per_class": 1, "seed": 1}"#, "pairs.second"),
        (r#"{"source": {"kind": "n-gram", "corpus": "x"}, "pairs": {}, "per_class": 1, "seed": 1}"#, "only a corpus"),
        (
            r#"{"source": {"kind": "corpus", "corpus": "x"}, "pairs": {"second": []}, "per_class": 1, "seed": 1}"#,
            "is empty",
        ),
        (
            r#"{"source": {"kind": "corpus", "corpus": "x"}, "pairs": {"mask_rate": 1.0}, "per_class": 1, "seed": 1}"#,
            "pairs.mask_rate",
        ),
        (
            r#"{"source": {"kind": "corpus", "corpus": "x"}, "steering": {"kind": "keywords"}, "pairs": {}, "per_class": 1, "seed": 1}"#,
            "single texts",
        ),
        (
            r#"{"source": {"kind": "language-model", "model": "m"}, "pairs": {"second": ["random"]}, "per_class": 1, "seed": 1}"#,
            "a language model writes single texts",
        ),
    ] {
        let error = check(wrong).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let random = r#"{"source": {"kind": "random-tokens"}, "pairs": {"second": ["random"]}, "per_class": 1, "seed": 1}"#;
    check(random).unwrap();
    let described = serde_json::from_str::<Commission>(random).unwrap().describe();
    assert_eq!(described, "random tokens, in pairs with a random one");
}
