//! Texts that belong to no class: by answers, by gates, by the teachers' scores.

use super::markdown::write_aligned;
use super::{Table, TableRow, words};
use crate::raw::{GateOutOfScope, OutOfScope, StudiedScore};
use faculty_core::metrics::Separation;
use faculty_core::statistics::Summary;
use std::fmt::Write;

/// What a cell measured of out-of-scope texts, over the seeds of a row.
pub(crate) fn over(row: &TableRow, value: impl Fn(&OutOfScope) -> Option<f64>) -> Option<Summary> {
    row.over(|cell| value(cell.details.out_of_scope.as_ref()?))
}

/// AUROC of the largest probability.
pub(crate) fn auroc(row: &TableRow) -> Option<Summary> {
    over(row, |found| Some(found.by_confidence()?.auroc))
}

/// A figure of the named score of the row's answers.
pub(crate) fn of_score(row: &TableRow, score: &str, figure: impl Fn(&Separation) -> f64) -> Option<Summary> {
    over(row, |found| {
        let answer = found.answers.iter().find(|answer| answer.score == score)?;
        Some(figure(&answer.separation))
    })
}

/// A figure of the row's gate. Gates are fixed across student seeds, unless each draws texts of its own.
pub(crate) fn of_gate(row: &TableRow, figure: impl Fn(&GateOutOfScope) -> Option<f64>) -> Option<Summary> {
    over(row, |found| figure(found.gate.as_ref()?))
}

/// The mean over teachers of a figure that not every teacher has.
pub(crate) fn mean_of(teachers: &[Option<Separation>], figure: impl Fn(&Separation) -> f64) -> Option<f64> {
    Summary::of(&teachers.iter().flatten().map(figure).collect::<Vec<_>>()).map(|summary| summary.mean)
}

/// The tables below the main one; nothing where no row was measured on such texts.
pub(super) fn write(text: &mut String, table: &Table) {
    let measured: Vec<&TableRow> = table.rows.iter().filter(|row| auroc(row).is_some()).collect();
    let Some(separation) = measured
        .iter()
        .find_map(|row| row.good_cells().find_map(|cell| cell.details.out_of_scope.as_ref()?.by_confidence().copied()))
    else {
        return;
    };
    let _ = writeln!(
        text,
        "{} texts belong to no class. How the answers of a row tell them from the {} measuring texts: AUROC, and the \
         share let in when 95 % of the measuring texts are (FPR), in %:\n",
        separation.outside, separation.inside
    );
    let spread = |summary: Option<Summary>| words::spread(summary.as_ref());
    let mut lines = vec![heads(&[
        "row",
        "largest p: AUROC",
        "FPR",
        "entropy: AUROC",
        "FPR",
        "energy: AUROC",
        "FPR",
        "mean p, measured",
        "out of scope",
    ])];
    for row in &measured {
        let mut line = vec![words::cell(&row.row.name)];
        for score in ["max-softmax", "entropy", "energy"] {
            line.push(spread(of_score(row, score, |found| found.auroc)));
            line.push(spread(of_score(row, score, |found| found.fpr_at_95_tpr)));
        }
        line.push(spread(over(row, |found| Some(found.confidence_inside))));
        line.push(spread(over(row, |found| Some(found.confidence_outside))));
        lines.push(line);
    }
    write_aligned(text, &lines, |column| column == 0);
    text.push('\n');
    write_gates(text, table, &measured);
    write_scores(text, table);
}

fn heads(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn write_gates(text: &mut String, table: &Table, measured: &[&TableRow]) {
    let gated = measured.iter().filter(|row| of_gate(row, |gate| Some(gate.largest_score.auroc)).is_some());
    let mut lines = vec![heads(&[
        "row",
        "score: AUROC",
        "FPR",
        "weight: AUROC",
        "text's weight: AUROC",
        "dropped, in scope",
        "out of scope",
        "entropy of weights, in scope",
        "out of scope",
    ])];
    let mean = |summary: Option<Summary>| summary.map_or_else(|| words::NONE.to_owned(), |s| words::percent(s.mean));
    lines.extend(gated.map(|row| {
        let figures = [
            of_gate(row, |gate| Some(gate.largest_score.auroc)),
            of_gate(row, |gate| Some(gate.largest_score.fpr_at_95_tpr)),
            of_gate(row, |gate| Some(gate.largest_weight.auroc)),
            of_gate(row, |gate| Some(gate.sample_weight?.auroc)),
            of_gate(row, |gate| Some(gate.inside.dropped)),
            of_gate(row, |gate| Some(gate.outside.dropped)),
            of_gate(row, |gate| Some(gate.inside.quality.entropy)),
            of_gate(row, |gate| Some(gate.outside.quality.entropy)),
        ];
        std::iter::once(words::cell(&row.row.name)).chain(figures.map(mean)).collect()
    }));
    if lines.len() == 1 {
        return;
    }
    let on = table.setup.as_ref().map_or("", |setup| setup.selection_on.as_str());
    let _ = writeln!(
        text,
        "What gates give them, applied to the {on} texts and these at once: told by the largest score of a text, by \
         its largest weight, and by the weight of the text in the loss; texts dropped, and the entropy of the weights \
         over its largest value, in %:\n"
    );
    write_aligned(text, &lines, |column| column == 0);
    text.push('\n');
}

fn write_scores(text: &mut String, table: &Table) {
    let Some(study) = &table.out_of_scope else { return };
    let _ = writeln!(
        text,
        "Scores of the teachers, without a gate: {} {} texts against {} out of scope, by the largest score over the \
         teachers, as it is and standardised; and on average over the teachers, the texts of a teacher's labels against \
         those out of scope, and against those of other teachers, in %:\n",
        study.inside, study.inside_are, study.outside
    );
    let mut lines = vec![heads(&[
        "score",
        "largest: AUROC",
        "FPR",
        "standardised: AUROC",
        "FPR",
        "own, out of scope: AUROC",
        "FPR",
        "own, others: AUROC",
        "FPR",
    ])];
    lines.extend(study.scores.iter().map(score_line));
    write_aligned(text, &lines, |column| column == 0);
    text.push('\n');
}

fn score_line(score: &StudiedScore) -> Vec<String> {
    let both = |separation: &Separation| [Some(separation.auroc), Some(separation.fpr_at_95_tpr)];
    let means = |teachers: &[Option<Separation>]| {
        [mean_of(teachers, |found| found.auroc), mean_of(teachers, |found| found.fpr_at_95_tpr)]
    };
    let figures = [both(&score.largest), both(&score.standardised), means(&score.own), means(&score.foreign)];
    let words = |figure: Option<f64>| figure.map_or_else(|| words::NONE.to_owned(), words::percent);
    std::iter::once(score.score.clone()).chain(figures.concat().into_iter().map(words)).collect()
}
