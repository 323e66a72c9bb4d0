//! pkgsign(1): sign packages in a repository.

use zones_repository::receive::{Selection, Versions, select};
use zones_repository::signature::Signer;
use zones_repository::{Target, source};
use zones_store::Layout;

use super::pkgrepo::{NOTHING, Outcome, Trouble, end, misused, patterns};
use crate::getopt::{Given, Known, flag, value};
use crate::report::OK;

const USAGE: &str = "pkgsign [-a hash_algorithm] [-c path_to_signing_certificate] \
    [-i path_to_intermediate_cert] ... [-k path_to_private_key] [-n] -s path_or_uri [--no-index] \
    [--sign-all | fmri_to_sign ...]";

const OPTIONS: [Known; 9] = [
    value('a', ""),
    value('c', ""),
    value('i', ""),
    value('k', ""),
    value('s', ""),
    flag('n', ""),
    flag('\0', "no-index"),
    flag('\0', "no-catalog"),
    flag('\0', "sign-all"),
];

pub(crate) fn run(_layout: &Layout, args: &[String]) -> u8 {
    let done = match Given::parse(args, &OPTIONS) {
        Ok(given) => sign(&given),
        Err(why) => Err(Trouble::Usage(why)),
    };
    end("pkgsign", USAGE, done)
}

fn signer(given: &Given) -> Result<Option<Signer>, Trouble> {
    let read = |path: &str| {
        std::fs::read(path).map_err(|error| Trouble::Failed(format!("`{path}`: {error}")))
    };
    let (certificate, key) = match (given.get("c"), given.get("k")) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) if given.has("i") => {
            return misused(
                "Intermediate certificates are only valid if a key and certificate \
                            are also provided.",
            );
        }
        (None, None) => return Ok(None),
        _ => return misused("-c and -k belong together"),
    };
    let chain = given.all("i").map(read).collect::<Result<_, _>>()?;
    let signer = Signer::new(&read(key)?, read(certificate)?, chain);
    let signer = signer.map_err(|error| Trouble::Failed(error.to_string()))?;
    Ok(Some(signer))
}

fn sign(given: &Given) -> Outcome {
    let signer = signer(given)?;
    let expected = if signer.is_some() {
        "rsa-sha256"
    } else {
        "sha256"
    };
    if let Some(algorithm) = given.get("a").filter(|it| *it != expected) {
        return misused(format!("the algorithm is {expected} here, not {algorithm}"));
    }
    let named = given.get("s").map(str::to_owned);
    let Some(name) = named.or_else(crate::env::package_repository) else {
        return misused("a repository must be provided using -s");
    };
    if given.words.is_empty() != given.has("sign-all") {
        return misused("name packages, or say --sign-all");
    }
    let options = crate::env::http_options()?;
    let target = Target::open(&name, &options)?;
    let selection = Selection {
        patterns: patterns(&given.words)?,
        versions: Versions::AllTimestamps,
        is_recursive: false,
    };
    let wanted = select(source::open(&name, &options)?.as_ref(), &selection)?;
    let mut status = NOTHING;
    for fmri in wanted.into_iter().map(|it| it.fmri) {
        if given.has("n") {
            println!("Would sign {fmri}");
            status = OK;
        } else if target.sign(&fmri, signer.as_ref())? {
            println!("Signed {fmri}");
            status = OK;
        }
    }
    Ok(status)
}
