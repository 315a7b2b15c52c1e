//! A drawing as SVG or PNG.

use super::drawing::{Call, Drawing, Point, last_part};
use crate::lines::text;
use memprof::__command::replace;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::register_font;
use std::error::Error;
use std::fs;
use std::path::Path;

const SIZE: (u32, u32) = (1260, 540);

/// The width of the legend, to the right of the axes.
const LEGEND_WIDTH: u32 = 330;

/// The height of a row of the legend.
const ROW: i32 = 18;

/// The most entries that the legend shows.
const LEGEND_ROWS: usize = 22;

const LETTERS: &str = "sans-serif";

const LINE_COLORS: [RGBColor; 7] = [
    RGBColor(20, 20, 20),
    RGBColor(31, 97, 191),
    RGBColor(201, 52, 42),
    RGBColor(35, 134, 54),
    RGBColor(0, 143, 150),
    RGBColor(161, 105, 0),
    RGBColor(150, 52, 160),
];
const CALL_COLORS: [RGBColor; 6] = [
    RGBColor(0, 150, 167),
    RGBColor(191, 135, 0),
    RGBColor(45, 164, 78),
    RGBColor(207, 34, 46),
    RGBColor(9, 105, 218),
    RGBColor(130, 80, 223),
];
const TREND_COLOR: RGBColor = RGBColor(0, 170, 160);

/// The colour of the dashed lines through the highest point.
const PEAK_COLOR: RGBColor = RGBColor(220, 60, 50);

pub(super) fn draw(drawing: &Drawing, path: &Path) -> Result<(), Box<dyn Error>> {
    let name = path.display().to_string();
    let ending = path.extension().and_then(|ending| ending.to_str());
    let failed = |error: &dyn std::fmt::Display| format!("{name:?} can't be written: {error}");
    match ending {
        Some("svg") => {
            let text = svg(drawing)?;
            replace(path, |out| out.write_all(text.as_bytes())).map_err(|error| failed(&error))?;
        }
        Some("png") => {
            // The backend writes the file itself, in pieces, and takes the format from its
            // extension. So it draws to a temporary file, which then replaces `path` at once.
            let other = tempfile::Builder::new().suffix(".png").tempfile();
            let other = other.map_err(|error| failed(&error))?;
            let backend = BitMapBackend::new(other.path(), SIZE);
            draw_on(drawing, &backend.into_drawing_area()).map_err(|error| failed(&error))?;
            let picture = fs::read(other.path()).map_err(|error| failed(&error))?;
            replace(path, |out| out.write_all(&picture)).map_err(|error| failed(&error))?;
        }
        _ => return Err(format!("{name:?} should end in .svg or .png").into()),
    }
    Ok(())
}

pub(super) fn svg(drawing: &Drawing) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    let backend = SVGBackend::with_string(&mut text, SIZE);
    draw_on(drawing, &backend.into_drawing_area())?;
    Ok(text)
}

type Area<DB> = DrawingArea<DB, Shift>;

/// The area between the axes: seconds and MiB.
type Axes<'a, DB> = ChartContext<'a, DB, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

fn draw_on<DB: DrawingBackend>(drawing: &Drawing, area: &Area<DB>) -> Result<(), Box<dyn Error>>
where
    DB::ErrorType: 'static,
{
    register_font(LETTERS, FontStyle::Normal, dejavu::sans::regular())
        .map_err(|_| "the font of the plot can't be read")?;
    area.fill(&WHITE)?;
    let (width, _) = SIZE;
    let legend_width = if drawing.is_flame { 0 } else { LEGEND_WIDTH };
    let (left, right) = area.split_horizontally(width - legend_width);
    let (from, to) = drawing.seconds;
    let (lowest, highest) = drawing.mebibytes;
    let mut axes = ChartBuilder::on(&left)
        .caption(shortened(&drawing.title, 100), (LETTERS, 17))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(64)
        .build_cartesian_2d(from..to, lowest..highest)?;
    axes.configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .x_desc("time (in seconds)")
        .y_desc("memory used (in MiB)")
        .label_style((LETTERS, 13))
        .draw()?;

    draw_highest(drawing, &mut axes)?;
    if drawing.is_flame {
        draw_flames(drawing, &mut axes)?;
        draw_lines(drawing, &mut axes)?;
        // Above all lines.
        draw_names(drawing, &axes, &left)?;
    } else {
        draw_lines(drawing, &mut axes)?;
        draw_brackets(drawing, &mut axes)?;
        legend(drawing, &right)?;
    }
    area.present()?;
    Ok(())
}

/// Draws dashed lines through the highest sample.
fn draw_highest<DB: DrawingBackend>(drawing: &Drawing, axes: &mut Axes<'_, DB>) -> Drawn<DB> {
    let (from, to) = drawing.seconds;
    let (lowest, highest) = drawing.mebibytes;
    let is_seen = |(_, mebibytes): &Point| (lowest..=highest).contains(mebibytes);
    let Some((at, mebibytes)) = drawing.highest.filter(is_seen) else {
        return Ok(());
    };
    let dashes = |ends: [Point; 2]| DashedLineSeries::new(ends, 6, 5, PEAK_COLOR.stroke_width(1));
    axes.draw_series(dashes([(from, mebibytes), (to, mebibytes)]))?;
    if (from..=to).contains(&at) {
        axes.draw_series(dashes([(at, lowest), (at, highest)]))?;
    }
    Ok(())
}

/// Draws the rectangles of a flame graph.
fn draw_flames<DB: DrawingBackend>(drawing: &Drawing, axes: &mut Axes<'_, DB>) -> Drawn<DB> {
    let depth = drawing.depth();
    for call in drawing.functions.iter().flat_map(|(_, calls)| calls) {
        let ends = flame(drawing, call, depth);
        let color = flame_color(call, depth);
        axes.draw_series([Rectangle::new(ends, color.mix(0.75).filled())])?;
        axes.draw_series([Rectangle::new(ends, WHITE.stroke_width(1))])?;
    }
    Ok(())
}

/// Draws the samples of each file, and their trends.
fn draw_lines<DB: DrawingBackend>(drawing: &Drawing, axes: &mut Axes<'_, DB>) -> Drawn<DB> {
    for (line, color) in drawing.lines.iter().zip(LINE_COLORS.iter().cycle()) {
        axes.draw_series(LineSeries::new(
            line.points.iter().copied(),
            color.stroke_width(2),
        ))?;
        if line.points.len() <= 150 {
            let points = line.points.iter();
            axes.draw_series(points.map(|point| Cross::new(*point, 3, color.stroke_width(1))))?;
        }
        if let Some(ends) = line.trend.and_then(|trend| trend.within(drawing)) {
            axes.draw_series(DashedLineSeries::new(
                ends,
                3,
                3,
                TREND_COLOR.stroke_width(1),
            ))?;
        }
    }
    Ok(())
}

/// Writes the names of functions into the rectangles of a flame graph, where there is room.
fn draw_names<DB: DrawingBackend>(
    drawing: &Drawing,
    axes: &Axes<'_, DB>,
    area: &Area<DB>,
) -> Drawn<DB> {
    let depth = drawing.depth();
    for (name, calls) in &drawing.functions {
        for call in calls {
            let ends = flame(drawing, call, depth);
            let pixels = ends.map(|end| axes.backend_coord(&end));
            let (start, top) = (pixels[0].0.min(pixels[1].0), pixels[0].1.min(pixels[1].1));
            let letters = pixels[0].0.abs_diff(pixels[1].0) / 8;
            if letters >= 4 {
                let name = last_part(name, letters as usize);
                let style = (LETTERS, 12).into_font().color(&BLACK);
                area.draw(&Text::new(name, (start + 4, top + 4), style))?;
            }
        }
    }
    Ok(())
}

/// Draws a bracket at the beginning and at the end of each call.
fn draw_brackets<DB: DrawingBackend>(drawing: &Drawing, axes: &mut Axes<'_, DB>) -> Drawn<DB> {
    let (from, to) = drawing.seconds;
    let (lowest, highest) = drawing.mebibytes;
    let (width, height) = ((to - from) / 90.0, (highest - lowest) / 30.0);
    for ((_, calls), color) in drawing.functions.iter().zip(CALL_COLORS.iter().cycle()) {
        for call in calls {
            for ((at, mebibytes), width) in [(call.start, width), (call.end, -width)] {
                if !(from..=to).contains(&at) {
                    continue;
                }
                let (top, bottom) = (mebibytes + height, mebibytes - height);
                let corners = [
                    (at + width, top),
                    (at, top),
                    (at, bottom),
                    (at + width, bottom),
                ];
                axes.draw_series([PathElement::new(corners, color.stroke_width(3))])?;
            }
        }
    }
    Ok(())
}

/// The rectangle of a call in a flame graph: the outermost calls are at the bottom.
fn flame(drawing: &Drawing, call: &Call, depth: u32) -> [Point; 2] {
    let (lowest, highest) = drawing.mebibytes;
    let step = (highest - lowest) / f64::from(depth + 1);
    let bottom = lowest + step * f64::from(call.depth);
    let (from, to) = drawing.seconds;
    let at = |seconds: f64| seconds.clamp(from, to);
    [(at(call.start.0), bottom), (at(call.end.0), bottom + step)]
}

/// The colour of a call in a flame graph, paler for deeper calls.
fn flame_color(call: &Call, depth: u32) -> HSLColor {
    let part = f64::from(call.depth) / f64::from(depth.max(1));
    HSLColor(0.09, 0.9, 0.55 + 0.33 * part)
}

/// Draws the legend: the labels of lines, and the names of functions with their total time.
fn legend<DB: DrawingBackend>(drawing: &Drawing, area: &Area<DB>) -> Result<(), Box<dyn Error>>
where
    DB::ErrorType: 'static,
{
    let lines = drawing.lines.iter().zip(LINE_COLORS.iter().cycle());
    let lines = lines.map(|(line, color)| (line.label.clone(), *color));
    let functions = drawing.functions.iter().zip(CALL_COLORS.iter().cycle());
    let functions = functions.map(|((name, calls), color)| {
        let seconds: f64 = calls.iter().map(|call| call.end.0 - call.start.0).sum();
        let times = match calls.len() {
            1 => String::new(),
            count => format!(", {count} calls"),
        };
        (
            format!("{} {seconds:.3} s{times}", last_part(name, 26)),
            *color,
        )
    });
    let rows: Vec<(String, RGBColor)> = lines.chain(functions).collect();
    let style = (LETTERS, 12).into_font().color(&BLACK);
    let mut top = 44;
    for (label, color) in rows.iter().take(LEGEND_ROWS) {
        let mark = [(0, top + 5), (18, top + 5)];
        area.draw(&PathElement::new(mark, color.stroke_width(3)))?;
        for part in wrapped(label) {
            area.draw(&Text::new(part, (26, top), style.clone()))?;
            top += ROW;
        }
    }
    if rows.len() > LEGEND_ROWS {
        let more = format!("and {} more", rows.len() - LEGEND_ROWS);
        area.draw(&Text::new(more, (26, top), style))?;
    }
    Ok(())
}

/// Splits a label into rows of the legend.
fn wrapped(label: &str) -> Vec<String> {
    let mut rows = vec![String::new()];
    for word in text(label).split(' ') {
        match rows.last_mut() {
            Some(row) if row.chars().count() + word.chars().count() < 42 => {
                if !row.is_empty() {
                    row.push(' ');
                }
                row.push_str(word);
            }
            _ => rows.push(shortened(word, 42)),
        }
    }
    rows
}

fn shortened(label: &str, letters: usize) -> String {
    let label = text(label);
    if label.chars().count() <= letters {
        return label;
    }
    let short: String = label.chars().take(letters - 1).collect();
    format!("{short}…")
}
