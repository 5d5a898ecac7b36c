//! The Debian package and its man pages; and that what stands in `packaging/` for other ways works.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Ran, find, root, run, run_command, skip};

fn sh(command: &mut Command) -> Ran {
    run_command(command, b"")
}

/// A path with the directories of the tests' own tools in front.
fn path_with(tools: &Path) -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap();
    std::env::join_paths([tools.parent().unwrap().to_owned()].into_iter().chain(std::env::split_paths(&path))).unwrap()
}

/// Installs the package into a root of its own: with dpkg where we may, so that its scripts run too.
fn install(deb: &Path, into: &Path) -> bool {
    let as_root = rustix::process::getuid().is_root();
    if !as_root {
        let ran = sh(Command::new("dpkg-deb").arg("-x").arg(deb).arg(into));
        assert_eq!(ran.code, 0, "{}", ran.err);
        return false;
    }
    fs::create_dir_all(into.join("var/lib/dpkg/updates")).unwrap();
    fs::create_dir_all(into.join("var/lib/dpkg/info")).unwrap();
    fs::write(into.join("var/lib/dpkg/status"), "").unwrap();
    let ran = dpkg(into, &["-i", deb.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}{}", ran.text(), ran.err);
    true
}

fn dpkg(root: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new("dpkg");
    command.arg(format!("--root={}", root.display())).args(["--force-script-chrootless", "--force-depends"]).args(args);
    sh(command.env("PATH", path_with(Path::new("/usr/sbin/dpkg"))))
}

#[test]
fn the_debian_package_installs_and_what_is_in_it_works() {
    let Some(cargo_deb) = find("cargo-deb") else { return skip("package", "cargo-deb is not installed") };
    if find("dpkg-deb").is_none() {
        return skip("package", "dpkg is not installed");
    }
    let program = Path::new(env!("CARGO_BIN_EXE_logwarden"));
    let built = program.parent().unwrap().file_name().unwrap();
    let mut script = Command::new(root().join("packaging/package.sh"));
    let ran = sh(script.arg("--built").arg(built).env("PATH", path_with(&cargo_deb)));
    assert_eq!(ran.code, 0, "{}{}", ran.text(), ran.err);
    let deb = root().join(ran.text().lines().last().unwrap());
    let home = tempfile::tempdir().unwrap();
    let with_scripts = install(&deb, home.path());
    let at = |path: &str| home.path().join(path);
    let modes = [
        ("usr/bin/logwarden", 0o755),
        ("etc/logwarden/logwarden.toml", 0o644),
        ("usr/lib/systemd/system/logwarden.service", 0o644),
        ("usr/lib/systemd/system/logwarden-core.service", 0o644),
        ("usr/lib/systemd/system/logwarden-notifier.service", 0o644),
        ("usr/share/man/man1/logwarden.1.gz", 0o644),
        ("usr/share/man/man1/logwarden-audit-verify.1.gz", 0o644),
        ("usr/share/bash-completion/completions/logwarden", 0o644),
        ("usr/share/zsh/vendor-completions/_logwarden", 0o644),
        ("usr/share/fish/vendor_completions.d/logwarden.fish", 0o644),
        ("usr/share/doc/logwarden/copyright", 0o644),
    ];
    for (path, mode) in modes {
        let found = fs::metadata(at(path)).unwrap_or_else(|e| panic!("{path}: {e}")).permissions().mode();
        assert_eq!(found & 0o777, mode, "{path}");
    }
    let ran =
        sh(Command::new(at("usr/bin/logwarden")).args(["check", "--config"]).arg(at("etc/logwarden/logwarden.toml")));
    assert_eq!(ran.code, 0, "{}{}", ran.text(), ran.err);
    for unit in ["logwarden", "logwarden-core", "logwarden-notifier"] {
        let text = fs::read_to_string(at(&format!("usr/lib/systemd/system/{unit}.service"))).unwrap();
        assert!(
            text.contains("ExecStart=/usr/bin/logwarden run")
                && !text.contains("@PROGRAM@")
                && !text.contains("@CONFIG@"),
            "{text}"
        );
    }
    let bash = fs::read_to_string(at("usr/share/bash-completion/completions/logwarden")).unwrap();
    assert!(bash.contains("complete -F _logwarden"));
    if with_scripts {
        fs::create_dir_all(at("var/lib/logwarden")).unwrap();
        fs::write(at("var/lib/logwarden/state.db"), "x").unwrap();
        for (verb, state, config) in [("-r", true, true), ("-P", false, false)] {
            let ran = dpkg(home.path(), &[verb, "logwarden"]);
            assert_eq!(ran.code, 0, "{verb}: {}{}", ran.text(), ran.err);
            assert_eq!(at("var/lib/logwarden/state.db").exists(), state, "{verb}");
            assert_eq!(at("etc/logwarden/logwarden.toml").exists(), config, "{verb}");
            assert!(!at("usr/bin/logwarden").exists());
        }
    }
}

#[test]
fn the_man_pages_render() {
    let Some(man) = find("man") else { return skip("package", "man is not installed") };
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(&["man", dir.path().to_str().unwrap()], b"").code, 0);
    let mut pages: Vec<PathBuf> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path()).collect();
    pages.sort();
    assert!(pages.len() > 30, "{}", pages.len());
    let mut command = Command::new(man);
    command.args(["--warnings", "--local-file", "--encoding=UTF-8", "--pager=cat"]).args(&pages);
    let ran = sh(command.env("LC_ALL", "C.UTF-8").env("MANWIDTH", "80").env_remove("MANPAGER"));
    assert!(ran.code == 0 && ran.err.is_empty(), "{}", ran.err);
    let text = ran.text();
    for wanted in ["logwarden(1)", "Prove that every record is there", "--head"] {
        assert!(text.contains(wanted), "{wanted}");
    }
}

/// What stands between two lines of a file, without the spaces in front of it.
fn embedded(text: &str, from: &str, indent: usize) -> String {
    let after = text.split_once(from).unwrap_or_else(|| panic!("no {from}")).1;
    let lines = after.lines().skip(1).take_while(|line| line.is_empty() || line.starts_with(&" ".repeat(indent)));
    lines.map(|line| format!("{}\n", line.get(indent..).unwrap_or_default())).collect()
}

#[test]
fn the_configurations_for_containers_pass() {
    let dir = tempfile::tempdir().unwrap();
    let sidecar = fs::read_to_string(root().join("packaging/kubernetes-sidecar.yaml")).unwrap();
    let sidecar = embedded(&sidecar, "logwarden.toml: |", 4);
    let docker = fs::read_to_string(root().join("packaging/docker/logwarden.toml")).unwrap();
    let there = regex::Regex::new(r"\$\{file:[^}]*\}").unwrap();
    for (name, text) in [("sidecar", sidecar), ("docker", docker)] {
        assert!(text.contains("[sources"), "{name}: {text}");
        // secrets are elsewhere
        let secret = dir.path().join("secret");
        fs::write(&secret, "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let text = there.replace_all(&text, format!("$${{file:{}}}", secret.display()));
        let path = dir.path().join(format!("{name}.toml"));
        fs::write(&path, text.as_ref()).unwrap();
        let ran = run(&["check", "--config", path.to_str().unwrap()], b"");
        assert_eq!(ran.code, 0, "{name}: {}{}", ran.text(), ran.err);
    }
}

#[test]
fn a_container_log_of_docker_comes_out_clean() {
    let line = br#"{"log":"{\"level\":\"info\",\"password\":\"hunter2hunter2\"}\n","stream":"stdout","time":"2026-05-01T12:00:00.000000001Z"}"#;
    let ran = run(&[], &[&line[..], b"\n"].concat());
    let text = ran.text();
    assert!(ran.code == 0 && !text.contains("hunter2"), "{text}");
    let outer: serde_json::Value = serde_json::from_str(&text).unwrap();
    let inner: serde_json::Value = serde_json::from_str(outer["log"].as_str().unwrap()).unwrap();
    assert_eq!(inner["password"], "[PASSWORD]");
}
