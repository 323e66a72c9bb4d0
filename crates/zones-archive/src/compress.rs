//! Compression formats, told by their first bytes.

use std::io::{self, BufRead, Read};

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952.
    Gzip,
    /// The .xz container.
    Xz,
    /// RFC 8878.
    Zstd,
    /// bzip2.
    Bzip2,
}

/// First bytes of each format, in the order in which they are tried.
const MAGIC: [(&[u8], Compression); 4] = [
    (&[0x1f, 0x8b], Compression::Gzip),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Compression::Xz),
    (&[0x28, 0xb5, 0x2f, 0xfd], Compression::Zstd),
    (b"BZh", Compression::Bzip2),
];

/// An xz stream may ask its decoder for memory; the largest preset asks for 65 MiB.
const XZ_MEMORY: u64 = 256 << 20;

impl Compression {
    /// Tells the format from the first bytes of a stream.
    #[must_use]
    pub fn sniff(first: &[u8]) -> Self {
        MAGIC
            .iter()
            .find(|(magic, _)| first.starts_with(magic))
            .map_or(Self::None, |m| m.1)
    }

    /// The usual name of the format.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
        }
    }
}

/// Whether the decoder checks sums that the format brings along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sums {
    /// Yes.
    Check,
    /// Not those that cost time: the caller has verified the compressed bytes by a better hash.
    Trust,
}

/// A reader of the plain bytes of `from`; concatenated streams are read as one.
///
/// # Errors
/// When the decoder cannot be set up.
pub fn decoder<'a, R: BufRead + Send + 'a>(
    how: Compression,
    sums: Sums,
    from: R,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(match how {
        Compression::None => Box::new(from),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(from)),
        Compression::Xz => {
            let flags = match sums {
                Sums::Check => liblzma::stream::CONCATENATED,
                Sums::Trust => liblzma::stream::CONCATENATED | liblzma::stream::IGNORE_CHECK,
            };
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, flags)
                .map_err(io::Error::other)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(from, stream))
        }
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(from)?),
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(from)),
    })
}
