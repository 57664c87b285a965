//! Where the figures come from: teachers, machines, remarks, configurations.

use crate::raw::TeacherRecord;
use crate::report::Page;
use crate::report::markup::Element;
use crate::report::parts::{columns, data_table, day, grouped, number, paragraph, row_name, section, words as left};
use crate::table::{Place, words};

/// Teachers, machines, remarks and hashes.
pub(in crate::report) fn provenance(page: &Page<'_>) -> Option<Element> {
    let mut found = section("provenance", "Where this comes from");
    if let Some(setup) = &page.table.setup {
        let heads = [
            "teacher",
            "labels",
            "own slice %",
            "weights",
            "private texts",
            "updates",
            "training, s",
            "SHA-256",
            "precision",
        ];
        let lines = setup.teachers.iter().map(teacher).collect();
        let caption = "Teachers, fixed across student seeds. Their accuracy is on the measuring texts of their \
                       labels, among their labels.";
        found = found.child(data_table(caption, columns(&heads, &["teacher", "SHA-256", "precision"]), lines));
    }
    found = match page.table.places.is_empty() {
        true => found.child(paragraph("These raw lines, of an earlier version, do not name machine and commit.")),
        false => {
            let heads = ["begun", "commit", "version", "cells", "device", "threads", "processor", "instructions"];
            let lines = page.table.places.iter().map(place).collect();
            let left = ["begun", "commit", "version", "device", "processor", "instructions"];
            found.child(data_table("Machines and programs that computed the cells", columns(&heads, &left), lines))
        }
    };
    let mut remarks: Vec<String> = page.table.record.notes.clone();
    remarks.extend(words::findings(page.table.setup.as_ref(), &page.table.rows));
    let of_rows = page.table.rows.iter().filter(|row| !row.row.note.is_empty());
    remarks.extend(of_rows.map(|row| format!("{}: {}", row.row.name, row.row.note)));
    if !remarks.is_empty() {
        let list = Element::new("ul").children(remarks.iter().map(|remark| Element::new("li").text(remark)));
        found = found.child(Element::new("h3").text("Remarks")).child(list);
    }
    Some(found.child(hashes(page)))
}

fn teacher(teacher: &TeacherRecord) -> Element {
    let precision = teacher.precision.as_ref().map_or_else(|| "f32".to_owned(), ToString::to_string);
    let texts = if teacher.texts == 0 { "loaded".to_owned() } else { grouped(teacher.texts) };
    Element::new("tr").children([
        row_name(&teacher.name),
        number(teacher.labels),
        number(teacher.own_slice_accuracy.map_or_else(|| words::NONE.to_owned(), words::percent)),
        number(format!("{:.1} M", teacher.parameters as f64 / 1e6)),
        number(texts),
        number(grouped(teacher.steps)),
        number(format!("{:.1}", teacher.seconds)),
        Element::new("td").class("left").child(Element::new("code").text(faculty_core::short_hash(&teacher.sha256))),
        left(precision),
    ])
}

fn place(place: &Place) -> Element {
    let run = &place.run;
    let commit = run.commit.as_deref().map_or(words::NONE, faculty_core::short_hash);
    let processor =
        run.processor.as_deref().map_or_else(|| run.system.clone(), |name| format!("{name}, {}", run.system));
    Element::new("tr").children([
        left(day(run.started_unix)),
        Element::new("td").class("left").child(Element::new("code").text(commit)),
        left(&run.version),
        number(place.cells),
        left(&run.device),
        number(run.threads),
        left(processor),
        left(run.cpu_features.join(", ")),
    ])
}

/// The configuration hash of every cell, for those who want to hold a figure against its run.
fn hashes(page: &Page<'_>) -> Element {
    let lines = page.table.rows.iter().flat_map(|row| {
        row.cells.values().map(move |cell| {
            let seed = cell.seed.map_or_else(|| "fixed".to_owned(), |seed| seed.to_string());
            let code = Element::new("code").text(&cell.config_hash);
            Element::new("tr").children([
                row_name(&row.row.name),
                left(seed),
                Element::new("td").class("left").child(code),
            ])
        })
    });
    let names = ["row", "seed", "SHA-256 of everything that determines the cell"];
    Element::new("details").child(Element::new("summary").text("Configuration hashes")).child(data_table(
        "Configuration hash of every cell",
        columns(&names, &names),
        lines.collect(),
    ))
}
