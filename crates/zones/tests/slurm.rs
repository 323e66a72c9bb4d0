//! A matrix over Slurm: shares in an array job make the report that one run makes.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::{Host, ZONES, err, has_tool, out};

/// 2 x 3 x 2 cells, of which some fail.
const MATRIX: &str = r#"
schema = 1
name = "shared"
[run]
keep = "never"
[cell]
memory = "64M"
retries = { count = 0 }
[axes]
color = ["red", "green"]
[platform]
id = "{color}"
brand = "lx"
image.import = { tarball = "busybox.tar" }
[option]
a = { env = { WORD = "a" } }
b = { env = { WORD = "b" } }
c = { env = { WORD = "c" } }
[step]
work.run = "echo $WORD"
choose.run = "test $WORD != b"
[scenario.one]
steps = ["work"]
[scenario.two]
steps = ["work", "choose"]
[report]
dir = "reports"
formats = ["json"]
"#;

/// Verdicts by cell, as the report has them.
fn verdicts(run: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(run.join("run.json"));
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", run.display()));
    let run: Value = serde_json::from_str(&text).unwrap();
    let cells = run["cells"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    cells
        .map(|cell| (text(&cell["id"]), text(&cell["verdict"])))
        .collect()
}

#[test]
fn shares_of_an_array_job_make_the_report_of_one_run() {
    let name = "shares_of_an_array_job_make_the_report_of_one_run";
    let host: Host = host_or_skip!("shares_of_an_array_job_make_the_report_of_one_run");
    for tool in ["slurmctld", "slurmd", "sbatch", "srun", "munged", "unshare"] {
        if !has_tool(tool) && !Path::new("/usr/sbin").join(tool).exists() {
            println!("SKIP {name}: needs {tool} (packages slurmctld slurmd slurm-client munge)");
            return;
        }
    }
    let product = host.path().join("product");
    fs::create_dir(&product).unwrap();
    fs::rename(host.archive(), product.join("busybox.tar")).unwrap();
    let file = product.join("matrix.toml");
    fs::write(&file, MATRIX).unwrap();
    let file = file.to_str().unwrap();

    let local = host.run(
        "matrix",
        &["run", "-f", file, "--id", "local", "--seed", "0"],
    );
    assert_eq!(
        local.status.code(),
        Some(1),
        "{}{}",
        out(&local),
        err(&local)
    );
    let local = verdicts(&product.join("reports/local"));
    assert_eq!(local.len(), 12);
    assert_eq!(
        local.values().filter(|verdict| *verdict == "fail").count(),
        2
    );

    let cluster = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slurm/cluster.sh");
    let script = format!(
        "set -e\n\
         said=$({ZONES} matrix -R {} slurm -f {file} -n 3 --at-once 2 --id shared --submit)\n\
         echo \"$said\"\n\
         merge=$(echo \"$said\" | sed -n 's/.*merged by job //p')\n\
         srun --quiet --dependency=afterany:$merge true\n",
        host.path().display()
    );
    let done = Command::new(cluster)
        .arg(host.path().join("cluster"))
        .args(["240", "/bin/sh", "-c", &script])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = out(&done) + &err(&done);
    if done.status.code() == Some(75) {
        println!("SKIP {name}: Slurm runs no job at all on this machine\n{said}");
        return;
    }
    let logs = product.join("reports").join("slurm-shared-merge.log");
    let logs = fs::read_to_string(logs).unwrap_or_default();
    assert!(done.status.success(), "{said}{logs}");
    assert_eq!(
        verdicts(&product.join("reports/shared")),
        local,
        "{said}{logs}"
    );
    for share in ["shared-001", "shared-002", "shared-003"] {
        let own = verdicts(&product.join("reports").join(share));
        assert!(own.len() < local.len(), "{share} ran all");
    }
    assert_eq!(host.leftovers(), Vec::<String>::new());
}
