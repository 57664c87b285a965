//! Tables from raw lines.

use super::rows::{MUKI_MEMORY, figures};
use serde_json::Value;
use std::fmt::Write;

/// A best round over so many times the median does not compare programs.
const NOISE: f64 = 1.3;

/// What tells one comparison from another.
const KEYS: [&str; 9] = ["row", "size", "texts", "order", "batch", "batches", "texts_count", "threads", "precision"];

/// Lines of one comparison, of its last run.
struct Group<'a> {
    lines: Vec<&'a Value>,
}

/// A side's rounds.
struct Side {
    seconds: Vec<f64>,
    rates: Vec<f64>,
    peak: Option<f64>,
    /// What the tile unit gave around each round, in billions of operations a second.
    tiles: Vec<f64>,
}

/// What a phase is called that is no time.
pub const TILES: &str = "tiles_gflops";
/// Rounds whose tile unit gave less than this share of the best round's are told apart.
const FULL_SPEED: f64 = 0.7;

/// "scan 1.2 s", or "tile unit 2.6 TF/s".
pub fn phase((name, value): (&String, &Value)) -> String {
    let value = value.as_f64().unwrap_or(f64::NAN);
    if name == TILES { format!("tile unit {:.1} TF/s", value / 1e3) } else { format!("{name} {value:.2} s") }
}

/// A page for `results/`.
pub fn page(lines: &[Value]) -> String {
    let said = |key: &str| lines.iter().find_map(|line| line[key].as_str()).unwrap_or("?");
    let version = |name: &str| lines.iter().rev().find_map(|line| line["versions"][name].as_str()).unwrap_or("?");
    let mut commits: Vec<&str> = lines.iter().filter_map(|line| line["commit"].as_str()).collect();
    commits.dedup();
    format!(
        "# faculty against PyTorch, {}, {}\n\nMade by `cargo xtask bench peers --record` from `raw.jsonl` beside it. \
         faculty {} (commit {}), PyTorch {}, transformers {}. Rounds of both sides were taken in turn.\n\n{}",
        said("host"),
        said("date"),
        version("faculty"),
        commits.join(", "),
        version("torch"),
        version("transformers"),
        render(lines)
    )
}

/// The tables of all comparisons; of one that ran more than once the last run counts.
pub fn render(lines: &[Value]) -> String {
    let groups = groups(lines);
    let mut speed = vec![
        [
            "row",
            "size",
            "texts",
            "work a round",
            "ratio",
            "lowest to highest",
            "faculty",
            "PyTorch",
            "reach",
            "aim",
            "notes",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    let mut memory =
        vec![["row", "size", "texts", "ratio", "faculty MB", "PyTorch MB", "reach", "aim"].map(str::to_owned).to_vec()];
    for group in &groups {
        let (ours, torch) = (group.side("faculty"), group.side("PyTorch"));
        if ours.rates.is_empty() || ours.rates.len() != torch.rates.len() {
            continue;
        }
        speed.push(group.speed(&ours, &torch));
        memory.extend(group.memory(&ours, &torch));
    }
    let mut text = String::from(
        "Speed: the ratio is faculty's over PyTorch's in the same round, the median of all rounds; more is better.\n\n",
    );
    text.push_str(&markdown(&speed));
    if memory.len() > 1 {
        text.push_str("\nPeak memory of the process (VmHWM), faculty's over PyTorch's; less is better.\n\n");
        text.push_str(&markdown(&memory));
    }
    text
}

fn groups(lines: &[Value]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for line in lines {
        let same = |group: &&mut Group<'_>| KEYS.iter().all(|key| group.lines[0][*key] == line[*key]);
        match groups.iter_mut().find(same) {
            Some(group) if group.lines[0]["run"] == line["run"] => group.lines.push(line),
            Some(group) => group.lines = vec![line],
            None => groups.push(Group { lines: vec![line] }),
        }
    }
    groups
}

impl Group<'_> {
    fn word(&self, key: &str) -> String {
        self.lines[0][key].as_str().unwrap_or_default().to_owned()
    }

    fn number(&self, key: &str) -> u64 {
        self.lines[0][key].as_u64().unwrap_or(0)
    }

    fn side(&self, side: &str) -> Side {
        let of = |line: &Value, key: &str| line[key].as_f64().unwrap_or(f64::NAN);
        let lines: Vec<&Value> = self.lines.iter().copied().filter(|line| line["side"] == side).collect();
        Side {
            seconds: lines.iter().map(|line| of(line, "seconds")).collect(),
            rates: lines.iter().map(|line| of(line, "samples") / of(line, "seconds")).collect(),
            peak: lines.iter().filter_map(|line| line["peak_bytes"].as_f64()).reduce(f64::max),
            tiles: lines.iter().filter_map(|line| line["phases"][TILES].as_f64()).collect(),
        }
    }

    fn speed(&self, ours: &Side, torch: &Side) -> Vec<String> {
        let ratios: Vec<f64> = ours.rates.iter().zip(&torch.rates).map(|(ours, torch)| ours / torch).collect();
        let (lowest, highest) = (ratios.iter().copied().fold(f64::NAN, f64::min), best(&ratios));
        let cold = self.word("mode") == "cold";
        let rate = |side: &Side| {
            if cold { format!("{:.3} s", median(&side.seconds)) } else { format!("{:.1}/s", median(&side.rates)) }
        };
        let work = match (self.word("mode").as_str(), self.number("batch"), self.number("batches")) {
            ("cold", ..) => "a start".to_owned(),
            (_, batch, 0) => format!("{} texts, batches of {batch}", self.number("texts_count")),
            (_, batch, batches) => format!("{batches} x {batch}, {}", self.word("order")),
        };
        let (reach, aim) = wanted(figures(&self.word("row"), &self.word("size")));
        vec![
            self.word("row"),
            self.word("size"),
            self.word("texts"),
            work,
            format!("{:.2}", median(&ratios)),
            format!("{lowest:.2} to {highest:.2} (n={})", ratios.len()),
            rate(ours),
            rate(torch),
            reach,
            aim,
            self.notes(ours, torch),
        ]
    }

    fn notes(&self, ours: &Side, torch: &Side) -> String {
        let mut notes = Vec::new();
        let outputs = self.lines.iter().find_map(|line| line["outputs"].as_object());
        if let Some(found) = outputs {
            let of = |key: &str| found.get(key).and_then(Value::as_f64);
            notes.extend(match (of("faculty_to_f32"), of("torch_to_f32"), of("logits")) {
                (Some(ours), Some(torch), _) => Some(format!("from f32 logits {ours:.0e} (PyTorch {torch:.0e})")),
                (_, _, Some(apart)) => Some(format!("logits differ by {apart:.0e}")),
                _ => None,
            });
        }
        for side in ["faculty", "PyTorch"] {
            let rounds: Vec<&Value> = self.lines.iter().copied().filter(|line| line["side"] == side).collect();
            let Some(last) = rounds.last().filter(|line| line["mode"] == "muki") else { continue };
            let phases = last["phases"].as_object().into_iter().flatten();
            let phases: Vec<String> = phases.filter(|(name, _)| *name != TILES).map(phase).collect();
            let accuracy = last["checksum"].as_f64().unwrap_or(f64::NAN);
            notes.push(format!("{side}: {}, accuracy {accuracy:.3}", phases.join(", ")));
        }
        // Spinning threads suffer more from a neighbour than sleeping ones: then neither figure compares the programs.
        if [ours, torch].iter().any(|side| best(&side.rates) > NOISE * median(&side.rates)) {
            notes.push("not quiet, measure again".to_owned());
        }
        notes.extend(tile_note(ours, torch));
        notes.join("; ")
    }

    fn memory(&self, ours: &Side, torch: &Side) -> Option<Vec<String>> {
        let (ours, torch) = (ours.peak?, torch.peak?);
        let (reach, aim) = wanted((self.word("mode") == "muki").then_some(MUKI_MEMORY));
        let megabytes = |bytes: f64| format!("{:.0}", bytes / 1e6);
        Some(vec![
            self.word("row"),
            self.word("size"),
            self.word("texts"),
            format!("{:.2}", ours / torch),
            megabytes(ours),
            megabytes(torch),
            reach,
            aim,
        ])
    }
}

/// What the tile unit gave, and the ratio of the rounds in which it was at full speed, if it was not in all of them.
fn tile_note(ours: &Side, torch: &Side) -> Option<String> {
    let (lowest, highest) = (ours.tiles.iter().copied().fold(f64::NAN, f64::min), best(&ours.tiles));
    if ours.tiles.len() != ours.rates.len() || ours.tiles.is_empty() {
        return None;
    }
    let full = |tiles: f64| tiles >= FULL_SPEED * highest;
    let rounds = ours.rates.iter().zip(&torch.rates).zip(&ours.tiles);
    let quick: Vec<f64> = rounds.filter(|(_, tiles)| full(**tiles)).map(|((ours, torch), _)| ours / torch).collect();
    let range = format!("tile unit at {:.1} to {:.1} TF/s", lowest / 1e3, highest / 1e3);
    Some(if quick.len() == ours.rates.len() {
        range
    } else {
        format!("{range}, ratio {:.2} in the {} rounds at full speed", median(&quick), quick.len())
    })
}

fn wanted(figures: Option<(f64, f64)>) -> (String, String) {
    figures.map_or_else(|| ("-".to_owned(), "-".to_owned()), |(reach, aim)| (reach.to_string(), aim.to_string()))
}

fn markdown(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if index == 0 {
            let rule: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
            let _ = writeln!(text, "|{}|", rule.join("|"));
        }
    }
    text
}

fn best(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::max)
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::{median, render};
    use serde_json::{Value, json};

    fn line(run: &str, side: &str, round: u32, seconds: f64) -> Value {
        json!({"run": run, "row": "infer-f32", "mode": "infer", "size": "tiny", "texts": "padded", "order": "sorted",
               "batch": 32, "batches": 4, "texts_count": 0, "threads": 2, "precision": "f32", "side": side,
               "round": round, "seconds": seconds, "samples": 128.0, "peak_bytes": 1_000_000})
    }

    #[test]
    fn ratios_are_taken_by_round_and_of_the_last_run() {
        let mut lines = vec![line("1", "faculty", 1, 9.0), line("1", "PyTorch", 1, 1.0)];
        for (round, (ours, torch)) in [(1.0, 2.0), (1.0, 3.0), (2.0, 2.0)].into_iter().enumerate() {
            lines.push(line("2", "faculty", round as u32, ours));
            lines.push(line("2", "PyTorch", round as u32, torch));
        }
        let text = render(&lines);
        let row: Vec<&str> = text.lines().find(|line| line.contains("infer-f32")).unwrap_or("").split('|').collect();
        assert_eq!(row[5].trim(), "2.00");
        assert_eq!(row[6].trim(), "1.00 to 3.00 (n=3)");
        assert_eq!([row[9].trim(), row[10].trim()], ["1.5", "2.5"]);
        assert_eq!(row[11].trim(), "");
        assert!(text.contains("Peak memory"));
    }

    #[test]
    fn rounds_with_a_slow_tile_unit_are_told_apart() {
        let mut lines = Vec::new();
        for (round, (ours, tiles)) in [(2.0, 700.0), (0.5, 2600.0), (1.0, 2500.0)].into_iter().enumerate() {
            let mut line_ours = line("1", "faculty", round as u32, ours);
            line_ours["phases"] = json!({super::TILES: tiles});
            lines.extend([line_ours, line("1", "PyTorch", round as u32, 2.0)]);
        }
        let text = render(&lines);
        assert!(text.contains("tile unit at 0.7 to 2.6 TF/s, ratio 3.00 in the 2 rounds at full speed"), "{text}");
    }

    #[test]
    fn a_median_of_two_lies_between_them() {
        assert_eq!(median(&[1.0, 2.0]), 1.5);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
    }
}
