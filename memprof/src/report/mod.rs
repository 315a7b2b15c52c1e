//! How a profile looks.

mod table;

use crate::config::Settings;
use crate::heap::{self, HeapSource};
use crate::output;
use crate::profile::FunctionProfile;

/// Prints the table of `profile`, in one piece.
pub(crate) fn print(settings: &Settings, profile: &FunctionProfile) {
    if profile.heap_source == HeapSource::Nobody {
        heap::say_nobody_counts();
    }
    output::write(settings.stream, &table::table(settings, profile));
}
