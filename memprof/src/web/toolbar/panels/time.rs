//! How long a request took, and how much of that was polling or waiting.

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
                pairs.push(("Polled", short_time(polls.elapsed)));
                pairs.push(("Waited", short_time(awaited)));
            }
            None => pairs.push(("Polled so far", short_time(polls.elapsed))),
        }
        if let Some(cpu) = polls.cpu {
            pairs.push(("CPU time", short_time(cpu)));
        }
        pairs.push(("Polls", grouped(polls.count.into())));
        Content::new().pairs(pairs).text(
            "Polls are those of the request's future and of the response's body. Their time \
             includes the call of the service. CPU time is that of the polling threads, without \
             spawned tasks and threads.",
        )
    }
}
