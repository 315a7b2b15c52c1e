//! The end of the process: calls that are under way are ended, what was kept for this
//! moment is printed, the report is written, and nobody is listened to any more.

use crate::{call, os, output, own_work, profile, report};
use std::sync::Once;

/// Has all that done when the process ends.
pub(crate) fn prepare() {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| {
        #[cfg(feature = "files")]
        own_work::during(false, report::prepare_output);
        #[cfg(all(feature = "files", unix))]
        own_work::during(false, report::prepare_socket);
        os::at_exit(end_of_process);
    });
}

extern "C" fn end_of_process() {
    call::end_all();
    own_work::during(false, || {
        if !profile::show_at_exit(report::print) {
            output::say("the tables at exit are lost: another thread holds on to them");
        }
        #[cfg(feature = "files")]
        report::write_output();
        #[cfg(all(feature = "files", unix))]
        report::remove_socket();
    });
}
