//! Curves over the number of keys, as SVG for the docs.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use plotters::prelude::*;

const SIZE: (u32, u32) = (720, 380);
const COLOURS: [RGBColor; 4] =
    [RGBColor(31, 119, 180), RGBColor(214, 90, 14), RGBColor(44, 140, 60), RGBColor(130, 80, 160)];

/// A drawing: what lies upwards, over the number of keys.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Its file's name, without the ending.
    pub name: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What lies upwards, with its unit.
    pub upwards: &'static str,
    /// The lines.
    pub lines: Vec<Line>,
}

/// A line of a drawing.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it shows.
    pub name: String,
    /// Its points: numbers of keys and figures, ascending.
    pub points: Vec<(f64, f64)>,
}

impl Chart {
    /// Its file's name.
    pub(super) fn file(&self) -> String {
        format!("{}.svg", self.name)
    }

    /// Draws it into a folder. Fails where a line has fewer than two points.
    pub fn draw(&self, folder: &Path) -> Result<()> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        ensure!(self.lines.iter().all(|line| line.points.len() > 1), "{}: a line needs two points", self.name);
        let highest = points().map(|(_, y)| *y).fold(0.0, f64::max) * 1.15;
        let most = points().map(|(x, _)| *x).fold(0.0, f64::max) * 1.3;
        let least = points().map(|(x, _)| *x).fold(f64::MAX, f64::min) / 1.3;
        let path = folder.join(self.file());
        let area = SVGBackend::new(&path, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(56)
            .build_cartesian_2d((least..most).log_scale(), 0.0..highest)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(WHITE)
            .bold_line_style(BLACK.mix(0.12))
            .x_desc("keys")
            .y_desc(self.upwards)
            .x_label_formatter(&|keys| keys_in_short(*keys))
            .draw()?;
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let style = colour.stroke_width(2);
            chart
                .draw_series(LineSeries::new(line.points.iter().copied(), style))?
                .label(&line.name)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], style));
            chart.draw_series(line.points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
        }
        chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).border_style(WHITE).draw()?;
        area.present().with_context(|| format!("cannot write {}", path.display()))
    }
}

fn keys_in_short(keys: f64) -> String {
    match keys.round() {
        keys if keys >= 1e6 => format!("{} M", keys / 1e6),
        keys if keys >= 1e3 => format!("{} k", keys / 1e3),
        keys => keys.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_draws_every_line_with_its_name() -> Result<()> {
        let line = |name: &str| Line { name: name.to_owned(), points: vec![(1e3, 0.4), (1e5, 0.5), (1e7, 0.7)] };
        let lines = vec![line("native"), line("V8")];
        let folder = tempfile::tempdir()?;
        let chart = Chart { name: "decide", title: "One decision", upwards: "µs", lines };
        chart.draw(folder.path())?;
        let svg = std::fs::read_to_string(folder.path().join("decide.svg"))?;
        for text in ["One decision", "native", "V8", "10 M"] {
            assert!(svg.contains(text), "no {text}");
        }
        Ok(())
    }
}
