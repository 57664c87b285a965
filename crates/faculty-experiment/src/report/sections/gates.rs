//! Whom the gates choose, and by what scores.

use crate::raw::CellRecord;
use crate::report::Page;
use crate::report::markup::Element;
use crate::report::parts::{figure, grouped, paragraph, section, side_by_side};
use crate::report::plot::{Canvas, MatrixCell, matrix, mirrored_histogram};
use crate::table::words;
use faculty_core::metrics::{OwnAndForeign, ScoreHistograms, SelectionMatrix};

/// A gate and the rows that use it. Gates are fixed across student seeds, as teachers and scans are.
struct Gate<'a> {
    rows: Vec<&'a str>,
    cell: &'a CellRecord,
    matrix: &'a SelectionMatrix,
}

/// Every different gate of the table.
pub(in crate::report) fn gates(page: &Page<'_>) -> Option<Element> {
    let teachers = page.teachers();
    let mut gates: Vec<Gate<'_>> = Vec::new();
    for row in &page.table.rows {
        let cell = row.good_cells().find(|cell| cell.details.selection.is_some());
        let Some((cell, matrix)) = cell.and_then(|cell| Some((cell, cell.details.selection.as_ref()?))) else {
            continue;
        };
        if matrix.owners.len() != teachers.len() {
            continue;
        }
        let same = |gate: &&mut Gate<'_>| gate.matrix == matrix && gate.cell.details.scores == cell.details.scores;
        match gates.iter_mut().find(same) {
            Some(gate) => gate.rows.push(&row.row.name),
            None => gates.push(Gate { rows: vec![row.row.name.as_str()], cell, matrix }),
        }
    }
    if gates.is_empty() {
        return None;
    }
    let on = page.table.setup.as_ref().map_or("", |setup| setup.selection_on.as_str());
    let mut found = section("gates", "Which teacher a gate chooses").child(paragraph(format!(
        "Analysis with the labels of the {on} texts, which no student sees. A cell is the share of an owner's texts \
         for which a teacher is chosen, ties in equal parts; w is the teacher's mean weight on them. Ideal is a \
         dark diagonal."
    )));
    for (index, gate) in gates.iter().enumerate() {
        found = found.child(Element::new("h3").text(gate.rows.join(", ")));
        let mut figures = vec![matrix_figure(index, gate, &teachers)];
        if let Some(scores) = &gate.cell.details.scores {
            let parts = scores.teachers.iter().zip(&teachers).enumerate();
            figures.extend(parts.map(|(teacher, (counts, name))| {
                histogram_figure(&format!("scores-{index}-{teacher}"), name, scores, counts)
            }));
        }
        found = found.child(side_by_side("figures", figures));
    }
    Some(found)
}

fn matrix_figure(index: usize, gate: &Gate<'_>, teachers: &[&str]) -> Element {
    let rows: Vec<String> = teachers
        .iter()
        .zip(&gate.matrix.owners)
        .map(|(name, owner)| format!("{name} (n={})", grouped(owner.texts)))
        .collect();
    let columns: Vec<String> = teachers.iter().map(|name| (*name).to_owned()).collect();
    let cells: Vec<Vec<Option<MatrixCell>>> = gate
        .matrix
        .owners
        .iter()
        .map(|owner| {
            let cell = |(chosen, weight): (&f64, &f64)| {
                let (text, detail) = (words::percent(*chosen), format!("w {weight:.2}"));
                Some(MatrixCell { strength: *chosen, text, detail })
            };
            match owner.texts {
                0 => vec![None; teachers.len()],
                _ => owner.chosen.iter().zip(&owner.weight).map(cell).collect(),
            }
        })
        .collect();
    let more = gate.cell.selection.as_ref().map_or_else(String::new, |selection| {
        format!(
            "{} % of {} texts go to a teacher that knows the class (chance {} %), mean w of the owner {:.2}, \
             {} abstained",
            words::percent(selection.accuracy),
            grouped(selection.texts),
            words::percent(selection.chance),
            selection.owner_weight,
            grouped(selection.abstained)
        )
    });
    let (id, title) = (format!("selection-{index}"), format!("Teacher selection of {}", gate.rows.join(", ")));
    let canvas = Canvas { id: &id, title: &title, description: &more, width: 0.0, height: 0.0 };
    let drawn = matrix(&canvas, ("true owner", "chosen teacher, %"), &rows, &columns, &cells);
    figure("True owner against chosen teacher", &more, drawn)
}

fn histogram_figure(id: &str, name: &str, scores: &ScoreHistograms, counts: &OwnAndForeign) -> Element {
    let (own, foreign): (u64, u64) = (counts.own.iter().sum(), counts.foreign.iter().sum());
    let title = format!("Scores of {name}");
    let description = format!(
        "Scores on {own} texts of its own labels upwards, on {foreign} foreign texts downwards; the less they \
         overlap, the better a gate can tell."
    );
    let canvas = Canvas { id, title: &title, description: &description, width: 300.0, height: 230.0 };
    let drawn = mirrored_histogram(
        &canvas,
        "score",
        (scores.low, scores.high),
        (&format!("own texts (n={})", grouped(own as usize)), &counts.own),
        (&format!("foreign texts (n={})", grouped(foreign as usize)), &counts.foreign),
    );
    figure(name, "scores by which the gate weighs it", drawn)
}
