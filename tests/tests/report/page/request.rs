//! The page of a request's profile, as `?profile` returns it.

use crate::browser::Page;
use http::header::LOCATION;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use memprof::memprofile;
use memprof::web::{Access, QueryProfilerLayer};
use std::convert::Infallible;
use std::fs;
use tower::{Layer as _, ServiceExt as _, service_fn};

#[memprofile(print = "never")]
fn find(id: usize) -> Vec<u8> {
    let post = vec![1; 1000 * id]; // the post
    post
}

async fn page() -> Vec<u8> {
    let service = service_fn(|_: Request<()>| async {
        let post = Full::new(bytes::Bytes::from(find(2)));
        let response = Response::builder().status(StatusCode::SEE_OTHER);
        let response = response
            .header(LOCATION, "/<img src=x onerror=refused.push('run')>")
            .header("x-hostile", "</script><script>refused.push('run')</script>");
        Ok::<_, Infallible>(response.body(post).unwrap())
    });
    let layer = QueryProfilerLayer::new(Access::from_fn(|_, _| true));
    let request = Request::get("/2/post?profile").body(()).unwrap();
    let response = layer.layer(service).oneshot(request).await.unwrap();
    response
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes()
        .to_vec()
}

#[tokio::test]
async fn the_page_of_a_request_says_how_it_was_answered() {
    let content = page().await;
    let Some(page) = Page::open(|path| fs::write(path, &content).unwrap(), "") else {
        return;
    };
    assert_eq!(page.text("document.title"), "memprof: GET /2/post");
    assert_eq!(
        page.text("document.querySelector('#about summary').textContent"),
        "GET /2/post → 303 See Other → to /<img src=x onerror=refused.push('run')>"
    );
    page.get("document.querySelector('#about summary').click()");
    let facts = page.text("document.querySelector('#about dl').innerText");
    assert!(
        facts.contains("x-hostile\n</script><script>refused.push('run')</script>"),
        "{facts}"
    );
    assert!(facts.starts_with("Took"), "{facts}");
    let source = page.text("document.getElementById('source').innerText");
    assert!(
        source.contains("let post = vec![1; 1000 * id];"),
        "{source}"
    );
    assert_eq!(page.boxes()[1].1, "report_page::request::find");
    page.assert_harmless();
    page.screenshot("request");
}
