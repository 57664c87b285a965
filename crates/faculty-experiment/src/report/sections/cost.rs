//! What a row costs beside what it is worth.

use crate::report::Page;
use crate::report::markup::Element;
use crate::report::parts::{
    columns, data_table, duration, figure, grouped, number, paragraph, row_name, section, side_by_side,
};
use crate::report::plot::{Canvas, Dot, scatter};
use crate::table::{TableRow, words};
use faculty_core::statistics::Summary;

/// Quality against seconds and against weights, and every cost as a figure.
pub(in crate::report) fn cost(page: &Page<'_>) -> Option<Element> {
    if page.table.rows.iter().all(|row| row.cells.is_empty()) {
        return None;
    }
    let weights = |row: &TableRow| {
        row.good_cells().map(|cell| cell.parameters).find(|&count| count > 0).map(|count| count as f64 / 1e6)
    };
    let quality = format!("{} %", page.metric());
    let plot = |id: &str, name: &str, x_name: &str, cost: &dyn Fn(&TableRow) -> Option<f64>| {
        let dots: Vec<Dot> = page
            .rows()
            .filter_map(|(row, tone)| {
                let value = row.value?;
                let at = (cost(row)?, 100.0 * value.mean);
                Some(Dot { name: row.row.name.clone(), tone, at, spread: 100.0 * value.sd.unwrap_or(0.0) })
            })
            .collect();
        let title = format!("{} against {name}", page.metric());
        let canvas = Canvas {
            id,
            title: &title,
            description: "A dot a row, named at the right; the line through it is one standard deviation over seeds \
                          to each side. Upper left is better and cheaper.",
            width: 560.0,
            height: 360.0,
        };
        (!dots.is_empty())
            .then(|| figure(&format!("Quality against {name}"), "", scatter(&canvas, (x_name, &quality), &dots)))
    };
    let figures: Vec<Element> = [
        plot("cost-seconds", "seconds of its own work", "seconds of training and measuring", &|row| {
            row.seconds.map(|seconds| seconds.mean)
        }),
        plot("cost-weights", "weights at prediction", "weights, millions", &weights),
    ]
    .into_iter()
    .flatten()
    .collect();
    let heads = ["row", "updates", "texts seen", "training, s", "measuring, s", "weights", "peak memory", "texts cut"];
    let lines = page.table.rows.iter().map(line).collect();
    let mut found = section("cost", "Cost beside quality");
    found = found.children(shared(page)).child(side_by_side("figures wide", figures));
    let caption = "Costs of each row: mean ± standard deviation over seeds. Peak memory is the process's largest so \
                   far, so that it never falls from one cell to the next.";
    Some(found.child(data_table(caption, columns(&heads, &["row"]), lines)))
}

/// What the rows share, and what sharing it saved.
fn shared(page: &Page<'_>) -> Option<Element> {
    let setup = page.table.setup.as_ref()?;
    let taught: f64 = setup.teachers.iter().map(|teacher| teacher.seconds).sum();
    let cells: usize = page
        .table
        .rows
        .iter()
        .filter(|row| row.row.seeded && words::labels_used(&row.row) == "none")
        .map(|row| row.good_cells().count())
        .sum();
    let mut text = format!(
        "Shared by all rows: fine-tuning the teachers took {}, asking them took {}.",
        duration(taught),
        duration(setup.scan_seconds)
    );
    if cells > 1 {
        text.push_str(&format!(
            " {cells} label-free students learnt from these answers; asking anew for each would have \
             taken up to {} more.",
            duration((cells - 1) as f64 * setup.scan_seconds)
        ));
    }
    Some(paragraph(text))
}

fn line(row: &TableRow) -> Element {
    let seconds = |summary: Option<Summary>| match summary {
        None => words::NONE.to_owned(),
        Some(Summary { mean, sd: Some(sd), n, .. }) => format!("{mean:.1} ± {sd:.1} (n={n})"),
        Some(summary) => format!("{:.1} (n={})", summary.mean, summary.n),
    };
    let count = |value: &dyn Fn(&crate::raw::CellRecord) -> usize| {
        row.good_cells().map(value).max().map_or_else(|| words::NONE.to_owned(), grouped)
    };
    let memory = row.cells.values().filter_map(|cell| cell.peak_memory_bytes).max();
    Element::new("tr").children([
        row_name(&row.row.name),
        number(count(&|cell| cell.steps)),
        number(count(&|cell| cell.texts_seen)),
        number(seconds(row.over(|cell| Some(cell.seconds.train)))),
        number(seconds(row.over(|cell| Some(cell.seconds.evaluate)))),
        number(words::millions(row)),
        number(memory.map_or_else(|| words::NONE.to_owned(), words::gigabytes)),
        number(count(&|cell| cell.truncated)),
    ])
}
