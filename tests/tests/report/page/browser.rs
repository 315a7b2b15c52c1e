//! A page in Chromium, driven through its `DevTools` protocol.

use headless_chrome::browser::tab::point::Point;
use headless_chrome::protocol::cdp::Page::CaptureScreenshotFormatOption;
use headless_chrome::protocol::cdp::types::Event;
use headless_chrome::protocol::cdp::{Emulation, Network, Page as PageDomain};
use headless_chrome::{Browser, LaunchOptions, Tab};
use memprof::report::Report;
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// A page in a browser that records the page's requests, policy violations and console messages.
pub(crate) struct Page {
    pub(crate) tab: Arc<Tab>,
    requests: Arc<Mutex<Vec<String>>>,
    said: Arc<Mutex<Vec<String>>>,
    /// Receives a message for each page that has loaded.
    loads: Receiver<()>,
    url: String,
    _browser: Browser,
    _folder: TempDir,
}

fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path)
        .flat_map(|folder| ["chromium", "google-chrome"].map(|name| folder.join(name)))
        .find(|program| program.is_file());
    if found.is_none() {
        eprintln!("skipped: chromium is not installed");
    }
    found
}

impl Page {
    /// Opens a page that `write` creates. `None` if there is no browser.
    pub(crate) fn open(write: impl FnOnce(&Path), hash: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.html");
        write(&path);
        let page = Self::at(&format!("file://{}", path.display()), hash, folder)?;
        page.until("document.body?.dataset.ready === 'yes'");
        Some(page)
    }

    /// Opens any page. `folder` is kept while the page is open.
    pub(crate) fn at(url: &str, hash: &str, folder: TempDir) -> Option<Self> {
        let options = LaunchOptions::default_builder()
            .path(Some(chromium()?))
            // Chromium's sandbox doesn't work as root.
            .sandbox(false)
            .window_size(Some((1400, 900)))
            .idle_browser_timeout(Duration::from_mins(5))
            .args(vec![OsStr::new("--disable-dev-shm-usage")])
            .build()
            .unwrap();
        let browser = Browser::new(options).unwrap();
        let tab = browser.new_tab().unwrap();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&requests);
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&said);
        let (loaded, loads) = mpsc::channel();
        let note = move |event: &Event| match event {
            Event::NetworkRequestWillBeSent(event) => {
                noted.lock().unwrap().push(event.params.request.url.clone());
            }
            Event::LogEntryAdded(event) => {
                heard.lock().unwrap().push(event.params.entry.text.clone());
            }
            // The receiver may have been dropped.
            Event::PageLoadEventFired(_) => _ = loaded.send(()),
            _ => {}
        };
        tab.add_event_listener(Arc::new(note)).unwrap();
        tab.enable_log().unwrap();
        tab.call_method(Network::Enable {
            max_total_buffer_size: None,
            max_resource_buffer_size: None,
            max_post_data_size: None,
            report_direct_socket_traffic: None,
            enable_durable_messages: None,
        })
        .unwrap();
        let watch = "window.refused = [];
            addEventListener('securitypolicyviolation', (event) => refused.push(event.violatedDirective));
            addEventListener('error', (event) => refused.push(event.message));
            addEventListener('unhandledrejection', (event) => refused.push(String(event.reason)));";
        tab.call_method(PageDomain::AddScriptToEvaluateOnNewDocument {
            source: watch.to_owned(),
            world_name: None,
            include_command_line_api: None,
            run_immediately: None,
        })
        .unwrap();
        let page = Self {
            tab,
            requests,
            said,
            loads,
            url: url.to_owned(),
            _browser: browser,
            _folder: folder,
        };
        page.go(&format!("{url}{hash}"));
        Some(page)
    }

    /// Navigates to a page.
    pub(crate) fn go(&self, url: &str) {
        self.arrive(|| _ = self.tab.navigate_to(url).unwrap());
    }

    /// Calls `act`, which leads to another page, and waits until that has loaded: the old page may
    /// no longer respond.
    pub(crate) fn arrive(&self, act: impl FnOnce()) {
        while self.loads.try_recv().is_ok() {}
        act();
        let loaded = self.loads.recv_timeout(Duration::from_secs(30));
        loaded.expect("there is another page");
    }

    /// Emulates a light or dark colour scheme.
    pub(crate) fn prefer(&self, scheme: &str) {
        let feature = Emulation::MediaFeature {
            name: "prefers-color-scheme".to_owned(),
            value: scheme.to_owned(),
        };
        self.tab
            .call_method(Emulation::SetEmulatedMedia {
                media: None,
                features: Some(vec![feature]),
            })
            .unwrap();
    }

    pub(crate) fn of(report: &Report, hash: &str) -> Option<Self> {
        Self::open(|path| report.write(path).unwrap(), hash)
    }

    /// Writes a screenshot to a file, if `MEMPROF_SCREENSHOTS` names a folder.
    pub(crate) fn screenshot(&self, name: &str) {
        let Some(folder) = std::env::var_os("MEMPROF_SCREENSHOTS") else {
            return;
        };
        let format = CaptureScreenshotFormatOption::Png;
        let picture = self.tab.capture_screenshot(format, None, None, true);
        let path = Path::new(&folder).join(name).with_extension("png");
        std::fs::write(path, picture.unwrap()).unwrap();
    }

    pub(crate) fn get(&self, expression: &str) -> Value {
        let answer = self.tab.evaluate(expression, true);
        let answer = answer.unwrap_or_else(|error| panic!("{expression}: {error}"));
        answer.value.unwrap_or_default()
    }

    pub(crate) fn text(&self, expression: &str) -> String {
        self.get(expression).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a JavaScript expression is true.
    pub(crate) fn until(&self, expression: &str) {
        let waiting = format!(
            "new Promise((done) => {{
                const end = performance.now() + 30000;
                const look = () => {{
                    let is = false;
                    try {{ is = Boolean({expression}); }} catch {{ }}
                    if (is || performance.now() > end) done(is);
                    else setTimeout(look, 10);
                }};
                look();
            }})"
        );
        assert_eq!(self.get(&waiting), true, "never: {expression}");
    }

    /// The boxes of the chart: row, text, and width in percent.
    pub(crate) fn boxes(&self) -> Vec<(u64, String, u64)> {
        let boxes = self.get(
            "JSON.stringify(Chart.boxes.slice().sort((a, b) => a.depth - b.depth || a.from - b.from)
                .map((box) => [box.depth, box.node.name(), Math.round(100 * (box.to - box.from))]))",
        );
        serde_json::from_str(boxes.as_str().unwrap()).unwrap()
    }

    pub(crate) fn place_of(&self, depth: u64, name: &str) -> Point {
        let place = self.text(&format!(
            "(() => {{
                const box = Chart.boxes.find((box) => box.depth === {depth} && box.node.name() === {name:?});
                const at = document.getElementById('marks').getBoundingClientRect();
                return JSON.stringify([at.left + (box.from + box.to) / 2 * at.width,
                    at.top + (box.depth + 0.5) * Icicle.row]);
            }})()"
        ));
        let [x, y]: [f64; 2] = serde_json::from_str(&place).unwrap();
        Point { x, y }
    }

    pub(crate) fn click_box(&self, depth: u64, name: &str) {
        self.tab.click_point(self.place_of(depth, name)).unwrap();
    }

    pub(crate) fn click(&self, selector: &str) {
        self.tab
            .wait_for_element(selector)
            .unwrap()
            .click()
            .unwrap();
    }

    pub(crate) fn choose(&self, list: &str, value: &str) {
        self.get(&format!(
            "{{ const list = document.getElementById({list:?});
                list.value = {value:?}; list.dispatchEvent(new Event('change')); }}"
        ));
    }

    /// The rows of a table, as the trimmed texts of their cells.
    pub(crate) fn rows(&self, section: &str) -> Vec<Vec<String>> {
        let rows = self.text(&format!(
            "JSON.stringify([...document.querySelectorAll('#{section} .row')].filter((row) => !row.hidden)
                .map((row) => [...row.children].map((cell) => cell.textContent.trim())))"
        ));
        serde_json::from_str(&rows).unwrap()
    }

    /// Asserts that there were no requests but that for the page, no policy violations, and no
    /// console messages.
    pub(crate) fn assert_harmless(&self) {
        let requests = self.requests.lock().unwrap();
        let others = requests
            .iter()
            .filter(|url| !url.starts_with(&self.url) && !url.starts_with("data:"));
        assert_eq!(others.collect::<Vec<_>>(), [""; 0]);
        assert_eq!(self.text("JSON.stringify(refused)"), "[]");
        assert_eq!(self.get("typeof window.hacked"), "undefined");
        assert_eq!(*self.said.lock().unwrap(), [""; 0]);
    }
}
