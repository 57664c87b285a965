//! Every figure of the table at full precision, a line a row. The columns of the teachers' slices come last.

use super::words::labels_used;
use super::{Table, TableRow, out_of_scope};
use crate::raw::GateOutOfScope;
use faculty_core::metrics::Separation;
use faculty_core::statistics::Summary;
use std::fmt::Write;

const HEADER: &str = "row,method,role,n,failed,accuracy,accuracy_sd,accuracy_low,accuracy_high,macro_f1,macro_f1_sd,\
ece,nll,brier,selection,selection_chance,target_accuracy,retained,retained_sd,parameters,steps,seconds,labels_used,\
published,published_place,status,config_hashes,train_seconds,evaluate_seconds,peak_memory_bytes,difference,\
difference_n,difference_low,difference_high,sign_flip_p,texts_low,texts_high,texts_p";

/// Behind everything else, where it was measured.
const OUT_OF_SCOPE: &str = ",oos_auroc,oos_auroc_sd,oos_fpr95,oos_fpr95_sd,oos_energy_auroc,oos_energy_fpr95,\
oos_gate_score_auroc,oos_gate_score_fpr95,oos_gate_weight_auroc,oos_sample_weight_auroc,oos_dropped_inside,\
oos_dropped_outside,oos_gate_entropy_outside";

pub(super) fn render(table: &Table) -> String {
    let teachers = table.setup.as_ref().map_or(&[][..], |setup| setup.teachers.as_slice());
    let mut text = HEADER.to_owned();
    for teacher in teachers {
        for figure in ["accuracy", "accuracy_sd", "inside", "retained", "retained_sd", "of_teacher"] {
            let _ = write!(text, ",{}", quoted(&format!("{}: {figure}", teacher.name)));
        }
    }
    let beyond = table.has_out_of_scope();
    if beyond {
        text.push_str(OUT_OF_SCOPE);
    }
    text.push('\n');
    for row in &table.rows {
        let mut fields = fields(row);
        fields.extend(difference(table, row));
        for index in 0..teachers.len() {
            let slice = row.slices.get(index).cloned().unwrap_or_default();
            fields.extend([
                mean(slice.over_union),
                sd(slice.over_union),
                mean(slice.inside_slice),
                mean(slice.retained),
                sd(slice.retained),
                mean(slice.of_teacher),
            ]);
        }
        if beyond {
            fields.extend(out_of_scope_fields(row));
        }
        let _ = writeln!(text, "{}", fields.join(","));
    }
    text
}

/// What a row does with texts that belong to no class.
fn out_of_scope_fields(row: &TableRow) -> [String; 13] {
    let confident = out_of_scope::of_score(row, "max-softmax", |found| found.fpr_at_95_tpr);
    let energy = |figure: fn(&Separation) -> f64| mean(out_of_scope::of_score(row, "energy", figure));
    let gate = |figure: fn(&GateOutOfScope) -> Option<f64>| mean(out_of_scope::of_gate(row, figure));
    let auroc = out_of_scope::auroc(row);
    [
        mean(auroc),
        sd(auroc),
        mean(confident),
        sd(confident),
        energy(|found| found.auroc),
        energy(|found| found.fpr_at_95_tpr),
        gate(|gate| Some(gate.largest_score.auroc)),
        gate(|gate| Some(gate.largest_score.fpr_at_95_tpr)),
        gate(|gate| Some(gate.largest_weight.auroc)),
        gate(|gate| Some(gate.sample_weight?.auroc)),
        gate(|gate| Some(gate.inside.dropped)),
        gate(|gate| Some(gate.outside.dropped)),
        gate(|gate| Some(gate.outside.quality.entropy)),
    ]
}

fn fields(row: &TableRow) -> Vec<String> {
    let first = row.cells.values().next();
    let interval = row.accuracy.as_ref().and_then(|accuracy| accuracy.interval);
    let published = row.row.reference.published();
    let hashes: Vec<&str> = row.cells.values().map(|cell| faculty_core::short_hash(&cell.config_hash)).collect();
    let role = serde_json::to_value(row.row.role).ok();
    let memory = row.cells.values().filter_map(|cell| cell.peak_memory_bytes).max();
    vec![
        quoted(&row.row.name),
        row.row.method.kind.clone(),
        role.and_then(|role| role.as_str().map(str::to_owned)).unwrap_or_default(),
        row.good_cells().count().to_string(),
        row.failures.to_string(),
        mean(row.accuracy),
        sd(row.accuracy),
        number(interval.map(|interval| interval.low)),
        number(interval.map(|interval| interval.high)),
        mean(row.macro_f1),
        sd(row.macro_f1),
        mean(row.over(|cell| cell.metrics.as_ref().map(|metrics| metrics.ece))),
        mean(row.over(|cell| cell.metrics.as_ref().map(|metrics| metrics.nll))),
        mean(row.over(|cell| cell.metrics.as_ref().map(|metrics| metrics.brier))),
        mean(row.selection),
        mean(row.over(|cell| cell.selection.as_ref().map(|selection| selection.chance))),
        mean(row.over(|cell| cell.target_accuracy)),
        mean(row.retained),
        sd(row.retained),
        first.map_or_else(String::new, |cell| cell.parameters.to_string()),
        first.map_or_else(String::new, |cell| cell.steps.to_string()),
        mean(row.seconds),
        labels_used(&row.row).to_owned(),
        published.map_or_else(|| "unknown".to_owned(), |published| published.value.to_string()),
        published.map_or_else(String::new, |published| quoted(&published.place)),
        row.status.to_string(),
        hashes.join(" "),
        mean(row.over(|cell| Some(cell.seconds.train))),
        mean(row.over(|cell| Some(cell.seconds.evaluate))),
        memory.map_or_else(String::new, |bytes| bytes.to_string()),
    ]
}

/// The headline row minus this one, if they can be paired.
fn difference(table: &Table, row: &TableRow) -> [String; 8] {
    let Some(found) = table.paired_differences().iter().find(|difference| difference.rival == row.row.name) else {
        return Default::default();
    };
    let interval = found.difference.interval;
    [
        found.difference.mean.to_string(),
        found.difference.n.to_string(),
        number(interval.map(|interval| interval.low)),
        number(interval.map(|interval| interval.high)),
        number(found.test.map(|test| test.p)),
        number(found.texts.map(|texts| texts.interval.low)),
        number(found.texts.map(|texts| texts.interval.high)),
        number(found.texts.map(|texts| texts.p)),
    ]
}

fn mean(summary: Option<Summary>) -> String {
    number(summary.map(|summary| summary.mean))
}

fn sd(summary: Option<Summary>) -> String {
    number(summary.and_then(|summary| summary.sd))
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}
