//! This machine.

/// Its name, if it has one. Not read from `/proc`, which a sandbox may hide.
pub fn host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().trim().to_owned();
    (!name.is_empty() && name != "(none)").then_some(name)
}
