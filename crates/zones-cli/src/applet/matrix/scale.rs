//! `zones matrix slurm` and `zones matrix k8s`: shares of a matrix for an engine.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;
use zones_matrix::Plan;
use zones_runner::scale::{self, Array, Cluster};
use zones_store::Layout;

use super::desk::{self, Desk, FILE_OPTION, YES};
use super::{NAME, bad, run};
use crate::getopt::{Given, Known, flag, value};
use crate::report::{OK, fail};

/// What both know.
const SHARES: Known = value('n', "shards");
const AT_ONCE: Known = value('\0', "at-once");
const ID: Known = value('\0', "id");
const SEED: Known = value('\0', "seed");

const SLURM: [Known; 2] = [value('O', "option"), flag('\0', "submit")];
const KUBERNETES: [Known; 3] = [
    value('\0', "image"),
    value('\0', "claim"),
    value('\0', "memory"),
];

/// Options of one of them, `own`, and those of both.
fn known(own: impl IntoIterator<Item = Known>) -> Vec<Known> {
    let both = [FILE_OPTION, YES, SHARES, AT_ONCE, ID, SEED];
    both.into_iter().chain(own).collect()
}

/// What is to be shared out.
struct Work {
    desk: Desk,
    plan: Plan,
    stem: String,
    shares: usize,
    at_once: Option<usize>,
    select: Vec<String>,
}

impl Work {
    fn of(layout: &Layout, given: &Given) -> Result<Self, u8> {
        let number = |name: &str| -> Result<Option<usize>, u8> {
            match given.get(name).map(str::parse::<usize>) {
                None => Ok(None),
                Some(Ok(number)) if number > 0 => Ok(Some(number)),
                Some(_) => Err(bad(format!("--{name} is a number from 1"))),
            }
        };
        let desk = Desk::open(layout, given)?;
        let seed = given.get("seed").map_or(Ok(0), str::parse);
        let seed = seed.map_err(|_| bad("--seed is a number"))?;
        let plan = desk.plan(layout, given, seed)?;
        let cells = desk::select(&plan, given)?.len();
        let stem = given.get("id").map_or_else(run::run_id, str::to_owned);
        Ok(Self {
            shares: number("shards")?.unwrap_or_else(|| scale::shares(cells)),
            at_once: number("at-once")?,
            select: given.words.clone(),
            desk,
            plan,
            stem,
        })
    }

    /// Writes the plan that every share compares its own with.
    fn write(&self, folder: &Path) -> Result<PathBuf, u8> {
        let path = folder.join("plan.json");
        let text = format!("{:#}\n", self.plan.to_json());
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, text));
        written.map_err(|error| fail(NAME, format!("{}: {error}", path.display())))?;
        Ok(path)
    }
}

pub(super) fn slurm(layout: &Layout, args: &[String]) -> u8 {
    let given = match desk::parse(args, &known(SLURM)) {
        Ok(given) => given,
        Err(text) => return bad(text),
    };
    let done = Work::of(layout, &given).and_then(|work| array(layout, &given, &work));
    done.map_or_else(|status| status, |()| OK)
}

fn array(layout: &Layout, given: &Given, work: &Work) -> Result<(), u8> {
    let reports = work.desk.reports();
    let folder = reports.join(format!("slurm-{}", work.stem));
    let plan = work.write(&folder)?;
    let file = work.desk.folder.join(name(given)?);
    let options: Vec<String> = given.all("option").map(str::to_owned).collect();
    let command = command(layout)?;
    let (file, plan, reports) = (file.display(), plan.display(), reports.display());
    let (file, plan, reports) = (file.to_string(), plan.to_string(), reports.to_string());
    let array = Array {
        name: &work.plan.name,
        command: &command,
        file: &file,
        plan: &plan,
        stem: &work.stem,
        shares: work.shares,
        at_once: work.at_once,
        reports: &reports,
        options: &options,
        select: &work.select,
    };
    let script = |name: &str, text: String| -> Result<PathBuf, u8> {
        let path = folder.join(name);
        let mode = fs::Permissions::from_mode(0o755);
        let written = fs::write(&path, text).and_then(|()| fs::set_permissions(&path, mode));
        written.map_err(|error| fail(NAME, format!("{}: {error}", path.display())))?;
        println!("{}", path.display());
        Ok(path)
    };
    let shares = script("array.sh", scale::array(&array))?;
    let merge = script("merge.sh", scale::merge(&array))?;
    if !given.has("submit") {
        return Ok(());
    }
    let job = submit(&["--parsable"], &shares)?;
    let after = format!("--dependency=afterany:{job}");
    let merging = submit(&["--parsable", &after], &merge)?;
    println!("job {job}, merged by job {merging}");
    Ok(())
}

/// The number that sbatch gives a job.
fn submit(options: &[&str], script: &Path) -> Result<String, u8> {
    let mut command = Command::new("sbatch");
    command.args(options).arg(script).stdin(Stdio::null());
    let said = command.output().map_err(|error| {
        fail(
            NAME,
            format!("cannot start sbatch (package slurm-client): {error}"),
        )
    })?;
    if !said.status.success() {
        let why = String::from_utf8_lossy(&said.stderr).trim().to_owned();
        return Err(fail(NAME, format!("sbatch {}: {why}", script.display())));
    }
    // NUMBER, or NUMBER;CLUSTER.
    let text = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    Ok(text.split(';').next().unwrap_or_default().to_owned())
}

/// The words that run a matrix on a node, where this program has the same name.
fn command(layout: &Layout) -> Result<Vec<String>, u8> {
    let program = std::env::current_exe();
    let program =
        program.map_err(|error| fail(NAME, format!("cannot find this program: {error}")))?;
    let mut words = vec![program.display().to_string(), "matrix".to_owned()];
    if !layout.is_host() {
        words.extend(["-R".to_owned(), layout.prefix().display().to_string()]);
    }
    Ok(words)
}

/// The name of the matrix file in its folder.
fn name(given: &Given) -> Result<String, u8> {
    let path = Path::new(given.get("file").unwrap_or("matrix.toml"));
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned)
        .ok_or_else(|| bad(format!("`{}` is no file", path.display())))
}

pub(super) fn kubernetes(layout: &Layout, args: &[String]) -> u8 {
    let given = match desk::parse(args, &known(KUBERNETES)) {
        Ok(given) => given,
        Err(text) => return bad(text),
    };
    let done = Work::of(layout, &given).and_then(|work| job(&given, &work));
    done.map_or_else(|status| status, |()| OK)
}

fn job(given: &Given, work: &Work) -> Result<(), u8> {
    let need = |name: &str| {
        given
            .get(name)
            .ok_or_else(|| bad(format!("--{name} is needed; see zonematrix(1)")))
    };
    let folder = format!("k8s-{}", work.stem);
    work.write(&work.desk.reports().join(&folder))?;
    let plan = format!("{}/{folder}/plan.json", work.desk.matrix.report.dir);
    let file = name(given)?;
    let cluster = Cluster {
        name: &work.plan.name,
        image: need("image")?,
        file: &file,
        plan: &plan,
        stem: &work.stem,
        shares: work.shares,
        at_once: work.at_once.unwrap_or(work.shares),
        claim: need("claim")?,
        memory: given.get("memory").unwrap_or("4Gi"),
        select: &work.select,
    };
    let list = json!({
        "apiVersion": "v1",
        "kind": "List",
        "items": [scale::runtime_class(), scale::job(&cluster)],
    });
    println!("{list:#}");
    Ok(())
}
