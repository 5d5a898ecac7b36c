//! The command line as a whole: help, usage errors, exit codes.

use crate::support::run;

#[test]
fn help_begins_with_examples() {
    let ran = run(&["--help"], b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.text().starts_with("Examples:\n"), "{}", ran.text());
    assert!(ran.text().contains("| logwarden"), "{}", ran.text());
}

#[test]
fn a_wrong_option_is_a_usage_error() {
    let ran = run(&["--no-such-option"], b"");
    assert_eq!(ran.code, 2);
    assert!(ran.out.is_empty());
    assert!(ran.err.contains("--no-such-option"), "{}", ran.err);
}

#[test]
fn a_missing_file_is_an_io_error() {
    let ran = run(&["/no/such/file.log"], b"");
    assert_eq!(ran.code, 74, "{}", ran.err);
    assert!(ran.out.is_empty());
    assert!(ran.err.contains("/no/such/file.log"), "{}", ran.err);
}

#[test]
fn colour_goes_where_it_is_asked_for() {
    let always = run(&["--color", "always", "/no/such/file.log"], b"");
    assert!(always.err.contains("\x1b["), "{:?}", always.err);
    let never = run(&["--color", "never", "/no/such/file.log"], b"");
    assert!(!never.err.contains("\x1b["), "{:?}", never.err);
}

#[test]
fn a_slip_in_a_verb_is_understood() {
    let ran = run(&["chekc"], b"");
    assert_eq!(ran.code, 74);
    assert!(ran.err.contains("did you mean `logwarden check`?"), "{}", ran.err);
    let file = run(&["/no/such/chekc"], b"");
    assert!(!file.err.contains("did you mean"), "{}", file.err);
}

#[test]
fn a_directory_is_no_log_and_the_way_out_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let ran = run(&[dir.path().to_str().unwrap()], b"");
    assert_eq!(ran.code, 74);
    assert!(ran.err.contains("Is a directory") && ran.err.contains("help: name the files in it"), "{}", ran.err);
}
