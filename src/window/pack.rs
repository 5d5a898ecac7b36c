//! Compact bytes for stored state: variable-length integers (LEB128) and little-endian floats.

/// Appends to a buffer.
#[derive(Default)]
pub(super) struct Pack(pub Vec<u8>);

impl Pack {
    pub(super) fn uint(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    /// Signed, zigzag.
    pub(super) fn int(&mut self, n: i64) {
        self.uint(((n << 1) ^ (n >> 63)) as u64);
    }

    pub(super) fn float(&mut self, f: f32) {
        self.0.extend_from_slice(&f.to_le_bytes());
    }

    pub(super) fn text(&mut self, t: &str) {
        self.uint(t.len() as u64);
        self.0.extend_from_slice(t.as_bytes());
    }
}

/// Reads what [`Pack`] wrote; every step returns `None` when the bytes are not of that form.
pub(super) struct Unpack<'a>(pub &'a [u8]);

impl<'a> Unpack<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&b, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(b)
    }

    pub(super) fn uint(&mut self) -> Option<u64> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let b = self.byte()?;
            n |= u64::from(b & 0x7f).checked_shl(shift)?;
            if b < 0x80 {
                return Some(n);
            }
        }
        None
    }

    pub(super) fn small(&mut self) -> Option<u32> {
        u32::try_from(self.uint()?).ok()
    }

    pub(super) fn int(&mut self) -> Option<i64> {
        let n = self.uint()?;
        Some((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    /// A float that is a number.
    pub(super) fn float(&mut self) -> Option<f32> {
        let (bytes, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(f32::from_le_bytes(*bytes)).filter(|f| f.is_finite())
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let len = usize::try_from(self.uint()?).ok()?;
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let mut p = Pack::default();
        for n in [0, 1, 127, 128, u64::MAX] {
            p.uint(n);
        }
        for n in [0, -1, i64::MIN, i64::MAX] {
            p.int(n);
        }
        p.float(1.5);
        p.text("é");
        let mut u = Unpack(&p.0);
        assert_eq!([0; 5].map(|_| u.uint()), [0, 1, 127, 128, u64::MAX].map(Some));
        assert_eq!([0; 4].map(|_| u.int()), [0, -1, i64::MIN, i64::MAX].map(Some));
        assert_eq!((u.float(), u.text(), u.byte()), (Some(1.5), Some("é"), None));
        assert_eq!(Unpack(&[0xff; 3]).uint(), None);
        assert_eq!(Unpack(&[5, b'a']).text(), None);
    }
}
