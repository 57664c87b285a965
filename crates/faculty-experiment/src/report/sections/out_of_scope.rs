//! What becomes of texts that belong to no class.

use crate::raw::{ScoreStudy, StudiedScore};
use crate::report::Page;
use crate::report::markup::Element;
use crate::report::parts::{columns, data_table, figure, grouped, number, paragraph, row_name, section, words as left};
use crate::report::plot::{Canvas, Range, Tone, ranges};
use crate::table::out_of_scope::{auroc, of_gate, of_score, over};
use crate::table::{TableRow, words};
use faculty_core::metrics::Separation;
use faculty_core::statistics::Summary;

/// Rows, gates and scores on out-of-scope texts.
pub(in crate::report) fn out_of_scope(page: &Page<'_>) -> Option<Element> {
    let rows: Vec<(&TableRow, Tone)> = page.rows().filter(|(row, _)| auroc(row).is_some()).collect();
    if rows.is_empty() && page.table.out_of_scope.is_none() {
        return None;
    }
    let mut found = section("out-of-scope", "Texts that belong to no class").child(paragraph(
        "AUROC is how often a text in scope scores higher than one out of scope, a tie counting one half: 50 % says \
         nothing. FPR is the share of the texts out of scope that is let in by the highest threshold that lets in 95 % of \
         those in scope.",
    ));
    if !rows.is_empty() {
        found = found.child(drawn(&rows)).child(answers(&rows)).children(gates(page, &rows));
    }
    Some(found.children(page.table.out_of_scope.as_ref().map(|study| scores(page, study))))
}

fn spread(summary: Option<Summary>) -> Element {
    number(words::spread_of(summary.as_ref()))
}

fn mean(summary: Option<Summary>) -> Element {
    number(summary.map_or_else(|| words::NONE.to_owned(), |summary| words::percent(summary.mean)))
}

fn drawn(rows: &[(&TableRow, Tone)]) -> Element {
    let range = |(row, tone): &(&TableRow, Tone)| {
        let summary = auroc(row)?;
        let values = row.good_cells().filter_map(|cell| cell.details.out_of_scope.as_ref()?.by_confidence());
        Some(Range {
            name: row.row.name.clone(),
            tone: *tone,
            mean: 100.0 * summary.mean,
            interval: summary.interval.map(|interval| (100.0 * interval.low, 100.0 * interval.high)),
            outer: None,
            values: values.map(|found| 100.0 * found.auroc).collect(),
            words: words::spread(Some(&summary)),
        })
    };
    let drawn: Vec<Range> = rows.iter().filter_map(range).collect();
    let canvas = Canvas {
        id: "out-of-scope-answers",
        title: "How a row's largest probability tells texts out of scope",
        description: "A line a row: the mean AUROC over seeds, its 95 % interval, ticks for single seeds.",
        width: 760.0,
        height: 0.0,
    };
    figure("Told by the largest probability", "", ranges(&canvas, "AUROC %", &drawn, None))
}

fn answers(rows: &[(&TableRow, Tone)]) -> Element {
    let heads = [
        "row",
        "largest p: AUROC %",
        "FPR %",
        "entropy: AUROC %",
        "entropy: FPR %",
        "energy: AUROC %",
        "energy: FPR %",
        "mean p, measured %",
        "mean p, out of scope %",
    ];
    let line = |(row, _): &(&TableRow, Tone)| {
        let of = |score: &str| {
            [of_score(row, score, |found| found.auroc), of_score(row, score, |found| found.fpr_at_95_tpr)]
        };
        let figures = ["max-softmax", "entropy", "energy"].map(of).concat();
        let confidence =
            [over(row, |found| Some(found.confidence_inside)), over(row, |found| Some(found.confidence_outside))];
        Element::new("tr")
            .child(row_name(&row.row.name))
            .children(figures.into_iter().chain(confidence).map(spread).collect::<Vec<_>>())
    };
    let caption = "By what a row answers over all classes: mean ± standard deviation over seeds";
    data_table(caption, columns(&heads, &["row"]), rows.iter().map(line).collect())
}

fn gates(page: &Page<'_>, rows: &[(&TableRow, Tone)]) -> Option<Element> {
    let gated: Vec<&TableRow> = rows
        .iter()
        .map(|(row, _)| *row)
        .filter(|row| of_gate(row, |gate| Some(gate.largest_score.auroc)).is_some())
        .collect();
    if gated.is_empty() {
        return None;
    }
    let heads = [
        "row",
        "score: AUROC %",
        "score: FPR %",
        "weight: AUROC %",
        "text's weight: AUROC %",
        "text's weight, in scope",
        "out of scope",
        "dropped % in scope",
        "dropped % out of scope",
        "entropy % in scope",
        "entropy % out of scope",
    ];
    let plain = |summary: Option<Summary>| {
        number(summary.map_or_else(|| words::NONE.to_owned(), |summary| format!("{:.3}", summary.mean)))
    };
    let line = |row: &&TableRow| {
        Element::new("tr").children([
            row_name(&row.row.name),
            mean(of_gate(row, |gate| Some(gate.largest_score.auroc))),
            mean(of_gate(row, |gate| Some(gate.largest_score.fpr_at_95_tpr))),
            mean(of_gate(row, |gate| Some(gate.largest_weight.auroc))),
            mean(of_gate(row, |gate| Some(gate.sample_weight?.auroc))),
            plain(of_gate(row, |gate| Some(gate.inside.sample_weight))),
            plain(of_gate(row, |gate| Some(gate.outside.sample_weight))),
            mean(of_gate(row, |gate| Some(gate.inside.dropped))),
            mean(of_gate(row, |gate| Some(gate.outside.dropped))),
            mean(of_gate(row, |gate| Some(gate.inside.quality.entropy))),
            mean(of_gate(row, |gate| Some(gate.outside.quality.entropy))),
        ])
    };
    let on = page.table.setup.as_ref().map_or("", |setup| setup.selection_on.as_str());
    let caption = format!(
        "What gates give them. A gate is applied to the {on} texts and the texts out of scope at once, as to a transfer \
         set with such texts in it; weights sum to 1, so that only scores, dropped texts and the weight of a text in the \
         loss can say \"nobody\"."
    );
    Some(data_table(&caption, columns(&heads, &["row"]), gated.iter().map(line).collect()))
}

fn scores(page: &Page<'_>, study: &ScoreStudy) -> Element {
    let heads = ["score", "of", "in scope", "against", "n", "AUROC %", "FPR %"];
    let teachers = page.teachers();
    let lines = study.scores.iter().flat_map(|score| lines_of(score, study, &teachers)).collect();
    let caption = format!(
        "Scores of the teachers, without a gate: {} {} texts in scope, {} out of scope; with their labels, so analysis only",
        grouped(study.inside),
        study.inside_are,
        grouped(study.outside)
    );
    data_table(&caption, columns(&heads, &["score", "of", "in scope", "against"]), lines)
}

fn lines_of(score: &StudiedScore, study: &ScoreStudy, teachers: &[&str]) -> Vec<Element> {
    let line = |of: &str, inside: &str, against: &str, separation: &Separation| {
        Element::new("tr").children([
            row_name(&score.score),
            left(of),
            left(inside),
            left(against),
            number(format!("{} / {}", grouped(separation.inside), grouped(separation.outside))),
            number(words::percent(separation.auroc)),
            number(words::percent(separation.fpr_at_95_tpr)),
        ])
    };
    let all = format!("all {} texts", study.inside_are);
    let mut lines = vec![
        line("the largest", &all, "out of scope", &score.largest),
        line("the largest, standardised", &all, "out of scope", &score.standardised),
    ];
    for (parts, against) in [(&score.own, "out of scope"), (&score.foreign, "other teachers' texts")] {
        let known = parts.iter().zip(teachers).filter_map(|(part, name)| Some((part.as_ref()?, name)));
        lines.extend(known.map(|(separation, name)| line(name, "its own texts", against, separation)));
    }
    lines
}
