//! What a value is by itself: a stand-in for one, a word of a sentence, an authorization scheme, or a likely secret.

use super::bytes::{IDENT, Mix, entropy, is, is_label, is_uuid, skip};

/// Values that say there is no value, or that something else stands for it.
pub(super) fn is_placeholder(v: &[u8]) -> bool {
    if v.is_empty() || is_label(v) || v == "…".as_bytes() {
        return true;
    }
    if v.iter().all(|b| matches!(b, b'*' | b'-' | b'.' | b'x' | b'X' | b'#' | b'?' | b'_' | b'=' | b' ' | b'/' | b':'))
    {
        return true;
    }
    let lower = v.len() <= 16 && {
        let mut buf = [0u8; 16];
        buf[..v.len()].copy_from_slice(v);
        buf[..v.len()].make_ascii_lowercase();
        matches!(
            &buf[..v.len()],
            b"null"
                | b"none"
                | b"nil"
                | b"true"
                | b"false"
                | b"undefined"
                | b"nan"
                | b"redacted"
                | b"filtered"
                | b"masked"
                | b"hidden"
                | b"removed"
                | b"n/a"
                | b"yes"
                | b"no"
                | b"on"
                | b"off"
                | b"empty"
                | b"(null)"
                | b"(none)"
                | b"nothing"
                | b"[redacted]"
                | b"[filtered]"
                | b"<redacted>"
                | b"<masked>"
                | b"<hidden>"
                | b"<none>"
                | b"<nil>"
                | b"unset"
        )
    };
    lower
        || (v.starts_with(b"${") && v.ends_with(b"}"))
        || (v.starts_with(b"$(") && v.ends_with(b")"))
        || (v.starts_with(b"{{") && v.ends_with(b"}}"))
        || (v.starts_with(b"%") && v.len() == 2)
        // A parameter of a statement in SQL.
        || matches!(v, [b'$', digits @ ..] if digits.iter().all(u8::is_ascii_digit))
        || (v.starts_with(b"****") && v.len() <= 12)
}

/// Whether this is the working directory of a shell (POSIX, 2.5.3), and no password: `PWD=/home/bob`.
pub(super) fn is_directory(name: &[u8], value: &[u8]) -> bool {
    value.starts_with(b"/") && (name == b"PWD" || name == b"OLDPWD")
}

/// Words that follow `password:` or `token:` in a sentence about one.
pub(super) fn is_prose(v: &[u8]) -> bool {
    const WORDS: [&[u8]; 60] = [
        b"a",
        b"an",
        b"and",
        b"are",
        b"authentication",
        b"bad",
        b"cannot",
        b"changed",
        b"check",
        b"could",
        b"created",
        b"does",
        b"empty",
        b"error",
        b"expected",
        b"expired",
        b"failed",
        b"failure",
        b"for",
        b"found",
        b"from",
        b"has",
        b"have",
        b"if",
        b"in",
        b"incorrect",
        b"input",
        b"invalid",
        b"is",
        b"it",
        b"length",
        b"login",
        b"mismatch",
        b"missing",
        b"must",
        b"no",
        b"not",
        b"of",
        b"ok",
        b"or",
        b"please",
        b"provided",
        b"rejected",
        b"required",
        b"reset",
        b"should",
        b"string",
        b"success",
        b"the",
        b"this",
        b"to",
        b"too",
        b"unexpected",
        b"unknown",
        b"updated",
        b"user",
        b"valid",
        b"was",
        b"with",
        b"wrong",
    ];
    // `it's`, `can't`.
    let v = match v {
        [word @ .., b'\'', b's' | b't'] if word.iter().all(u8::is_ascii_alphabetic) => return !word.is_empty(),
        _ => v,
    };
    let mut buf = [0u8; 16];
    let Some(b) = buf.get_mut(..v.len()) else { return false };
    b.copy_from_slice(v);
    b.make_ascii_lowercase();
    WORDS.binary_search(&&*b).is_ok()
}

/// Whether a value under a weak name (`key`, `code`) or behind a bare word looks like a secret rather than a word, a
/// number or an id.
pub(super) fn looks_secret(v: &[u8]) -> bool {
    one_token(v).is_some_and(|m| is_random(v, &m))
}

/// Whether a token of this mix looks random.
fn is_random(v: &[u8], m: &Mix) -> bool {
    if m.letters() == 0 || is_uuid(v) {
        return false;
    }
    if m.digit == 0 {
        // Letters only: long, in mixed case, without the look of words.
        return v.len() >= 16 && m.upper >= 3 && m.lower >= 3 && m.switches * 3 >= v.len() && entropy(v) > 3.5;
    }
    m.switches >= 3 && (m.switches * 8 >= v.len() || v.len() >= 20) && entropy(v) > 2.6
}

/// Whether a value under a name that means a token (`token`, `auth`, `credential`) can be one: also UUIDs and short
/// or plain ones, as long as they are no words.
pub(super) fn looks_token(v: &[u8]) -> bool {
    let Some(m) = one_token(v) else { return false };
    if m.letters() == 0 {
        return m.other == 0 && m.digit >= 15;
    }
    if m.digit == 0 {
        return is_random(v, &m) || (v.len() >= 24 && m.other == 0 && entropy(v) > 3.2);
    }
    let slug = m.other > 0 && !is_uuid(v) && m.switches < 3 && v.len() < 16;
    (m.digit * 20 >= v.len() || v.len() >= 16) && !slug && entropy(v) > 2.3
}

/// The mix of a value that is one token of a likely length; `None` for words, numbers, paths, addresses and times.
fn one_token(v: &[u8]) -> Option<Mix> {
    if v.len() < 8 || v.len() > 4096 || matches!(v[0], b'/' | b'.' | b'%' | b'$') {
        return None;
    }
    let m = Mix::of(v);
    let date = v[4] == b'-' && v[7] == b'-' && v[..4].iter().all(u8::is_ascii_digit);
    let no_token =
        m.broken || date || m.other * 3 > v.len() || (m.other >= 3 && memchr::memmem::find(v, b"://").is_some());
    (!no_token && !is_placeholder(v)).then_some(m)
}

/// Authorization schemes, and words that are used as such.
const SCHEMES: [&[u8]; 15] = [
    b"bearer",
    b"basic",
    b"token",
    b"apikey",
    b"api-key",
    b"key",
    b"digest",
    b"negotiate",
    b"ntlm",
    b"hmac",
    b"jwt",
    b"oauth",
    b"bot",
    b"ssws",
    b"hawk",
];

/// Whether the value is an authorization scheme by its registered name, and nothing more.
pub(super) fn is_scheme(v: &[u8]) -> bool {
    [&b"bearer"[..], b"basic", b"digest", b"negotiate", b"ntlm"].iter().any(|s| v.eq_ignore_ascii_case(s))
}

/// Length of an authorization scheme and the space behind it, when the value begins with one that is followed by a token.
pub(super) fn scheme_len(v: &[u8]) -> Option<usize> {
    let word = skip(v, 0, |b| is(b, IDENT));
    if !(3..=9).contains(&word) || !SCHEMES.iter().any(|s| v[..word].eq_ignore_ascii_case(s)) {
        return None;
    }
    let rest = skip(v, word, |b| matches!(b, b' ' | b'\t' | b'+'));
    // In a form `+` is a space.
    (rest > word && rest < v.len() && (v[word] != b'+' || rest == word + 1)).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_words() {
        for secret in ["a1b2c3d4e5f6", "mn7mXVjgaqfwzF4si0TwAvKoaF8Gz24u", "d41d8cd98f00b204e9800998ecf8427e"] {
            assert!(looks_secret(secret.as_bytes()), "{secret}");
        }
        for word in
            ["user-cache-2024", "primary", "2026-05-01", "https://a.example/b1c2d3", "/var/log/a1b2c3", "Authorization"]
        {
            assert!(!looks_secret(word.as_bytes()), "{word}");
        }
    }

    #[test]
    fn prose_is_sorted() {
        assert!(
            is_prose(b"a")
                && is_prose(b"Invalid")
                && is_prose(b"wrong")
                && is_prose(b"required")
                && is_prose(b"missing")
        );
        assert!(!is_prose(b"hunter"));
    }

    #[test]
    fn schemes() {
        assert_eq!(scheme_len(b"Bearer abc"), Some(7));
        assert_eq!(scheme_len(b"basic  abc"), Some(7));
        assert_eq!(scheme_len(b"Bearer"), None);
        assert_eq!(scheme_len(b"hunter2"), None);
    }
}
