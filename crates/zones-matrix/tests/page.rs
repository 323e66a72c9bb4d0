//! The page in a browser without a display, from a file.

#![allow(clippy::unwrap_used)] // helpers too: what fails in them fails the test
#![allow(clippy::print_stdout)] // a skip says why

mod support;

use std::path::Path;
use std::process::Command;

use support::sample::{history, sample_of};
use zones_matrix::Run;
use zones_matrix::journal::read;
use zones_matrix::report::{Page, html};

/// Names under which a browser without a display is installed.
const BROWSERS: [&str; 3] = ["chromium-headless-shell", "chromium", "google-chrome"];

fn browser() -> Option<&'static str> {
    let folders = std::env::var_os("PATH")?;
    let has = |name: &&&str| std::env::split_paths(&folders).any(|dir| dir.join(name).is_file());
    BROWSERS.iter().find(has).copied()
}

/// The document after its script ran, or `None` without a browser.
fn dom(test: &str, page: &str, fragment: &str) -> Option<String> {
    let Some(browser) = browser() else {
        println!("SKIP {test}: no browser; `cargo xtask test --browser` installs one");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("index.html");
    std::fs::write(&file, page).unwrap();
    let url = format!("file://{}#{fragment}", file.display());
    Some(dump(browser, folder.path(), &url))
}

fn dump(browser: &str, folder: &Path, url: &str) -> String {
    let mut command = Command::new("timeout");
    command.args([
        "120",
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
    ]);
    command.args([
        "--no-first-run",
        "--disable-dev-shm-usage",
        "--virtual-time-budget=4000",
    ]);
    command.arg(format!(
        "--user-data-dir={}",
        folder.join("profile").display()
    ));
    let output = command.args(["--dump-dom", url]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn whole() -> Run {
    Run::from_journal(&read(&sample_of(192).bytes).unwrap()).unwrap()
}

#[test]
fn the_grid_shows_every_cell_and_a_fragment_opens_one() {
    let run = whole();
    let page = html(&Page {
        run: &run,
        before: &[],
    });
    let test = "the_grid_shows_every_cell_and_a_fragment_opens_one";
    let mut cells = run.cells.iter();
    let failed = cells.find(|cell| cell.is_failure() && !cell.error().is_empty());
    let id = failed.unwrap().info.id.clone();
    let Some(dom) = dom(test, &page, &format!("cell={id}")) else {
        return;
    };
    assert!(dom.contains("data-cells=\"192\""));
    assert_eq!(dom.matches("class=\"cell k-").count(), 192);
    assert!(dom.contains(&format!("<h2>{id}</h2>")));
    assert!(dom.contains(&format!("zones matrix shell {id}")));
}

#[test]
fn findings_are_text_and_nothing_else() {
    let run = whole();
    let left = run.cells.iter().find(|cell| {
        cell.attempts
            .iter()
            .any(|a| a.checks.iter().any(|check| !check.findings.is_empty()))
    });
    let id = &left.unwrap().info.id;
    let page = html(&Page {
        run: &run,
        before: &[],
    });
    let test = "findings_are_text_and_nothing_else";
    let Some(dom) = dom(test, &page, &format!("cell={id}&tab=Leftovers")) else {
        return;
    };
    let body = dom.split("id=\"data\"").next().unwrap();
    assert!(
        body.contains("&lt;script&gt;alert(1)&lt;/script&gt;"),
        "{body}"
    );
    assert!(!body.contains("<script>alert"));
    assert!(body.contains("acme-agent"));
}

#[test]
fn views_and_filters_come_from_the_fragment() {
    let [first, second] = history();
    let run = Run::merge(vec![first.clone(), second]).unwrap();
    let before = [first];
    let page = html(&Page {
        run: &run,
        before: &before,
    });
    let test = "views_and_filters_come_from_the_fragment";
    let Some(text) = dom(test, &page, "view=compare") else {
        return;
    };
    assert!(text.contains("fixed: 3") && text.contains("still broken: 1"));
    let text = dom(test, &page, "view=timeline").unwrap();
    assert!(text.contains("id=\"timeline\"") && text.contains("class=\"lane\""));
    let text = dom(test, &page, "view=same+failure").unwrap();
    assert!(text.contains("id=\"same\""));
    let text = dom(test, &page, "v=leftover").unwrap();
    let shown = text.split("id=\"data\"").next().unwrap();
    let (all, dim) = ("class=\"cell k-", " dim\"");
    assert_eq!(shown.matches(all).count() - shown.matches(dim).count(), 1);
}

#[test]
fn keys_move_open_and_close() {
    let run = whole();
    let page = html(&Page {
        run: &run,
        before: &[],
    });
    // What a person would press, after the page's own script.
    let press = "<script>(() => {
      const key = (name, on) => on.dispatchEvent(
        new KeyboardEvent('keydown', { key: name, bubbles: true, cancelable: true }));
      const said = [];
      const first = document.querySelector('.cell[tabindex=\"0\"]');
      first.focus();
      said.push(document.activeElement.dataset.id);
      key('ArrowRight', document.activeElement);
      said.push(document.activeElement.dataset.id);
      key('ArrowDown', document.activeElement);
      said.push(document.activeElement.dataset.id);
      document.activeElement.click();
      said.push(document.querySelector('#panel h2').textContent);
      said.push(decodeURIComponent(location.hash));
      key('Escape', document.body);
      said.push(String(document.querySelector('#panel').hidden));
      said.push(document.activeElement.dataset.id);
      key('/', document.activeElement);
      said.push(document.activeElement.id);
      document.documentElement.dataset.said = said.join(' ');
    })();</script></body>";
    let page = page.replace("</body>", press);
    let Some(dom) = dom("keys_move_open_and_close", &page, "") else {
        return;
    };
    let said = "bullseye-amd64/client/fresh bullseye-amd64/client/upgrade \
                bullseye-i386/client/upgrade bullseye-i386/client/upgrade \
                #cell=bullseye-i386/client/upgrade true bullseye-i386/client/upgrade text";
    let found = dom
        .split("data-said=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    assert_eq!(found, Some(said));
}
