//! The end of the process: calls that are under way are ended, what was kept for this
//! moment is printed, the report is written, and nobody is listened to any more.

use crate::owned::OfFunction;
use crate::{call, os, output, own_work, profile, report, variables};
use std::process;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// Done when the first profiled function is called.
static PREPARED: Once = Once::new();

/// The process in which the program began.
static FIRST_PROCESS: AtomicU32 = AtomicU32::new(0);

/// Has all that done when the process ends.
pub(crate) fn prepare() {
    PREPARED.call_once(|| {
        #[cfg(feature = "files")]
        own_work::during(false, report::prepare_output);
        #[cfg(all(feature = "files", unix))]
        own_work::during(false, report::prepare_socket);
        #[cfg(feature = "files")]
        own_work::during(false, report::start_writer);
        os::at_exit(end_of_process);
    });
}

/// Has it said at the end of the process if no profiled function was called, and so nothing
/// has become of what the environment asks for.
///
/// It is called at the first allocation, and allocates nothing.
pub(crate) fn notice_end() {
    // Relaxed: there is one thread.
    FIRST_PROCESS.store(process::id(), Ordering::Relaxed);
    os::at_exit(end_without_a_call);
}

extern "C" fn end_without_a_call() {
    // Forked children would say it again.
    let is_first = FIRST_PROCESS.load(Ordering::Relaxed) == process::id();
    if is_first && !PREPARED.is_completed() {
        own_work::during(false, variables::say_unused);
    }
}

extern "C" fn end_of_process() {
    call::end_all();
    own_work::during(false, || {
        let show = |settings: &_, profile: &_, of_function: Option<&OfFunction>| {
            let owned = of_function.map(|of_function| &*of_function.lines);
            report::print(settings, profile, owned, of_function);
        };
        if !profile::show_at_exit(show) {
            output::say("the tables at exit are lost: another thread holds on to them");
        }
        #[cfg(feature = "files")]
        report::write_output();
        #[cfg(all(feature = "files", unix))]
        report::remove_socket();
    });
}
