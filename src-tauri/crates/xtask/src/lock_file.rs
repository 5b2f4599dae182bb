//! Lock files must be good everywhere: no download addresses of one network, and the native parts of every system.

/// Packages that exist once per system, and two systems that npm leaves out of the lock file without a word when its
/// registry does not have them at that moment (seen with `@tauri-apps/cli` 2.12.4).
const NATIVE_PARTS: &[&str] = &["@tauri-apps/cli", "@rolldown/binding", "lightningcss"];
const SYSTEMS: &[&str] = &["darwin-arm64", "darwin-x64", "win32-x64-msvc", "linux-x64-gnu"];

/// What is wrong with a file of this name and content; nothing, if it is no lock file.
pub fn complaints(name: &str, text: &str) -> Vec<String> {
    match name.rsplit('/').next() {
        Some("package-lock.json") => npm_complaints(name, text),
        Some("Cargo.lock") => cargo_complaints(name, text),
        _ => Vec::new(),
    }
}

fn npm_complaints(name: &str, text: &str) -> Vec<String> {
    let addresses =
        text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with("\"resolved\": \"http")).map(
            |(number, _)| {
                format!("{name}:{}: a download address (npm config: omit-lockfile-registry-resolved)", number + 1)
            },
        );
    let natives =
        NATIVE_PARTS.iter().filter(|part| text.contains(&format!("\"node_modules/{part}"))).flat_map(|part| {
            SYSTEMS.iter().filter_map(move |system| {
                let entry = format!("\"node_modules/{part}-{system}\"");
                (!text.contains(&entry)).then(|| format!("{name}: {part} lacks {system}: npm ci will fail there"))
            })
        });
    addresses.chain(natives).collect()
}

/// Rust packages come from one registry: a git or mirror address would be another source, or of another kind.
fn cargo_complaints(name: &str, text: &str) -> Vec<String> {
    let sources = || {
        let lines = text.lines().enumerate();
        lines.filter_map(|(number, line)| Some((number + 1, line.strip_prefix("source = \"")?.trim_end_matches('"'))))
    };
    let usual = sources().map(|(_, source)| source).find(|source| source.starts_with("registry+"));
    sources()
        .filter(|(_, source)| Some(*source) != usual)
        .map(|(number, _)| format!("{name}:{number}: a package from somewhere else"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock_with(systems: &[&str]) -> String {
        systems.iter().map(|system| format!("    \"node_modules/lightningcss-{system}\": {{\n")).collect()
    }

    #[test]
    fn a_lock_file_with_every_system_and_no_address_is_fine() {
        assert_eq!(complaints("ui/package-lock.json", &lock_with(SYSTEMS)), [""; 0]);
        assert_eq!(complaints("Cargo.lock", "source = \"registry+a\"\nsource = \"registry+a\"\n"), [""; 0]);
    }

    #[test]
    fn a_missing_system_is_named() {
        let found = complaints("ui/package-lock.json", &lock_with(&SYSTEMS[1..]));
        assert_eq!(found, ["ui/package-lock.json: lightningcss lacks darwin-arm64: npm ci will fail there"]);
    }

    #[test]
    fn a_download_address_is_found_with_its_line() {
        let text = "{\n      \"resolved\": \"https://mirror.example/x.tgz\",\n";
        assert!(complaints("package-lock.json", text)[0].starts_with("package-lock.json:2: "));
        assert!(complaints("Cargo.lock", "source = \"git+https://example.org/x\"\n")[0].starts_with("Cargo.lock:1: "));
        assert!(complaints("Cargo.lock", "source = \"registry+a\"\nsource = \"registry+b\"\n")[0].contains(":2: "));
    }

    #[test]
    fn other_files_may_say_what_they_like() {
        assert_eq!(complaints("notes.json", "\"resolved\": \"https://example.org\""), [""; 0]);
    }
}
