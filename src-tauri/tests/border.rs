//! The border between Rust and TypeScript: generated types are fresh, and every command is permitted by name.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, fs};

use serambi_shell::ipc::border;
use specta_typescript::Typescript;

include!("../src/command_names.rs");

const GENERATED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ui/src/backend/bindings.ts");
const HEADER: &str = "// Generated from Rust by src-tauri/tests/border.rs. Do not edit: run `cargo xtask bindings`.\n";

fn generate() -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bindings.ts");
    border().disable_serde_phases().export(Typescript::default().header(HEADER), &file).unwrap();
    fs::read_to_string(file).unwrap()
}

#[test]
fn the_committed_typescript_is_what_rust_says_today() {
    let fresh = generate();
    if std::env::var_os("SERAMBI_WRITE_BINDINGS").is_some() {
        fs::write(GENERATED, &fresh).unwrap();
    }
    let committed = fs::read_to_string(GENERATED).unwrap();
    assert!(committed == fresh, "ui/src/backend/bindings.ts is out of date: run `cargo xtask bindings`");
}

#[test]
fn every_command_is_listed_generated_and_permitted() {
    let listed: BTreeSet<String> = COMMAND_NAMES.iter().map(|name| (*name).to_owned()).collect();
    let typescript = generate();
    for name in &listed {
        assert!(typescript.contains(&format!("\"{name}\"")), "{name} is listed but not registered");
    }
    let invoked = typescript.matches("__TAURI_INVOKE(\"").count().max(typescript.matches("INVOKE(\"").count());
    assert_eq!(invoked, listed.len(), "a command is registered but not listed");
    let capability: serde_json::Value = serde_json::from_str(
        &fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/capabilities/main.json")).unwrap(),
    )
    .unwrap();
    let permitted: BTreeSet<String> = capability["permissions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|permission| permission.as_str().unwrap().strip_prefix("allow-"))
        .map(|name| name.replace('-', "_"))
        .collect();
    assert_eq!(permitted, listed);
}
