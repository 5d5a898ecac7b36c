//! From a request to what can be compared between requests: the endpoint, the calling page, the kind of client.

use super::text::Text;

/// Longest endpoint, in bytes; what comes behind is left out.
const MAX: usize = 160;

/// Method and path with ids replaced by `*`: `GET /v1/users/*`. Query and fragment are left out, and of a URL its scheme
/// and host.
///
/// A part of a path is an id when it holds a label, a percent sign, only digits, or at least 8 characters of which one
/// in five or more is a digit.
pub fn endpoint<'b>(method: Option<Text<'_>>, path: Text<'_>, buf: &'b mut [u8; MAX]) -> &'b [u8] {
    let mut n = 0;
    let mut put = |bytes: &[u8]| {
        let len = bytes.len().min(MAX - n);
        buf[n..n + len].copy_from_slice(&bytes[..len]);
        n += len;
    };
    if let Some(method) = method {
        let mut upper = [0; 8];
        let raw = &method.raw()[..method.raw().len().min(8)];
        upper[..raw.len()].copy_from_slice(raw);
        upper.make_ascii_uppercase();
        put(&upper[..raw.len()]);
        put(b" ");
    }
    let mut rest = path.raw();
    if !rest.starts_with(b"/")
        && let Some(at) = memchr::memmem::find(rest, b"://")
    {
        let host = &rest[at + 3..];
        rest = memchr::memchr(b'/', host).map_or(b"/", |at| &host[at..]);
    }
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    let mut at = 0;
    loop {
        let (len, id) = part(&rest[at..]);
        put(b"/");
        put(if id { b"*" } else { &rest[at..at + len] });
        at += len;
        if rest.get(at) != Some(&b'/') {
            break;
        }
        at += 1;
    }
    &buf[..n]
}

/// The first part of what is left of a path: its length up to a slash or the end of the path, and whether it names one
/// thing of many: digits, a long mix of letters and digits, an address, something encoded or redacted.
fn part(rest: &[u8]) -> (usize, bool) {
    let (mut len, mut digits, mut odd) = (0, 0, false);
    for &b in rest {
        match b {
            b'/' | b'?' | b'#' | b';' => break,
            b'0'..=b'9' => digits += 1,
            b'%' | b'[' | b'@' | b'\\' => odd = true,
            _ => {}
        }
        len += 1;
    }
    let id = odd || (digits > 0 && digits == len) || (len >= 8 && digits * 5 >= len) || len > 48;
    (len, id)
}

/// Scheme, host and port of a URL.
pub(super) fn origin(url: &[u8]) -> Option<&[u8]> {
    let at = memchr::memmem::find(&url[..url.len().min(16)], b"://")? + 3;
    let len = url[at..].iter().position(|b| matches!(b, b'/' | b'?' | b'#' | b'"' | b'\\')).unwrap_or(url.len() - at);
    (len > 0).then(|| &url[..at + len])
}

/// Whether a `User-Agent` is that of a browser: they all begin with `Mozilla/5.0 (` and name their engine; crawlers that
/// do the same say so.
pub(super) fn browser(agent: &[u8]) -> bool {
    let has = |word: &[u8]| memchr::memmem::find(agent, word).is_some();
    agent.starts_with(b"Mozilla/5.0 (")
        && (has(b"Gecko/") || has(b"AppleWebKit/"))
        && !(has(b"bot") || has(b"Bot") || has(b"crawler") || has(b"compatible;"))
}

/// Whether a scheme, protocol or TLS version says that there was no TLS.
pub(super) fn plaintext(scheme: &[u8]) -> bool {
    [&b"http"[..], b"http:", b"ws", b"off", b"none", b"plaintext", b"http://"]
        .iter()
        .any(|s| scheme.eq_ignore_ascii_case(s))
        || scheme.get(..7).is_some_and(|s| s.eq_ignore_ascii_case(b"http://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_left_out_of_endpoints() {
        for (method, path, want) in [
            ("GET", "/v1/users/4711?page=2", "GET /v1/users/*"),
            ("post", "/v1/chat/completions", "POST /v1/chat/completions"),
            ("GET", "https://api.example.com:8443/v1/x/", "GET /v1/x/"),
            ("GET", "https://api.example.com", "GET /"),
            ("", "/o/7f8e9d0c-1b2a-4c3d-8e9f-0a1b2c3d4e5f/keys", "/o/*/keys"),
            ("GET", "/reset/[TOKEN:1k7q2m9xw3ht6a]", "GET /reset/*"),
            ("GET", "/a/b%20c", "GET /a/*"),
            ("GET", "/v1beta2/models/gpt-4o-mini", "GET /v1beta2/models/gpt-4o-mini"),
            ("GET", "", "GET /"),
        ] {
            let mut buf = [0; MAX];
            let method = (!method.is_empty()).then(|| Text::plain(method.as_bytes()));
            let got = endpoint(method, Text::plain(path.as_bytes()), &mut buf);
            assert_eq!(String::from_utf8_lossy(got), want);
        }
        let mut buf = [0; MAX];
        let long = "/abc".repeat(1000);
        assert_eq!(endpoint(None, Text::plain(long.as_bytes()), &mut buf).len(), MAX);
    }

    #[test]
    fn pages_browsers_and_schemes_are_told() {
        assert_eq!(origin(b"https://app.example.com/x?y"), Some(&b"https://app.example.com"[..]));
        assert_eq!((origin(b"null"), origin(b"-"), origin(b"https:///")), (None, None, None));
        let firefox = b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        assert!(browser(firefox) && !browser(b"curl/8.9.1") && !browser(b"Mozilla/5.0 (compatible; Googlebot/2.1)"));
        assert!(
            plaintext(b"http")
                && plaintext(b"HTTP")
                && !plaintext(b"https")
                && !plaintext(b"HTTP/1.1")
                && !plaintext(b"TLSv1.3")
        );
    }
}
