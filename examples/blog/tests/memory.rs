//! The blog's memory: memprof's layers aren't counted in it, and parallel logins are limited.

use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use axum::http::{Method, Request};
use blog::app::App;
use blog::database;
use blog::profiling::Profiling;
use futures::future::join_all;
use tempfile::TempDir;
use tokio::runtime::Builder;
use tower::ServiceExt as _;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

/// Held by each test, since the numbers are of the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// The blog as a service, called without a socket.
struct Blog {
    router: Router,
    cookie: String,
}

impl Blog {
    async fn send(&self, method: Method, path: &str, form: &'static str) -> String {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost")
            .header(COOKIE, &self.cookie)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .extension(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1))));
        let request = request.body(Body::from(form)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let cookie = response.headers().get(SET_COOKIE);
        let cookie = cookie.map(|it| it.to_str().unwrap().to_owned());
        to_bytes(response.into_body(), usize::MAX).await.unwrap();
        cookie.unwrap_or_default()
    }

    async fn visit(&self, count: usize) {
        for number in 0..count {
            match number % 4 {
                0 => self.send(Method::GET, "/", "").await,
                1 => self.send(Method::GET, "/1/update", "").await,
                2 => self.send(Method::POST, "/1/update", "title=a&body=b").await,
                _ => self.send(Method::GET, "/?profile=save", "").await,
            };
        }
    }
}

/// By how many bytes and blocks 1,000 requests raise the live heap, according to the report of the
/// process.
fn left_by_requests(profiling: &Profiling) -> (i64, i64) {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("flaskr.sqlite");
    let file = file.to_str().unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pool = database::open(file).await.unwrap();
        let app = App::new(pool.clone(), b"the secret of the tests", 0);
        let mut blog = Blog {
            router: profiling.around(&app, file),
            cookie: String::new(),
        };
        let form = "username=test&password=test";
        blog.send(Method::POST, "/auth/register", form).await;
        let cookie = blog.send(Method::POST, "/auth/login", form).await;
        cookie
            .split(';')
            .next()
            .unwrap()
            .clone_into(&mut blog.cookie);
        blog.send(Method::POST, "/create", "title=a&body=b").await;
        // Fill the caches, including those of the layers.
        blog.visit(200).await;

        let live = || {
            let total = memprof::report().total;
            (total.live_bytes(), total.live_count())
        };
        let (bytes_before, count_before) = live();
        blog.visit(1000).await;
        let (bytes, count) = live();

        pool.close().await;
        (bytes - bytes_before, count - count_before)
    })
}

#[test]
fn a_thousand_requests_leave_as_much_alive_with_every_layer_as_with_none() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = TempDir::new().unwrap();
    let none = Profiling::default();
    let every = Profiling {
        profile_dir: Some(directory.path().join("profiles")),
        query_profile: true,
        toolbar: true,
        ..Profiling::default()
    };

    let (bytes_without, count_without) = left_by_requests(&none);
    let (bytes_with, count_with) = left_by_requests(&every);

    // Background threads of the runtime and the database make a difference of a few blocks. One
    // block left per request would be a thousand.
    let bytes = bytes_with - bytes_without;
    let count = count_with - count_without;
    assert!(
        bytes.abs() < 4096 && count.abs() < 16,
        "{bytes} B in {count} blocks"
    );
}

#[test]
fn parallel_logins_hash_no_more_passwords_at_once_than_there_are_processors() {
    const LOGINS: usize = 40;
    /// Memory of one hash with `Argon2`'s defaults.
    const HASH_BYTES: usize = 19 << 20;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("flaskr.sqlite");
    let file = file.to_str().unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let peak_bytes = runtime.block_on(async {
        let pool = database::open(file).await.unwrap();
        let app = App::new(pool.clone(), b"the secret of the tests", 0);
        let blog = Blog {
            router: Profiling::default().around(&app, file),
            cookie: String::new(),
        };
        let form = "username=test&password=test";
        blog.send(Method::POST, "/auth/register", form).await;

        memprof::reset();
        let login = || blog.send(Method::POST, "/auth/login", form);
        let cookies = join_all((0..LOGINS).map(|_| login())).await;
        assert!(cookies.iter().all(|cookie| cookie.starts_with("session=")));
        pool.close().await;
        memprof::report().total.bytes_at_peak
    });

    let processors = available_parallelism().map_or(1, NonZero::get);
    let most = HASH_BYTES * (processors + 1);
    assert!(peak_bytes > HASH_BYTES as u64, "{peak_bytes}");
    assert!(peak_bytes < most as u64, "{peak_bytes}");
}
