//! memprof's layers around the application, as the flags of `serve` select them.

use std::net::SocketAddr;
use std::path::PathBuf;

use axum::Router;
use axum::extract::ConnectInfo;
use clap::Args;
use memprof::web::{Access, ProfilerLayer, QueryProfilerLayer, Trigger};

use crate::app::{self, App};
use crate::toolbar;

/// The flags of `serve` for profiling.
#[derive(Args, Clone, Debug, Default)]
pub struct Profiling {
    /// Print the report of each request.
    #[arg(long)]
    pub profiler: bool,

    /// Write the report of each request to a separate file in this folder.
    #[arg(long, value_name = "DIR")]
    pub profile_dir: Option<PathBuf>,

    /// Report only requests that have this header.
    #[arg(long, value_name = "NAME")]
    pub profile_header: Option<String>,

    /// Answer requests with `?profile` from this machine with a profile of the request.
    #[arg(long)]
    pub query_profile: bool,

    /// Show a debug toolbar on each page to this machine, and recent requests at
    /// /debug/toolbar/.
    #[arg(long)]
    pub toolbar: bool,

    /// A second address, for memprof's endpoints of the process; port 0 takes a free port.
    #[arg(long, value_name = "ADDR")]
    pub debug_addr: Option<SocketAddr>,
}

impl Profiling {
    /// The application, wrapped in the selected layers.
    pub fn around(&self, app: &App, database: &str) -> Router {
        let mut router = app::router(app.clone());
        if self.query_profile {
            router = router.layer(QueryProfilerLayer::new(from_this_machine()));
        }
        if let Some(profiler) = self.profiler() {
            router = router.layer(profiler);
        }
        if self.toolbar {
            let toolbar = toolbar::layer(app, database, from_this_machine());
            router = Router::new().fallback_service(router).layer(toolbar);
        }
        router
    }

    fn profiler(&self) -> Option<ProfilerLayer> {
        let layer = match (self.profiler, &self.profile_dir) {
            (false, None) => return None,
            (true, _) => ProfilerLayer::new(),
            (false, Some(_)) => ProfilerLayer::new().silent(),
        };
        let layer = match &self.profile_header {
            Some(name) => layer.trigger(Trigger::header(name)),
            None => layer,
        };
        Some(match &self.profile_dir {
            Some(folder) => layer.profile_dir(folder),
            None => layer,
        })
    }
}

fn from_this_machine() -> Access {
    Access::loopback(|extensions| {
        let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
        Some(peer.ip())
    })
}
