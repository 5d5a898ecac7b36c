//! Our own door: lines, or JSON values.

use serde_json::value::RawValue;

use super::error::ShapeError;
use super::gather::Taken;
use super::json;
use crate::line;

/// Lines as they are. A last one without a newline gets one.
pub(super) fn lines(body: &[u8], limit: usize) -> Taken {
    let mut taken = Taken::default();
    let (mut run, mut count) = (0, 0);
    let mut at = 0;
    for piece in line::lines(body) {
        let ended = piece.ends_with(b"\n");
        let length = piece.len() - usize::from(ended);
        if length > limit || !ended {
            taken.whole(&body[run..at], count);
            (run, count) = (at + piece.len(), 0);
            if length > limit {
                taken.line(piece, limit);
            } else {
                taken.whole(&[piece, b"\n"].concat(), 1);
            }
        } else {
            if at - run > crate::sources::lines::READ_BYTES / 2 {
                taken.whole(&body[run..at], count);
                (run, count) = (at, 0);
            }
            count += 1;
        }
        at += piece.len();
    }
    taken.whole(&body[run..at], count);
    taken.parts.retain(|part| !part.bytes.is_empty());
    taken
}

/// JSON values one after the other, with or without line breaks between or inside them; an array stands for its items.
pub(super) fn values(body: &[u8], limit: usize) -> Result<Taken, ShapeError> {
    json::shallow(body)?;
    let mut taken = Taken::default();
    for value in serde_json::Deserializer::from_slice(body).into_iter::<&RawValue>() {
        let value = value?.get();
        if value.starts_with('[') {
            let items: Vec<&RawValue> = serde_json::from_str(value)?;
            items.iter().for_each(|item| taken.line(item.get().as_bytes(), limit));
        } else {
            taken.line(value.as_bytes(), limit);
        }
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(taken: &Taken) -> String {
        taken.parts.iter().map(|p| String::from_utf8_lossy(&p.bytes).into_owned()).collect()
    }

    #[test]
    fn lines_are_kept_as_they_are() {
        let taken = lines(b"{\"a\":1}\r\n\nno json \xff\0\nlast", 20);
        assert_eq!(
            taken.parts.iter().flat_map(|p| p.bytes.clone()).collect::<Vec<_>>(),
            b"{\"a\":1}\r\n\nno json \xff\0\nlast\n"
        );
        assert_eq!((taken.lines, taken.refused), (4, 0));
        assert_eq!(lines(b"", 20).parts.len(), 0);
    }

    #[test]
    fn a_long_line_is_withheld_in_its_place() {
        let body = format!("one\n{}\ntwo\n{}", "x".repeat(21), "y".repeat(21));
        let taken = lines(body.as_bytes(), 20);
        let parts: Vec<_> = taken
            .parts
            .iter()
            .map(|p| (String::from_utf8_lossy(&p.bytes).into_owned(), p.withheld.is_some()))
            .collect();
        let want = [("one\n", false), ("\n", true), ("two\n", false), ("\n", true)];
        assert_eq!(parts, want.map(|(t, w)| (t.to_owned(), w)));
        assert_eq!((taken.lines, taken.refused), (2, 2));
    }

    #[test]
    fn values_become_lines() {
        for body in [
            "[{\"a\": 1}, {\"b\":\n 2}, \"three\"]",
            "{\"a\": 1}{\"b\":\n 2}\"three\"",
            "{\"a\": 1}\n{\"b\":\n 2}\n\"three\"\n",
        ] {
            let taken = values(body.as_bytes(), 100).unwrap();
            assert_eq!(text(&taken), "{\"a\": 1}\n{\"b\":  2}\n\"three\"\n", "{body}");
            assert_eq!(taken.lines, 3);
        }
        assert_eq!(text(&values(b"[]", 10).unwrap()), "");
        for bad in ["{\"a\":", "[1,", "no json", "[1]]"] {
            assert!(matches!(values(bad.as_bytes(), 100), Err(ShapeError::Json { .. })), "{bad}");
        }
        let many_keys = format!("{{{}\"z\":1}}", (0..100_000).map(|n| format!("\"k{n}\":1,")).collect::<String>());
        assert_eq!(values(many_keys.as_bytes(), 10 << 20).unwrap().lines, 1);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(body in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200), limit in 1usize..30) {
            let taken = lines(&body, limit);
            let mut want = Vec::new();
            for piece in body.split_inclusive(|b| *b == b'\n') {
                let line = piece.strip_suffix(b"\n").unwrap_or(piece);
                want.extend_from_slice(if line.len() > limit { b"" } else { line });
                want.push(b'\n');
            }
            let got: Vec<u8> = taken.parts.iter().flat_map(|p| p.bytes.clone()).collect();
            prop_assert_eq!(got, want);
        }
    }
}
