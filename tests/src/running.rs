//! A program under profile that a test talks to while it runs.

use crate::Program;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus, Stdio};

/// In the program: prints `word` for the test, and waits for its [reply](Running::go_on).
///
/// # Panics
///
/// If the standard input can't be read.
pub fn say(word: &str) {
    println!("said: {word}");
    io::stdin()
        .lines()
        .next()
        .transpose()
        .expect("a test replies with a line");
}

/// In the program: keeps a value while the test looks at the program, which [says](say) `word`.
pub fn keep<T>(kept: T, word: &str) {
    say(word);
    drop(kept);
}

/// In the test: a running program.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    /// Starts a program.
    ///
    /// # Panics
    ///
    /// If it can't be started.
    pub fn start(program: &mut Program) -> Self {
        let command = program.command().stdin(Stdio::piped());
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("a test's program can be started");
        Self {
            stdin: child.stdin.take().expect("it is piped"),
            stdout: BufReader::new(child.stdout.take().expect("it is piped")),
            child,
        }
    }

    /// Starts a program, and waits until it [says](say) `word`.
    ///
    /// # Panics
    ///
    /// If it can't be started, or ends before.
    pub fn start_until(program: &mut Program, word: &str) -> Self {
        let mut running = Self::start(program);
        running.wait_for(word);
        running
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the program [says](say) a text that begins with `word`, and returns the rest.
    ///
    /// # Panics
    ///
    /// If it ends before.
    pub fn wait_for(&mut self, word: &str) -> String {
        let word = format!("said: {word}");
        let mut lines = self.stdout.by_ref().lines().map_while(Result::ok);
        lines
            .find_map(|line| line.split_once(&word).map(|(_, rest)| rest.to_owned()))
            .expect(&word)
    }

    /// Replies to what the program says.
    ///
    /// # Panics
    ///
    /// If it has ended.
    pub fn go_on(&mut self) {
        self.stdin.write_all(b"\n").expect("the program reads it");
    }

    /// Sends it a signal.
    ///
    /// # Panics
    ///
    /// If that is refused.
    #[cfg(unix)]
    pub fn send(&self, signal: i32) {
        let process = i32::try_from(self.child.id()).expect("process IDs are positive");
        // SAFETY: the call accesses no memory. The child hasn't been waited for, so its process ID
        // isn't reused.
        assert_eq!(unsafe { libc::kill(process, signal) }, 0);
    }

    /// Waits for its end, and returns its status and its standard error.
    ///
    /// # Panics
    ///
    /// If the standard error isn't text.
    pub fn end(self) -> (ExitStatus, String) {
        let output = self.child.wait_with_output().expect("it can be waited for");
        let stderr = String::from_utf8(output.stderr).expect("it is text");
        (output.status, stderr)
    }

    /// Closes its streams, waits until it exits with success, and returns its standard error.
    ///
    /// # Panics
    ///
    /// If it exits otherwise.
    #[track_caller]
    pub fn end_well(self) -> String {
        let Self {
            child,
            stdin,
            stdout,
        } = self;
        drop((stdin, stdout));
        let output = child.wait_with_output().expect("it can be waited for");
        let stderr = String::from_utf8(output.stderr).expect("it is text");
        assert!(output.status.success(), "{}: {stderr}", output.status);
        stderr
    }

    /// Replies to what the program says, and asserts that it exits with success and without a word
    /// on its standard error.
    ///
    /// # Panics
    ///
    /// If it doesn't.
    #[track_caller]
    pub fn go_on_to_a_quiet_end(mut self) {
        self.go_on();
        assert_eq!(self.end_well(), "");
    }

    /// Sends it a signal, and asserts that it is ended by that.
    ///
    /// # Panics
    ///
    /// If it isn't.
    #[cfg(unix)]
    #[track_caller]
    pub fn end_by(self, signal: i32) {
        self.send(signal);
        self.assert_ended_by(signal);
    }

    /// Asserts that it is ended by a signal.
    ///
    /// # Panics
    ///
    /// If it isn't.
    #[cfg(unix)]
    #[track_caller]
    pub fn assert_ended_by(self, signal: i32) {
        use std::os::unix::process::ExitStatusExt as _;
        let (status, stderr) = self.end();
        assert_eq!(status.signal(), Some(signal), "{status}: {stderr}");
    }
}
