//! Lists the files of the built page for the program to include, each that gets smaller also compressed, and lets a
//! fresh clone compile before the page is built.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};

const PAGE: &str = "../../../ui/dist-browser";
const PLACEHOLDER: &str = "<!doctype html><meta charset=utf-8><title>Serambi</title>\
    <p>The page is not built yet: run <code>cargo xtask run</code>.</p>";
/// Compressed to less than this part of its size, a file is worth being kept twice.
const WORTH_PERCENT: usize = 90;

fn main() -> Result<(), Box<dyn Error>> {
    let page = fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR"))).map(|here| here.join(PAGE))?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    if !page.join("index.html").exists() {
        // The folder is watched, and what is not there would be taken for changed each time.
        fs::create_dir_all(&page)?;
        println!("cargo::warning=the page for browsers is not built; `cargo xtask run` builds it");
    }
    println!("cargo::rerun-if-changed={PAGE}");
    let mut files = files_under(&page)?;
    files.sort();
    if files.is_empty() {
        fs::write(out.join("index.html"), PLACEHOLDER)?;
        return Ok(fs::write(out.join("files.rs"), list(&[("index.html".into(), out.join("index.html"))])?)?);
    }
    let mut listed = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let name = file.strip_prefix(&page)?.to_string_lossy().replace('\\', "/");
        let content = fs::read(file)?;
        let compressed = compress(&content)?;
        if compressed.len() * 100 < content.len() * WORTH_PERCENT {
            let kept = out.join(format!("{number}.gz"));
            fs::write(&kept, compressed)?;
            listed.push((format!("{name}.gz"), kept));
        }
        listed.push((name, file.clone()));
    }
    Ok(fs::write(out.join("files.rs"), list(&listed)?)?)
}

fn files_under(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_under(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

fn compress(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    encoder.finish()
}

fn list(files: &[(String, PathBuf)]) -> Result<String, std::fmt::Error> {
    let mut text = "&[\n".to_owned();
    for (name, path) in files {
        writeln!(text, "    ({name:?}, include_bytes!({:?})),", path.display().to_string())?;
    }
    text.push(']');
    Ok(text)
}
