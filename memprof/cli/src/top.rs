//! `memprof top`: the lines of a running program, updated at an interval.
//!
//! # Threads
//!
//! The main thread draws. One thread reads keys; another reads a report from the program's
//! socket whenever the main thread asks for one. Since a program may not answer, the main thread
//! never waits for a report, and asks for the next one only after the last one has arrived.

use crate::lines::{cell, text};
use crate::live::Program;
use memprof::__command::units::{bytes, grouped};
use memprof::report::{Allocations, FileError, FunctionReport, LineReport, Report};
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Alignment, Constraint, Layout};
use ratatui::style::{Style, Stylize as _};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Cell, Row, Table};
use std::cmp::Reverse;
use std::error::Error;
use std::io::{self, IsTerminal as _};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Shows the program's lines until the user quits.
pub(crate) fn top(name: &str, interval: Duration) -> Result<(), Box<dyn Error>> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err("`top` needs a terminal; `memprof show` prints one report".into());
    }
    let program = Program::find(name)?;
    let mut view = View::new(name, program.first_report()?, Instant::now());
    // `ratatui::run` restores the terminal, also after a panic.
    ratatui::run(|terminal| {
        let (ask, news) = listen(program);
        let mut next = Instant::now() + interval;
        loop {
            terminal.draw(|frame| view.draw(frame))?;
            match news.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(News::Event(event)) => {
                    if let Event::Key(key) = event?
                        && key.kind != KeyEventKind::Release
                        && view.press(key) == Wish::End
                    {
                        return Ok(());
                    }
                }
                Ok(News::Report(report)) => view.hear(*report, Instant::now()),
                Err(_) => {
                    next = Instant::now() + interval;
                    if view.asks(Instant::now()) {
                        ask.send(())?;
                    }
                }
            }
        }
    })
}

/// An input of the main loop.
#[derive(Debug)]
enum News {
    Event(io::Result<Event>),
    Report(Box<Result<Report, FileError>>),
}

/// Starts the threads that read keys and reports. Each message to the sender asks for one report;
/// reports and keys arrive at the receiver.
fn listen(program: Program) -> (Sender<()>, Receiver<News>) {
    let (ask, asked) = channel();
    let (reports, news) = channel();
    let events = reports.clone();
    thread::spawn(move || {
        let sent = |()| {
            reports
                .send(News::Report(Box::new(program.report())))
                .is_ok()
        };
        asked.into_iter().all(sent)
    });
    thread::spawn(move || while events.send(News::Event(event::read())).is_ok() {});
    (ask, news)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    GoOn,
    End,
}

/// A column of numbers, by which lines can be sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Alive,
    Blocks,
    Growth,
    AllocatedRate,
    HitRate,
}

impl Column {
    const ALL: [Self; 5] = [
        Self::Alive,
        Self::Blocks,
        Self::Growth,
        Self::AllocatedRate,
        Self::HitRate,
    ];

    fn heading(self) -> &'static str {
        match self {
            Self::Alive => "Alive",
            Self::Blocks => "Blocks",
            Self::Growth => "Since mark",
            Self::AllocatedRate => "Allocated/s",
            Self::HitRate => "Hits/s",
        }
    }

    fn text(self, number: i128) -> String {
        match self {
            Self::Growth if number > 0 => format!("+{}", bytes(number)),
            Self::Alive | Self::Growth | Self::AllocatedRate => bytes(number),
            Self::Blocks | Self::HitRate => grouped(number),
        }
    }
}

/// What the screen shows, and from what.
#[derive(Debug)]
struct View {
    name: String,
    report: Report,
    /// When the report was taken.
    taken: Instant,
    /// The previous report, and the time between both. `None` for the first report.
    before: Option<(Report, Duration)>,
    /// The report that growth is measured from.
    mark: Report,
    order: Column,
    /// The number of lines scrolled past at the top.
    skipped: usize,
    is_paused: bool,
    /// When the next report was asked for, until it arrives.
    asked: Option<Instant>,
    is_silent: bool,
    has_ended: bool,
}

/// After this time without an answer, the screen says so.
const SILENCE: Duration = Duration::from_secs(2);

impl View {
    fn new(name: &str, report: Report, taken: Instant) -> Self {
        Self {
            name: text(name),
            mark: report.clone(),
            report,
            taken,
            before: None,
            order: Column::Alive,
            skipped: 0,
            is_paused: false,
            asked: None,
            is_silent: false,
            has_ended: false,
        }
    }

    /// Whether to ask for another report now, which is recorded as asked for. At most one
    /// request is pending.
    fn asks(&mut self, now: Instant) -> bool {
        if let Some(asked) = self.asked {
            self.is_silent |= now.duration_since(asked) >= SILENCE;
            return false;
        }
        let wants_more = !self.is_paused && !self.has_ended;
        self.asked = wants_more.then_some(now);
        wants_more
    }

    /// Handles the answer to a request for a report. An error other than a timeout means that
    /// the program has ended.
    fn hear(&mut self, report: Result<Report, FileError>, now: Instant) {
        self.asked = None;
        match report {
            Ok(report) => {
                self.is_silent = false;
                if !self.is_paused {
                    self.update(report, now);
                }
            }
            // It accepted the connection, and may answer later.
            Err(error) if error.is_timed_out() => self.is_silent = true,
            Err(_) => self.has_ended = true,
        }
    }

    fn update(&mut self, report: Report, taken: Instant) {
        if report.total.allocation_count < self.report.total.allocation_count {
            // The counters were reset, or another process listens at the same path.
            self.mark = Report::default();
            self.before = None;
            self.report = report;
        } else {
            let before = std::mem::replace(&mut self.report, report);
            self.before = Some((before, taken.duration_since(self.taken)));
        }
        self.taken = taken;
    }

    fn press(&mut self, key: KeyEvent) -> Wish {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if is_control => return Wish::End,
            KeyCode::Char('q') | KeyCode::Esc => return Wish::End,
            KeyCode::Char('m') => self.mark = self.report.clone(),
            KeyCode::Char(' ') => self.is_paused = !self.is_paused,
            KeyCode::Right | KeyCode::Tab => self.order_by(1),
            KeyCode::Left | KeyCode::BackTab => self.order_by(self.columns().len() - 1),
            KeyCode::Down => self.skipped += 1,
            KeyCode::Up => self.skipped = self.skipped.saturating_sub(1),
            KeyCode::PageDown => self.skipped += 10,
            KeyCode::PageUp => self.skipped = self.skipped.saturating_sub(10),
            KeyCode::Home => self.skipped = 0,
            _ => {}
        }
        Wish::GoOn
    }

    /// The columns of numbers, without one that would be empty.
    fn columns(&self) -> &'static [Column] {
        match &Column::ALL {
            [others @ .., Column::HitRate] if !self.report.has_hits() => others,
            all => all,
        }
    }

    /// Sorts by the column `steps` to the right, cyclically.
    fn order_by(&mut self, steps: usize) {
        let columns = self.columns();
        // The column is gone if another process, which counts no hits, has taken over the path.
        let place = columns.iter().position(|column| *column == self.order);
        let next = (place.unwrap_or(0) + steps) % columns.len();
        self.order = columns.get(next).copied().unwrap_or(self.order);
        self.skipped = 0;
    }

    /// The lines that have allocated something, sorted.
    fn rows(&self) -> Vec<LineNow<'_>> {
        let mut rows = Vec::new();
        for (function, of) in self.report.functions.iter().enumerate() {
            for (place, line) in of.lines.iter().enumerate() {
                if line.own != Allocations::default() {
                    // A line has the same index in all reports of a process, since functions
                    // are only ever added.
                    let then = |report: &Report| {
                        let line = report.functions.get(function)?.lines.get(place)?;
                        Some((line.own, line.hits))
                    };
                    rows.push(LineNow {
                        function: of,
                        line,
                        marked: then(&self.mark).unwrap_or_default().0,
                        before: self.before.as_ref().map(|(report, passed)| {
                            let (made, hits) = then(report).unwrap_or_default();
                            (made, hits.unwrap_or(0), *passed)
                        }),
                    });
                }
            }
        }
        rows.sort_by_key(|row| Reverse(row.number(self.order)));
        rows
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let [head, body, foot] = Layout::vertical([
            Constraint::Length(2),
            Constraint::Fill(1),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        frame.render_widget(Text::from(self.head()), head);
        frame.render_widget(self.table(usize::from(body.height)), body);
        let keys = "q quit  ←→ sort  m set mark  space pause  ↑↓ scroll";
        frame.render_widget(Line::from(keys).dim(), foot);
    }

    fn head(&self) -> Vec<Line<'static>> {
        let total = &self.report.total;
        let state = if self.has_ended {
            "  ended; these are its last numbers"
        } else if self.is_paused {
            "  paused"
        } else if self.is_silent {
            "  not answering; these are its last numbers"
        } else {
            ""
        };
        let unknown = if self.report.owners_are_unknown {
            "  what each line has alive isn't known"
        } else {
            ""
        };
        let name = Line::from(vec![self.name.clone().bold(), state.into(), unknown.into()]);
        let resident = self.report.resident_bytes;
        let resident = resident.map_or_else(String::new, |number| {
            format!(", {} resident", bytes(number.into()))
        });
        let numbers = format!(
            "{} alive in {} blocks, {} at the peak{resident}",
            bytes(total.live_bytes().into()),
            grouped(total.live_count().into()),
            bytes(total.bytes_at_peak.into()),
        );
        vec![name, numbers.into()]
    }

    /// The headings, and the lines that fit into `height`.
    fn table(&self, height: usize) -> Table<'static> {
        let columns = self.columns();
        let rows = self.rows();
        let skipped = self.skipped.min(rows.len().saturating_sub(1));
        let shown = rows.iter().skip(skipped).take(height);
        let is_unknown = self.report.owners_are_unknown;
        let shown: Vec<Vec<String>> = shown.map(|row| row.texts(columns, is_unknown)).collect();
        let headings = columns.iter().map(|column| column.heading());
        let headings: Vec<&str> = headings.chain(["Where", "Line"]).collect();
        let widths = headings.iter().enumerate().map(|(place, heading)| {
            let texts = shown.iter().filter_map(|row| row.get(place));
            let widths = texts.map(|text| text.chars().count());
            widths.fold(heading.len(), usize::max)
        });
        let mut widths: Vec<u16> = widths
            .map(|width| u16::try_from(width).unwrap_or(u16::MAX))
            .collect();
        // The source text gets the remaining width.
        widths.pop();
        let widths = widths.into_iter().map(Constraint::Length);
        let widths = widths.chain([Constraint::Fill(1)]);

        let aligned = |place: usize, text: String| {
            let is_number = place < columns.len();
            let alignment = if is_number {
                Alignment::Right
            } else {
                Alignment::Left
            };
            Cell::from(Text::from(text).alignment(alignment))
        };
        let header = headings.iter().enumerate().map(|(place, heading)| {
            let style = if columns.get(place) == Some(&self.order) {
                Style::new().bold().reversed()
            } else {
                Style::new().bold()
            };
            aligned(place, (*heading).to_owned()).style(style)
        });
        let rows = shown.into_iter().map(|texts| {
            let cells = texts.into_iter().enumerate();
            Row::new(cells.map(|(place, text)| aligned(place, text)))
        });
        Table::new(rows, widths)
            .header(Row::new(header))
            .column_spacing(2)
    }
}

/// A line's current numbers, and the earlier ones that changes are measured from.
struct LineNow<'a> {
    function: &'a FunctionReport,
    line: &'a LineReport,
    /// The allocations at the mark.
    marked: Allocations,
    /// The allocations and hits in the previous report, 0 if they weren't counted, and the time since.
    before: Option<(Allocations, u64, Duration)>,
}

impl LineNow<'_> {
    /// The number in a column, or `None` if it wasn't counted.
    fn number(&self, column: Column) -> Option<i128> {
        let made = self.line.own;
        Some(match column {
            Column::Alive => made.live_bytes().into(),
            Column::Blocks => made.live_count().into(),
            Column::Growth => i128::from(made.live_bytes()) - i128::from(self.marked.live_bytes()),
            Column::AllocatedRate => self.before.map_or(0, |(before, _, passed)| {
                per_second(made.allocated_bytes, before.allocated_bytes, passed)
            }),
            Column::HitRate => {
                let hits = self.line.hits?;
                self.before
                    .map_or(0, |(_, before, passed)| per_second(hits, before, passed))
            }
        })
    }

    /// The cells of the row. Those of live memory are empty if it isn't known per line.
    fn texts(&self, columns: &[Column], alive_is_unknown: bool) -> Vec<String> {
        let text = |column: &Column| {
            let number = self.number(*column);
            number.map_or_else(String::new, |number| column.text(number))
        };
        let numbers = columns.iter().map(|column| match column {
            Column::Alive | Column::Blocks | Column::Growth if alive_is_unknown => String::new(),
            column => text(column),
        });
        let place = format!("{}:{}", cell(&self.function.path), self.line.number);
        let texts = [place, cell(&self.line.source)];
        numbers.chain(texts).collect()
    }
}

fn per_second(now: u64, before: u64, passed: Duration) -> i128 {
    let nanoseconds = i128::try_from(passed.as_nanos()).unwrap_or(i128::MAX);
    (i128::from(now) - i128::from(before)) * 1_000_000_000 / nanoseconds.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use memprof::memprofile;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::buffer;
    use std::sync::{Mutex, MutexGuard};

    #[global_allocator]
    static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

    /// A report covers the process, so tests run one at a time.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    #[memprofile(print = "never", hits = true)]
    fn keeps(count: usize) -> Vec<Vec<u8>> {
        let mut kept = Vec::with_capacity(10);
        for _ in 0..count {
            kept.push(vec![1_u8; 1000]);
        }
        kept
    }

    /// A view of a program that has called `keeps` once.
    fn view() -> (View, Instant, MutexGuard<'static, ()>) {
        let one = ONE_AT_A_TIME.lock().unwrap();
        memprof::reset();
        drop(keeps(1));
        let now = Instant::now();
        (View::new("blog", memprof::report(), now), now, one)
    }

    /// The rows of the screen.
    fn screen(view: &View) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(120, 8)).unwrap();
        terminal.draw(|frame| view.draw(frame)).unwrap();
        let buffer = terminal.backend().buffer();
        let rows = buffer.content().chunks(120);
        rows.map(|row| row.iter().map(buffer::Cell::symbol).collect())
            .collect()
    }

    fn words(row: &str) -> Vec<&str> {
        row.split_whitespace().collect()
    }

    /// The row of the line that allocates the blocks.
    fn pushes(view: &View) -> String {
        let mut rows = screen(view).into_iter();
        rows.find(|row| row.contains("kept.push")).unwrap()
    }

    #[test]
    fn a_line_has_what_is_alive_and_what_it_makes_in_a_second() {
        let (mut view, start, _one) = view();
        let kept = keeps(4);
        view.update(memprof::report(), start + Duration::from_secs(2));

        let row = pushes(&view);
        // 4,000 B in 4 blocks, all since the mark and within two seconds.
        assert_eq!(
            words(&row)[..8],
            ["4,000", "B", "4", "+4,000", "B", "2,000", "B", "2"]
        );
        drop(kept);
    }

    #[test]
    fn hits_that_were_not_counted_have_no_column() {
        let (mut view, ..) = view();
        view.press(KeyCode::Left.into());
        assert_eq!(view.order, Column::HitRate);
        for function in &mut view.report.functions {
            function.call_count = None;
            function.lines.iter_mut().for_each(|line| line.hits = None);
        }
        let rows = screen(&view);
        assert_eq!(
            words(&rows[2]),
            [
                "Alive",
                "Blocks",
                "Since",
                "mark",
                "Allocated/s",
                "Where",
                "Line"
            ]
        );
        view.press(KeyCode::Right.into());
        assert_eq!(view.order, Column::Blocks);
        for _ in 0..2 {
            view.press(KeyCode::Left.into());
        }
        assert_eq!(view.order, Column::AllocatedRate);
    }

    #[test]
    fn growth_is_since_the_mark() {
        let (mut view, start, _one) = view();
        let two = keeps(2);
        view.update(memprof::report(), start + Duration::from_secs(1));
        view.press(KeyCode::Char('m').into());
        let three = keeps(3);
        view.update(memprof::report(), start + Duration::from_secs(2));
        assert_eq!(
            words(&pushes(&view))[..5],
            ["5,000", "B", "5", "+3,000", "B"]
        );
        drop((two, three));
    }

    #[test]
    fn another_process_is_counted_from_its_beginning() {
        let (mut view, start, _one) = view();
        let two = keeps(2);
        view.update(memprof::report(), start + Duration::from_secs(1));
        memprof::reset();
        view.update(memprof::report(), start + Duration::from_secs(2));
        let three = keeps(3);
        view.update(memprof::report(), start + Duration::from_secs(3));
        assert_eq!(words(&pushes(&view))[3..5], ["+3,000", "B"]);
        drop((two, three));
    }

    #[test]
    fn keys_order_pause_and_end() {
        let (mut view, now, _one) = view();
        assert_eq!(view.order, Column::Alive);
        view.press(KeyCode::Left.into());
        assert_eq!(view.order, Column::HitRate);
        view.press(KeyCode::Right.into());
        view.press(KeyCode::Right.into());
        assert_eq!(view.order, Column::Blocks);
        view.press(KeyCode::Char(' ').into());
        assert!(!view.asks(now));
        assert!(screen(&view)[0].contains("paused"));
        assert_eq!(view.press(KeyCode::Char('x').into()), Wish::GoOn);
        assert_eq!(view.press(KeyCode::Char('q').into()), Wish::End);
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(view.press(interrupt), Wish::End);
    }

    #[test]
    fn the_last_numbers_stay_when_the_program_has_ended() {
        let (mut view, now, _one) = view();
        view.hear(Report::read("/nowhere/socket"), now);
        assert!(!view.asks(now));
        let screen = screen(&view);
        assert!(screen[0].contains("ended"), "{screen:#?}");
        assert!(screen[1].contains("resident"), "{screen:#?}");
    }

    #[test]
    fn a_program_that_does_not_answer_is_asked_once_and_may_go_on() {
        let (mut view, now, _one) = view();
        let state = |view: &View| screen(view)[0].contains("not answering");
        assert!(view.asks(now));
        assert!(!view.asks(now + SILENCE / 2));
        assert!(!state(&view));
        assert!(!view.asks(now + SILENCE));
        assert!(state(&view));
        assert_eq!(view.press(KeyCode::Char('q').into()), Wish::End);

        view.hear(Ok(memprof::report()), now + SILENCE);
        assert!(!state(&view));
        assert!(view.asks(now + SILENCE));
    }

    #[test]
    fn moving_down_ends_at_the_last_line() {
        let (mut view, ..) = view();
        for _ in 0..100 {
            view.press(KeyCode::PageDown.into());
        }
        assert_eq!(view.table(10), {
            view.skipped = view.rows().len() - 1;
            view.table(10)
        });
    }

    #[test]
    fn names_that_a_terminal_would_obey_are_only_shown() {
        let (_, now, _one) = view();
        let view = View::new("\u{1b}[2J", memprof::report(), now);
        assert!(screen(&view)[0].starts_with("\u{fffd}[2J"));
    }
}
