//! What happens when the process exits, in this order: the calls that the exiting thread is in are
//! ended, the tables with `print = "exit"` are printed, the last samples of `MEMPROF_SAMPLE` are
//! taken, the report of `MEMPROF_OUTPUT` is written,
//! and the socket of `MEMPROF_LISTEN` is removed.

use crate::count::environment;
use crate::count::uncounted;
use crate::model::options::TableSettings;
use crate::record::function_profile;
use crate::record::owned::OfFunction;
#[cfg(all(feature = "export", unix))]
use crate::runtime::listen;
use crate::runtime::{call, sampler, sink, table};
#[cfg(feature = "export")]
use crate::runtime::{output_file, report_writer};
use crate::sys::os;
use crate::sys::output::say;
use std::sync::Once;

/// Done when the first profiled function is called.
static PREPARED: Once = Once::new();

/// Registers the above to run at exit, and starts what runs beside the program until then: the
/// socket and the thread that writes reports.
pub(crate) fn prepare() {
    PREPARED.call_once(|| {
        environment::set_used();
        uncounted::during(false, sampler::start_as_asked);
        #[cfg(feature = "export")]
        uncounted::during(false, output_file::prepare_output);
        #[cfg(all(feature = "export", unix))]
        uncounted::during(false, listen::prepare_socket);
        #[cfg(feature = "export")]
        uncounted::during(false, report_writer::start_writer);
        os::at_exit(end_of_process);
    });
}

extern "C" fn end_of_process() {
    sink::begin_exit();
    call::end_all();
    uncounted::during(false, || {
        let show = |settings: &TableSettings, profile: &_, of_function: Option<&OfFunction>| {
            let owned = of_function.map(|of_function| &*of_function.lines);
            let table = table::table(settings, profile, owned, of_function);
            (settings.stream, table)
        };
        match function_profile::at_exit(show) {
            Some(tables) => tables
                .into_iter()
                .for_each(|(stream, table)| sink::deliver(stream, table)),
            None => say("the tables at exit are lost: another thread holds their lock"),
        }
        #[cfg(feature = "export")]
        let has_file = output_file::output().is_some();
        #[cfg(not(feature = "export"))]
        let has_file = false;
        sampler::end_as_asked(has_file);
        #[cfg(feature = "export")]
        output_file::write_output();
        #[cfg(all(feature = "export", unix))]
        listen::remove_socket();
    });
}
