//! The page of a report in Chromium: what it shows, and how it reacts to clicks and keys.
//!
//! Skipped with a message if there is no Chromium.

#[expect(dead_code, reason = "some of it is for other pages")]
mod browser;
mod recorded;
mod request;
mod speedscope;

use browser::Page;
use headless_chrome::browser::tab::point::Point;
use memprof::report::{Format, Report};
use recorded::{HOSTILE, NAMES, equals, report, timed, uncounted_from};
use std::path::Path;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

fn is(depth: u64, name: &str, percent: u64) -> (u64, String, u64) {
    (depth, name.to_owned(), percent)
}

#[test]
fn boxes_are_as_wide_as_what_was_recorded_of_them() {
    let Some(page) = Page::of(&report(4, NAMES), "") else {
        return;
    };
    // 1 + 4 MiB, 2 MiB and half a MiB of 7.5 MiB.
    let boxes = page.boxes();
    assert_eq!(boxes[0], is(0, "everything", 100));
    assert_eq!(boxes[1], is(1, "blog::posts::list", 67));
    assert_eq!(boxes[2], is(1, "blog::db::query", 27));
    assert_eq!(boxes[3].2, 7);
    assert_eq!(boxes[4], is(2, "blog::db::query", 53));
    assert_eq!(boxes.len(), 5);
    assert!(
        page.text("document.getElementById('totals').textContent")
            .starts_with("Alive7.50 MiB")
    );
    // The canvas isn't empty.
    let ink = "(() => { const boxes = document.getElementById('boxes');
        const { data } = boxes.getContext('2d').getImageData(0, 0, boxes.width, boxes.height);
        return data.filter((byte, at) => at % 4 === 3 && byte > 0).length; })()";
    assert!(page.get(ink).as_f64().unwrap() > 20_000.0);
    page.assert_harmless();
}

#[test]
fn a_report_that_the_program_went_on_after_says_so() {
    let mut report = report(4, NAMES);
    report.interim_after = Some(std::time::Duration::from_millis(3210));
    let Some(page) = Page::of(&report, "") else {
        return;
    };
    page.until("document.getElementById('totals').textContent.includes('Before the end')");
    assert!(
        page.text("document.getElementById('totals').textContent")
            .contains(
                "Before the endwritten 3.2 s after the first call of a profiled function; the \
                 program went on"
            )
    );
}

#[test]
fn what_was_left_out_is_a_sentence_above_the_notes() {
    let mut report = report(4, NAMES);
    report.accessors_left_out = 3;
    report.functions[0].notes.push("a note".into());
    let Some(page) = Page::of(&report, "") else {
        return;
    };
    page.until("document.getElementById('said').hidden === false");
    let note = report.accessors_note().unwrap();
    assert_eq!(
        page.text("document.getElementById('said').innerText"),
        format!("{note}\n\nblog::posts::list: a note")
    );
}

#[test]
fn the_time_of_a_scope_is_that_of_its_calls() {
    let Some(page) = Page::of(&timed(), "#measure=own_ns") else {
        return;
    };
    let boxes = page.boxes();
    assert_eq!(
        boxes,
        [
            is(0, "everything", 100),
            is(1, "blog::posts::list", 50),
            is(1, "blog::db::query", 50),
            is(2, "blog::db::query", 13),
        ]
    );
    page.assert_harmless();
}

#[test]
fn a_click_zooms_and_the_ways_back_are_many() {
    let Some(page) = Page::of(&report(4, NAMES), "") else {
        return;
    };
    let is_at = |name: &str| page.until(&format!("Chart.top.name() === {name:?}"));
    page.click_box(1, "blog::posts::list");
    is_at("blog::posts::list");
    assert_eq!(
        page.boxes(),
        [
            is(0, "blog::posts::list", 100),
            is(1, "blog::db::query", 80)
        ]
    );
    assert_eq!(
        page.text("document.getElementById('source-name').textContent"),
        "blog::posts::list"
    );

    page.click_box(1, "blog::db::query");
    is_at("blog::db::query");
    page.click("#show-stack");
    page.until("document.querySelectorAll('#stack li').length === 3");
    page.click("#stack li:last-child button");
    is_at("everything");

    page.click_box(1, "blog::posts::list");
    is_at("blog::posts::list");
    page.click_box(0, "blog::posts::list");
    is_at("everything");

    page.click_box(1, "blog::db::query");
    is_at("blog::db::query");
    page.get("history.back()");
    is_at("everything");

    page.click_box(1, "blog::db::query");
    is_at("blog::db::query");
    page.click("#reset-zoom");
    is_at("everything");
    assert_eq!(
        page.get("document.getElementById('reset-zoom').disabled"),
        true
    );
    page.assert_harmless();
}

#[test]
fn a_row_of_the_table_is_the_root_with_all_its_calls() {
    let Some(page) = Page::of(&report(4, NAMES), "") else {
        return;
    };
    let rows = page.rows("table");
    assert_eq!(rows[0][..3], ["6.00 MiB", "6.00 MiB", "blog::db::query"]);
    assert_eq!(rows[1][..2], ["1.00 MiB", "5.00 MiB"]);
    page.click("#table .row:nth-child(1)");
    page.until("Chart.top.name() === 'blog::db::query'");
    assert_eq!(page.get("Chart.top.after"), 6.0 * 1_048_576.0);
    page.until("document.getElementById('source-name').textContent === 'blog::db::query'");
    let lines = page.rows("source");
    assert_eq!(lines[1][0], "21");
    assert_eq!(lines[1][2], "6.00 MiB");
    assert_eq!(lines[1].last().unwrap(), "rows.push(row);");

    page.choose("direction", "inverted");
    page.until("Chart.boxes.length === 2");
    assert_eq!(page.boxes()[1], is(1, "blog::posts::list", 67));
    page.click("#reset-root");
    page.until("Chart.top.name() === 'everything'");
    page.assert_harmless();
}

#[test]
fn inverted_it_begins_with_what_made_something() {
    let Some(page) = Page::of(&report(4, NAMES), "#direction=inverted") else {
        return;
    };
    let boxes = page.boxes();
    assert_eq!(boxes[1], is(1, "blog::db::query", 80));
    assert_eq!(boxes[2], is(1, "blog::posts::list", 13));
    assert_eq!(boxes[4], is(2, "blog::posts::list", 53));

    page.choose("frames", "lines");
    page.until("Chart.tree.byLine");
    let boxes = page.boxes();
    assert_eq!(boxes[1], is(1, "blog::db::query:21", 80));
    assert_eq!(boxes[4], is(2, "blog::posts::list:11", 53));
    page.choose("direction", "callers");
    page.until("!Chart.tree.isInverted");
    let boxes = page.boxes();
    assert_eq!(boxes[1], is(1, "blog::posts::list:11", 53));
    assert_eq!(boxes[2], is(1, "blog::db::query:21", 27));
    assert!(boxes.contains(&is(2, "blog::db::query:21", 53)));
    page.assert_harmless();
}

#[test]
fn another_measure_and_another_order_are_chosen() {
    let Some(page) = Page::of(&report(4, NAMES), "") else {
        return;
    };
    page.choose("measure", "allocation_count");
    page.until("Chart.measuredFor.startsWith('allocation_count') && Table.columns[0]?.key === 'allocation_count'");
    assert_eq!(page.boxes()[1], is(1, "blog::posts::list", 83));
    assert_eq!(page.rows("table")[0][2], "blog::posts::list");
    page.click("[data-sort='live_bytes']");
    page.until("State.now.sort === 'live_bytes'");
    assert_eq!(page.rows("table")[0][2], "blog::db::query");
    page.click("[data-sort='live_bytes']");
    page.until("State.now.sort === '-live_bytes'");
    assert_eq!(page.rows("table")[2][2], "blog::db::query");
    page.choose("shape", "sunburst");
    page.until("Chart.shape() === Sunburst && Chart.size.ring > 0");
    // A click to the right of the centre, on the first ring, most of which is `list`.
    let at: [f64; 2] = serde_json::from_str(&page.text(
        "(() => { const at = document.getElementById('marks').getBoundingClientRect();
            return JSON.stringify([at.left + at.width / 2 + Chart.size.ring * 2, at.top + at.height / 2]); })()",
    ))
    .unwrap();
    page.tab.click_point(Point { x: at[0], y: at[1] }).unwrap();
    page.until("Chart.top.name() === 'blog::posts::list'");
    page.assert_harmless();
}

#[test]
fn what_is_searched_for_is_marked_and_what_isnt_leaves_the_table() {
    let Some(page) = Page::of(&report(4, NAMES), "") else {
        return;
    };
    page.tab.press_key("/").unwrap();
    page.until("document.activeElement.id === 'search'");
    page.tab.send_character("QUERY").unwrap();
    page.until("Search.text === 'query'");
    // A line of `list` contains the word, so `list` is found, too.
    let found = "JSON.stringify(Chart.boxes.filter((box) => Search.isFound(box.node)).length)";
    assert_eq!(page.text(found), "3");
    assert_eq!(
        page.text("document.getElementById('row-count').textContent"),
        "2 of 3"
    );
    assert_eq!(
        page.text("document.getElementById('found').textContent"),
        "2 functions, 93.3 % with callees"
    );
    page.tab.press_key("Enter").unwrap();
    page.tab.press_key("Escape").unwrap();
    page.until("Search.text === ''");
    assert_eq!(
        page.text("document.getElementById('row-count').textContent"),
        "3"
    );
    page.assert_harmless();
}

#[test]
fn the_keyboard_moves_zooms_and_helps() {
    let Some(page) = Page::of(&report(4, NAMES), "") else {
        return;
    };
    let press = |key: &str| page.tab.press_key(key).map(|_| ()).unwrap();
    press("ArrowDown");
    press("ArrowDown");
    page.until("Chart.chosen?.depth === 2");
    press("Enter");
    page.until("Chart.top.name() === 'blog::db::query'");
    press("Backspace");
    page.until("Chart.top.name() === 'blog::posts::list'");
    press("0");
    page.until("Chart.top.name() === 'everything'");
    press("i");
    page.until("Chart.tree.isInverted");
    press("?");
    page.until("document.getElementById('help').open");
    assert!(
        page.text("document.getElementById('keys').textContent")
            .contains("invert")
    );
    press("Escape");
    page.until("!document.getElementById('help').open");
    page.assert_harmless();
}

#[test]
fn the_address_is_the_view() {
    let Some(page) = Page::of(&report(4, NAMES), "") else {
        return;
    };
    page.choose("measure", "allocated_bytes");
    page.choose("frames", "lines");
    page.until("Chart.tree.byLine && Chart.measuredFor.startsWith('allocated')");
    page.click_box(1, "blog::posts::list:11");
    page.until("Chart.top.name() === 'blog::posts::list:11'");
    let hash = page.text("location.hash");
    let Some(again) = Page::of(&report(4, NAMES), &hash) else {
        return;
    };
    assert_eq!(again.text("Chart.top.name()"), "blog::posts::list:11");
    assert_eq!(
        again.text("document.getElementById('measure').value"),
        "allocated_bytes"
    );
    assert_eq!(again.boxes(), page.boxes());

    let hash = "#root=99&zoom=x.r9-1.7&measure=no&depth=<b>&source=-1&sort=%00&__proto__=1";
    let Some(odd) = Page::of(&report(4, NAMES), hash) else {
        return;
    };
    assert_eq!(odd.text("Chart.top.name()"), "everything");
    assert_eq!(odd.boxes().len(), 5);
    odd.assert_harmless();
}

#[test]
fn the_pointer_marks_all_that_is_the_same_function() {
    let Some(page) = Page::of(&report(4, NAMES), "") else {
        return;
    };
    page.tab
        .move_mouse_to_point(page.place_of(2, "blog::db::query"))
        .unwrap();
    page.until("Chart.hovered !== null");
    let said = page.text("document.getElementById('info').textContent");
    assert!(
        said.starts_with("blog::db::query4.00 MiB alive53.3 % of all"),
        "{said}"
    );
    assert!(said.ends_with("src/db.rs:20"), "{said}");
    // The other box of the same function is highlighted, too.
    let at = page.place_of(1, "blog::db::query");
    let colours = "(() => { const marks = document.getElementById('marks');
        const { data } = marks.getContext('2d').getImageData(0, 0, marks.width, 2 * Icicle.row);
        return data.some((byte) => byte > 0); })()";
    assert_eq!(page.get(colours), true, "{at:?}");
    page.assert_harmless();
}

#[test]
fn hostile_names_are_texts() {
    let Some(page) = Page::of(
        &report(4, [HOSTILE, "<b>bold</b>", "\u{0}{policy}{{style}}"]),
        "",
    ) else {
        return;
    };
    let names: Vec<String> = page
        .rows("table")
        .into_iter()
        .map(|row| row[2].clone())
        .collect();
    assert_eq!(names[0], "<b>bold</b>");
    assert!(
        names[1].starts_with("blog::</script><script>window.hacked=1"),
        "{names:?}"
    );
    assert!(!names.concat().contains(['\u{2028}', '\u{202e}', '\u{1b}']));
    page.click("#tab-lines");
    page.until("Table.isOfLines() && document.getElementById('row-count').textContent === '5'");
    assert_eq!(
        page.get("document.querySelectorAll('img, b:not(#source-name), main script').length"),
        0
    );
    page.assert_harmless();
}

#[test]
fn a_page_without_source_says_so() {
    let Some(page) = Page::of(&report(4, NAMES).without_source(), "") else {
        return;
    };
    page.until(
        "document.getElementById('source-place').textContent.includes('source text was left out')",
    );
    page.choose("frames", "lines");
    page.until("Chart.tree.byLine");
    assert!(
        !page
            .get("document.documentElement.outerHTML")
            .as_str()
            .unwrap()
            .contains("rows.push")
    );
    page.assert_harmless();
}

#[test]
fn nothing_recorded_is_a_page_too() {
    let Some(page) = Page::of(&Report::default(), "") else {
        return;
    };
    assert_eq!(
        page.text("document.getElementById('row-count').textContent"),
        "0"
    );
    assert_eq!(page.boxes(), [is(0, "everything", 100)]);
    page.assert_harmless();
}

#[test]
fn the_first_measure_is_one_that_there_is_something_of() {
    let Some(page) = Page::of(&equals(2, 0), "") else {
        return;
    };
    assert_eq!(
        page.text("document.getElementById('measure').value"),
        "allocated_bytes"
    );
    assert_eq!(page.boxes().len(), 3);
    page.choose("measure", "live_bytes");
    page.until("document.getElementById('info').textContent.includes('nothing to draw')");
    assert_eq!(page.boxes().len(), 1);
    page.assert_harmless();
}

#[test]
fn a_difference_has_what_came_and_what_went() {
    let (before, after) = (
        report(4, NAMES),
        report(1, ["blog::posts::list", "blog::db::query", "blog::new"]),
    );
    let write = |path: &Path| after.write_difference(&before, path).unwrap();
    let Some(page) = Page::open(write, "") else {
        return;
    };
    // The query has 3 MiB less; half a MiB is gone, and half a MiB is new.
    let boxes = page.boxes();
    assert_eq!(boxes[1], is(1, "blog::posts::list", 75));
    assert_eq!(boxes[2], is(1, "blog::new", 13));
    assert_eq!(boxes[3].2, 13);
    assert_eq!(boxes[4], is(2, "blog::db::query", 75));
    assert_eq!(boxes.len(), 5);
    // The info also has what hasn't changed.
    let said = page.text("document.getElementById('info').textContent");
    assert!(
        said.starts_with("everything7.50 MiB → 4.50 MiB (-3.00 MiB) alive"),
        "{said}"
    );
    let rows = page.rows("table");
    assert_eq!(rows[0][..3], ["-3.00 MiB", "-3.00 MiB", "blog::db::query"]);
    assert_eq!(rows.len(), 4);
    assert!(
        page.text("document.getElementById('totals').textContent")
            .contains("7.50 MiB → 4.50 MiB")
    );
    assert!(
        page.text("document.getElementById('legend').textContent")
            .contains("blue: less")
    );
    let colour = |name: &str| {
        page.text(&format!(
        "Colours.of(Chart.boxes.find((box) => box.node.name() === {name:?}).node, 1).slice(0, 7)"
    ))
    };
    assert_eq!(colour("blog::new"), "hsl(4 8");
    assert_eq!(colour("blog::posts::list"), "hsl(214");

    page.choose("width", "before");
    page.until("Chart.measuredFor.endsWith('before')");
    assert_eq!(page.boxes()[1], is(1, "blog::posts::list", 67));
    page.choose("width", "after");
    page.until("Chart.measuredFor.endsWith('after')");
    assert_eq!(page.boxes()[1], is(1, "blog::posts::list", 44));
    page.assert_harmless();
}

#[test]
fn the_policy_is_in_the_page_and_allows_the_script_by_its_hash() {
    let mut text = Vec::new();
    report(4, NAMES).write_to(Format::Html, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains(&format!("content=\"{}\"", Format::html_policy())));
    // The page's own script and style only: the data is in an encoding without `<`.
    assert_eq!(text.matches("<script>").count(), 1);
    assert!(!text.contains("</script><script>window"));
    for column in text.split("<script type=\"text/plain\" id=\"").skip(1) {
        let (_, rest) = column.split_once("\">").unwrap();
        let (data, _) = rest.split_once("</script>").unwrap();
        assert!(
            data.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
        );
    }
}

#[test]
fn a_page_opens_on_what_the_report_is_about() {
    let opens_on = |report: &Report| {
        let page = Page::of(report, "")?;
        let measure = page.text("document.getElementById('measure').value");
        page.assert_harmless();
        Some(measure)
    };
    // Half a MiB of each is alive, as in a running program; below, a byte, as at exit.
    let Some(measure) = opens_on(&equals(5, 1 << 19)) else {
        return;
    };
    assert_eq!(measure, "live_bytes");
    assert_eq!(opens_on(&equals(5, 1)).unwrap(), "allocated_bytes");
}

#[test]
fn what_is_too_narrow_is_one_box_that_opens() {
    let Some(page) = Page::of(&equals(5000, 1), "") else {
        return;
    };
    assert_eq!(page.boxes()[1], is(1, "5,000 more", 100));
    page.click_box(1, "5,000 more");
    page.until("Chart.top.kind === 'rest'");
    let boxes = page.boxes();
    assert_eq!(boxes.len(), 41);
    assert_eq!(boxes[1].1, "125 more");
    page.click_box(1, "125 more");
    page.until("Chart.boxes.length === 126");
    assert!(
        page.boxes()[1..]
            .iter()
            .all(|(depth, name, _)| *depth == 1 && name.starts_with("many::f"))
    );
    page.assert_harmless();
}

#[test]
fn a_long_table_has_the_rows_that_are_in_sight() {
    let Some(page) = Page::of(&equals(5000, 1), "") else {
        return;
    };
    let rows = page.rows("table");
    assert!(rows.len() < 100, "{}", rows.len());
    assert_eq!(rows[0][2], "many::f00000");
    page.get("{ const table = document.querySelector('#table .scroll'); table.scrollTop = table.scrollHeight; }");
    page.until("[...document.querySelectorAll('#table .row')].some((row) => row.textContent.includes('f04999'))");
    assert!(page.rows("table").len() < 100);
    page.assert_harmless();
}

/// The headings of a table.
fn headings(page: &Page, section: &str) -> Vec<String> {
    let headings = page.text(&format!(
        "JSON.stringify([...document.querySelector('#{section} .head').children].map((head) => head.textContent))"
    ));
    serde_json::from_str(&headings).unwrap()
}

/// The last cell of each row of the table.
fn counts(page: &Page) -> Vec<String> {
    let rows = page.rows("table");
    rows.into_iter().filter_map(|mut row| row.pop()).collect()
}

#[test]
fn calls_and_hits_that_were_not_counted_are_blank() {
    let Some(page) = Page::of(&uncounted_from(1), "") else {
        return;
    };
    assert_eq!(headings(&page, "table").last().unwrap(), "Calls");
    page.click("#table .head [data-sort=calls]");
    page.until("State.now.sort === 'calls'");
    assert_eq!(counts(&page), ["3", "", ""]);
    page.click("#table .head [data-sort=calls]");
    page.until("State.now.sort === '-calls'");
    assert_eq!(counts(&page), ["", "", "3"]);
    page.click("#tab-lines");
    page.until("document.querySelector('#table .head').textContent.includes('Hits')");
    let mut hits = counts(&page);
    hits.sort();
    assert_eq!(hits, ["", "", "", "7", "7"]);
    page.assert_harmless();
}

#[test]
fn a_report_without_hits_has_no_column_for_them() {
    let Some(page) = Page::of(&uncounted_from(0), "") else {
        return;
    };
    let headings = |section: &str| headings(&page, section);
    assert!(!headings("table").contains(&"Calls".to_owned()));
    page.click("#table .row:nth-child(1)");
    page.until("document.querySelector('#source .head').textContent.includes('With callees')");
    assert_eq!(headings("source"), ["Line", "Alive", "With callees", ""]);
    page.click("#tab-lines");
    page.until("document.querySelectorAll('#table .row:not([hidden])').length === 5");
    assert!(!headings("table").contains(&"Hits".to_owned()));
    page.assert_harmless();
}

#[test]
fn a_change_of_calls_is_blank_if_one_report_did_not_count_them() {
    let write = |path: &Path| {
        let later = report(5, NAMES);
        later.write_difference(&uncounted_from(1), path).unwrap();
    };
    let Some(page) = Page::open(write, "") else {
        return;
    };
    assert_eq!(headings(&page, "table").last().unwrap(), "Δ Calls");
    let mut changes = counts(&page);
    changes.sort();
    assert_eq!(changes, ["", "", "0"]);
    let titles = "[...document.querySelectorAll('#table .row:not([hidden])')].map((row) => row.lastChild.title)";
    let titles = page.text(&format!("{titles}.sort().join('; ')"));
    assert_eq!(titles, "3 → 3; not counted → 3; not counted → 3");
    page.assert_harmless();
}
