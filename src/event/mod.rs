//! Reading a redacted line as an event: which field holds the key, the address, the status, the time.
