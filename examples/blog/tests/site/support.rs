//! Test support: a running blog, and HTTP clients for it.

use std::env;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use blog::app::{App, router};
use blog::database;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Connection, FromRow};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use ureq::Agent;
use ureq::http::Request;

/// Runs a scenario with each available kind of database, on a new database each time.
pub(crate) fn on_each_database(scenario: impl Fn(&Site)) {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("flaskr.sqlite");
    scenario(&Site::start(file.to_str().unwrap()));

    match env::var("BLOG_TEST_MYSQL") {
        Ok(server) => {
            let database = MySqlDatabase::create(&server);
            scenario(&Site::start(&database.url));
        }
        Err(_) => eprintln!("skipped on MySQL: BLOG_TEST_MYSQL is not set"),
    }
}

/// A database on a server, which is dropped on drop.
struct MySqlDatabase {
    server: String,
    name: String,
    url: String,
}

impl MySqlDatabase {
    fn create(server: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        // Relaxed: the numbers only have to be distinct.
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("blog_test_{}_{number}", std::process::id());

        let (place, options) = server.split_once('?').unwrap_or((server, ""));
        let url = format!("{}/{name}?{options}", place.trim_end_matches('/'));
        let server = server.to_owned();
        run_on(&server, format!("CREATE DATABASE {name}"));
        Self { server, name, url }
    }
}

impl Drop for MySqlDatabase {
    fn drop(&mut self) {
        run_on(&self.server, format!("DROP DATABASE {}", self.name));
    }
}

fn run_on(server: &str, sql: String) {
    sqlx::any::install_default_drivers();
    Runtime::new().unwrap().block_on(async {
        let mut connection = AnyConnection::connect(server).await.unwrap();
        let statement = sqlx::raw_sql(AssertSqlSafe(sql));
        statement.execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}

/// A running blog with a post by `test`, and the users `test` and `other`, whose passwords are
/// their names.
pub(crate) struct Site {
    address: String,
    pool: AnyPool,
    runtime: Runtime,
}

impl Site {
    fn start(database: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let (pool, address) = runtime.block_on(async {
            let pool = database::open(database).await.unwrap();
            fill(&pool).await;

            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            let app = App::new(pool.clone(), b"the secret of the tests", 0);
            tokio::spawn(axum::serve(listener, router(app)).into_future());
            (pool, address)
        });
        Self {
            address,
            pool,
            runtime,
        }
    }

    /// A visitor who isn't logged in.
    pub(crate) fn visitor(&self) -> Browser {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(Duration::from_mins(1)))
            .allow_non_standard_methods(true)
            .build()
            .into();
        let address = self.address.clone();
        Browser { agent, address }
    }

    /// A visitor who is logged in as `test` or `other`.
    pub(crate) fn user(&self, name: &str) -> Browser {
        let browser = self.visitor();
        let answer = browser.post("/auth/login", &[("username", name), ("password", name)]);
        assert_eq!(answer.status, 302);
        browser
    }

    /// The site's address without the scheme.
    pub(crate) fn host(&self) -> &str {
        self.address.trim_start_matches("http://")
    }

    pub(crate) fn execute(&self, sql: &'static str) {
        let run = sqlx::query(sql).execute(&self.pool);
        self.runtime.block_on(run).unwrap();
    }

    /// All rows of a query.
    pub(crate) fn rows<T>(&self, sql: &'static str) -> Vec<T>
    where
        T: for<'r> FromRow<'r, AnyRow> + Send + Unpin,
    {
        let found = sqlx::query_as(sql).fetch_all(&self.pool);
        self.runtime.block_on(found).unwrap()
    }

    /// The title and the body of each post.
    pub(crate) fn posts(&self) -> Vec<(String, String)> {
        self.rows("SELECT title, body FROM post ORDER BY id")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.runtime.block_on(self.pool.close());
    }
}

async fn fill(pool: &AnyPool) {
    for name in ["test", "other"] {
        sqlx::query("INSERT INTO user (username, password) VALUES (?, ?)")
            .bind(name)
            .bind(cheap_hash(name))
            .execute(pool)
            .await
            .unwrap();
    }
    sqlx::query("INSERT INTO post (title, body, author_id, created) VALUES (?, ?, 1, ?)")
        .bind("test title")
        .bind("test\nbody")
        .bind("2018-01-01 00:00:00")
        .execute(pool)
        .await
        .unwrap();
}

/// A password hash with weaker parameters than the application's, to save time.
fn cheap_hash(password: &str) -> String {
    static CHEAP: LazyLock<Argon2<'_>> = LazyLock::new(|| {
        let params = Params::new(Params::MIN_M_COST, 1, 1, None).unwrap();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
    });
    let hash = CHEAP.hash_password(password.as_bytes()).unwrap();
    hash.to_string()
}

/// A client with its own cookies, which doesn't follow redirects.
pub(crate) struct Browser {
    agent: Agent,
    address: String,
}

impl Browser {
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.post_form(path, body.as_bytes())
    }

    /// Sends these bytes as a form.
    pub(crate) fn post_form(&self, path: &str, body: &[u8]) -> Answer {
        let form = ("content-type", "application/x-www-form-urlencoded");
        self.send("POST", path, &[form], body)
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = if body.is_empty() && method != "POST" {
            self.agent.run(request.body(()).unwrap())
        } else {
            self.agent.run(request.body(body).unwrap())
        };
        let mut response = answer.unwrap();
        Answer {
            status: response.status().as_u16(),
            body: response.body_mut().read_to_string().unwrap(),
            headers: response.headers().clone(),
        }
    }
}

/// A response.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    headers: ureq::http::HeaderMap,
}

impl Answer {
    /// The value of a header; empty if it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn assert_redirects_to(&self, location: &str) {
        assert_eq!((self.status, self.header("location")), (302, location));
    }

    #[track_caller]
    pub(crate) fn assert_page_with(&self, text: &str) {
        assert_eq!(self.status, 200, "{}", self.body);
        assert!(self.body.contains(text), "no {text:?} in {}", self.body);
    }
}
