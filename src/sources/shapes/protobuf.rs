//! Just enough of the wire format of protocol buffers to read messages of known shape.

use super::error::ShapeError;

/// One field of a message.
pub(super) enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2: bytes, text or a message.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32(u32),
}

impl<'a> Value<'a> {
    /// The bytes; nothing for another type.
    pub(super) fn bytes(&self) -> &'a [u8] {
        if let Value::Bytes(bytes) = self { bytes } else { b"" }
    }

    /// The number; 0 for another type.
    pub(super) fn number(&self) -> u64 {
        match self {
            Value::Varint(n) | Value::Fixed64(n) => *n,
            Value::Fixed32(n) => u64::from(*n),
            Value::Bytes(_) => 0,
        }
    }
}

/// Calls `field` with the number and value of each field of a message, in order.
pub(super) fn fields<'a>(
    message: &'a [u8],
    field: &mut dyn FnMut(u32, Value<'a>) -> Result<(), ShapeError>,
) -> Result<(), ShapeError> {
    let mut at = 0;
    while at < message.len() {
        let broken = ShapeError::Protobuf(at);
        let key = varint(message, &mut at).ok_or(broken)?;
        let number = u32::try_from(key >> 3).map_err(|_| broken)?;
        let mut fixed = |len: usize| {
            let bytes = message.get(at..at.checked_add(len)?)?;
            at += len;
            Some(bytes)
        };
        let value = match key & 7 {
            0 => Value::Varint(varint(message, &mut at).ok_or(broken)?),
            1 => Value::Fixed64(u64::from_le_bytes(fixed(8).and_then(|b| b.try_into().ok()).ok_or(broken)?)),
            5 => Value::Fixed32(u32::from_le_bytes(fixed(4).and_then(|b| b.try_into().ok()).ok_or(broken)?)),
            2 => {
                let length = varint(message, &mut at).and_then(|n| usize::try_from(n).ok()).ok_or(broken)?;
                let end = at.checked_add(length).filter(|end| *end <= message.len()).ok_or(broken)?;
                let bytes = &message[at..end];
                at = end;
                Value::Bytes(bytes)
            }
            _ => return Err(broken),
        };
        field(number, value)?;
    }
    Ok(())
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut n = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        n |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &[u8]) -> Result<Vec<(u32, u64, Vec<u8>)>, ShapeError> {
        let mut seen = Vec::new();
        fields(message, &mut |n, value| {
            seen.push((n, value.number(), value.bytes().to_vec()));
            Ok(())
        })?;
        Ok(seen)
    }

    #[test]
    fn all_wire_types_are_read_and_broken_ones_are_not() {
        let message =
            [&[0x08, 0x96, 0x01][..], &[0x12, 0x02, b'h', b'i'], &[0x19, 1, 0, 0, 0, 0, 0, 0, 0], &[0x25, 2, 0, 0, 0]]
                .concat();
        let want = [(1, 150, vec![]), (2, 0, b"hi".to_vec()), (3, 1, vec![]), (4, 2, vec![])];
        assert_eq!(read(&message).unwrap(), want);
        for cut in 1..message.len() {
            // at the end of a field a message may end
            let ends = [3, 7, 16].contains(&cut);
            assert_eq!(read(&message[..cut]).is_ok(), ends, "{cut}");
        }
        assert!(read(&[0x0b]).is_err());
        assert!(read(&[0xff; 11]).is_err());
        assert!(read(&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]).is_err());
    }
}
