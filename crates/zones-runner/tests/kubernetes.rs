//! The Job as the types of Kubernetes read it: what they do not know would be dropped.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;
use zones_runner::scale::{Cluster, job};

/// Every value of `ours` stands in `theirs`.
fn holds(at: &str, ours: &Value, theirs: &Value) {
    match ours {
        Value::Object(map) => {
            for (key, value) in map {
                let at = format!("{at}/{key}");
                let other = theirs.get(key);
                holds(
                    &at,
                    value,
                    other.unwrap_or_else(|| panic!("{at} is not known")),
                );
            }
        }
        Value::Array(items) => {
            for (place, value) in items.iter().enumerate() {
                holds(&format!("{at}/{place}"), value, &theirs[place]);
            }
        }
        _ => assert_eq!(ours, theirs, "{at}"),
    }
}

#[test]
fn kubectl_knows_every_field_of_the_job() {
    let job = job(&Cluster {
        name: "acme",
        image: "registry.example.org/zones:1",
        file: "matrix.toml",
        plan: "reports/plan.json",
        stem: "20261121-ab",
        shares: 8,
        at_once: 4,
        claim: "matrix",
        memory: "4Gi",
        select: &[],
    });
    // Its one way to read a Job by types without a server.
    let child = Command::new("kubectl")
        .args(["set", "env", "--local", "-o", "json", "-f", "-", "ADDED=1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        println!("SKIP kubectl_knows_every_field_of_the_job: needs kubectl");
        return;
    };
    let mut input = child.stdin.take().unwrap();
    input.write_all(job.to_string().as_bytes()).unwrap();
    drop(input);
    let said = child.wait_with_output().unwrap();
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    let read: Value = serde_json::from_slice(&said.stdout).unwrap();
    holds("", &job, &read);
}
