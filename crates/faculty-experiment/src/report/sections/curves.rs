//! Accuracy against updates, on a sample of the measuring texts.

use crate::raw::AccuracyPoint;
use crate::report::Page;
use crate::report::markup::Element;
use crate::report::parts::{column, data_table, figure, grouped, number, paragraph, row_name};
use crate::report::plot::{Canvas, Line, Tone, line_plot};
use crate::table::{TableRow, words};
use faculty_core::statistics::Summary;

/// What is known of a row: its accuracy after each of some updates, or throughout if it is not trained.
struct Course<'a> {
    row: &'a TableRow,
    tone: Tone,
    /// Updates and the accuracy over seeds, updates growing; one point for a row without training.
    points: Vec<(usize, Summary)>,
}

/// The figure with its numbers; a word where no trained row was measured on its way, and nothing where there is none.
pub(super) fn accuracies(page: &Page<'_>) -> Vec<Element> {
    let courses: Vec<Course<'_>> = page.rows().filter_map(|(row, tone)| course(row, tone)).collect();
    let last = courses.iter().filter(|course| course.row.row.seeded).filter_map(|course| course.points.last());
    let Some(last) = last.map(|(step, _)| *step).max() else {
        let is_trained = page.table.rows.iter().any(|row| row.good_cells().any(|cell| !cell.details.loss.is_empty()));
        let absent = is_trained.then(|| paragraph("Accuracy was not measured during training in this run."));
        return absent.into_iter().collect();
    };
    let lines: Vec<Line> = courses.iter().map(|course| line(course, last)).collect();
    vec![drawn(page, &lines), numbers(&courses)]
}

/// The course of a row over the seeds that were measured after the same updates as the first; none if no seed was.
fn course(row: &TableRow, tone: Tone) -> Option<Course<'_>> {
    let curves = row.good_cells().map(|cell| cell.details.accuracy.as_slice());
    let curves: Vec<&[AccuracyPoint]> = curves.filter(|curve| !curve.is_empty()).collect();
    let first = *curves.first()?;
    let steps = |curve: &[AccuracyPoint]| curve.iter().map(|point| point.step).collect::<Vec<_>>();
    let alike: Vec<&[AccuracyPoint]> = curves.into_iter().filter(|curve| steps(curve) == steps(first)).collect();
    let over_seeds = |index: usize| Summary::of(&alike.iter().map(|curve| curve[index].accuracy).collect::<Vec<_>>());
    let points = first.iter().enumerate().filter_map(|(index, point)| Some((point.step, over_seeds(index)?)));
    Some(Course { row, tone, points: points.collect() })
}

/// A line with its band; a row without training is a level up to the last update of any other.
fn line(course: &Course<'_>, last: usize) -> Line {
    let Course { row, tone, points } = course;
    let is_level = !row.row.seeded;
    let height = |summary: &Summary| 100.0 * summary.mean;
    let (points, spread) = match is_level {
        true => {
            let level = points.first().map_or(0.0, |(_, summary)| height(summary));
            (vec![(0.0, level), (last as f64, level)], Vec::new())
        }
        false => (
            points.iter().map(|(step, summary)| (*step as f64, height(summary))).collect(),
            // Without a second seed there is none.
            points.iter().filter_map(|(_, summary)| Some(100.0 * summary.sd?)).collect(),
        ),
    };
    Line { name: row.row.name.clone(), tone: *tone, points, runs: Vec::new(), spread, is_level }
}

fn drawn(page: &Page<'_>, lines: &[Line]) -> Element {
    let points = page.table.rows.iter().flat_map(|row| row.good_cells()).flat_map(|cell| &cell.details.accuracy);
    let texts = points.map(|point| point.texts).max().unwrap_or(0);
    let canvas = Canvas {
        id: "training-accuracy",
        title: "Accuracy against updates",
        description: "A line a row, named at its end: the mean over seeds, with a band of one standard deviation to each \
                      side. Dotted levels are rows without training.",
        width: 860.0,
        height: 460.0,
    };
    let more = format!(
        "mean over seeds, band of one standard deviation to each side, dotted: rows without training; on a fixed sample of \
         {} measuring texts, so that a line need not end at the row's result; analysis only: no checkpoint is chosen by it",
        grouped(texts)
    );
    figure("Accuracy against updates", &more, line_plot(&canvas, ("updates", "accuracy %"), lines, true))
}

/// Every point as a number.
fn numbers(courses: &[Course<'_>]) -> Element {
    let trained = courses.iter().filter(|course| course.row.row.seeded);
    let mut steps: Vec<usize> = trained.flat_map(|course| course.points.iter().map(|(step, _)| *step)).collect();
    steps.sort_unstable();
    steps.dedup();
    let mut heads = vec![column("row", true), column("n", false)];
    heads.extend(steps.iter().map(|step| column(&grouped(*step), false)));
    let line = |course: &Course<'_>| {
        let at = |step: &usize| match course.row.row.seeded {
            true => course.points.iter().find(|(at, _)| at == step).map(|(_, summary)| summary),
            false => course.points.first().map(|(_, summary)| summary),
        };
        let count = match (course.row.row.seeded, course.points.first()) {
            (true, Some((_, summary))) => summary.n.to_string(),
            _ => "fixed".to_owned(),
        };
        let cells = steps.iter().map(|step| number(words::spread(at(step))));
        Element::new("tr").child(row_name(&course.row.row.name)).child(number(count)).children(cells)
    };
    Element::new("details")
        .child(Element::new("summary").text("Every point, with n and standard deviation"))
        .child(data_table("Accuracy % after so many updates", heads, courses.iter().map(line).collect()))
}
