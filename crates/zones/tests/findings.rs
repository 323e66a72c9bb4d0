//! Faults seeded into a product: each is one finding of the check that is there for it, in the
//! cells that have it and in no other.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use support::{Host, err, out, until};

const MATRIX: &str = r#"
schema = 1
name = "acme"
[run]
memory = "1G"
keep = "never"
[cell]
memory = "128M"
timeout = "30s"
[axes]
os = ["one"]
[platform]
id = "{os}"
brand = "lx"
image.import = { tarball = "busybox.tar" }
image.kickstart = "kickstart.sh"
[artifact]
new = { path = "new" }
prev = { path = "prev" }
[step]
install.run = "./product.sh install {artifact}"
edit.run = "./product.sh edit"
purge.run = "./product.sh purge"
[scenario.uninstall]
steps = ["install:new", "purge"]
checks = ["no-leftovers", "no-processes", "no-users", "no-services", "no-ipc"]
[scenario.upgrade]
steps = ["install:prev", "edit", "install:new"]
checks = ["config-preserved"]
[scenario.installed]
steps = ["install:new"]
checks = ["no-users", "no-processes"]
"#;

/// What a system has before any product.
const KICKSTART: &str = "#!/bin/sh
set -e
mkdir -p /srv /opt /etc/cron.d /etc/systemd/system
echo base > /etc/base
busybox ln -s /etc/base /srv/to-base
";

/// The product; the fault of an option is in `FAULT`, what it does in place of `@FAULTS@`.
const PRODUCT: &str = "#!/bin/sh
set -e
case $1 in
install)
    mkdir -p /opt/acme
    cp -r \"$2/.\" /opt/acme
    [ -e /etc/acme.conf ] || echo 'port=7070' > /etc/acme.conf
    [ -e /etc/driver.conf ] || echo 'name=\"ii\" class=\"net\";' > /etc/driver.conf
    case $FAULT in
@FAULTS@
    esac
    ;;
edit)
    echo 'port=7777' >> /etc/acme.conf
    ;;
purge)
    rm -rf /opt/acme /etc/acme.conf /etc/driver.conf
    ;;
esac
";

/// A fault: its name, what the installation does, the scenario, the check, and what it finds.
type Fault = (&'static str, &'static str, [&'static str; 3]);

const FAULTS: [Fault; 15] = [
    (
        "user",
        "echo 'acme:x:998:998::/:/bin/sh' >> /etc/passwd",
        ["uninstall", "no-users", "added user acme"],
    ),
    (
        "file",
        "echo x > /srv/index.cache",
        ["uninstall", "no-leftovers", "added file /srv/index.cache"],
    ),
    (
        "unit",
        "echo '[Service]' > /etc/systemd/system/acmed.service",
        ["uninstall", "no-services", "added service acmed.service"],
    ),
    (
        "cron",
        "echo '17 3 * * * root true' > /etc/cron.d/acme",
        ["uninstall", "no-services", "added cron *acme*"],
    ),
    (
        "process",
        "sleep 1000 < /dev/null > /dev/null 2>&1 &",
        ["uninstall", "no-processes", "added process sleep root"],
    ),
    (
        "segment",
        "/opt/acme/segment",
        ["uninstall", "no-ipc", "added ipc shared memory *"],
    ),
    (
        "memory",
        "echo x > /dev/shm/acme",
        ["uninstall", "no-ipc", "added ipc posix memory /acme"],
    ),
    (
        "link",
        "busybox ln -sf /opt/acme/run /srv/run",
        ["uninstall", "no-leftovers", "broken file /srv/run"],
    ),
    (
        "setuid",
        "cp /bin/busybox /srv/su && chmod 4755 /srv/su",
        ["uninstall", "no-leftovers", "privilege file /srv/su"],
    ),
    (
        "mode",
        "chmod 600 /etc/base",
        ["uninstall", "no-leftovers", "meta file /etc/base"],
    ),
    (
        "attribute",
        "/opt/acme/attribute",
        ["uninstall", "no-leftovers", "meta file /etc/base"],
    ),
    (
        "folder",
        "mkdir -p /srv/empty",
        ["uninstall", "no-leftovers", "added file /srv/empty"],
    ),
    (
        "name",
        "echo x > \"$(printf '/srv/a\\377b')\"",
        ["uninstall", "no-leftovers", "added file /srv/a\\xffb"],
    ),
    (
        "config",
        "echo 'port=7070' > /etc/acme.conf",
        [
            "upgrade",
            "config-preserved",
            "clobbered config /etc/acme.conf",
        ],
    ),
    (
        "twice",
        "echo 'name=\"ii\" class=\"net\";' >> /etc/driver.conf",
        [
            "upgrade",
            "config-preserved",
            "doubled config /etc/driver.conf",
        ],
    ),
];

/// What a cell that ends where another goes on must see, too: it may run no step of its own.
const INSTALLED: &str = "
[[finding]]
cells = 'one/user/installed'
check = 'no-users'
finds = 'added user acme'
[[finding]]
cells = 'one/process/installed'
check = 'no-processes'
finds = 'added process sleep root'
";

/// Where a program of [`program`] is loaded, and where its text begins.
const BASE: u32 = 0x40_0000;
const TEXT: u32 = BASE + 64 + 56 + 128;

/// A program that makes one system call and ends; BusyBox has none for these. Its instructions are
/// those of `x86_64`, its text lies 128 bytes behind them. Source: elf(5), syscall(2).
fn program(number: u32, arguments: [u32; 5], text: &[u8]) -> Vec<u8> {
    let mut code = Vec::new();
    let registers: [&[u8]; 5] = [&[0xbf], &[0xbe], &[0xba], &[0x41, 0xba], &[0x41, 0xb8]];
    for (register, argument) in registers.iter().zip(arguments) {
        code.extend_from_slice(register);
        code.extend(argument.to_le_bytes());
    }
    for (call, status) in [(number, None), (60, Some(0u32))] {
        if let Some(status) = status {
            code.push(0xbf);
            code.extend(status.to_le_bytes());
        }
        code.push(0xb8);
        code.extend(call.to_le_bytes());
        code.extend([0x0f, 0x05]);
    }
    code.resize(128, 0);
    code.extend_from_slice(text);
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    elf.extend(2u16.to_le_bytes());
    elf.extend(62u16.to_le_bytes());
    elf.extend(1u32.to_le_bytes());
    for number in [u64::from(BASE) + 64 + 56, 64, 0] {
        elf.extend(number.to_le_bytes());
    }
    elf.extend(0u32.to_le_bytes());
    for number in [64u16, 56, 1, 0, 0, 0] {
        elf.extend(number.to_le_bytes());
    }
    // One segment to load, which can be read and executed.
    elf.extend(1u32.to_le_bytes());
    elf.extend(5u32.to_le_bytes());
    let size = 64 + 56 + code.len() as u64;
    for number in [0, u64::from(BASE), u64::from(BASE), size, size, 0x1000] {
        elf.extend(number.to_le_bytes());
    }
    elf.extend(code);
    elf
}

struct Bench(Host);

impl Bench {
    fn new(host: Host, faults: &[&Fault]) -> Self {
        host.archive();
        let bench = Self(host);
        let mut text = MATRIX.to_owned() + "[option]\nnone = {}\n";
        let mut cases = String::new();
        for (name, does, _) in faults {
            let _ = writeln!(text, "{name} = {{ env = {{ FAULT = \"{name}\" }} }}");
            let _ = writeln!(cases, "    {name}) {does} ;;");
        }
        bench.write("matrix.toml", text.as_bytes());
        bench.write("kickstart.sh", KICKSTART.as_bytes());
        let product = PRODUCT.replace("@FAULTS@\n", &cases);
        bench.write("product.sh", product.as_bytes());
        for release in ["new", "prev"] {
            fs::create_dir(bench.0.path().join(release)).unwrap();
            bench.write(&format!("{release}/run"), b"#!/bin/sh\n");
            // shmget(key, 4096, IPC_CREAT | 0600)
            let segment = program(29, [0x61_63_6d_65, 4096, 0o1600, 0, 0], b"");
            bench.write(&format!("{release}/segment"), &segment);
            // setxattr("/etc/base", "user.acme", "user.acme", 4, 0)
            let text = b"/etc/base\0user.acme\0";
            let attribute = program(188, [TEXT, TEXT + 10, TEXT + 10, 4, 0], text);
            bench.write(&format!("{release}/attribute"), &attribute);
        }
        bench
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn matrix(&self, args: &[&str]) -> Output {
        let mut command = self.0.command("zonematrix", args);
        command.current_dir(self.0.path()).output().unwrap()
    }

    /// Holds the last run against a list: what is said, and the exit status.
    fn expect(&self, list: &str) -> (String, Option<i32>) {
        self.write("expected.toml", list.as_bytes());
        let output = self.matrix(&["report", "--expect", "expected.toml"]);
        (out(&output) + &err(&output), output.status.code())
    }
}

fn list(faults: &[&Fault]) -> String {
    let mut text = "schema = 1\n".to_owned() + INSTALLED;
    for (name, _, [scenario, check, finds]) in faults {
        let _ = writeln!(
            text,
            "[[finding]]\ncells = 'one/{name}/{scenario}'\ncheck = '{check}'\nfinds = '{finds}'"
        );
    }
    text
}

#[test]
fn each_seeded_fault_is_one_finding_and_there_is_no_other() {
    let host = host_or_skip!("each_seeded_fault_is_one_finding_and_there_is_no_other");
    let needs_code = |name: &str| matches!(name, "segment" | "attribute");
    let able = |fault: &&Fault| cfg!(target_arch = "x86_64") || !needs_code(fault.0);
    let faults: Vec<&Fault> = FAULTS.iter().filter(able).collect();
    if faults.len() < FAULTS.len() {
        println!("SKIP each_seeded_fault_is_one_finding (segment, attribute): needs x86_64");
    }
    let bench = Bench::new(host, &faults);
    let run = bench.matrix(&["run", "-j", "2"]);
    let said = out(&run) + &err(&run);
    assert_eq!(run.status.code(), Some(1), "{said}");
    let (said, status) = bench.expect(&list(&faults));
    let known = bench.matrix(&["report", "--known"]);
    assert_eq!(status, Some(0), "{said}\n{}", out(&known));
    let wanted = format!(
        "{} cells judged, 0 left out: {} findings as expected, 0 departures",
        3 * faults.len() + 3,
        faults.len() + 2
    );
    assert!(said.contains(&wanted), "{said}");
    // The list that the run prints is as good.
    assert_eq!(bench.expect(&out(&known)).1, Some(0));
    // One less in the list is one too many in the run, and the other way round.
    let (said, status) = bench.expect(&list(&faults[1..]));
    assert_eq!(status, Some(1), "{said}");
    let user = "unexpected  one/user/uninstall  no-users  added user acme: uid 998\n";
    assert!(
        said.contains(user) && said.contains("1 departures"),
        "{said}"
    );
    let more = "[[finding]]\ncells = 'one/none/*'\ncheck = 'no-users'\nfinds = 'added user x'\n";
    let (said, status) = bench.expect(&(list(&faults) + more));
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("missing     one/none/uninstall  no-users  added user x"),
        "{said}"
    );
    let (said, status) = bench.expect("schema = 2\n");
    assert_eq!(status, Some(64), "{said}");
    until("nothing is left in the kernel", || {
        bench.0.leftovers().is_empty()
    });
}
