//! The corridor: batches in, redacted chunks out, order kept, with a tally for the monitor.
