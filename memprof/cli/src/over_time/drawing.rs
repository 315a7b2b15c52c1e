//! What a plot shows, whatever it is drawn with: lines, and the calls marked on them.

use crate::lines::text;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use memprof::timeline::Sample;
use std::collections::BTreeMap;
use std::time::SystemTime;

/// The shortest time that an axis shows, in seconds.
pub(super) const NARROWEST: f64 = 0.001;

/// The horizontal resolution, enough for every picture: of the points within one column, only the
/// lowest and the highest are drawn.
pub(super) const COLUMNS: usize = 1500;

/// Seconds since the first sample, and MiB.
pub(super) type Point = (f64, f64);

/// The content of a plot, and the range of its axes.
#[derive(Debug)]
pub(super) struct Drawing {
    pub(super) title: String,
    pub(super) lines: Vec<Line>,
    /// The name of each function, with its calls.
    pub(super) functions: Vec<(String, Vec<Call>)>,
    pub(super) is_flame: bool,
    /// The highest point, if only one file is drawn.
    pub(super) highest: Option<Point>,
    pub(super) seconds: (f64, f64),
    pub(super) mebibytes: (f64, f64),
}

#[derive(Debug)]
pub(super) struct Line {
    pub(super) label: String,
    pub(super) points: Vec<Point>,
    pub(super) trend: Option<Trend>,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) start: Point,
    pub(super) end: Point,
    pub(super) depth: u32,
}

/// The straight line that fits the points of a line best; MiB/s and MiB.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trend {
    pub(super) slope: f64,
    pub(super) at_start: f64,
}

impl Drawing {
    pub(super) fn line(&mut self, mut label: String, mut points: Vec<Point>, slope: bool) {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let trend = if slope { Trend::of(&points) } else { None };
        if let Some(Trend { slope, .. }) = trend {
            label = format!("{label}, slope {slope:.5} MiB/s");
        }
        self.lines.push(Line {
            label,
            points,
            trend,
        });
    }

    /// Sets the range of the axes, and drops points that wouldn't be visible.
    pub(super) fn frame(&mut self, window: Option<(f64, f64)>) {
        let all = || self.lines.iter().flat_map(|line| &line.points);
        let (first, last) = window.unwrap_or_else(|| {
            let seconds = all().map(|(seconds, _)| *seconds);
            seconds.fold((0.0, 0.0), |(from, to), at| {
                (f64::min(from, at), f64::max(to, at))
            })
        });
        // An axis can't have a length of zero.
        let is_axis = last - first >= NARROWEST;
        self.seconds = (first, if is_axis { last } else { first + 1.0 });
        for line in &mut self.lines {
            line.points = thinned(&cut(&line.points, self.seconds), self.seconds);
        }
        let seen = self.lines.iter().flat_map(|line| &line.points);
        let mebibytes = seen.map(|(_, mebibytes)| *mebibytes);
        let (lowest, highest) = mebibytes.fold((f64::MAX, 0.0), |(lowest, highest), at| {
            (f64::min(lowest, at), f64::max(highest, at))
        });
        let lowest = lowest.min(highest);
        let margin = ((highest - lowest) * 0.05).max(0.05);
        self.mebibytes = ((lowest - margin).max(0.0), highest + margin);
    }

    /// The depth of the deepest nested call, 1 for calls that aren't nested.
    pub(super) fn depth(&self) -> u32 {
        let calls = self.functions.iter().flat_map(|(_, calls)| calls);
        calls.map(|call| call.depth + 1).max().unwrap_or(0)
    }
}

/// The part of a line between two times, with interpolated ends: the backends can't draw points
/// far beyond the axes.
pub(super) fn cut(points: &[Point], (from, to): (f64, f64)) -> Vec<Point> {
    let first = points.partition_point(|point| point.0 < from);
    let last = points.partition_point(|point| point.0 <= to);
    let crossing = |place: usize, at: f64| {
        let (before, after) = (points.get(place.checked_sub(1)?)?, points.get(place)?);
        let part = (at - before.0) / (after.0 - before.0);
        Some((at, before.1 + (after.1 - before.1) * part))
    };
    let inside = points[first..last].iter().copied();
    let start = crossing(first, from).into_iter();
    start.chain(inside).chain(crossing(last, to)).collect()
}

/// The lowest and the highest point of each column; all points if they are few.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a column is a small number"
)]
pub(super) fn thinned(points: &[Point], (from, to): (f64, f64)) -> Vec<Point> {
    if points.len() <= 2 * COLUMNS {
        return points.to_vec();
    }
    let mut columns: BTreeMap<usize, [Point; 2]> = BTreeMap::new();
    for point in points {
        let part = ((point.0 - from) / (to - from)).clamp(-0.5, 1.5) + 0.5;
        let column = (part * COLUMNS as f64) as usize;
        let ends = columns.entry(column).or_insert([*point; 2]);
        if point.1 < ends[0].1 {
            ends[0] = *point;
        }
        if point.1 > ends[1].1 {
            ends[1] = *point;
        }
    }
    let mut thinned: Vec<Point> = columns.into_values().flatten().collect();
    thinned.sort_by(|a, b| a.0.total_cmp(&b.0));
    thinned
}

impl Trend {
    /// Fits by least squares. `None` if all points are at the same time.
    #[expect(clippy::cast_precision_loss, reason = "a mean needn't be that exact")]
    pub(super) fn of(points: &[Point]) -> Option<Self> {
        let count = points.len() as f64;
        let sum = |of: &dyn Fn(&Point) -> f64| points.iter().map(of).sum::<f64>();
        let mean_x = sum(&|(x, _)| *x) / count;
        let mean_y = sum(&|(_, y)| *y) / count;
        let square = sum(&|(x, _)| (x - mean_x).powi(2));
        let slope = sum(&|(x, y)| (x - mean_x) * (y - mean_y)) / square;
        let at_start = mean_y - slope * mean_x;
        slope.is_finite().then_some(Self { slope, at_start })
    }

    pub(super) fn at(self, seconds: f64) -> Point {
        (seconds, self.at_start + self.slope * seconds)
    }

    /// The ends of the part that lies within the axes.
    pub(super) fn within(self, drawing: &Drawing) -> Option<[Point; 2]> {
        let ((from, to), (lowest, highest)) = (drawing.seconds, drawing.mebibytes);
        let moment = |mebibytes: f64| (mebibytes - self.at_start) / self.slope;
        let (a, b) = (moment(lowest), moment(highest));
        // With a slope of 0, both are infinite or NaN and don't narrow the range.
        let (from, to) = (from.max(a.min(b)), to.min(a.max(b)));
        let inside = |(at, mebibytes): Point| (at, mebibytes.clamp(lowest, highest));
        (from <= to).then(|| [from, to].map(|at| inside(self.at(at))))
    }
}

pub(super) fn highest(points: &[Point]) -> Option<Point> {
    let later_if_higher = |a: Point, b: Point| if b.1 > a.1 { b } else { a };
    points.iter().copied().reduce(later_if_higher)
}

#[expect(clippy::cast_precision_loss, reason = "three decimals are shown")]
pub(super) fn mebibytes(sample: Sample) -> f64 {
    sample.resident_bytes as f64 / f64::from(1 << 20)
}

pub(super) fn seconds(from: SystemTime, to: SystemTime) -> f64 {
    match to.duration_since(from) {
        Ok(later) => later.as_secs_f64(),
        Err(earlier) => -earlier.duration().as_secs_f64(),
    }
}

/// The label of a start time, in local time.
pub(super) fn start(time: SystemTime) -> String {
    let time = Timestamp::try_from(time).unwrap_or(Timestamp::MAX);
    let time = time.to_zoned(TimeZone::system());
    time.strftime("%Y-%m-%d, start at %H:%M:%S%.3f").to_string()
}

/// The last `letters` characters of a path, which end in the function's name.
pub(super) fn last_part(name: &str, letters: usize) -> String {
    let name = text(name);
    let count = name.chars().count();
    if count <= letters {
        return name;
    }
    let short: String = name.chars().skip(count - letters + 1).collect();
    format!("…{short}")
}

#[cfg(test)]
mod tests {
    use super::{Trend, cut, thinned};

    #[test]
    fn a_line_is_cut_at_the_ends_of_the_window() {
        let points = [(0.0, 0.0), (10.0, 100.0), (20.0, 0.0)];
        assert_eq!(
            cut(&points, (5.0, 12.0)),
            [(5.0, 50.0), (10.0, 100.0), (12.0, 80.0)]
        );
        assert_eq!(cut(&points, (2.0, 3.0)), [(2.0, 20.0), (3.0, 30.0)]);
        assert_eq!(cut(&points, (-1.0, 20.0)), points);
        assert_eq!(cut(&points, (30.0, 40.0)), []);
    }

    #[test]
    fn a_trend_is_the_nearest_straight_line() {
        let trend = Trend::of(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0), (3.0, 7.0)]).unwrap();
        assert!((trend.slope - 2.0).abs() < 1e-12);
        assert!((trend.at(10.0).1 - 21.0).abs() < 1e-12);
        assert!(Trend::of(&[(1.0, 1.0), (1.0, 2.0)]).is_none());
        assert!(Trend::of(&[]).is_none());
    }

    #[test]
    fn a_line_of_many_points_keeps_its_ends_and_its_peaks() {
        let points: Vec<_> = (0..1_000_000)
            .map(|at| (f64::from(at), if at == 654_321 { 99.0 } else { 1.0 }))
            .collect();
        let thinned = thinned(&points, (0.0, 1_000_000.0));
        assert!(thinned.len() < 4000, "{}", thinned.len());
        assert!(thinned.contains(&(654_321.0, 99.0)));
        assert_eq!(thinned[0], (0.0, 1.0));
    }
}
