//! A request before it is signed and sent.

use serde_json::Value;

/// What to post.
#[derive(Clone, Debug, PartialEq)]
pub struct Post {
    /// Appended to the receiver's URL.
    pub path: String,
    /// The JSON body.
    pub body: Value,
    /// The body's media type.
    pub content_type: &'static str,
    /// Scheme of the `Authorization` header that carries the receiver's token, when it does not go in the body.
    pub scheme: &'static str,
}

impl Post {
    /// JSON to the receiver's own URL.
    pub(super) fn json(body: Value) -> Self {
        Self { path: String::new(), body, content_type: "application/json", scheme: "Bearer" }
    }
}
