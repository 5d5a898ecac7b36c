//! The `logwarden` command.

fn main() -> std::process::ExitCode {
    logwarden::cli::main(std::env::args_os())
}
