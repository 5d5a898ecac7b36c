//! Compressed logs, told by what they begin with.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// How files begin that are compressed in ways that are not undone here.
const OTHERS: [(&[u8], &str); 5] = [
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x9d", "compress"),
];

/// Undoes gzip or zstd when the bytes begin so; else gives them as they are.
///
/// # Errors
/// What the system or the decompressor says; [`io::ErrorKind::Unsupported`] for what is compressed otherwise.
pub fn unpacked(raw: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let mut raw = BufReader::with_capacity(64 << 10, raw);
    let magic = raw.fill_buf()?;
    Ok(if magic.starts_with(&[0x1f, 0x8b]) {
        Box::new(MultiGzDecoder::new(raw))
    } else if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Box::new(zstd::Decoder::with_buffer(raw)?)
    } else if let Some((_, name)) = OTHERS.iter().find(|(begin, _)| is_packed(magic, begin)) {
        let why = format!("it is compressed with {name}, which is not read; decompress it first");
        return Err(io::Error::new(io::ErrorKind::Unsupported, why));
    } else {
        Box::new(raw)
    })
}

/// Whether bytes begin as what is compressed does, and are no text that begins like it.
fn is_packed(bytes: &[u8], begin: &[u8]) -> bool {
    bytes.starts_with(begin) && bytes.iter().take(512).any(|b| *b >= 0x80 || *b == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_undone_is_said_and_text_is_text() {
        let refused = |bytes: &'static [u8]| unpacked(bytes).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(refused(b"\xfd7zXZ\0\0\x04\xe6").contains("compressed with xz"));
        assert!(refused(b"BZh91AY&SY\xaa\xbb").contains("compressed with bzip2"));
        assert_eq!(refused(b"BZh is how this line begins\n"), "");
        assert_eq!(refused(b"a line\n"), "");
    }
}
