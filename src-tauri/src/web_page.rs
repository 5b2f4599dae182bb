//! Pages of the web that somebody wrote down in a room: opened in the system's browser, never in the window.

use serambi_protocol::{Code, Refusal};
use tauri::Url;

/// Opens a page where this system opens pages.
///
/// # Errors
/// `link_wrong` for anything but http and https, `internal` if the system has nothing that opens pages.
pub async fn open(address: &str) -> Result<(), Refusal> {
    let address = read(address)?;
    let opening = tauri::async_runtime::spawn_blocking(move || open_in_browser(&address));
    let opened = opening.await.map_err(|error| error.to_string()).and_then(|opened| opened);
    opened.map_err(|detail| Refusal::new(Code::Internal, detail))
}

/// The address as it is understood here: what the system is given has no blanks and no quotes.
fn read(address: &str) -> Result<Url, Refusal> {
    let address: Url = address.parse().map_err(|_| Refusal::from(Code::LinkWrong))?;
    if matches!(address.scheme(), "http" | "https") { Ok(address) } else { Err(Code::LinkWrong.into()) }
}

#[cfg(target_os = "linux")]
fn open_in_browser(address: &Url) -> Result<(), String> {
    use gtk::gio::{AppInfo, AppLaunchContext};

    AppInfo::launch_default_for_uri(address.as_str(), None::<&AppLaunchContext>).map_err(|error| error.to_string())
}

#[cfg(target_os = "macos")]
fn open_in_browser(address: &Url) -> Result<(), String> {
    run(std::process::Command::new("/usr/bin/open").arg(address.as_str()))
}

#[cfg(target_os = "windows")]
fn open_in_browser(address: &Url) -> Result<(), String> {
    run(std::process::Command::new("rundll32.exe").args(["url.dll,FileProtocolHandler", address.as_str()]))
}

#[cfg(not(target_os = "linux"))]
fn run(command: &mut std::process::Command) -> Result<(), String> {
    let status = command.status().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(status.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_the_web_are_opened() {
        let read = |address| read(address).map(String::from).map_err(|refusal| refusal.code);
        assert_eq!(read("https://example.org/a b\"c"), Ok("https://example.org/a%20b%22c".to_owned()));
        assert_eq!(read("http://example.org"), Ok("http://example.org/".to_owned()));
        for other in ["javascript:alert(1)", "file:///etc/passwd", "mailto:a@example.org", "--help", "example.org"] {
            assert_eq!(read(other), Err(Code::LinkWrong), "{other}");
        }
    }
}
