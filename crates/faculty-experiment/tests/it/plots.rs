//! The plot module: scales, ticks and labels for whatever values there are.

use faculty_core::Stream;
use faculty_experiment::report::plot::{
    Anchor, Canvas, Dot, Line, Range, Scale, Tone, label, line_plot, mirrored_histogram, move_apart, ranges, scatter,
    shortened, text_width, tick_label, tick_step,
};
use faculty_experiment::report::{Element, coordinate};

/// Ranges of many sizes, signs and places.
fn spans() -> impl Iterator<Item = (f64, f64)> {
    (0..2000).map(|trial| {
        let stream = Stream::new(trial, "spans");
        let size = 10_f64.powf(12.0 * stream.uniform_at(0) - 6.0);
        let low = (stream.uniform_at(1) - 0.5) * size * 10_f64.powf(4.0 * stream.uniform_at(2));
        (low, low + size)
    })
}

#[test]
fn a_scale_maps_ends_to_ends_and_keeps_the_order() {
    for (low, high) in spans() {
        for positions in [(0.0, 300.0), (300.0, 0.0)] {
            let scale = Scale::new((low, high), positions);
            assert_eq!((scale.place(low), scale.place(high)), positions);
            let places: Vec<f64> =
                (0..=10).map(|part| scale.place(low + (high - low) * f64::from(part) / 10.0)).collect();
            let sign = (positions.1 - positions.0).signum();
            assert!(places.windows(2).all(|pair| sign * (pair[1] - pair[0]) >= 0.0), "{low} {high}: {places:?}");
            assert_eq!((scale.place(low - 1e9), scale.place(f64::INFINITY)), positions, "outside sticks to the end");
            assert_eq!(scale.place(f64::NAN), positions.0);
        }
    }
}

#[test]
fn ticks_are_round_even_and_within_the_scale() {
    for (low, high) in spans() {
        for wanted in 1..10 {
            let scale = Scale::new((low, high), (0.0, 1.0));
            let (ticks, step) = scale.ticks(wanted);
            let mantissa = step / 10_f64.powf((step.log10() + 1e-9).floor());
            assert!([1.0, 2.0, 5.0].iter().any(|round| (mantissa - round).abs() < 1e-6), "{step}");
            assert!(ticks.len() <= wanted + 1, "{} ticks for {wanted} in {low}..{high}", ticks.len());
            for tick in &ticks {
                assert!(scale.holds(*tick), "{tick} in {low}..{high}");
                assert!(((tick / step).round() - tick / step).abs() < 1e-6, "{tick} by {step}");
            }
            assert!(ticks.windows(2).all(|pair| ((pair[1] - pair[0]) / step - 1.0).abs() < 1e-3));
        }
    }
}

#[test]
fn nice_scales_hold_all_values_and_begin_and_end_at_ticks() {
    for trial in 0..500 {
        let stream = Stream::new(trial, "nice");
        let values: Vec<f64> = (0..7).map(|at| 100.0 * stream.normal_at(at)).collect();
        let scale = Scale::nice(values.iter().copied().chain([f64::NAN, f64::INFINITY]), 5, (0.0, 100.0));
        assert!(values.iter().all(|value| scale.holds(*value)), "{values:?}");
        let (low, high) = scale.ends();
        let span = values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
            - values.iter().copied().fold(f64::INFINITY, f64::min);
        let step = tick_step(span, 5);
        for end in [low, high] {
            assert!(((end / step).round() - end / step).abs() < 1e-6, "{end} by {step}");
        }
        assert!(high - low <= span + 2.0 * step + 1e-9);
    }
}

#[test]
fn degenerate_scales_are_widened() {
    for ends in [(0.0, 0.0), (7.0, 7.0), (-3.0, -3.0)] {
        let scale = Scale::new(ends, (0.0, 10.0));
        assert_eq!(scale.place(ends.0), 5.0);
    }
    assert_eq!(Scale::nice([], 5, (0.0, 1.0)).ends(), (0.0, 1.0));
    assert_eq!(Scale::new((f64::NAN, 3.0), (0.0, 1.0)).ends(), (0.0, 1.0));
    assert_eq!(Scale::new((4.0, 2.0), (0.0, 1.0)).ends(), (2.0, 4.0));
    assert_eq!((tick_step(0.0, 5), tick_step(f64::NAN, 5), tick_step(-1.0, 5)), (1.0, 1.0, 1.0));
}

#[test]
fn tick_labels_have_the_decimals_of_the_step() {
    let found = [(0.30000000000000004, 0.1), (-0.0, 0.05), (20.0, 20.0), (0.001, 0.001), (-2.5, 0.5), (-1e-17, 0.1)];
    let found = found.map(|(value, step)| tick_label(value, step));
    assert_eq!(found, ["0.3", "0.00", "20", "0.001", "-2.5", "0.0"]);
}

#[test]
fn labels_moved_apart_keep_order_gap_and_room() {
    for trial in 0..500 {
        let stream = Stream::new(trial, "labels");
        let count = stream.below_at(0, 30) as usize;
        let wanted: Vec<f64> = (0..count as u64).map(|at| 400.0 * stream.fork(1).uniform_at(at) - 50.0).collect();
        let places = move_apart(&wanted, 15.0, (0.0, 300.0));
        let gap = if count > 1 { 15.0_f64.min(300.0 / (count - 1) as f64) } else { 15.0 };
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
        assert!(order.windows(2).all(|pair| places[pair[1]] - places[pair[0]] >= gap - 1e-9), "{places:?}");
        assert!(places.iter().all(|place| (-1e-9..=300.0 + 1e-9).contains(place)), "{places:?}");
    }
    assert_eq!(move_apart(&[10.0, 100.0, 200.0], 15.0, (0.0, 300.0)), [10.0, 100.0, 200.0], "there is room");
}

#[test]
fn coordinates_are_short_and_finite() {
    let found = [1.0, -0.001, 2.345_6, 100.0, f64::NAN, f64::INFINITY, 0.1 + 0.2].map(coordinate);
    assert_eq!(found, ["1", "0", "2.35", "100", "0", "0", "0.3"]);
}

#[test]
fn long_names_are_cut_to_their_room() {
    assert_eq!(shortened("MUKI", 12.0, 100.0), "MUKI");
    for room in [20.0, 50.0, 120.0] {
        let short = shortened("MUKI soft+margin with eight passes in the last two layers", 12.0, room);
        assert!(short.ends_with('…') && text_width(&short, 12.0) <= room + 12.0, "{short}");
    }
}

#[test]
fn figures_of_nothing_and_of_one_are_figures() {
    let canvas = Canvas { id: "a", title: "A", description: "a < b", width: 300.0, height: 200.0 };
    let dot = Dot { name: "one".to_owned(), tone: Tone::Accent, at: (0.0, f64::NAN), spread: 0.0 };
    let line = Line {
        name: "one".to_owned(),
        tone: Tone::Other(9),
        points: vec![(0.0, 1.0)],
        runs: vec![Vec::new()],
        spread: vec![f64::NAN],
        is_level: false,
    };
    let range = Range {
        name: "one".to_owned(),
        tone: Tone::Ceiling,
        mean: 3.0,
        interval: None,
        outer: None,
        values: Vec::new(),
        words: String::new(),
    };
    let figures = [
        scatter(&canvas, ("x", "y"), &[]),
        scatter(&canvas, ("x", "y"), &[dot]),
        line_plot(&canvas, ("x", "y"), &[], true),
        line_plot(&canvas, ("x", "y"), &[line], true),
        ranges(&canvas, "x", &[], None),
        ranges(&canvas, "x", &[range], Some(0.0)),
        mirrored_histogram(&canvas, "x", (0.0, 0.0), ("up", &[]), ("down", &[0, 0])),
    ];
    for figure in figures.iter().map(Element::to_string) {
        assert!(figure.contains("a &lt; b") && !figure.contains("NaN") && !figure.contains("inf"), "{figure}");
    }
    assert!(label("tick", Anchor::End, 0.0, 0.0, "<b>").to_string().contains("&lt;b&gt;"));
    assert_eq!(Tone::Other(9).class(), Tone::Other(1).class(), "colours repeat");
}

#[test]
fn lines_bands_and_levels_stand_where_their_values_are() {
    let canvas = Canvas { id: "a", title: "A", description: "d", width: 400.0, height: 200.0 };
    let line = |name: &str, points: Vec<(f64, f64)>, spread: Vec<f64>, is_level: bool| Line {
        name: name.to_owned(),
        tone: Tone::Accent,
        points,
        runs: Vec::new(),
        spread,
        is_level,
    };
    let lines = [
        line("rises", vec![(5.0, 20.0), (10.0, 70.0)], vec![20.0, 10.0], false),
        line("level", vec![(0.0, 100.0), (10.0, 100.0)], Vec::new(), true),
    ];
    let figure = line_plot(&canvas, ("x", "y"), &lines, false).to_string();
    // The area is 46 to 390 by 160 to 28, for 0 to 10 by 0 to 100: the band of the first line reaches down to 0.
    let (x, y) = (|value: f64| 46.0 + 34.4 * value, |value: f64| 160.0 - 1.32 * value);
    let place = |point: (f64, f64)| format!("{} {}", coordinate(x(point.0)), coordinate(y(point.1)));
    let path = |points: &[(f64, f64)]| format!("M{}", points.iter().map(|&at| place(at)).collect::<Vec<_>>().join("L"));
    for expected in [
        format!("<path class=\"line\" d=\"{}\"/>", path(&[(5.0, 20.0), (10.0, 70.0)])),
        format!("<path class=\"band\" d=\"{}Z\"/>", path(&[(5.0, 40.0), (10.0, 80.0), (10.0, 60.0), (5.0, 0.0)])),
        format!("<path class=\"level\" d=\"{}\"/>", path(&[(0.0, 100.0), (10.0, 100.0)])),
    ] {
        assert!(figure.contains(&expected), "{expected}\n{figure}");
    }
    assert_eq!(figure.matches("<circle").count(), 1, "a level has no mark at its end");
}
