//! Which system this is, as far as installing packages goes.

/// A system we know how to name packages for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Debian, Ubuntu and what is made from them.
    Debian,
    /// Fedora and what is made from it.
    Fedora,
    /// Arch and what is made from it.
    Arch,
    /// A Linux we have no package names for.
    OtherLinux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

/// This machine's system.
pub fn this_system() -> System {
    if cfg!(target_os = "windows") {
        System::Windows
    } else if cfg!(target_os = "macos") {
        System::MacOs
    } else {
        let text = std::fs::read_to_string("/etc/os-release")
            .or_else(|_| std::fs::read_to_string("/usr/lib/os-release"))
            .unwrap_or_default();
        linux_family(&text)
    }
}

/// Reads the text of `/etc/os-release` (os-release(5)): `ID` first, then the families in `ID_LIKE`.
fn linux_family(os_release: &str) -> System {
    let id = field(os_release, "ID");
    let like = field(os_release, "ID_LIKE");
    id.split_whitespace().chain(like.split_whitespace()).find_map(family).unwrap_or(System::OtherLinux)
}

fn family(id: &str) -> Option<System> {
    match id {
        "debian" | "ubuntu" => Some(System::Debian),
        "fedora" | "rhel" => Some(System::Fedora),
        "arch" => Some(System::Arch),
        _ => None,
    }
}

fn field(os_release: &str, name: &str) -> String {
    os_release
        .lines()
        .filter_map(|line| line.split_once('='))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().trim_matches(['"', '\'']).to_lowercase())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_is_read_from_id_and_then_from_id_like() {
        for (text, expected) in [
            ("PRETTY_NAME=\"Debian GNU/Linux 12\"\nVERSION_ID=\"12\"\nID=debian\n", System::Debian),
            ("ID=ubuntu\nID_LIKE=debian\n", System::Debian),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", System::Debian),
            ("ID=fedora\n", System::Fedora),
            ("ID=\"nobara\"\nID_LIKE=\"rhel centos fedora\"\n", System::Fedora),
            ("ID=manjaro\nID_LIKE=arch\n", System::Arch),
            ("ID=nixos\n", System::OtherLinux),
            ("", System::OtherLinux),
            ("VERSION_ID=debian\n", System::OtherLinux),
        ] {
            assert_eq!(linux_family(text), expected, "{text:?}");
        }
    }
}
