//! The shapes that receivers of webhooks expect: one small table of shape each, pure.

mod alertmanager;
mod chat;
mod incident;
mod post;
mod shape;

pub use post::Post;
pub use shape::{default_url, keeps_state, remind, token_in_body};
pub(super) use shape::{escape, post};
