//! Undoing compression, as far as a bound.

use std::io::Read;

use super::error::ShapeError;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Not at all.
    Identity,
    /// gzip, also several members.
    Gzip,
    /// zlib, which HTTP calls `deflate`.
    Deflate,
    /// zstd.
    Zstd,
    /// A block of Snappy, as Loki's clients send it.
    Snappy,
}

/// The largest window that a zstd body may ask for, as a power of 2: 8 MiB.
const WINDOW: u32 = 23;

/// How much is decompressed at once.
const STEP: usize = 64 << 10;

/// Says that so many bytes more are held; an error when there is no room for them.
pub type Grow<'a> = dyn FnMut(u64) -> Result<(), ShapeError> + 'a;

impl Coding {
    /// What a `Content-Encoding` header names; `None` for what we do not know.
    pub fn named(header: &[u8]) -> Option<Self> {
        let known = |name: &[u8]| header.trim_ascii().eq_ignore_ascii_case(name);
        let names: [(&[u8], Self); 7] = [
            (b"", Self::Identity),
            (b"identity", Self::Identity),
            (b"gzip", Self::Gzip),
            (b"x-gzip", Self::Gzip),
            (b"deflate", Self::Deflate),
            (b"zstd", Self::Zstd),
            (b"snappy", Self::Snappy),
        ];
        names.into_iter().find(|(name, _)| known(name)).map(|(_, coding)| coding)
    }
}

/// Decompresses `body` into at most `most` bytes.
///
/// # Errors
/// When it is broken, or more would come out.
pub fn decode(coding: Coding, body: Vec<u8>, most: u64, grow: &mut Grow<'_>) -> Result<Vec<u8>, ShapeError> {
    match coding {
        Coding::Identity => Ok(body),
        Coding::Gzip => drain(flate2::read::MultiGzDecoder::new(&body[..]), most, grow),
        Coding::Deflate => drain(flate2::read::ZlibDecoder::new(&body[..]), most, grow),
        Coding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(&body[..]).map_err(|_| ShapeError::Compression)?;
            decoder.window_log_max(WINDOW).map_err(|_| ShapeError::Compression)?;
            drain(decoder, most, grow)
        }
        Coding::Snappy => {
            let length = snap::raw::decompress_len(&body).map_err(|_| ShapeError::Compression)? as u64;
            if length > most {
                return Err(ShapeError::Bomb(most));
            }
            grow(length)?;
            snap::raw::Decoder::new().decompress_vec(&body).map_err(|_| ShapeError::Compression)
        }
    }
}

fn drain(mut from: impl Read, most: u64, grow: &mut Grow<'_>) -> Result<Vec<u8>, ShapeError> {
    let mut out = Vec::new();
    let mut step = vec![0; STEP];
    loop {
        let n = match from.read(&mut step) {
            Ok(0) => return Ok(out),
            Ok(n) => n,
            Err(_) => return Err(ShapeError::Compression),
        };
        if out.len() as u64 + n as u64 > most {
            return Err(ShapeError::Bomb(most));
        }
        grow(n as u64)?;
        out.extend_from_slice(&step[..n]);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_coding_comes_back_and_a_bomb_does_not() {
        let text = "a line that repeats\n".repeat(10_000).into_bytes();
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(&text).unwrap();
        let bodies = [
            (Coding::Identity, text.clone()),
            (Coding::Gzip, gzip(&text)),
            (Coding::Deflate, zlib.finish().unwrap()),
            (Coding::Zstd, zstd::encode_all(&text[..], 3).unwrap()),
            (Coding::Snappy, snap::raw::Encoder::new().compress_vec(&text).unwrap()),
        ];
        for (coding, body) in bodies {
            let mut held = 0;
            let got = decode(coding, body.clone(), 1 << 20, &mut |n| {
                held += n;
                Ok(())
            });
            assert!(got.unwrap() == text, "{coding:?}");
            if coding == Coding::Identity {
                continue;
            }
            assert_eq!(held, text.len() as u64, "{coding:?}");
            assert_eq!(decode(coding, body.clone(), 1000, &mut |_| Ok(())), Err(ShapeError::Bomb(1000)));
            assert_eq!(decode(coding, body.clone(), 1 << 20, &mut |_| Err(ShapeError::Busy)), Err(ShapeError::Busy));
            let cut = body[..body.len() / 2].to_vec();
            assert_eq!(decode(coding, cut, 1 << 20, &mut |_| Ok(())), Err(ShapeError::Compression), "{coding:?}");
        }
        let two = [gzip(b"one\n"), gzip(b"two\n")].concat();
        assert_eq!(decode(Coding::Gzip, two, 100, &mut |_| Ok(())).unwrap(), b"one\ntwo\n");
        assert_eq!((Coding::named(b" GZIP "), Coding::named(b"br")), (Some(Coding::Gzip), None));
    }
}
