//! What is measured: groups of rows, each row a line for a shell.

use std::path::{Path, PathBuf};

use super::Measured;
use super::shellserver::Server;
use crate::demo::{busybox, mounts_below};
use crate::shell::{Outcome, cargo, output, write};
use crate::stats::Sample;

/// crun refuses a hybrid machine whose v2 tree owns a controller: show it one that is v1 only.
pub(super) const PURE_V1_VIEW: &str = "set -- /sys/fs/cgroup/*/; \
    if [ \"$(stat -fc %T /sys/fs/cgroup)\" = tmpfs ]; then mkdir -p /run/zones-bench-cg && \
    mount -t tmpfs none /run/zones-bench-cg && for c; do n=$(basename $c); \
    [ $n = unified ] || { mkdir /run/zones-bench-cg/$n && mount --bind $c /run/zones-bench-cg/$n; }; \
    done; mount --move /run/zones-bench-cg /sys/fs/cgroup; fi";

/// A line to be timed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) line: String,
    /// Not timed, before the first round.
    pub(crate) first: String,
    /// Not timed, after the line.
    pub(crate) after: String,
    /// Needed on this machine.
    pub(crate) program: Option<&'static str>,
    /// Runs where only cgroup v1 is seen.
    pub(crate) pure_v1: bool,
}

/// Its first process lives on when systemd-nspawn itself is killed. Its last words are no failure.
const NSPAWN_END: &str = "kill -KILL $(cat /proc/$zn/task/$zn/children); wait $zn || :";

/// The cases of `crates/zones-net/examples/plumb.rs`.
const NETWORK: [&str; 5] = [
    "port without guard",
    "guarded port, IPv4",
    "guarded port, both",
    "guarded port, both, uplinks",
    "taken away again",
];

/// The cases of `crates/zones-engine/examples/resident.rs`.
const RESIDENT: [&str; 3] = [
    "clone3, exit, wait",
    "zones, boot and halt in a resident daemon",
    "zones, ready and halt in a resident daemon",
];

/// Zones for the measurement of memory.
const IDLE_ZONES: usize = 10;

/// Rows that are compared with each other.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// Runs once only, and not at all in a quick run.
    pub(crate) slow: bool,
    pub(super) before: fn(&Place) -> String,
    pub(super) rows: fn(&Place) -> Vec<Row>,
    pub(super) after: fn(&Place) -> String,
}

pub(super) const GROUPS: [Group; 9] = [
    Group {
        name: "life",
        title: "Boot and halt: create, start, stop, delete; two commands",
        slow: false,
        before: |_| "true".to_owned(),
        rows: life,
        after: |_| "true".to_owned(),
    },
    Group {
        name: "floor",
        title: "A process in new namespaces, and gone: what the kernel takes at least",
        slow: false,
        before: |_| "true".to_owned(),
        rows: floor,
        after: |_| "true".to_owned(),
    },
    Group {
        name: "exec",
        title: "`true` in a zone that runs",
        slow: false,
        before: |place| {
            let state = place.at("host/run/zones/trivial/state");
            let boot = place.zoneadm("trivial", "boot");
            format!(r#"{boot} && zpid=$(sed 's/.*"init":{{"pid":\([0-9]*\).*/\1/' {state})"#)
        },
        rows: exec,
        after: |place| place.zoneadm("trivial", "halt"),
    },
    Group {
        name: "memory",
        title: "Memory that an idle zone adds beside its own init, KiB, ten zones",
        slow: false,
        before: |_| "true".to_owned(),
        rows: |_| Vec::new(),
        after: |_| "true".to_owned(),
    },
    Group {
        name: "ready",
        title: "Boot until BusyBox init has run its first script",
        slow: false,
        before: |_| "true".to_owned(),
        rows: ready,
        after: |_| "true".to_owned(),
    },
    Group {
        name: "net",
        title: "The network of a zone: links, addresses, routes and rules, in process",
        slow: false,
        before: |_| "true".to_owned(),
        rows: |_| Vec::new(),
        after: |_| "true".to_owned(),
    },
    Group {
        name: "list",
        title: "`zoneadm list -cv`",
        slow: false,
        before: many,
        rows: list,
        after: |_| "true".to_owned(),
    },
    Group {
        name: "config",
        title: "Long configurations: 2^16 and 2^18 repeated properties; linear is 4.00",
        slow: false,
        before: long,
        rows: config,
        after: |_| "true".to_owned(),
    },
    Group {
        name: "debian",
        title: "Debian, minimal base, from the mirror of this host",
        slow: true,
        before: |_| "true".to_owned(),
        rows: debian,
        after: |_| "true".to_owned(),
    },
];

/// Where the bench works.
pub(crate) struct Place {
    pub(super) zones: PathBuf,
    folder: PathBuf,
}

impl Place {
    pub(super) fn new(zones: PathBuf, folder: PathBuf) -> Self {
        Self { zones, folder }
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn at(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    fn command(&self, applet: &str, root: &str) -> String {
        format!("{} {applet} -R {}", self.zones.display(), self.at(root))
    }

    fn zoneadm(&self, zone: &str, verb: &str) -> String {
        format!("{} -z {zone} {verb}", self.command("zoneadm", "host"))
    }

    fn zonecfg(&self, zone: &str, root: &str, template: &str) -> String {
        let path = self.at(&format!("zones/{zone}"));
        let zonecfg = self.command("zonecfg", root);
        format!("{zonecfg} -z {zone} 'create -t {template}; set zonepath={path}'")
    }

    /// Roots, bundles and zones.
    pub(super) fn prepare(&self, host: &mut Server, v1: &mut Server) -> Outcome {
        for name in ["host", "many", "zones", "bundle", "oci"] {
            let path = self.folder.join(name);
            std::fs::create_dir_all(&path).map_err(|error| format!("{error}"))?;
        }
        for (name, inittab, init) in [
            ("trivial", "", "#!/bin/sh\nexec /bin/sleep 1000000\n"),
            ("ready", "::sysinit:/bin/sh -c 'echo 1 > /ready'\n", ""),
        ] {
            let root = self.folder.join("roots").join(name);
            busybox::tree(&root)?;
            write(&root.join("etc/inittab"), inittab)?;
            let shown = root.display();
            if init.is_empty() {
                host.run(&format!("mkfifo -m 666 {shown}/ready"))?;
            } else {
                std::fs::remove_file(root.join("sbin/init")).map_err(|error| format!("{error}"))?;
                write(&root.join("sbin/init"), init)?;
                host.run(&format!("chmod 755 {shown}/sbin/init"))?;
            }
            host.run(&self.zonecfg(name, "host", "SYSlx"))?;
            let root = self.at(&format!("roots/{name}"));
            host.run(&self.zoneadm(name, &format!("install -d {root}")))?;
            let zonepath = self.at(&format!("zones/{name}"));
            host.run(&format!(
                "[ -e {zonepath}/root/ready ] || mkfifo {zonepath}/root/ready"
            ))?;
            self.bundle(name, &["/sbin/init"])?;
        }
        self.bundle("true", &["/bin/true"])?;
        let lxc = format!(
            "lxc.rootfs.path = dir:{}\nlxc.uts.name = bench\nlxc.net.0.type = empty\n\
             lxc.mount.auto = proc sys\n",
            self.at("roots/trivial")
        );
        write(&self.folder.join("oci/lxc.conf"), &lxc)?;
        v1.run("true")
    }

    /// What OCI runtimes read: the namespaces and mounts that a zone has.
    fn bundle(&self, name: &str, args: &[&str]) -> Outcome {
        let root = if name == "true" { "trivial" } else { name };
        let root = self.at(&format!("roots/{root}"));
        let args: Vec<String> = args.iter().map(|arg| format!("\"{arg}\"")).collect();
        let text = format!(
            r#"{{"ociVersion":"1.0.2","process":{{"terminal":false,"user":{{"uid":0,"gid":0}},
"args":[{}],"env":["PATH=/bin:/sbin"],"cwd":"/","capabilities":{{}}}},
"root":{{"path":"{root}","readonly":false}},"hostname":"bench",
"mounts":[{{"destination":"/proc","type":"proc","source":"proc"}},
{{"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","mode=755"]}},
{{"destination":"/dev/pts","type":"devpts","source":"devpts","options":["newinstance"]}},
{{"destination":"/sys","type":"sysfs","source":"sysfs","options":["ro"]}},
{{"destination":"/run","type":"tmpfs","source":"tmpfs","options":["nosuid"]}}],
"linux":{{"resources":{{}},"namespaces":[{{"type":"pid"}},{{"type":"network"}},{{"type":"ipc"}},
{{"type":"uts"}},{{"type":"mount"}}]}}}}"#,
            args.join(",")
        );
        write(
            &self.folder.join("bundle").join(name).join("config.json"),
            &text,
        )
    }

    /// What ten idle zones add, each: the program's pages are shared, so PSS falls with the number.
    pub(super) fn memory(&self, host: &mut Server) -> Vec<Measured> {
        let names: Vec<String> = (0..IDLE_ZONES).map(|at| format!("idle{at}")).collect();
        let root = self.at("roots/trivial");
        for name in &names {
            let _ = host.run(&self.zonecfg(name, "host", "SYSlx"));
            let _ = host.run(&self.zoneadm(name, &format!("install -d {root}")));
            let _ = host.run(&self.zoneadm(name, "boot"));
        }
        let found = [
            ("zoneadmd, PSS", "zoneadmd", "Pss:"),
            ("zoneadmd, private", "zoneadmd", "Private_Dirty:"),
            ("zsched, PSS", "zsched", "Pss:"),
            ("zsched, private", "zsched", "Private_Dirty:"),
        ]
        .map(|(name, mark, field)| {
            let row = Row {
                name,
                ..Row::default()
            };
            let mut measured = Measured::new(row);
            for zone in &names {
                if let Some(kib) = rollup(mark, &format!("[{zone}]"), field) {
                    measured.sample.add(kib);
                }
            }
            measured
        });
        for name in &names {
            let _ = host.run(&self.zoneadm(name, "halt"));
        }
        found.into()
    }

    /// What an example of the network layer says of itself, as no command does this alone.
    pub(super) fn network(&self, rounds: usize) -> Outcome<Vec<Measured>> {
        let args = [rounds.to_string(), self.at("network.settings")];
        example("zones-net", "plumb", &args, &NETWORK)
    }

    /// A daemon that stays, beside the least that the kernel takes.
    pub(super) fn resident(&self, rounds: usize) -> Outcome<Vec<Measured>> {
        let args = [rounds.to_string(), self.at("host"), "trivial".to_owned()];
        example("zones-engine", "resident", &args, &RESIDENT)
    }

    /// What two burners get under a cap of 1.5 CPUs, in percent of one.
    pub(super) fn cpu_cap(&self, host: &mut Server, runs: usize) -> Sample {
        let mut sample = Sample::default();
        let add = "add capped-cpu; set ncpus=1.5; end";
        let zonecfg = self.command("zonecfg", "host");
        let boot = self.zoneadm("trivial", "boot");
        if host
            .run(&format!("{zonecfg} -z trivial '{add}' && {boot}"))
            .is_err()
        {
            return sample;
        }
        for _ in 0..runs {
            let mut zlogin = std::process::Command::new(&self.zones);
            zlogin.args([
                "zlogin",
                "-R",
                &self.at("host"),
                "trivial",
                crate::demo::BURNERS,
            ]);
            let text = output(zlogin.stdin(std::process::Stdio::null()));
            if let Some(percent) = text.ok().and_then(|text| crate::demo::burned(&text)) {
                sample.add(percent);
            }
        }
        let _ = host.run(&self.zoneadm("trivial", "halt"));
        sample
    }

    /// Halts what runs and removes everything.
    pub(super) fn clean(&self) {
        let Ok(mut host) = Server::start(Path::new("/dev/null"), "") else {
            return;
        };
        let idle = (0..IDLE_ZONES).map(|at| format!("idle{at}"));
        for zone in ["trivial", "ready", "debian"]
            .map(str::to_owned)
            .into_iter()
            .chain(idle)
        {
            let _ = host.run(&self.zoneadm(&zone, "halt"));
        }
        let root = self.at("oci");
        let _ = host.run(&format!("lxc-stop -P {root} -n bench-life -k"));
        for name in ["life", "exec", "ready"] {
            for tool in ["crun", "runc"] {
                let _ = host.run(&format!(
                    "{tool} --root {root}/{tool} delete -f {tool}-{name}"
                ));
            }
        }
        if mounts_below(&self.folder).is_empty() {
            let _ = std::fs::remove_dir_all(&self.folder);
        } else {
            println!("mounts are left below {}", self.folder.display());
        }
    }

    fn oci(&self, tool: &str) -> String {
        format!("{tool} --root {}/{tool}", self.at("oci"))
    }
}

fn life(place: &Place) -> Vec<Row> {
    let (boot, halt) = (
        place.zoneadm("trivial", "boot"),
        place.zoneadm("trivial", "halt"),
    );
    let bundle = place.at("bundle/trivial");
    let oci = |tool: &'static str| {
        let start = place.oci(tool);
        Row {
            name: tool,
            line: format!(
                "{start} run -d -b {bundle} {tool}-life && {start} delete -f {tool}-life"
            ),
            program: Some(tool),
            pure_v1: true,
            ..Row::default()
        }
    };
    vec![
        Row {
            name: "zones",
            line: format!("{boot} && {halt}"),
            ..Row::default()
        },
        oci("crun"),
        oci("runc"),
        Row {
            name: "systemd-nspawn",
            line: format!(
                "systemd-nspawn -q -D {} --register=no --keep-unit \
                 /bin/sh -c 'echo 1 > /ready; exec sleep 1000000' & zn=$!; \
                 read -t 10 x <>{}; {NSPAWN_END}",
                place.at("roots/ready"),
                place.at("roots/ready/ready"),
            ),
            program: Some("systemd-nspawn"),
            ..Row::default()
        },
        Row {
            name: "lxc",
            line: format!(
                "lxc-start -P {0} -n bench-life -f {0}/lxc.conf && lxc-stop -P {0} -n bench-life -k",
                place.at("oci")
            ),
            program: Some("lxc-start"),
            ..Row::default()
        },
    ]
}

fn floor(place: &Place) -> Vec<Row> {
    let root = place.at("roots/trivial");
    let bundle = place.at("bundle/true");
    let row = |name: &'static str, program: Option<&'static str>, line: String| Row {
        name,
        line,
        program,
        ..Row::default()
    };
    let oci = |tool: &'static str| Row {
        pure_v1: true,
        ..row(
            tool,
            Some(tool),
            format!("{} run -b {bundle} {tool}-true", place.oci(tool)),
        )
    };
    let spaces = "--mount --uts --ipc --net --pid --fork";
    vec![
        row("fork, exec, wait", None, "/bin/true".to_owned()),
        row("unshare(1)", None, format!("unshare {spaces} true")),
        row(
            "bwrap",
            Some("bwrap"),
            format!("bwrap --unshare-all --bind {root} / --proc /proc --dev /dev /bin/true"),
        ),
        oci("crun"),
        oci("runc"),
        row(
            "systemd-nspawn",
            Some("systemd-nspawn"),
            format!("systemd-nspawn -q -D {root} --register=no --keep-unit --as-pid2 /bin/true"),
        ),
        row(
            "lxc-execute",
            Some("lxc-execute"),
            format!(
                "lxc-execute -P {0} -n bench -f {0}/lxc.conf -- /bin/true",
                place.at("oci")
            ),
        ),
    ]
}

fn exec(place: &Place) -> Vec<Row> {
    let bundle = place.at("bundle/trivial");
    let oci = |tool: &'static str| {
        let start = place.oci(tool);
        let name = format!("{tool}-exec");
        Row {
            name: tool,
            line: format!("{start} exec {name} /bin/true"),
            first: format!("{start} run -d -b {bundle} {name}"),
            program: Some(tool),
            pure_v1: true,
            ..Row::default()
        }
    };
    vec![
        Row {
            name: "zlogin",
            line: format!("{} trivial true", place.command("zlogin", "host")),
            ..Row::default()
        },
        Row {
            name: "nsenter",
            line: "nsenter -t $zpid -m -u -i -n -p /bin/true".to_owned(),
            ..Row::default()
        },
        oci("crun"),
        oci("runc"),
    ]
}

fn ready(place: &Place) -> Vec<Row> {
    let zone = place.at("zones/ready/root/ready");
    let peer = place.at("roots/ready/ready");
    let root = place.at("roots/ready");
    let bundle = place.at("bundle/ready");
    let wait = |fifo: &str, line: &str| format!("{line}; read -t 10 x <>{fifo}");
    let start = place.oci("crun");
    vec![
        Row {
            name: "zones",
            line: wait(&zone, &place.zoneadm("ready", "boot")),
            after: place.zoneadm("ready", "halt"),
            ..Row::default()
        },
        Row {
            name: "crun",
            line: wait(&peer, &format!("{start} run -d -b {bundle} crun-ready")),
            after: format!("{start} delete -f crun-ready"),
            program: Some("crun"),
            pure_v1: true,
            ..Row::default()
        },
        Row {
            name: "systemd-nspawn",
            line: wait(
                &peer,
                &format!("systemd-nspawn -q -D {root} --register=no --keep-unit -b & zn=$!"),
            ),
            after: NSPAWN_END.to_owned(),
            program: Some("systemd-nspawn"),
            ..Row::default()
        },
    ]
}

/// 1,000 zones below one root, 500 below another.
fn many(place: &Place) -> String {
    let zonecfg = |root: &str| {
        let path = place.at("zones");
        let command = place.command("zonecfg", root);
        format!("{command} -z z$i \"create -t SYSlx; set zonepath={path}/z$i\"")
    };
    format!(
        "mkdir -p {0}; for i in $(seq 1000); do {1}; done; for i in $(seq 500); do {2}; done",
        place.at("half"),
        zonecfg("many"),
        zonecfg("half"),
    )
}

fn list(place: &Place) -> Vec<Row> {
    let row = |name: &'static str, root: &str| Row {
        name,
        line: format!("{} list -cv", place.command("zoneadm", root)),
        ..Row::default()
    };
    vec![row("500 zones", "half"), row("1,000 zones", "many")]
}

/// Command files with one `fs` of many options and with many `attr`, and zones made by them.
fn long(place: &Place) -> String {
    let folder = place.at("long");
    let head = |zone: &str| {
        format!(
            "create -b\\nset brand=lx\\nset zonepath={}\\n",
            place.at(zone)
        )
    };
    let zonecfg = place.command("zonecfg", "long");
    let mut lines = format!("mkdir -p {folder}");
    for (zone, power) in [("fs16", 16), ("fs18", 18), ("attr16", 16), ("attr18", 18)] {
        let count = 1 << power;
        let body = if zone.starts_with("fs") {
            format!(
                "printf 'add fs\\nset dir=/x\\nset special=/x\\nset type=lofs\\n'; \
                 seq -f 'add options o%.0f' {count}; echo end"
            )
        } else {
            format!("seq -f 'add attr; set name=a%.0f; set type=uint; set value=7; end' {count}")
        };
        let file = format!("{folder}/{zone}.cfg");
        lines += &format!(
            "; {{ printf '{}'; {body}; }} > {file} && {zonecfg} -z {zone} -f {file}",
            head(zone)
        );
    }
    lines
}

/// The phases one by one: `-f` parses, verifies, and writes; `verify` reads the document and
/// verifies; `export` reads it and prints.
fn config(place: &Place) -> Vec<Row> {
    let zonecfg = place.command("zonecfg", "long");
    let folder = place.at("long");
    let row = |name: &'static str, zone: &str, what: &str| Row {
        name,
        line: format!("{zonecfg} -z {zone} {what} > /dev/null"),
        ..Row::default()
    };
    // A zone of its own each time: what is there already would have to be overwritten.
    let made = |name: &'static str, file: &str| Row {
        name,
        line: format!("{zonecfg} -z new -f {folder}/{file}.cfg"),
        after: format!("{zonecfg} -z new delete -F"),
        ..Row::default()
    };
    vec![
        row("fs 2^16, export", "fs16", "export"),
        row("fs 2^18, export", "fs18", "export"),
        row("fs 2^16, verify", "fs16", "verify"),
        row("fs 2^18, verify", "fs18", "verify"),
        row("attr 2^16, export", "attr16", "export"),
        row("attr 2^18, export", "attr18", "export"),
        row("attr 2^16, verify", "attr16", "verify"),
        row("attr 2^18, verify", "attr18", "verify"),
        made("fs 2^16, -f", "fs16"),
        made("fs 2^18, -f", "fs18"),
        made("attr 2^16, -f", "attr16"),
        made("attr 2^18, -f", "attr18"),
    ]
}

fn debian(place: &Place) -> Vec<Row> {
    let zonecfg = place.zonecfg("debian", "host", "SYSdebian");
    let install = place.zoneadm("debian", "install");
    let tree = place.at("mmdebstrap");
    vec![
        Row {
            name: "zones, empty cache",
            line: format!("{zonecfg} && {install}"),
            after: place.zoneadm("debian", "uninstall -F"),
            ..Row::default()
        },
        Row {
            name: "zones, warm cache",
            line: install,
            after: place.zoneadm("debian", "uninstall -F"),
            ..Row::default()
        },
        Row {
            name: "mmdebstrap",
            line: format!(
                "mmdebstrap --variant=minbase $(. /etc/os-release; echo $VERSION_CODENAME) {tree}"
            ),
            after: format!("rm -rf {tree}"),
            program: Some("mmdebstrap"),
            ..Row::default()
        },
    ]
}

/// Runs an example of a crate that prints `MS NAME` lines.
fn example(
    package: &str,
    name: &str,
    args: &[String],
    cases: &[&'static str],
) -> Outcome<Vec<Measured>> {
    let mut command = cargo();
    command.args(["run", "--locked", "--release", "--quiet", "--package"]);
    command.args([package, "--example", name, "--"]).args(args);
    let text = output(&mut command)?;
    let mut rows: Vec<Measured> = Vec::new();
    for name in cases.iter().copied() {
        let mut measured = Measured::new(Row {
            name,
            ..Row::default()
        });
        for line in text.lines() {
            if let Some((ms, said)) = line.split_once(' ')
                && said == name
                && let Ok(ms) = ms.parse()
            {
                measured.sample.add(ms);
            }
        }
        rows.push(measured);
    }
    Ok(rows)
}

/// A field of the memory of the process whose command line names `mark` and `zone`, in KiB.
fn rollup(mark: &str, zone: &str, field: &str) -> Option<f64> {
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if !line.starts_with(mark) || !line.contains(zone) {
            continue;
        }
        let text = std::fs::read_to_string(entry.path().join("smaps_rollup")).ok()?;
        let row = text.lines().find(|line| line.starts_with(field))?;
        return row.split_whitespace().nth(1)?.parse().ok();
    }
    None
}
