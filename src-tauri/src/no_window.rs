//! What is said where no window can be opened. On Windows nobody sees what the app prints, so it is a box of the
//! system's own, in the system's language: there is no page yet, and the person's choice may not be readable.

#[cfg(any(windows, test))]
mod words {
    /// The catalogues that the page has as well.
    pub const CATALOGUES: [&str; 3] = [
        include_str!("../../ui/src/words/en.json"),
        include_str!("../../ui/src/words/id.json"),
        include_str!("../../ui/src/words/zh.json"),
    ];
    pub const TITLE: &str = "error.title.open";
    pub const RUNTIME_MISSING: &str = "shell.webview2.missing";

    /// The message of this key; the key itself if there is none.
    pub fn message(catalogue: &str, key: &str) -> String {
        let messages: serde_json::Map<String, serde_json::Value> = serde_json::from_str(catalogue).unwrap_or_default();
        messages.get(key).and_then(|message| message.as_str()).unwrap_or(key).to_owned()
    }
}

#[cfg(windows)]
mod message_box {
    use windows_sys::Win32::{
        Globalization::GetUserDefaultUILanguage,
        UI::WindowsAndMessaging::{MB_ICONERROR, MB_OK, MB_SETFOREGROUND, MessageBoxW},
    };

    use super::words::{CATALOGUES, TITLE, message};

    /// Microsoft's page with the installer.
    pub const INSTALLER: &str = "https://developer.microsoft.com/microsoft-edge/webview2/";

    /// The catalogue of the language that Windows itself speaks.
    pub fn catalogue() -> &'static str {
        // The lower ten bits of a language identifier name the language, the others the country (winnt.h).
        const LANGUAGE_BITS: u16 = 0x3ff;
        const INDONESIAN: u16 = 0x21;
        const CHINESE: u16 = 0x04;
        let [english, indonesian, chinese] = CATALOGUES;
        // SAFETY: no requirement.
        match unsafe { GetUserDefaultUILanguage() } & LANGUAGE_BITS {
            INDONESIAN => indonesian,
            CHINESE => chinese,
            _ => english,
        }
    }

    /// Shows it and waits until it is closed.
    pub fn show(text: &str) {
        let wide = |text: &str| text.encode_utf16().chain([0]).collect::<Vec<u16>>();
        let (text, title) = (wide(text), wide(&message(catalogue(), TITLE)));
        // SAFETY: both texts end with a zero and outlive the call; a box needs no window that owns it.
        unsafe {
            MessageBoxW(std::ptr::null_mut(), text.as_ptr(), title.as_ptr(), MB_OK | MB_ICONERROR | MB_SETFOREGROUND);
        }
    }
}

/// What is wrong with the system's web view, asked before a window needs it: only Windows may be without one.
#[cfg(windows)]
pub fn missing_runtime() -> Option<String> {
    tauri::webview_version().err().map(|error| error.to_string())
}

/// Elsewhere the app would not have started without one.
#[cfg(not(windows))]
pub fn missing_runtime() -> Option<String> {
    None
}

/// Says that WebView2 is missing, and where to get it.
#[cfg(windows)]
pub fn say_runtime_missing() {
    let sentence = words::message(message_box::catalogue(), words::RUNTIME_MISSING);
    message_box::show(&format!("{sentence}\n\n{}", message_box::INSTALLER));
}

/// Elsewhere it is never missing.
#[cfg(not(windows))]
pub fn say_runtime_missing() {}

/// Says in the system's words what else went wrong.
#[cfg(windows)]
pub fn say(detail: &str) {
    message_box::show(detail);
}

/// Elsewhere it was printed.
#[cfg(not(windows))]
pub fn say(_detail: &str) {}

#[cfg(test)]
mod tests {
    use super::words::{CATALOGUES, RUNTIME_MISSING, TITLE, message};

    /// Without WebView2 the app ended with an exit code and a person saw nothing.
    #[test]
    fn what_is_said_without_a_page_is_there_in_every_language_and_is_plain_text() {
        for catalogue in CATALOGUES {
            for key in [TITLE, RUNTIME_MISSING] {
                let text = message(catalogue, key);
                assert!(text != key && !text.contains(['{', '}', '<']), "{text}");
            }
        }
    }
}
