//! Makes every command deniable (capabilities name those that the window may call) and lets a fresh clone compile
//! before the pages are built.

use std::{error::Error, fs, path::Path};

include!("src/command_names.rs");

const PAGES: &str = "../ui/dist";
const PLACEHOLDER: &str = "<!doctype html><meta charset=utf-8><title>Serambi</title>\
    <p>The pages are not built yet: run <code>cargo xtask run</code>.</p>";

fn main() -> Result<(), Box<dyn Error>> {
    if !Path::new(PAGES).join("index.html").exists() {
        fs::create_dir_all(PAGES)?;
        fs::write(Path::new(PAGES).join("index.html"), PLACEHOLDER)?;
        println!("cargo::warning=the pages are not built; `cargo xtask run` builds them");
    }
    println!("cargo::rerun-if-changed={PAGES}");
    let commands = tauri_build::AppManifest::new().commands(COMMAND_NAMES);
    tauri_build::try_build(tauri_build::Attributes::new().app_manifest(commands))?;
    Ok(())
}
