//! Where tables go: to stdout or stderr, to the program's sink, or to `tracing` or `log` as events.
//!
//! A sink, a subscriber and a logger are code of the program. They run uncounted, with no lock of
//! the profiler held, and a panic in them ends here.
//!
//! # The end of the process
//!
//! The exiting thread has already destroyed its thread-local values then, which a subscriber may
//! need, and it may hold a lock that a sink waits for. So a thread is started for each table, and
//! the end of the process waits for it for a limited time.

use crate::count::uncounted;
use crate::model::options::Stream;
use crate::model::table::Table;
#[cfg(any(feature = "tracing", feature = "log"))]
use crate::runtime::events;
use crate::sys::fork_lock::Lock;
use crate::sys::output::{self, say};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once, mpsc};
use std::thread;
use std::time::Duration;

/// How long the end of the process waits for a table to be received.
const PATIENCE: Duration = Duration::from_secs(5);

type Sink = Arc<dyn Fn(&Table) + Send + Sync>;

static SINK: Lock<Option<Sink>> = Lock::new(None);

/// Whether the process is ending.
static IS_EXITING: AtomicBool = AtomicBool::new(false);

/// Code of the program that receives tables, and its name in messages.
struct Receiver {
    name: &'static str,
    receive: Sink,
}

/// Hands tables to `sink` instead of printing them, and replaces the sink that was set before.
///
/// It receives the tables of all functions whose attribute has no `stream`, unless `MEMPROF_STREAM`
/// is set: the variable takes precedence over the attribute, and the attribute over the sink.
///
/// The thread that ran the function calls `sink` when the function has returned; at the end of the
/// process, a thread of its own calls it, and the process waits for that for up to five seconds.
/// Several threads may call it at once. The program's locks are as they are where the function
/// returns: a sink that waits for one of them can wait for ever.
///
/// Functions with [`#[memprofile]`](macro@crate::memprofile) that `sink` calls on its thread are not
/// profiled. A panic of `sink` is caught, and costs the table: a line on stderr says so, once.
///
/// What `sink` allocates isn't counted, neither as the program's nor in the profiled lines. So the
/// program seems to have freed more than it allocated if it frees such memory elsewhere, and what
/// the sink frees on behalf of the program doesn't count in the lines that run.
///
/// ```
/// use memprof::memprofile;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// #[global_allocator]
/// static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
///
/// static ALLOCATED: AtomicU64 = AtomicU64::new(0);
///
/// #[memprofile]
/// fn load(size: usize) -> usize {
///     vec![1_u8; size].len()
/// }
///
/// # fn main() {
/// memprof::set_sink(|table| {
///     let heap = table.heap.unwrap_or_default();
///     ALLOCATED.fetch_add(heap.allocated_bytes, Ordering::Relaxed);
/// });
/// load(1000);
/// load(5000);
///
/// assert_eq!(ALLOCATED.load(Ordering::Relaxed), 6000);
/// # }
/// ```
pub fn set_sink(sink: impl Fn(&Table) + Send + Sync + 'static) {
    let sink: Sink = Arc::new(sink);
    let before = SINK.lock().replace(sink);
    // Dropped outside of the lock, since a destructor of the program may do anything.
    drop(before);
}

/// Notes that the process is ending.
pub(crate) fn begin_exit() {
    // Relaxed: a thread that sees it late calls a receiver itself.
    IS_EXITING.store(true, Ordering::Relaxed);
}

/// Brings a table to where `stream` says, or else to the sink, or else to stdout. The calling thread
/// is [uncounted](crate::count::uncounted).
pub(crate) fn deliver(stream: Option<Stream>, table: Table) {
    let is_exiting = IS_EXITING.load(Ordering::Relaxed);
    let receiver = match stream {
        Some(stream) => receiver_of(stream),
        None => sink(is_exiting),
    };
    match receiver {
        Some(receiver) if is_exiting => receive_at_exit(receiver, table),
        Some(receiver) => receive(&receiver, &table),
        None => output::write(stream == Some(Stream::Stderr), &format!("{table}\n\n")),
    }
}

/// The program's sink, if there is one. At the end of the process, a thread that was stopped while
/// it held the lock holds it for ever.
fn sink(is_exiting: bool) -> Option<Receiver> {
    let sink = if is_exiting {
        SINK.lock_soon()?.clone()
    } else {
        SINK.lock().clone()
    };
    sink.map(|receive| Receiver {
        name: "the sink of `memprof::set_sink`",
        receive,
    })
}

/// What receives the tables of a stream. `None` if they are printed, also because the build lacks
/// the feature.
fn receiver_of(stream: Stream) -> Option<Receiver> {
    if !stream.is_in_build() {
        say_not_in_build(stream);
        return None;
    }
    match stream {
        #[cfg(feature = "tracing")]
        Stream::Tracing => Some(Receiver {
            name: "the subscriber of `tracing`",
            receive: Arc::new(events::to_tracing),
        }),
        #[cfg(feature = "log")]
        Stream::Log => Some(Receiver {
            name: "the logger of `log`",
            receive: Arc::new(events::to_log),
        }),
        _ => None,
    }
}

/// Reports, once per process, that the attribute names a stream which this build doesn't have.
fn say_not_in_build(stream: Stream) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let word = stream.word();
        say(&format!(
            "`stream = \"{word}\"` needs memprof's feature `{word}`, which this program is built \
             without; its tables go to stdout"
        ));
    });
}

/// Calls the receiver. Reports a panic, once per process.
fn receive(receiver: &Receiver, table: &Table) {
    static SAID: Once = Once::new();
    let call = AssertUnwindSafe(|| (receiver.receive)(table));
    // The panic hook has already reported the panic itself.
    if panic::catch_unwind(call).is_err() {
        SAID.call_once(|| {
            say(&format!(
                "the table of {} is lost: {} panicked; further such tables aren't mentioned",
                table.function, receiver.name
            ));
        });
    }
}

/// Has a new thread call the receiver, and waits for that.
fn receive_at_exit(receiver: Receiver, table: Table) {
    let (name, function) = (receiver.name, table.function);
    let (done, is_done) = mpsc::channel();
    let work = move || {
        uncounted::during(false, move || {
            receive(&receiver, &table);
            drop((receiver, table));
            // An error if the process doesn't wait any more.
            let _ = done.send(());
        });
    };
    let why = match thread::Builder::new()
        .name("memprof".to_owned())
        .spawn(work)
    {
        Err(_) => "no thread could be started for",
        Ok(_) if is_done.recv_timeout(PATIENCE).is_err() => "the process ends without waiting for",
        Ok(_) => return,
    };
    say(&format!("the table of {function} is lost: {why} {name}"));
}
