//! Speedscope, a viewer of profiles, opens memprof's files and shows the same numbers.
//!
//! Skipped with a message if there is no Chromium, or if speedscope isn't in `target/clients`,
//! where `.ci/run` installs it.

use crate::browser::Page;
use crate::recorded::{NAMES, report};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::fs;
use std::path::Path;

#[test]
fn speedscope_shows_what_the_functions_made() {
    let viewer = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../target/clients/node_modules/speedscope/dist/release/index.html");
    let Ok(viewer) = fs::canonicalize(viewer) else {
        eprintln!("skipped: speedscope is not installed");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.speedscope.json");
    report(4, NAMES).write(&path).unwrap();
    // This is what speedscope's own command does.
    let loads = format!(
        "speedscope.loadFileFromBase64('report.speedscope.json', '{}')",
        BASE64_STANDARD.encode(fs::read(path).unwrap())
    );
    let script = folder.path().join("loads.js");
    fs::write(&script, loads).unwrap();
    let hash = format!("#localProfilePath={}", script.display());
    let Some(page) = Page::at(&format!("file://{}", viewer.display()), &hash, folder) else {
        return;
    };

    // The file opens on the main quantity, live bytes.
    page.until("document.body.innerText.includes('alive (2/5)')");
    // Key 3 opens the table of functions.
    page.tab.press_key("3").unwrap();
    page.until("document.body.innerText.includes('Symbol Name')");
    let shown = page.text("document.body.innerText.replaceAll(/\\s+/g, ' ')");
    for row in [
        "6.00 MB (80%) 6.00 MB (80%) blog::db::query:21",
        "1.00 MB (13%) 1.00 MB (13%) blog::posts::list:10",
        "4.00 MB (53%) 0 B (<0.01%) blog::posts::list:11",
    ] {
        assert!(shown.contains(row), "{shown}");
    }
}
