//! The .deb: laid out here and nowhere else (`bundle` in tauri.conf.json names the window's icons only), and packed by
//! dpkg-deb. `dpkg-shlibdeps` reads from the programs which libraries they need, in which versions, so the dependencies
//! cannot be out of date.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{failure::Failure, step::Steps, workspace};

const PROGRAMS: &[&str] = &["serambi", "serambi-house", "serambi-peer"];
const ICON_SIZES_PIXELS: &[u32] = &[32, 128, 256, 512];

const DESKTOP_ENTRY: &str = "\
[Desktop Entry]
Type=Application
Name=Serambi
Comment=Drop-in voice rooms on your own computer
Comment[id]=Ruang suara di komputermu sendiri
Comment[zh_CN]=在自己的电脑上随到随聊的语音房间
Exec=serambi %u
Icon=serambi
Terminal=false
Categories=Network;AudioVideo;Audio;Chat;
MimeType=x-scheme-handler/serambi;
StartupWMClass=serambi
";

/// Makes `target/bundle/serambi_VERSION_ARCHITECTURE.deb`.
pub fn build(steps: &mut Steps) -> Result<(), Failure> {
    let folder = workspace::target().join("bundle");
    let tree = folder.join("tree");
    steps.work("package tree", "cargo xtask bundle", || lay_out(&folder, &tree).map_err(|error| error.to_string()))?;
    let name = format!("serambi_{}_{}.deb", env!("CARGO_PKG_VERSION"), architecture());
    let file = folder.join(name);
    let mut pack = Command::new("dpkg-deb");
    pack.args(["--root-owner-group", "--build"]).args([&tree, &file]);
    steps.command("package", &mut pack)?;
    println!("{}", file.display());
    Ok(())
}

fn lay_out(folder: &Path, tree: &Path) -> io::Result<()> {
    if tree.exists() {
        fs::remove_dir_all(tree)?;
    }
    let release = workspace::target().join("release");
    for program in PROGRAMS {
        put(&release.join(program), &tree.join("usr/bin").join(program))?;
    }
    write(&tree.join("usr/share/applications/serambi.desktop"), DESKTOP_ENTRY)?;
    for size in ICON_SIZES_PIXELS {
        let icon = workspace::root().join(format!("assets/icons/{size}x{size}.png"));
        if icon.is_file() {
            put(&icon, &tree.join(format!("usr/share/icons/hicolor/{size}x{size}/apps/serambi.png")))?;
        }
    }
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        let text = workspace::root().join(licence);
        if text.is_file() {
            put(&text, &tree.join("usr/share/doc/serambi").join(licence))?;
        }
    }
    write(&tree.join("usr/share/doc/serambi/copyright"), COPYRIGHT)?;
    let depends = dependencies(folder, tree)?;
    write(&tree.join("DEBIAN/control"), &control(&depends, kibibytes(&tree.join("usr"))?))
}

const COPYRIGHT: &str = "\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Serambi

Files: *
Copyright: The Serambi authors
License: Apache-2.0 or MIT

License: Apache-2.0
 On Debian systems the full text is in /usr/share/common-licenses/Apache-2.0.

License: MIT
 The full text is in /usr/share/doc/serambi/LICENSE-MIT.
";

fn control(depends: &str, installed_kibibytes: u64) -> String {
    format!(
        "Package: serambi\n\
         Version: {}\n\
         Architecture: {}\n\
         Maintainer: The Serambi authors <authors@serambi.example>\n\
         Section: sound\n\
         Priority: optional\n\
         Installed-Size: {installed_kibibytes}\n\
         Depends: {depends}\n\
         Recommends: libayatana-appindicator3-1\n\
         Description: drop-in voice rooms on your own computer\n \
         Start a room and be on stage; people drop in to listen, raise a hand,\n \
         come on stage, and leave quietly. The app is also the server.\n",
        env!("CARGO_PKG_VERSION"),
        architecture(),
    )
}

/// dpkg-shlibdeps insists on a source package's `debian/control` in the folder it runs in.
fn dependencies(folder: &Path, tree: &Path) -> io::Result<String> {
    let source = folder.join("shlibdeps");
    write(&source.join("debian/control"), "Source: serambi\n\nPackage: serambi\nArchitecture: any\n")?;
    let programs = PROGRAMS.iter().map(|program| tree.join("usr/bin").join(program));
    let output = Command::new("dpkg-shlibdeps").arg("-O").args(programs).current_dir(&source).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match text.trim().strip_prefix("shlibs:Depends=") {
        Some(depends) if output.status.success() => Ok(depends.to_owned()),
        _ => Err(io::Error::other(format!("dpkg-shlibdeps: {}", String::from_utf8_lossy(&output.stderr)))),
    }
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn put(from: &Path, to: &Path) -> io::Result<()> {
    make_folder_of(to)?;
    fs::copy(from, to).map(|_| ()).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", from.display())))
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    make_folder_of(file)?;
    fs::write(file, text)
}

fn make_folder_of(file: &Path) -> io::Result<()> {
    file.parent().map_or(Ok(()), fs::create_dir_all)
}

fn kibibytes(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    let mut open: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next)? {
            let entry = entry?;
            let about = entry.metadata()?;
            if about.is_dir() { open.push(entry.path()) } else { bytes += about.len() }
        }
    }
    Ok(bytes.div_ceil(1_024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_file_has_every_field_that_dpkg_needs_and_a_folded_description() {
        let text = control("libc6 (>= 2.34)", 7);
        for field in ["Package: serambi\n", "Depends: libc6 (>= 2.34)\n", "Installed-Size: 7\n", "Section: sound\n"] {
            assert!(text.contains(field), "{field}");
        }
        let folded = text.lines().skip_while(|line| !line.starts_with("Description:")).skip(1);
        assert!(folded.into_iter().all(|line| line.starts_with(' ')), "{text}");
    }

    #[test]
    fn the_desktop_entry_opens_links() {
        assert!(DESKTOP_ENTRY.contains("Exec=serambi %u\n"));
        assert!(DESKTOP_ENTRY.contains("MimeType=x-scheme-handler/serambi;\n"));
    }
}
