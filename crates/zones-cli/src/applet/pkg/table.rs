//! The subcommands of pkg(1): names, options, what runs them.

use super::options::{Opt, flag, long, long_with, shown, with};
use super::{
    Call, Outcome, change, contents, create, history, hold, info, linked, list, mediator, property,
    publisher, refresh, variant, verify,
};

/// One subcommand.
pub(super) struct Subcommand {
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    /// Tables of its options.
    pub(super) options: &'static [&'static [Opt]],
    /// What follows the options.
    operands: &'static str,
    pub(super) run: fn(&Call<'_>) -> Outcome,
}

impl Subcommand {
    pub(super) fn usage(&self) -> String {
        let options = shown(self.options);
        let gap = if self.operands.is_empty() { "" } else { " " };
        format!("\tpkg {}{options}{gap}{}", self.name, self.operands)
    }
}

/// Names of 2008 and what they are called today.
pub(super) const ALIASES: [(&str, &str); 7] = [
    ("image-update", "update"),
    ("authority", "publisher"),
    ("set-authority", "set-publisher"),
    ("unset-authority", "unset-publisher"),
    ("status", "list"),
    ("variants", "variant"),
    ("facets", "facet"),
];

/// Of everything that changes packages.
const CHANGE: &[Opt] = &[
    flag('n', "trial"),
    flag('v', "verbose"),
    flag('q', "quiet"),
    with('C', "concurrency", "N"),
    with('g', "source", "URI"),
    flag('r', "recurse"),
    with('z', "zone", "ZONE"),
    with('Z', "not-zone", "ZONE"),
    long("accept"),
    long("licenses"),
    long("no-index"),
    long("no-refresh"),
    long_with("reject", "PATTERN"),
    long_with("parsable", "0"),
    long_with("be-name", "NAME"),
    long("require-new-be"),
    long("deny-new-be"),
    long("no-be-activate"),
    long("no-backup-be"),
    long("require-backup-be"),
    long_with("backup-be-name", "NAME"),
    long("sync-actuators"),
    long_with("sync-actuators-timeout", "SECONDS"),
];
const MISSING: &[Opt] = &[long("ignore-missing")];
const FORCE: &[Opt] = &[flag('f', "force")];
/// Of everything that prints a table.
const TABLE: &[Opt] = &[flag('H', "no-headers"), with('F', "format", "tsv|json")];
const QUIET: &[Opt] = &[flag('q', "quiet"), flag('v', "verbose")];

const LIST: &[Opt] = &[
    flag('a', "all"),
    flag('f', "full"),
    flag('n', "newest"),
    flag('u', "upgradable"),
    flag('s', "summary"),
    flag('v', "verbose"),
    flag('q', "quiet"),
    flag('i', "installed"),
    long("no-refresh"),
];
const INFO: &[Opt] = &[
    flag('l', "local"),
    flag('r', "remote"),
    flag('q', "quiet"),
    long("license"),
    with('F', "format", "json"),
];
const CONTENTS: &[Opt] = &[
    flag('m', "manifest"),
    flag('r', "remote"),
    with('o', "output", "ATTRIBUTE,..."),
    with('s', "sort", "ATTRIBUTE"),
    with('t', "type", "TYPE,..."),
    with('a', "attribute", "ATTRIBUTE=GLOB"),
];
const SEARCH: &[Opt] = &[
    flag('a', "actions"),
    flag('I', "case-sensitive"),
    flag('p', "packages"),
    flag('l', "local"),
    flag('r', "remote"),
    flag('f', "full"),
    with('o', "output", "ATTRIBUTE,..."),
];
const VERIFY: &[Opt] = &[
    flag('p', "path"),
    long("unpackaged"),
    long("unpackaged-only"),
];
const CREATE: &[Opt] = &[
    flag('F', "full"),
    flag('P', "partial"),
    flag('U', "user"),
    flag('z', "zone"),
    flag('f', "force"),
    with('k', "key", "FILE"),
    with('c', "cert", "FILE"),
    with('g', "origin", "URI"),
    with('m', "mirror", "URI"),
    with('p', "publisher", "[NAME=]URI"),
    with('a', "authority", "NAME=URI"),
    long_with("facet", "NAME=True|False"),
    long_with("variant", "NAME=VALUE"),
    long_with("set-property", "NAME=VALUE"),
    long("no-refresh"),
];
const SET_PUBLISHER: &[Opt] = &[
    flag('P', "search-first"),
    long_with("search-before", "PUBLISHER"),
    long_with("search-after", "PUBLISHER"),
    long("sticky"),
    long("non-sticky"),
    flag('e', "enable"),
    flag('d', "disable"),
    with('g', "add-origin", "URI"),
    with('G', "remove-origin", "URI"),
    with('O', "origin", "URI"),
    with('m', "add-mirror", "URI"),
    with('M', "remove-mirror", "URI"),
    with('k', "key", "FILE"),
    with('c', "cert", "FILE"),
    with('p', "from", "URI"),
    long_with("proxy", "URI"),
    long("refresh"),
    long("no-refresh"),
    long("reset-uuid"),
    long_with("approve-ca-cert", "FILE"),
    long_with("revoke-ca-cert", "DIGEST"),
    long_with("unset-ca-cert", "DIGEST"),
    long_with("set-property", "NAME=VALUE"),
    long_with("unset-property", "NAME"),
];
const PUBLISHER: &[Opt] = &[flag('P', "preferred"), flag('n', "enabled")];
const MEDIATOR: &[Opt] = &[flag('a', "available")];
const SET_MEDIATOR: &[Opt] = &[
    with('V', "version", "VERSION"),
    with('I', "implementation", "NAME"),
];
const UNSET_MEDIATOR: &[Opt] = &[flag('V', "version"), flag('I', "implementation")];
const TRIAL: &[Opt] = &[flag('n', "trial")];
const FREEZE: &[Opt] = &[
    with('c', "comment", "TEXT"),
    flag('n', "trial"),
    flag('H', "no-headers"),
];
const HISTORY: &[Opt] = &[
    flag('l', "long"),
    with('n', "number", "N"),
    with('o', "output", "COLUMN,..."),
];
const REVERT: &[Opt] = &[long_with("tagged", "TAG")];
const FACET: &[Opt] = &[flag('m', "masked")];
const ATTACH: &[Opt] = &[
    flag('p', "parent"),
    flag('c', "child"),
    long("allow-relink"),
    long("linked-md-only"),
    long("no-pkg-updates"),
    long_with("prop-linked", "NAME=VALUE"),
];
const LINKED: &[Opt] = &[
    flag('a', "all"),
    with('l', "name", "NAME"),
    long("no-parent-sync"),
];
const REFRESH: &[Opt] = &[long("full"), flag('q', "quiet")];

/// All subcommands.
pub(super) const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand {
        name: "install",
        summary: "install packages, or newer versions of them",
        options: &[CHANGE],
        operands: "PACKAGE ...",
        run: change::install,
    },
    Subcommand {
        name: "exact-install",
        summary: "install packages, and remove all that they do not need",
        options: &[CHANGE],
        operands: "PACKAGE ...",
        run: change::exact_install,
    },
    Subcommand {
        name: "uninstall",
        summary: "remove packages",
        options: &[CHANGE, MISSING],
        operands: "PACKAGE ...",
        run: change::uninstall,
    },
    Subcommand {
        name: "update",
        summary: "update packages, or all of them",
        options: &[CHANGE, MISSING, FORCE],
        operands: "[PACKAGE ...]",
        run: change::update,
    },
    Subcommand {
        name: "list",
        summary: "list packages",
        options: &[LIST, TABLE],
        operands: "[PATTERN ...]",
        run: list::run,
    },
    Subcommand {
        name: "info",
        summary: "describe packages",
        options: &[INFO],
        operands: "[PATTERN ...]",
        run: info::run,
    },
    Subcommand {
        name: "contents",
        summary: "show what packages hold",
        options: &[CONTENTS, TABLE],
        operands: "[PATTERN ...]",
        run: contents::run,
    },
    Subcommand {
        name: "search",
        summary: "find packages by what they hold",
        options: &[SEARCH, TABLE],
        operands: "QUERY",
        run: contents::search,
    },
    Subcommand {
        name: "verify",
        summary: "compare the image with its packages",
        options: &[
            QUIET,
            VERIFY,
            &[flag('H', "no-headers")],
            &[long_with("parsable", "0")],
        ],
        operands: "[PATTERN ...]",
        run: verify::verify,
    },
    Subcommand {
        name: "fix",
        summary: "repair what verify finds",
        options: &[CHANGE, &[long("unpackaged")], &[flag('H', "no-headers")]],
        operands: "[PATTERN ...]",
        run: verify::fix,
    },
    Subcommand {
        name: "revert",
        summary: "put the packaged content of files back",
        options: &[CHANGE, REVERT],
        operands: "PATH ...",
        run: verify::revert,
    },
    Subcommand {
        name: "image-create",
        summary: "make an image",
        options: &[CREATE],
        operands: "FOLDER",
        run: create::run,
    },
    Subcommand {
        name: "refresh",
        summary: "fetch what publishers offer",
        options: &[REFRESH],
        operands: "[PUBLISHER ...]",
        run: refresh::run,
    },
    Subcommand {
        name: "publisher",
        summary: "list publishers",
        options: &[TABLE, PUBLISHER],
        operands: "[PUBLISHER ...]",
        run: publisher::list,
    },
    Subcommand {
        name: "set-publisher",
        summary: "add or change a publisher",
        options: &[SET_PUBLISHER],
        operands: "[PUBLISHER]",
        run: publisher::set,
    },
    Subcommand {
        name: "unset-publisher",
        summary: "remove publishers",
        options: &[],
        operands: "PUBLISHER ...",
        run: publisher::unset,
    },
    Subcommand {
        name: "property",
        summary: "list properties of the image",
        options: &[TABLE],
        operands: "[NAME ...]",
        run: property::list,
    },
    Subcommand {
        name: "set-property",
        summary: "give a property a value",
        options: &[],
        operands: "NAME VALUE ...",
        run: property::set,
    },
    Subcommand {
        name: "add-property-value",
        summary: "add a value to a property",
        options: &[],
        operands: "NAME VALUE",
        run: property::add,
    },
    Subcommand {
        name: "remove-property-value",
        summary: "take a value out of a property",
        options: &[],
        operands: "NAME VALUE",
        run: property::remove,
    },
    Subcommand {
        name: "unset-property",
        summary: "put properties back to their defaults",
        options: &[],
        operands: "NAME ...",
        run: property::unset,
    },
    Subcommand {
        name: "variant",
        summary: "list variants",
        options: &[TABLE],
        operands: "[NAME ...]",
        run: variant::variants,
    },
    Subcommand {
        name: "change-variant",
        summary: "give variants values",
        options: &[CHANGE],
        operands: "NAME=VALUE ...",
        run: variant::change_variant,
    },
    Subcommand {
        name: "facet",
        summary: "list facets",
        options: &[TABLE, FACET],
        operands: "[NAME ...]",
        run: variant::facets,
    },
    Subcommand {
        name: "change-facet",
        summary: "want optional parts or not",
        options: &[CHANGE],
        operands: "NAME=True|False|None ...",
        run: variant::change_facet,
    },
    Subcommand {
        name: "mediator",
        summary: "list mediators and what they chose",
        options: &[TABLE, MEDIATOR],
        operands: "[NAME ...]",
        run: mediator::list,
    },
    Subcommand {
        name: "set-mediator",
        summary: "choose for mediators",
        options: &[CHANGE, SET_MEDIATOR],
        operands: "NAME ...",
        run: mediator::set,
    },
    Subcommand {
        name: "unset-mediator",
        summary: "leave mediators to the packages",
        options: &[CHANGE, UNSET_MEDIATOR],
        operands: "NAME ...",
        run: mediator::unset,
    },
    Subcommand {
        name: "freeze",
        summary: "keep packages at their versions",
        options: &[FREEZE],
        operands: "[PACKAGE ...]",
        run: hold::freeze,
    },
    Subcommand {
        name: "unfreeze",
        summary: "let packages move again",
        options: &[TRIAL, &[flag('H', "no-headers")]],
        operands: "[PACKAGE ...]",
        run: hold::unfreeze,
    },
    Subcommand {
        name: "avoid",
        summary: "keep groups from pulling packages in",
        options: &[],
        operands: "[PACKAGE ...]",
        run: hold::avoid,
    },
    Subcommand {
        name: "unavoid",
        summary: "let groups pull packages in again",
        options: &[],
        operands: "[PACKAGE ...]",
        run: hold::unavoid,
    },
    Subcommand {
        name: "history",
        summary: "list what was done to the image",
        options: &[HISTORY, TABLE],
        operands: "",
        run: history::list,
    },
    Subcommand {
        name: "purge-history",
        summary: "forget what was done to the image",
        options: &[],
        operands: "",
        run: history::purge,
    },
    Subcommand {
        name: "rebuild-index",
        summary: "check that search needs nothing rebuilt",
        options: &[],
        operands: "",
        run: refresh::rebuild_index,
    },
    Subcommand {
        name: "attach-linked",
        summary: "link the image with a parent or child",
        options: &[CHANGE, FORCE, ATTACH],
        operands: "NAME FOLDER",
        run: linked::attach,
    },
    Subcommand {
        name: "detach-linked",
        summary: "end a link",
        options: &[CHANGE, FORCE, LINKED, &[long("linked-md-only")]],
        operands: "",
        run: linked::detach,
    },
    Subcommand {
        name: "list-linked",
        summary: "list linked images",
        options: &[TABLE],
        operands: "",
        run: linked::list,
    },
    Subcommand {
        name: "property-linked",
        summary: "list properties of a link",
        options: &[TABLE, &[with('l', "name", "NAME")]],
        operands: "[NAME ...]",
        run: linked::properties,
    },
    Subcommand {
        name: "audit-linked",
        summary: "tell whether linked images are in step",
        options: &[TABLE, LINKED],
        operands: "",
        run: linked::audit,
    },
    Subcommand {
        name: "sync-linked",
        summary: "bring linked images in step",
        options: &[CHANGE, LINKED],
        operands: "",
        run: linked::sync,
    },
];
