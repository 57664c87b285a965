//! The page: the same bytes for the same lines, well-formed, without network, and nothing of a raw line unescaped.

use crate::figures::{records, with_out_of_scope};
use crate::support::check_snapshot;
use faculty_experiment::report::escape;
use faculty_experiment::table::{Table, TableFormat};
use faculty_experiment::{CellStatus, RawRecord, check_run, read_raw};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn page(records: &[RawRecord]) -> String {
    Table::from_raw(records).unwrap().render(TableFormat::Html)
}

/// Elements HTML does without an end for; the page writes them with a slash.
const VOID: [&str; 2] = ["meta", "br"];

/// Checks that every element is closed in turn, attributes are quoted, entities are known, ids are unique and found. The
/// content of `style`, which is no markup, is passed over.
pub fn check_markup(page: &str) {
    let body = page.strip_prefix("<!DOCTYPE html>\n").expect("a doctype");
    let (mut open, mut ids, mut named): (Vec<&str>, BTreeSet<&str>, Vec<&str>) = Default::default();
    let mut rest = body;
    while let Some(start) = rest.find('<') {
        check_text(&rest[..start], open.last() == Some(&"style"));
        let end = rest[start..].find('>').expect("a tag ends") + start;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "an element is closed out of turn");
            continue;
        }
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, mut attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{tag}");
        assert!(is_empty || !VOID.contains(&name), "{name} has no end");
        while !attributes.is_empty() {
            let (key, value) = attributes.split_once("=\"").expect("a quoted attribute");
            let (value, more) = value.split_once('"').expect("the quote ends");
            check_text(value, false);
            match key.trim() {
                "id" => assert!(ids.insert(value), "two elements are called {value}"),
                "aria-labelledby" => named.extend(value.split(' ')),
                "class" | "scope" | "lang" | "charset" | "name" | "content" | "role" | "tabindex" => {}
                "aria-label" | "aria-hidden" | "viewBox" | "width" | "height" | "fill-opacity" | "text-anchor" => {}
                "x" | "y" | "x1" | "y1" | "x2" | "y2" | "cx" | "cy" | "r" | "rx" | "d" | "points" => {
                    assert!(!value.contains("NaN") && !value.contains("inf"), "{key}={value}");
                }
                other => panic!("an attribute nobody expected: {other}"),
            }
            attributes = more.trim_start();
        }
        if !is_empty {
            open.push(name);
        }
    }
    check_text(rest, false);
    assert_eq!(open, Vec::<&str>::new(), "elements stay open");
    assert!(named.iter().all(|name| ids.contains(name)), "a figure is named by what does not exist");
    for word in ["<script", "<link", "<img", "<iframe", "url(", "@import", ">NaN<"] {
        assert!(!page.contains(word), "the page says {word:?}");
    }
}

fn check_text(text: &str, is_style: bool) {
    assert!(!text.contains('\u{0}') && !text.contains('<') && (is_style || !text.contains('>')), "{text}");
    for (at, _) in text.match_indices('&') {
        let known = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
        assert!(known.iter().any(|entity| text[at..].starts_with(entity)), "{}", &text[at..]);
    }
}

#[test]
fn a_tiny_raw_file_gives_the_golden_page() {
    let lines: String = records().iter().map(|record| serde_json::to_string(record).unwrap() + "\n").collect();
    check_snapshot("tiny.jsonl", &lines);
    let reread = read_raw(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots/tiny.jsonl")).unwrap();
    assert_eq!(reread, records(), "the lines give back what was written");
    let page = page(&reread);
    check_markup(&page);
    check_snapshot("tiny.html", &page);
    for (format, name) in
        [(TableFormat::Markdown, "tiny.md"), (TableFormat::Csv, "tiny.csv"), (TableFormat::Latex, "tiny.tex")]
    {
        check_snapshot(name, &Table::from_raw(&reread).unwrap().render(format));
    }
}

#[test]
fn the_same_lines_give_the_same_page_and_a_repeated_line_changes_nothing() {
    let mut records = records();
    let first = page(&records);
    assert_eq!(page(&records), first);
    let cell = records.iter().rfind(|record| matches!(record, RawRecord::Cell(_))).unwrap().clone();
    records.push(cell);
    assert_eq!(page(&records), first);
}

#[test]
fn the_page_holds_verdict_figures_spreads_failures_and_provenance() {
    let page = page(&records());
    for words in [
        "Two teams &amp; one student",
        "Not compared: UHC.",
        "true owner",
        "Accuracy against updates",
        "Calibration",
        "foreign texts",
        "kept of ceiling",
        "Cost beside quality",
        "commit 0123456789ab",
        "2026-11-21",
        "A Processor @ 2.00GHz",
        "UHC, seed 3 failed: the loss became infinite at step 30",
        "failed (1 of 3)",
        "not run",
        "waits for a larger machine",
        "90.0 ± 1.0 (Table 2)",
        "(n=3)",
        "n too small",
        "over texts",
    ] {
        assert!(page.contains(words), "{words:?} is missing");
    }
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    assert_eq!(page.matches("role=\"img\"").count(), page.matches("<desc").count(), "every figure is described");
}

/// The accuracy figure of a page.
fn accuracy_figure(page: &str) -> &str {
    let start = page.find("aria-labelledby=\"training-accuracy-title").expect("the figure");
    &page[start..start + page[start..].find("</svg>").unwrap()]
}

/// Positions of the paths of this class in a group of this colour.
fn drawn(figure: &str, tone: &str, class: &str) -> Vec<Vec<(f64, f64)>> {
    let (group, start) = (format!("{tone}\">"), format!("<path class=\"{class}\" d=\"M"));
    let groups = figure.split("<g class=\"").filter_map(|text| text.strip_prefix(&group));
    let paths = groups.flat_map(|text| text.split(&start).skip(1));
    let number = |text: &str| -> f64 { text.parse().unwrap() };
    paths
        .map(|path| {
            let points = path.split_once('"').unwrap().0.trim_end_matches('Z').split('L');
            points.map(|point| point.split_once(' ').unwrap()).map(|(x, y)| (number(x), number(y))).collect()
        })
        .collect()
}

#[test]
fn the_curve_of_a_row_is_the_mean_over_seeds_with_a_band_of_one_standard_deviation() {
    let page = page(&records());
    let figure = accuracy_figure(&page);
    // From the frame: updates 0 to 120 over its width, accuracy by two grid lines.
    let tick = |words: &str| {
        let text =
            figure.split("<text class=\"tick\"").find(|text| text.contains(&format!(">{words}</text>"))).unwrap();
        let y = text.split_once(" y=\"").unwrap().1.split_once('"').unwrap().0;
        y.parse::<f64>().unwrap() - 4.0
    };
    let (low, high) = (tick("60"), tick("80"));
    let accuracy = |y: f64| 60.0 + 20.0 * (y - low) / (high - low);
    // Seeds 1 to 3 are 0.01 apart: the mean is that of seed 2, the standard deviation 0.01. UHC's third seed failed.
    for (tone, mean_of, sd) in [("accent", 2.0, 1.0), ("ceiling", 2.0, 1.0), ("t1", 1.5, 0.5_f64.sqrt())] {
        let lines = drawn(figure, tone, "line");
        let bands = drawn(figure, tone, "band");
        assert_eq!((lines.len(), lines[0].len(), bands.len(), bands[0].len()), (1, 4, 1, 8), "{tone}");
        let (first, last) = (lines[0][0].0, lines[0][3].0);
        for (index, (x, y)) in lines[0].iter().enumerate() {
            let expected = 50.0 + 10.0 * (index + 1) as f64 - mean_of;
            assert!((accuracy(*y) - expected).abs() < 0.01, "{tone}: {} for {expected}", accuracy(*y));
            assert!((x - first - (last - first) * index as f64 / 3.0).abs() < 0.011, "{tone}: even steps");
            let (upper, lower) = (accuracy(bands[0][index].1), accuracy(bands[0][7 - index].1));
            assert!((upper - expected - sd).abs() < 0.01 && (expected - lower - sd).abs() < 0.01, "{tone}: {upper}");
        }
        assert!(drawn(figure, tone, "level").is_empty() && drawn(figure, tone, "run").is_empty());
    }
    // The ensemble is not trained: its level spans the updates of all others.
    let levels = drawn(figure, "t0", "level");
    let line = &drawn(figure, "accent", "line")[0];
    assert_eq!((levels.len(), levels[0].len()), (1, 2));
    assert_eq!((levels[0][0].0, levels[0][1].0, levels[0][0].1), (46.0, line[3].0, levels[0][1].1));
    assert!((accuracy(levels[0][0].1) - 72.5).abs() < 0.01);
    assert!(drawn(figure, "t0", "line").is_empty());
    for name in ["concat", "UHC", "MUKI", "ceiling"] {
        let end = figure.split("class=\"end-name\"").skip(1).find(|text| text.contains(&format!(">{name}</text>")));
        assert!(end.is_some(), "{name} is not named at its end");
    }
    for cell in
        ["<td>68.0 ± 1.0</td>", "<td>88.5 ± 0.7</td>", "<td>72.5</td>", "on a fixed sample of 40 measuring texts"]
    {
        assert!(page.contains(cell), "{cell}");
    }
}

#[test]
fn without_a_measured_training_there_is_no_curve() {
    let mut records = records();
    for record in &mut records {
        if let RawRecord::Cell(cell) = record
            && cell.seed.is_some()
        {
            cell.details.accuracy.clear();
        }
    }
    let page = page(&records);
    check_markup(&page);
    assert!(
        page.contains("Accuracy was not measured during training in this run.") && !page.contains("training-accuracy")
    );
}

#[test]
fn one_seed_has_no_band_and_no_spread() {
    let mut records = records();
    records.retain(|record| !matches!(record, RawRecord::Cell(cell) if cell.seed.is_some_and(|seed| seed > 1)));
    let page = page(&records);
    check_markup(&page);
    let figure = accuracy_figure(&page);
    assert_eq!(drawn(figure, "accent", "line")[0].len(), 4);
    assert!(!figure.contains("class=\"band\""));
}

#[test]
fn hostile_words_are_words() {
    let evil = "</title><script>alert('x')</script>\" onload=\"y\" &amp; \u{0}\u{1b}[31m";
    let mut records = with_out_of_scope();
    for record in &mut records {
        match record {
            RawRecord::Table(table) => {
                table.title = evil.to_owned();
                table.experiment = evil.to_owned();
                table.tier = Some(evil.to_owned());
                table.notes.push(evil.to_owned());
                table.headline = Some(format!("MUKI{evil}"));
                for row in &mut table.rows {
                    row.name.push_str(evil);
                    row.note = evil.to_owned();
                }
            }
            RawRecord::Setup(setup) => {
                setup.selection_on = evil.to_owned();
                for teacher in &mut setup.teachers {
                    teacher.name.push_str(evil);
                    teacher.sha256 = evil.to_owned();
                }
            }
            RawRecord::Text(text) => {
                text.name = evil.to_owned();
                text.description = evil.to_owned();
                text.classes.iter_mut().for_each(|class| class.samples.push(evil.to_owned()));
            }
            RawRecord::OutOfScope(study) => {
                study.inside_are = evil.to_owned();
                study.scores.iter_mut().for_each(|score| score.score.push_str(evil));
            }
            RawRecord::Run(run) => {
                run.commit = Some(evil.to_owned());
                run.processor = Some(evil.to_owned());
                run.device = evil.to_owned();
                run.version = evil.to_owned();
                run.cpu_features.push(evil.to_owned());
                run.system = evil.to_owned();
            }
            RawRecord::Cell(cell) => {
                cell.row.push_str(evil);
                cell.config_hash = evil.to_owned();
                if cell.status == CellStatus::Failed {
                    cell.reason = Some(evil.to_owned());
                }
            }
        }
    }
    let page = page(&records);
    check_markup(&page);
    assert!(
        page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot; onload=&quot;y&quot; &amp;amp; \u{fffd}")
    );
}

#[test]
fn out_of_scope_figures_stand_in_every_format_where_they_were_measured() {
    let records = with_out_of_scope();
    let table = Table::from_raw(&records).unwrap();
    let page = table.render(TableFormat::Html);
    check_markup(&page);
    let section = page.split("id=\"out-of-scope\"").nth(1).unwrap();
    for words in ["68.8", "other teachers&#39; texts", "0.250", "4 test texts in scope", "largest, standardised"] {
        assert!(section.contains(words), "{words:?} is missing");
    }
    check_snapshot("oos.md", &table.render(TableFormat::Markdown));
    let latex = table.render(TableFormat::Latex);
    assert!(latex.contains("{lrrrrrrrll}") && latex.contains("retained & oos AUROC & weights"), "{latex}");
    let csv = table.render(TableFormat::Csv);
    let muki = csv.lines().find(|line| line.starts_with("MUKI,")).unwrap();
    assert!(muki.ends_with(",0.5625,0,1,0,0.6875,0.5,0.5,1,0.5625,1,0,0.25,0.5"), "{muki}");
    let concat = csv.lines().find(|line| line.starts_with("concat,")).unwrap();
    assert!(concat.ends_with(&",".repeat(13)), "a row that was not measured has empty fields: {concat}");

    let plain = Table::from_raw(&crate::figures::records()).unwrap();
    assert!(
        !plain.render(TableFormat::Csv).contains("oos") && !plain.render(TableFormat::Html).contains("out-of-scope")
    );
}

#[test]
fn escaping_leaves_harmless_text_alone() {
    assert_eq!(escape("Größe 3 ± 1\n\tok"), "Größe 3 ± 1\n\tok");
    assert_eq!(escape("<&>\"'\u{7f}"), "&lt;&amp;&gt;&quot;&#39;\u{fffd}");
}

#[test]
fn a_table_without_cells_is_a_page_all_the_same() {
    let all = records();
    for keep in [1, 2, 3] {
        let page = page(&all[..keep]);
        check_markup(&page);
        assert!(page.contains("not run") && page.contains("has not run yet"));
    }
}

#[test]
fn numbers_that_are_not_finite_draw_nothing_wild() {
    let mut records = records();
    for record in &mut records {
        if let RawRecord::Cell(cell) = record {
            cell.details.loss.iter_mut().for_each(|point| point.loss = f64::INFINITY);
            cell.details.accuracy.iter_mut().for_each(|point| point.accuracy = f64::MAX);
            if let Some(scores) = &mut cell.details.scores {
                scores.high = scores.low;
            }
            cell.seconds.train = 0.0;
        }
    }
    check_markup(&page(&records));
}

/// Published runs lie in `results/<experiment>/<date>-<host>`; those of the benchmarks have lines of their own.
fn published() -> Vec<PathBuf> {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results");
    let folders = |dir: &Path| -> Vec<PathBuf> {
        let entries = dir.read_dir().unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).collect()
    };
    let experiments = folders(&results).into_iter().filter(|path| !path.ends_with("bench"));
    let mut runs: Vec<PathBuf> = experiments.flat_map(|path| folders(&path)).collect();
    runs.sort();
    runs
}

#[test]
fn published_tables_are_what_their_raw_lines_give() {
    let runs = published();
    assert!(runs.iter().any(|run| run.to_string_lossy().contains("quickstart")));
    for run in runs {
        let records = read_raw(&run.join("raw.jsonl")).unwrap();
        let table = Table::from_raw(&records).unwrap();
        check_markup(&table.render(TableFormat::Html));
        // FACULTY_BLESS=1 renders them again.
        if std::env::var_os("FACULTY_BLESS").is_some() {
            for format in TableFormat::ALL.into_iter().filter(|format| run.join(format.file_name()).is_file()) {
                std::fs::write(run.join(format.file_name()), table.render(format)).unwrap();
            }
        }
        check_run(&run).unwrap();
    }
}

#[test]
fn lines_of_an_earlier_version_still_give_a_page() {
    let old = published().into_iter().find(|run| run.ends_with("2026-11-21-2core-xeon-avx512")).unwrap();
    let records = read_raw(&old.join("raw.jsonl")).unwrap();
    let RawRecord::Cell(cell) = &records[2] else { panic!("the third line is a cell") };
    assert!(cell.details.is_empty());
    let page = page(&records);
    assert!(page.contains("do not name machine and commit") && page.contains("By teacher"));
    for absent in ["id=\"gates\"", "id=\"calibration\"", "id=\"training\""] {
        assert!(!page.contains(absent), "{absent}: there is nothing to show");
    }
    // What is written again is what was read: the optional parts stay out of old lines.
    let line = serde_json::to_string(&records[2]).unwrap();
    assert!(!line.contains("details"), "{line}");
}
