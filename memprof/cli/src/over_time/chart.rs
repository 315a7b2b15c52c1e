//! A drawing as characters, in colour on a terminal.

use super::drawing::{Drawing, Point, last_part};
use crate::lines::text;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::symbols::Marker;
use ratatui::widgets::{Axis, Chart, Dataset, GraphType, Widget};
use std::env;
use std::io::{self, IsTerminal, Write};

const COLORS: [Color; 6] = [
    Color::Cyan,
    Color::Yellow,
    Color::Green,
    Color::Magenta,
    Color::Blue,
    Color::Red,
];

/// Columns and rows if the output isn't a terminal.
const SIZE: (u16, u16) = (100, 24);

/// The most calls that are listed.
const CALLS: usize = 20;

pub(super) fn draw(drawing: &Drawing, out: &mut impl Write) -> io::Result<()> {
    let has_colors = io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none();
    let (width, height) = size().unwrap_or(SIZE);
    let area = Rect::new(0, 0, width.clamp(40, 300), height.clamp(12, 60));
    let mut buffer = Buffer::empty(area);
    chart(drawing, area, &mut buffer);

    writeln!(out, "{}", text(&drawing.title))?;
    for y in 0..area.height {
        let mut row = String::new();
        let mut color = Color::Reset;
        for x in 0..area.width {
            let cell = &buffer[(x, y)];
            if has_colors && cell.fg != color && cell.symbol() != " " {
                color = cell.fg;
                row.push_str(code(color));
            }
            row.push_str(cell.symbol());
        }
        let row = row.trim_end();
        writeln!(out, "{row}{}", if has_colors { "\x1b[0m" } else { "" })?;
    }
    for (line, color) in drawing.lines.iter().zip(COLORS.iter().cycle()) {
        let color = if has_colors { code(*color) } else { "" };
        let reset = if has_colors { "\x1b[0m" } else { "" };
        writeln!(out, "{color}──{reset} {}", text(&line.label))?;
    }
    if let Some((at, mebibytes)) = drawing.highest {
        writeln!(out, "highest: {mebibytes:.3} MiB at {at:.3} s")?;
    }
    calls(drawing, out)
}

fn chart(drawing: &Drawing, area: Rect, buffer: &mut Buffer) {
    let (from, to) = drawing.seconds;
    let mut trends: Vec<Vec<Point>> = Vec::new();
    for line in &drawing.lines {
        trends.extend(line.trend.map(|trend| vec![trend.at(from), trend.at(to)]));
    }
    let colors = COLORS.iter().cycle();
    let lines = drawing.lines.iter().zip(colors).map(|(line, color)| {
        Dataset::default()
            .marker(Marker::Braille)
            .graph_type(GraphType::Line)
            .style(*color)
            .data(&line.points)
    });
    let trends = trends.iter().map(|ends| {
        Dataset::default()
            .marker(Marker::Braille)
            .graph_type(GraphType::Line)
            .style(Color::Red)
            .data(ends)
    });
    let axis = |(from, to): Point, title: &'static str| {
        let middle = f64::midpoint(from, to);
        let labels = [from, middle, to].map(|number| format!("{number:.1}"));
        Axis::default()
            .title(title)
            .bounds([from, to])
            .labels(labels)
    };
    Chart::new(trends.chain(lines).collect())
        .x_axis(axis(drawing.seconds, "seconds"))
        .y_axis(axis(drawing.mebibytes, "MiB"))
        .legend_position(None)
        .render(area, buffer);
}

/// Lists the calls of functions by their start; in a flame graph, indented by depth.
fn calls(drawing: &Drawing, out: &mut impl Write) -> io::Result<()> {
    let mut calls: Vec<_> = drawing
        .functions
        .iter()
        .flat_map(|(name, calls)| calls.iter().map(move |call| (name, call)))
        .filter(|(_, call)| call.end.0 >= drawing.seconds.0 && call.start.0 <= drawing.seconds.1)
        .collect();
    calls.sort_by(|(_, a), (_, b)| a.start.0.total_cmp(&b.start.0).then(a.depth.cmp(&b.depth)));
    for (name, call) in calls.iter().take(CALLS) {
        let (start, end) = (call.start, call.end);
        let indent = "  ".repeat(if drawing.is_flame {
            call.depth.min(20) as usize
        } else {
            0
        });
        writeln!(
            out,
            "{:9.3} s to {:9.3} s {:+10.3} MiB  {indent}{}",
            start.0,
            end.0,
            end.1 - start.1,
            last_part(name, 60)
        )?;
    }
    if calls.len() > CALLS {
        writeln!(out, "and {} more", calls.len() - CALLS)?;
    }
    Ok(())
}

/// The escape sequence for a colour.
fn code(color: Color) -> &'static str {
    match color {
        Color::Red => "\x1b[31m",
        Color::Green => "\x1b[32m",
        Color::Yellow => "\x1b[33m",
        Color::Blue => "\x1b[34m",
        Color::Magenta => "\x1b[35m",
        Color::Cyan => "\x1b[36m",
        _ => "\x1b[0m",
    }
}

/// The terminal's columns and rows, less the rows below the chart. `None` if the output isn't a
/// terminal.
fn size() -> Option<(u16, u16)> {
    #[cfg(target_os = "linux")]
    if io::stdout().is_terminal() {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        return Some((size.ws_col, size.ws_row.saturating_sub(6)));
    }
    None
}
