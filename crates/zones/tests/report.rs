//! The page of a real run in a browser without a display: from a file, without a network.
//! `ZONES_SCREENSHOT=FILE` keeps a picture of it, the one that README.md shows.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::thread::UnshareFlags;
use support::{Host, err, out};

/// Names under which a browser without a display is installed.
const BROWSERS: [&str; 3] = ["chromium-headless-shell", "chromium", "google-chrome"];

const MATRIX: &str = r#"
schema = 1
name = "acme"
[run]
memory = "1G"
jobs = 2
[cell]
memory = "128M"
timeout = "60s"
[axes]
os = ["one", "two"]
[platform]
id = "{os}"
brand = "lx"
image.import = { tarball = "busybox.tar" }
[option]
client = { env = { PARTS = "client" } }
full = { env = { PARTS = "client server" } }
[artifact]
new = { path = "release" }
prev = { path = "release" }
[step]
install.run = "sh ./install.sh {artifact}"
edit-config.run = "echo port=7 >> /etc/acme"
upgrade.run = "sh ./install.sh {artifact}"
smoke.run = "sh ./smoke.sh"
purge.run = "rm -rf /opt"
[scenario.fresh]
steps = ["install:new", "smoke"]
[scenario.upgrade]
steps = ["install:prev", "edit-config", "upgrade:new", "smoke"]
[scenario.uninstall]
steps = ["install:new", "smoke", "purge"]
checks = ["no-leftovers"]
"#;

/// The server leaves its configuration behind.
const INSTALL: &str = "set -e
mkdir -p /opt && cp -r \"$1\" /opt/acme
case $PARTS in *server*) echo port=1 > /etc/acme ;; esac
echo installed $PARTS
";
/// The server does not start where an administrator changed its configuration.
const SMOKE: &str = "cat /opt/acme/f
echo looking for the ports
case $PARTS in *server*) [ $ZONES_MATRIX_CELL != one/full/upgrade ] || {
    echo 'error: port 7 is <not> open' >&2
    exit 9
} ;; esac
";

fn browser() -> Option<&'static str> {
    let found = BROWSERS.iter().find(|name| support::has_tool(name));
    found.copied()
}

/// What a person does with the page, and what is seen then.
const HANDS: &str = r##"<script>(() => {
  const said = [];
  const say = (name, value) => said.push(name + "=" + value);
  const cells = () => [...document.querySelectorAll("#view .cell")];
  const cell = id => cells().find(b => b.dataset.id === id);
  const type = (field, text) => { field.value = text; field.dispatchEvent(new Event("input")); };
  const bright = () => cells().filter(b => !b.classList.contains("dim")).length;
  say("cells", cells().length);
  cell("one/full/upgrade").click();
  const panel = document.querySelector("#panel");
  say("title", panel.querySelector("h2").textContent);
  const step = [...panel.querySelectorAll("details")].find(d => d.open);
  say("step", step.querySelector("summary").textContent.split(" ")[0]);
  say("log", step.querySelector("pre").textContent.includes("looking for the ports"));
  say("marked", step.querySelector("mark").textContent);
  type(step.querySelector("input"), "looking");
  say("found", step.querySelector("mark").textContent);
  say("whole", step.textContent.match(/cells\/\S+\.log/)[0]);
  say("fragment", decodeURIComponent(location.hash));
  type(document.querySelector("#text"), "uninstall");
  say("filtered", bright());
  [...document.querySelectorAll("#kinds button")].find(b => b.dataset.v === "leftover").click();
  say("leftover", bright());
  say("both", decodeURIComponent(location.hash));
  document.documentElement.dataset.said = said.join("|");
})();</script></body>"##;

/// Starts a browser on a host without a network; what it prints.
fn browse(browser: &'static str, folder: &Path, url: String, more: Vec<String>) -> String {
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    let look = move || {
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
            "--hide-scrollbars",
        ]);
        command.args(["--virtual-time-budget=4000", &profile]);
        let output = command
            .args(more)
            .arg(url)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}: {}",
            output.status,
            err(&output)
        );
        out(&output)
    };
    support::away(UnshareFlags::NEWNET, look).unwrap()
}

fn real_run(host: &Host) -> PathBuf {
    host.archive();
    let root = host.path();
    fs::create_dir(root.join("release")).unwrap();
    for (name, text) in [
        ("release/f", "acme 4.2\n"),
        ("matrix.toml", MATRIX),
        ("install.sh", INSTALL),
        ("smoke.sh", SMOKE),
    ] {
        fs::write(root.join(name), text).unwrap();
    }
    let mut command = host.command("zonematrix", &["run"]);
    let done = command.current_dir(root).output().unwrap();
    assert_eq!(done.status.code(), Some(1), "{}{}", out(&done), err(&done));
    let said = out(&done);
    assert!(said.contains("9 pass, 1 fail, 2 leftover"), "{said}");
    let mut runs = fs::read_dir(root.join("matrix-report")).unwrap().flatten();
    runs.next().unwrap().path()
}

#[test]
fn a_person_finds_the_failure_of_a_real_run_in_its_page() {
    let name = "a_person_finds_the_failure_of_a_real_run_in_its_page";
    let host = host_or_skip!("a_person_finds_the_failure_of_a_real_run_in_its_page");
    let Some(browser) = browser() else {
        println!("SKIP {name}: no browser; `cargo xtask test --browser` installs one");
        return;
    };
    let run = real_run(&host);
    let page = fs::read_to_string(run.join("index.html")).unwrap();
    let handled = run.join("handled.html");
    fs::write(&handled, page.replacen("</body>", HANDS, 1)).unwrap();
    let url = |path: &Path, end: &str| format!("file://{}{end}", path.display());
    let dump = || vec!["--dump-dom".to_owned()];
    let dom = browse(browser, &run, url(&handled, ""), dump());
    let said = dom.split("data-said=\"").nth(1).unwrap();
    let said = said.split('"').next().unwrap();
    // What a browser escapes in an attribute is its own affair.
    let said = said
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    let wanted = [
        "cells=12",
        "title=one/full/upgrade",
        "step=smoke",
        "log=true",
        "marked=error: port 7 is <not> open",
        "found=looking",
        "whole=cells/one/full/upgrade/steps/04-smoke.log",
        "fragment=#cell=one/full/upgrade",
        "filtered=4",
        "leftover=2",
        "both=#cell=one/full/upgrade&v=leftover&q=uninstall",
    ];
    assert_eq!(said.split('|').collect::<Vec<_>>(), wanted);
    // The log that the page names is there, packed.
    let log = run.join("cells/one/full/upgrade/steps/04-smoke.log.zst");
    assert!(log.is_file(), "{}", log.display());
    // A fragment leads to the cell, also in a page that nobody touched.
    let index = run.join("index.html");
    let there = url(&index, "#cell=two/full/uninstall&tab=Leftovers");
    let dom = browse(browser, &run, there, dump());
    let shown = dom.split("id=\"data\"").next().unwrap();
    assert!(shown.contains("<h2>two/full/uninstall</h2>"));
    assert!(shown.contains("<code>/etc/acme</code>"), "the finding");
    if let Some(picture) = std::env::var_os("ZONES_SCREENSHOT") {
        let picture = PathBuf::from(picture);
        let to = format!("--screenshot={}", picture.display());
        let more = vec![to, "--window-size=1200,700".to_owned()];
        browse(browser, &run, url(&index, "#cell=one/full/upgrade"), more);
        assert!(fs::metadata(&picture).unwrap().len() > 10_000);
    }
}
