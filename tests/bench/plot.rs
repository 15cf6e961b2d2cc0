//! Plots: two panels over one axis, all scales logarithmic, as an SVG file.

use std::error::Error;
use std::fs;
use std::path::Path;

use plotters::prelude::*;

use crate::table::number;

const SIZE_PX: (u32, u32) = (1_000, 420);
const COLOURS: [RGBColor; 2] = [RGBColor(130, 130, 130), RGBColor(0, 110, 190)];

/// One curve.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Two panels: what each shows, and its curves.
pub(crate) struct Plot<'a> {
    pub(crate) heading: &'a str,
    pub(crate) x_label: &'a str,
    pub(crate) panels: [(&'a str, Vec<Line>); 2],
}

impl Plot<'_> {
    /// Writes it, making the folder where it is missing.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let area = SVGBackend::new(path, SIZE_PX).into_drawing_area();
        area.fill(&WHITE)?;
        let area = area.titled(self.heading, ("sans-serif", 20))?;
        for (area, (label, lines)) in area.split_evenly((1, 2)).iter().zip(&self.panels) {
            draw(area, label, self.x_label, lines)?;
        }
        area.present()?;
        Ok(())
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw(area: &Area, label: &str, x_label: &str, lines: &[Line]) -> Result<(), Box<dyn Error>> {
    let points = || lines.iter().flat_map(|line| &line.points);
    if points().next().is_none() {
        return Ok(());
    }
    let (x_min, x_max) = span(points().map(|point| point.0));
    let (y_min, y_max) = span(points().map(|point| point.1));
    let mut chart = ChartBuilder::on(area)
        .caption(label, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(64)
        .build_cartesian_2d(
            (x_min..x_max * 1.1).log_scale(),
            (y_min / 1.6..y_max * 1.6).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc(x_label)
        .x_label_formatter(&|x| tick(*x))
        .y_label_formatter(&|y| tick(*y))
        .light_line_style(RGBColor(240, 240, 240))
        .draw()?;
    for (line, colour) in lines.iter().zip(COLOURS) {
        chart
            .draw_series(
                LineSeries::new(line.points.iter().copied(), colour.stroke_width(2)).point_size(3),
            )?
            .label(&line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperMiddle)
        .background_style(WHITE.mix(0.8))
        .border_style(RGBColor(200, 200, 200))
        .draw()?;
    Ok(())
}

/// A power of ten, without the zeros that a measured number has.
fn tick(value: f64) -> String {
    if value < 1.0 {
        value.to_string()
    } else {
        number(value.round()).replace(".00", "").replace(".0", "")
    }
}

fn span(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::MAX, 0.0), |(least, most), value| {
        (least.min(value), most.max(value))
    })
}
