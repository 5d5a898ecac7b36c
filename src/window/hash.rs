//! How keys are hashed.

/// Makes the hashes of [`KeyId`](super::KeyId)s for tables in memory. Whoever writes into a log can choose the names of keys, so they
/// start from numbers that are drawn anew in each process.
pub type KeyHash = foldhash::quality::RandomState;
