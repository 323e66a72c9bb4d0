//! The commands that this binary is, in one table.

pub(crate) mod autopkgtest_virt;
pub(crate) mod beadm;
pub(crate) mod depotd;
pub(crate) mod matrix;
pub(crate) mod pkg;
pub(crate) mod pkgrecv;
pub(crate) mod pkgrepo;
pub(crate) mod pkgsend;
pub(crate) mod pkgsign;
pub(crate) mod zlogin;
pub(crate) mod zoneadm;
pub(crate) mod zoneadmd;
pub(crate) mod zonecfg;
pub(crate) mod zonename;

use zones_store::Layout;

use crate::report::USAGE;

/// One command.
pub(crate) struct Applet {
    /// The name it is called by.
    pub(crate) name: &'static str,
    /// One line for lists and manuals.
    pub(crate) summary: &'static str,
    /// Runs it with the arguments after its name.
    run: fn(&Layout, &[String]) -> u8,
}

/// All commands; the last one is started by others only.
pub(crate) const APPLETS: [Applet; 14] = [
    Applet {
        name: "zonecfg",
        summary: "set up zone configuration",
        run: zonecfg_applet,
    },
    Applet {
        name: "zoneadm",
        summary: "administer zones",
        run: zoneadm::run,
    },
    Applet {
        name: "zlogin",
        summary: "enter a zone",
        run: zlogin::run,
    },
    Applet {
        name: "zonename",
        summary: "print the name of the current zone",
        run: zonename::run,
    },
    Applet {
        name: "beadm",
        summary: "administer the boot environments of a zone",
        run: beadm::run,
    },
    Applet {
        name: "pkg",
        summary: "administer the packages of an image",
        run: pkg::run,
    },
    Applet {
        name: "pkgrepo",
        summary: "manage package repositories",
        run: pkgrepo::run,
    },
    Applet {
        name: "pkgsend",
        summary: "publish packages",
        run: pkgsend::run,
    },
    Applet {
        name: "pkgrecv",
        summary: "copy packages between repositories",
        run: pkgrecv::run,
    },
    Applet {
        name: "pkgsign",
        summary: "sign packages",
        run: pkgsign::run,
    },
    Applet {
        name: "pkg.depotd",
        summary: "serve a package repository",
        run: depotd::run,
    },
    Applet {
        name: "zonematrix",
        summary: "run the support matrix of a product in zones",
        run: matrix::run,
    },
    Applet {
        name: "autopkgtest-virt-zones",
        summary: "serve zones as testbeds of autopkgtest",
        run: autopkgtest_virt::run,
    },
    Applet {
        name: "zoneadmd",
        summary: "manage one zone that is ready or running",
        run: zoneadmd::run,
    },
];

fn zonecfg_applet(layout: &Layout, args: &[String]) -> u8 {
    if crate::inside::is_inside() {
        eprintln!("zonecfg can only be run from the global zone.");
        return crate::report::FAILURE;
    }
    let probe =
        |zone: &zones_types::ZoneName| zones_engine::active(layout, zone).map(|(state, _)| state);
    zonecfg::run(layout, args, &probe)
}

/// Finds the command by the name in `args[0]`, or after it.
pub(crate) fn dispatch(args: &[String]) -> u8 {
    let name = |path: &String| path.rsplit('/').next().unwrap_or_default().to_owned();
    let called = args.first().map(name).unwrap_or_default();
    if let Some(applet) = APPLETS.iter().find(|applet| applet.name == called) {
        return start(applet, &args[1..]);
    }
    let Some(wanted) = args.get(1) else {
        return usage(USAGE);
    };
    match wanted.as_str() {
        "-V" | "--version" | "version" => {
            println!("zones {}", env!("CARGO_PKG_VERSION"));
            0
        }
        "help" | "--help" | "-h" | "-?" => usage(0),
        "applets" => {
            APPLETS
                .iter()
                .for_each(|applet| println!("{}", applet.name));
            0
        }
        _ => match APPLETS
            .iter()
            .find(|applet| applet.name == plain_name(wanted))
        {
            Some(applet) => start(applet, &args[2..]),
            None => {
                eprintln!("zones: no command `{wanted}`");
                usage(USAGE)
            }
        },
    }
}

/// `zones matrix` is zonematrix.
fn plain_name(wanted: &str) -> &str {
    if wanted == "matrix" {
        "zonematrix"
    } else {
        wanted
    }
}

/// `-R DIR` before all other options moves every folder, for every command alike.
fn start(applet: &Applet, args: &[String]) -> u8 {
    if crate::env::is_disposable() {
        zones_store::durability::dispose();
    }
    match args {
        // The image of pkg(1) is its own; where zones are is up to the environment.
        [flag, root, rest @ ..] if flag == "-R" && applet.name != "pkg" => {
            let path = std::path::Path::new(root);
            if !path.is_absolute() {
                eprintln!("{}: root path must be absolute: {root}", applet.name);
                return USAGE;
            }
            if !path.is_dir() {
                eprintln!("{}: root path must be a directory: {root}", applet.name);
                return USAGE;
            }
            (applet.run)(&Layout::below(path), rest)
        }
        _ => (applet.run)(&crate::env::layout(), args),
    }
}

fn usage(status: u8) -> u8 {
    let mut text = String::from(
        "usage:\tzones COMMAND [arguments]\n\tCOMMAND [arguments]\t(by a link of that name)\n\n",
    );
    for applet in &APPLETS {
        text += &format!("  {:10} {}\n", applet.name, applet.summary);
    }
    text += "\n  applets    list the commands\n  version    print the version\n";
    if status == 0 {
        print!("{text}")
    } else {
        eprint!("{text}")
    }
    status
}
