//! The page: one document with everything in it, and the policy that lets only that run.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Bytes;
use sha2::{Digest, Sha256};

const FRAME: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// The document and its policy.
pub(super) struct Page {
    pub(super) html: Bytes,
    pub(super) policy: String,
}

impl Page {
    pub(super) fn new() -> Self {
        let html = FRAME.replace("/*STYLE*/", STYLE).replace("/*SCRIPT*/", SCRIPT);
        let policy = format!(
            "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
            hash(SCRIPT),
            hash(STYLE)
        );
        Self { html: Bytes::from(html), policy }
    }
}

fn hash(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_whole_and_asks_nobody_for_anything() {
        let page = Page::new();
        let html = std::str::from_utf8(&page.html).unwrap();
        assert!(html.contains(&format!("<script>{SCRIPT}</script>")), "the hash covers all between the tags");
        assert!(html.contains(&format!("<style>{STYLE}</style>")));
        for foreign in ["http://", "https://", "//cdn", "@import", "url(", " src=", "javascript:"] {
            let without_namespace = html.replace("http://www.w3.org/2000/svg", "");
            assert!(!without_namespace.contains(foreign), "{foreign}");
        }
        for sink in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            " onclick=",
            " style=",
        ] {
            assert!(!html.contains(sink), "{sink}");
        }
        assert!(html.len() < 100_000, "{}", html.len());
    }
}
