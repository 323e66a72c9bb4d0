//! Random names for zones that survive a rename.

use std::io;
use std::path::Path;

use rustix::rand::{GetRandomFlags, getrandom};

use crate::StoreError;

/// A version 4 UUID (RFC 9562), lower case.
pub fn random_uuid() -> Result<String, StoreError> {
    let mut bytes = [0u8; 16];
    let got = getrandom(&mut bytes, GetRandomFlags::empty());
    let failed = |source: io::Error| StoreError::io("read", Path::new("getrandom"))(source);
    let count = got.map_err(|errno| failed(errno.into()))?;
    if count != bytes.len() {
        return Err(failed(io::ErrorKind::UnexpectedEof.into()));
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    ))
}

#[cfg(test)]
mod tests {
    #[test]
    fn uuids_have_the_form_of_version_4() {
        let uuid = super::random_uuid().unwrap();
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]));
        assert_ne!(uuid, super::random_uuid().unwrap());
    }
}
