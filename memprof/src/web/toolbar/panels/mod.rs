//! The panels that every toolbar has.

mod config;
mod headers;
mod logging;
mod memory;
mod profiler;
mod routes;
mod sql;
mod templates;
mod time;
mod vars;
mod versions;

pub(super) use sql::can_be_explained;

use super::content::Panel;
use super::history::History;
use super::layer::Settings;
use std::sync::Arc;
use std::time::Duration;

/// In the order of the bar.
pub(super) fn built_in(settings: &Settings, history: &Arc<History>) -> Vec<Arc<dyn Panel>> {
    vec![
        Arc::new(time::Time),
        Arc::new(memory::Memory::new(Arc::clone(history))),
        Arc::new(profiler::Profiler),
        Arc::new(sql::SqlPanel::new(settings.explain.is_some())),
        Arc::new(templates::Templates),
        Arc::new(logging::Logging),
        Arc::new(vars::Vars::new(
            settings.session.clone(),
            settings.shown_cookies.clone(),
        )),
        Arc::new(headers::Headers),
        Arc::new(routes::Routes::new(settings.routes.clone())),
        Arc::new(config::Config::new(settings.config.clone())),
        Arc::new(versions::Versions::new(
            settings.cargo_lock,
            settings.application,
        )),
    ]
}

/// `1.2 ms`.
pub(super) fn short_time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let (name, unit) = match seconds {
        1.0.. => ("s", 1.0),
        1e-3.. => ("ms", 1e-3),
        _ => ("µs", 1e-6),
    };
    format!("{:.1} {name}", seconds / unit)
}

/// `1.2 MiB`.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub(super) fn short_bytes(bytes: i64) -> String {
    let units = [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = units.iter().find(|(_, unit)| bytes.unsigned_abs() >= *unit);
    match unit {
        Some((name, unit)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} B"),
    }
}

/// As far as it fits.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
