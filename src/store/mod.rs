//! What outlives a tick: checkpoints, key state, outbox, alert history.
