//! Charts, as drawings within the page. Their colours are the style sheet's: each part has a stand-in colour that it replaces.

use maud::{Markup, PreEscaped, html};
use plotters::prelude::{
    AreaSeries, ChartBuilder, Color, DashedLineSeries, IntoDrawingArea, LineSeries, RGBColor, SVGBackend, TextStyle,
};
use plotters::style::IntoFont;

use super::words::{counted, duration, number, time};
use crate::report::Report;
use crate::report::timeline::{Point, Traffic};

/// Of the drawing itself; the page scales it.
const SIZE: (u32, u32) = (480, 200);
const DATA: RGBColor = RGBColor(1, 1, 1);
const LIMIT: RGBColor = RGBColor(2, 2, 2);
const TEXT: RGBColor = RGBColor(3, 3, 3);
const GRID: RGBColor = RGBColor(4, 4, 4);
/// Lines of the grid across the drawing.
const ACROSS: usize = 5;

/// Requests over time, beside the rate.
pub(super) fn traffic(report: &Report) -> Markup {
    let Some(traffic) = &report.traffic else { return html! {} };
    let Traffic { rate, seconds, requests } = traffic;
    let values: Vec<f64> = requests.iter().map(|requests| *requests as f64 / f64::from(*seconds)).collect();
    let whole = f64::from(*seconds) * values.len() as f64;
    let peak = report.requests.peak_per_second;
    let said = format!(
        "{} in {}, at most {peak} in one second; the dashed line is the account's rate, {rate} a second.",
        counted(report.requests.total, "request", "requests"),
        duration(whole)
    );
    // Each count stands from its beginning to its end, as steps.
    let steps = values.iter().enumerate().flat_map(|(at, value)| {
        let from = at as f64 * f64::from(*seconds);
        [(from, *value), (from + f64::from(*seconds), *value)]
    });
    let most = values.iter().copied().fold(*rate, f64::max);
    let scale = Scale { until: whole, least: 0.0, most: most * 1.1, label: &|at| moment(*at) };
    figure(&said, drawing(&scale, &steps.collect::<Vec<_>>(), Some(*rate)))
}

/// The members after the last runs.
pub(super) fn trend(points: &[Point]) -> Markup {
    let ([first, .., last], Some(least), Some(most)) =
        (points, points.iter().map(|point| point.members).min(), points.iter().map(|point| point.members).max())
    else {
        return html! {};
    };
    let said = format!(
        "{} after the last {}; from {} to {}.",
        counted(last.members, "member", "members"),
        counted(points.len() as u64, "run", "runs"),
        number(first.members),
        number(last.members)
    );
    let line: Vec<(f64, f64)> =
        points.iter().zip(0u32..).map(|(point, at)| (f64::from(at), point.members as f64)).collect();
    // From nothing, unless that would make a line of every change.
    let margin = ((most - least) as f64 * 0.25).max(1.0);
    let from = if least * 2 > most { least as f64 - margin } else { 0.0 };
    let until = (points.len() - 1) as f64;
    let scale = Scale { until, least: from.max(0.0), most: most as f64 + margin, label: &|_| String::new() };
    html! {
        section {
            h2 { "Members over the last runs" }
            (figure(&said, drawing(&scale, &line, None)))
            p.dim { "From " (time(first.at)) " to " (time(last.at)) "." }
        }
    }
}

fn figure(said: &str, drawing: Option<String>) -> Markup {
    html! {
        figure {
            @if let Some(drawing) = drawing { div.chart role="img" aria-label=(said) { (PreEscaped(drawing)) } }
            figcaption { (said) }
        }
    }
}

/// What a chart's sides stand for.
struct Scale<'a> {
    until: f64,
    least: f64,
    most: f64,
    label: &'a dyn Fn(&f64) -> String,
}

/// The drawing; none where it cannot be made, as then its text says the same.
fn drawing(scale: &Scale<'_>, points: &[(f64, f64)], limit: Option<f64>) -> Option<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let text = TextStyle::from(("sans-serif", 15).into_font()).color(&TEXT);
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .x_label_area_size(24)
            .y_label_area_size(52)
            .build_cartesian_2d(0.0..scale.until, scale.least..scale.most)
            .ok()?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(GRID.mix(0.0))
            .bold_line_style(GRID)
            .axis_style(GRID)
            .label_style(text)
            .x_labels(ACROSS)
            .y_labels(ACROSS)
            .x_label_formatter(&scale.label)
            .y_label_formatter(&|value| short(*value))
            .draw()
            .ok()?;
        chart.draw_series(AreaSeries::new(points.iter().copied(), scale.least, DATA.mix(0.25))).ok()?;
        chart.draw_series(LineSeries::new(points.iter().copied(), DATA.stroke_width(2))).ok()?;
        if let Some(limit) = limit {
            let line = [(0.0, limit), (scale.until, limit)];
            chart.draw_series(DashedLineSeries::new(line, 6, 4, LIMIT.stroke_width(2))).ok()?;
        }
        area.present().ok()?;
    }
    // Within a page a drawing needs neither a size of its own nor a name space.
    let shape = format!("viewBox=\"0 0 {} {}\"", SIZE.0, SIZE.1);
    let (_, inner) = svg.split_once("<svg")?.1.split_once('>')?;
    Some(format!("<svg {shape} aria-hidden=\"true\" focusable=\"false\">{inner}"))
}

/// A time after the beginning.
fn moment(seconds: f64) -> String {
    match seconds {
        ..120.0 => format!("{seconds:.0} s"),
        120.0..7200.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.0} h", seconds / 3600.0),
    }
}

/// A number that fits beside the drawing.
fn short(value: f64) -> String {
    match value.abs() {
        1e6.. => format!("{:.1}M", value / 1e6),
        1e4.. => format!("{:.1}k", value / 1e3),
        10.0.. => number(value.round() as u64),
        _ => format!("{value:.1}").trim_end_matches(".0").to_owned(),
    }
}
