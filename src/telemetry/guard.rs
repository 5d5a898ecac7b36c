//! The guard rails of the process.

/// Keeps what the process has in memory out of panic messages and core dumps.
///
/// A panic message can quote the data it stumbled on, so only the place is written.
pub fn guard_process() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        tracing::error!("internal error at {place}; the lines it concerns are withheld");
    }));
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        tracing::debug!("core dumps stay enabled: {error}");
    }
}
