//! Where bytes come in: standard input, child processes, files.
