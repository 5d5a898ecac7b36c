//! Where alerts go out: routes, retries, mail and webhooks.
