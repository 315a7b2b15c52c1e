//! The `blog` command: serves the blog, resets its database, or runs the demo.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use blog::profiling::Profiling;
use blog::{Failure, database, demo, server};
use clap::{Args, Parser, Subcommand};

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

/// Flaskr in Rust: the blog whose memory memprof shows line by line.
#[derive(Parser)]
#[command(name = "blog", args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    /// The arguments of `serve`, which is the default command.
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the blog until Ctrl-C (the default command).
    Serve(ServeArgs),

    /// Delete all data: drop the tables and create empty ones.
    InitDb(DatabaseArgs),

    /// Run the blog twice, open a post for editing, and print the tables of memprof.
    Demo,
}

#[derive(Args)]
struct ServeArgs {
    /// The address to listen on; port 0 takes a free port.
    #[arg(long, default_value = "127.0.0.1:5000")]
    addr: SocketAddr,

    #[command(flatten)]
    database: DatabaseArgs,

    /// How many 8-byte numbers to hold in memory while a post is looked up.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1_000_000_000))]
    squares: u64,

    #[command(flatten)]
    profiling: Profiling,
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

/// How long the process waits for a stuck request at exit, such as one that prints a table to a
/// pipe that isn't read.
const PATIENCE: Duration = Duration::from_secs(1);

fn run(cli: Cli) -> Result<(), Failure> {
    // `#[tokio::main]` would wait for blocking tasks without a timeout.
    let runtime = tokio::runtime::Runtime::new().expect("there are threads and descriptors");
    let answer = runtime.block_on(run_command(cli));
    runtime.shutdown_timeout(PATIENCE);
    answer
}

async fn run_command(cli: Cli) -> Result<(), Failure> {
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => {
            let database = &args.database.database;
            server::serve(args.addr, database, args.squares, &args.profiling).await
        }
        Command::InitDb(args) => {
            database::init(&args.database).await?;
            println!("Initialized the database.");
            Ok(())
        }
        Command::Demo => demo::run().await,
    }
}
