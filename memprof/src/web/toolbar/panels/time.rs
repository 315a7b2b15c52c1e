//! How long a request took, and on what.

use crate::model::units::grouped;
use crate::web::toolbar::content::{Content, Panel};
use crate::web::toolbar::exchange::Exchange;
use crate::web::toolbar::shown::date;
use crate::web::toolbar::units::short_time;

pub(super) struct Time;

impl Panel for Time {
    fn title(&self) -> &'static str {
        "Time"
    }

    fn number(&self, exchange: &Exchange) -> String {
        let profile = exchange.profile();
        profile.map_or_else(String::new, |profile| short_time(profile.elapsed))
    }

    fn content(&self, exchange: &Exchange) -> Content {
        let polls = exchange.state().polls;
        let mut pairs = vec![("Began", date(exchange.began()))];
        match exchange.profile() {
            Some(profile) => {
                let awaited = profile.elapsed.saturating_sub(polls.elapsed);
                pairs.push(("Took", short_time(profile.elapsed)));
                pairs.push(("Of which it was polled", short_time(polls.elapsed)));
                pairs.push(("and waited", short_time(awaited)));
            }
            None => pairs.push(("So far it was polled", short_time(polls.elapsed))),
        }
        if let Some(cpu) = polls.cpu {
            pairs.push(("On a processor", short_time(cpu)));
        }
        pairs.push(("Polls", grouped(polls.count.into())));
        Content::new().pairs(pairs).text(
            "Polls are those of its future and of its answer's body; in their time is that of the \
             service's call before them. The time on a processor is \
             that of their threads meanwhile; what was spawned is not in it.",
        )
    }
}
