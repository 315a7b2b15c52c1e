//! The `blog` command: serves the blog, empties its database, or shows in one
//! go what memprof prints for it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use blog::{Failure, database, demo, server};
use clap::{Args, Parser, Subcommand};
use memprof::web::ProfilerLayer;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

/// Flaskr in Rust: the blog whose memory memprof shows line by line.
#[derive(Parser)]
#[command(name = "blog", args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    /// Those of `serve`, which is what `blog` alone does.
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the blog until Ctrl-C (what `blog` alone does).
    Serve(ServeArgs),

    /// Drop the tables, with what is in them, and create them anew.
    InitDb(DatabaseArgs),

    /// Run the blog twice, edit a post, and print the tables of its memory.
    Demo,
}

#[derive(Args)]
struct ServeArgs {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:5000")]
    addr: SocketAddr,

    #[command(flatten)]
    database: DatabaseArgs,

    /// How many squares to hold in memory while a post is looked up.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1_000_000_000))]
    squares: u64,

    /// Print what each request's functions did.
    #[arg(long)]
    profiler: bool,

    /// Write what each request's functions did to a file of its own in this folder.
    #[arg(long, value_name = "DIR")]
    profile_dir: Option<PathBuf>,

    /// Where to show the memory of the process, besides; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    debug_addr: Option<SocketAddr>,
}

impl ServeArgs {
    fn profiler(&self) -> Option<ProfilerLayer> {
        let layer = match (self.profiler, &self.profile_dir) {
            (false, None) => return None,
            (true, _) => ProfilerLayer::new(),
            (false, Some(_)) => ProfilerLayer::new().silent(),
        };
        Some(match &self.profile_dir {
            Some(folder) => layer.profile_dir(folder),
            None => layer,
        })
    }
}

#[derive(Args)]
struct DatabaseArgs {
    /// A file, a `sqlite:` URL, or a `mysql://user:password@host/database` URL.
    #[arg(long, value_name = "URL", default_value = "instance/flaskr.sqlite")]
    database: String,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => {
            let profiler = args.profiler();
            let database = &args.database.database;
            server::serve(args.addr, database, args.squares, profiler, args.debug_addr).await
        }
        Command::InitDb(args) => {
            database::init(&args.database).await?;
            println!("Initialized the database.");
            Ok(())
        }
        Command::Demo => demo::run().await,
    }
}
