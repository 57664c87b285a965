//! What the table says beside its figures.

use super::Prepared;
use crate::data::TeacherTexts;
use crate::precision::Precisions;
use crate::raw::{MethodRecord, RowRecord, TableRecord};
use crate::schema::{EvaluateOn, Reference, RowSection, Unknown};
use faculty_core::Result;
use faculty_hub::public_name;
use faculty_methods::MethodSpec;
use faculty_student::StudentStart;

pub(super) fn table_record(prepared: &Prepared) -> Result<TableRecord> {
    let experiment = &prepared.experiment;
    let rows = experiment
        .rows
        .iter()
        .map(|row| {
            Ok(RowRecord {
                name: row.name.clone(),
                role: row.role(),
                access: experiment.access(row)?,
                method: MethodRecord::of(&row.method)?,
                seeded: row.trains_student(),
                reference: experiment.reference.get(&row.name).cloned().unwrap_or(Reference::Word(Unknown::Unknown)),
                note: row.note.clone(),
                text: row.text.clone(),
            })
        })
        .collect::<Result<_>>()?;
    Ok(TableRecord {
        experiment: prepared.plan.name.clone(),
        tier: prepared.run.tier.clone(),
        title: experiment.table.title.clone(),
        metric: experiment.table.metric,
        rows,
        headline: experiment.headline().map(|row| experiment.rows[row].name.clone()),
        notes: notes(prepared),
    })
}

fn notes(prepared: &Prepared) -> Vec<String> {
    let (experiment, data) = (&prepared.experiment, &prepared.data);
    let student = &experiment.student;
    let layers = student.layers.map_or_else(String::new, |layers| format!(", cut to {layers} layers"));
    let texts = data.training_texts(data.few_shot, false);
    let which = match data.few_shot {
        Some(_) => format!("{texts} texts, drawn from {} for every seed anew", data.transfer.len()),
        None => format!("the same {texts} texts"),
    };
    let mut notes = vec![format!(
        "every student starts from {}{layers} and is trained for {} updates on {which}; the ceiling reads their labels",
        public_name(&student.init.to_string()),
        student.train.steps(texts),
    )];
    for row in experiment.rows.iter().filter(|row| row.text.is_some()) {
        let planned = prepared.plan.cells.iter().find(|cell| cell.name == row.name && !cell.is_absent);
        if let (Some(text), Some(cell)) = (&row.text, planned) {
            let classes = match row.method.reads_labels() {
                true => ", whose intended classes it reads",
                false => "",
            };
            notes.push(format!("{}: reads the texts `{text}`{classes}, in {} updates at most", row.name, cell.updates));
        }
    }
    for row in experiment.rows.iter().filter(|row| row.text.is_none() && (row.few_shot_k.or(row.epochs)).is_some()) {
        if let Some(cell) = prepared.plan.cells.iter().find(|cell| cell.name == row.name) {
            let of = data.drawn(row.few_shot_k).map(|drawn| format!("reads {drawn} texts, drawn for every seed anew"));
            let of = of.unwrap_or_else(|| "reads all texts".to_owned());
            notes.push(format!("{}: {of}, in {} updates", row.name, cell.updates));
        }
    }
    if !data.noise.is_empty() {
        notes.push(format!(
            "noise among the transfer texts: {}; the ceiling leaves them out and is trained for {} updates",
            data.noise.describe(),
            student.train.steps(data.training_texts(data.few_shot, true)),
        ));
    }
    notes.extend(data.teachers.iter().filter_map(own_training));
    for teacher in data.teachers.iter().filter(|teacher| teacher.own.nasty.is_some()) {
        notes.push(format!(
            "teacher {} is nasty (arXiv 2105.07381): accurate on its own labels, and trained to mislead students; every row \
             learns from it as from the others",
            teacher.name
        ));
    }
    match student.init {
        StudentStart::Teacher(_) => {
            notes.push("the student starts from a teacher's layers: a stronger assumption about access".to_owned());
        }
        StudentStart::Merged => {
            notes.push(
                "students start from the mean of the teachers' weights: a stronger assumption about access".to_owned(),
            );
        }
        StudentStart::Pretrained(_) | StudentStart::Fresh { .. } => {}
    }
    let merged = experiment.rows.iter().filter(|row| row.start == Some(StudentStart::Merged));
    let merged: Vec<&str> = merged.map(|row| row.name.as_str()).collect();
    if !merged.is_empty() {
        notes.push(format!(
            "{}: the student starts from the mean of the teachers' weights (teachers of one base alone, and as large as they are)",
            merged.join("; ")
        ));
    }
    for row in &experiment.rows {
        if let Some(start @ StudentStart::Fresh { .. }) = &row.start {
            notes.push(format!("{}: the student is another one than the others: {start}", row.name));
        }
        let others = experiment.student.train.learning_rate;
        if let Some(rate) = row.learning_rate.filter(|rate| *rate != others) {
            notes.push(format!("{}: peak learning rate {rate:e}, of the others {others:e}", row.name));
        }
    }
    for row in experiment.rows.iter().filter(|row| !row.curriculum.is_off()) {
        notes.push(format!("{}: curriculum: {}", row.name, row.curriculum.describe()));
    }
    for row in &experiment.rows {
        let passes = row.method.passes(experiment.scan.seed).filter(|passes| !passes.sites.is_all());
        if let Some(passes) = passes {
            notes.push(format!("{}: Monte-Carlo {} (the authors' code: everywhere)", row.name, passes.describe()));
        }
    }
    let named = |is: &dyn Fn(&RowSection) -> bool| {
        let names: Vec<&str> = experiment.rows.iter().filter(|row| is(row)).map(|row| row.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join("; "))
    };
    let is_oracle = |row: &RowSection| matches!(row.method, MethodSpec::Oracle { .. });
    if let Some(rows) = named(&|row| is_oracle(row) && row.text.is_some()) {
        notes.push(format!(
            "{rows}: every text is answered by the teacher that it was written for; no label of the task is read"
        ));
    }
    if let Some(rows) = named(&|row| is_oracle(row) && row.text.is_none()) {
        notes.push(format!(
            "{rows}: labels choose the teachers of every transfer text, in equal parts where several know its class; an analysis \
             of what gates could reach, no method"
        ));
    }
    if let Some(rows) = named(&|row| matches!(row.method, MethodSpec::GatedEnsemble(_))) {
        notes.push(format!(
            "{rows}: no student; every text is answered by all teachers, and whatever the gate learns from texts it learns from \
             the measuring texts, without their labels"
        ));
    }
    if experiment.rows.iter().any(|row| matches!(row.method, MethodSpec::Merge(_))) {
        notes.push(format!(
            "merged rows mix the weights of the teachers around {}; all output layers stand side by side and the largest logit of \
             all decides: no row is told whose text it reads",
            public_name(&experiment.teacher.init.to_string())
        ));
    }
    if experiment.data.evaluate_on == EvaluateOn::Dev {
        notes.push("measured on the development split: for choosing settings, not for publication".to_owned());
    }
    notes.push("no row chooses a checkpoint: every student is the one after its last update".to_owned());
    notes.extend(Precisions::of(experiment).notes());
    if data.selection.duplicates > 0 {
        notes.push(format!("{} texts were passed over as repetitions", data.selection.duplicates));
    }
    if data.selection.short_classes > 0 {
        notes.push(format!("{} classes have fewer transfer texts than asked for", data.selection.short_classes));
    }
    if let Some(texts) = &data.out_of_scope {
        let repeats = data.selection.out_of_scope_repeats;
        notes.push(format!("{} out-of-scope texts ({repeats} passed over as repetitions)", texts.len()));
    }
    notes.extend(data.notes.iter().cloned());
    notes
}

/// A teacher that is not trained as the others are.
fn own_training(teacher: &TeacherTexts) -> Option<String> {
    let own = teacher.own.describe();
    (!own.is_empty()).then(|| format!("teacher {} is trained in a way of its own: {own}", teacher.name))
}
