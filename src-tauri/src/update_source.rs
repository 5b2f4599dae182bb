//! Where updates come from: an address that says what is newest, and the key of whoever signs it, in one line.

use serambi_protocol::{Code, Refusal};
use tauri::Url;

/// Characters of a minisign public key: algorithm, key number and Ed25519 key, 42 bytes in base64.
const KEY_CHARACTERS: usize = 56;
/// How every such key begins: its algorithm.
const KEY_BEGINNING: &str = "RW";

/// An address with its key: `https://serambi.example/latest.json#RWR…`. Nothing after `#` is sent to anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateSource {
    /// Answers with the newest release, as Tauri's updater reads it.
    pub address: Url,
    /// The minisign public key, one line.
    pub key: String,
}

impl UpdateSource {
    /// Reads the line. Only what is encrypted on the way is asked; this computer itself may be asked plainly.
    ///
    /// # Errors
    /// `link_wrong`.
    pub fn read(line: &str) -> Result<Self, Refusal> {
        let wrong = |why: &str| Refusal::new(Code::LinkWrong, why.to_owned());
        let (address, key) = line.trim().split_once('#').ok_or_else(|| wrong("no key behind a #"))?;
        let address: Url = address.parse().map_err(|_| wrong("no address"))?;
        let is_here = address.host_str().is_some_and(|host| ["127.0.0.1", "localhost", "[::1]"].contains(&host));
        if !(address.scheme() == "https" || address.scheme() == "http" && is_here) {
            return Err(wrong("not https"));
        }
        let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
        if key.len() != KEY_CHARACTERS || !key.starts_with(KEY_BEGINNING) || !key.chars().all(is_base64) {
            return Err(wrong("not a minisign key"));
        }
        Ok(Self { address, key: key.to_owned() })
    }

    /// The key as the updater wants it: the whole file that minisign writes, in base64.
    pub fn key_file(&self) -> String {
        use base64::Engine;
        let file = format!("untrusted comment: minisign public key\n{}\n", self.key);
        base64::engine::general_purpose::STANDARD.encode(file)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

    #[test]
    fn an_address_carries_the_key_of_whoever_signs() {
        let source = UpdateSource::read(&format!(" https://serambi.example/latest.json#{KEY}\n")).unwrap();
        assert_eq!((source.address.as_str(), source.key.as_str()), ("https://serambi.example/latest.json", KEY));
        assert!(UpdateSource::read(&format!("http://127.0.0.1:8000/latest.json#{KEY}")).is_ok());
    }

    #[test]
    fn what_has_no_key_or_is_readable_on_the_way_is_no_source() {
        let wrong = [
            "https://serambi.example/latest.json".to_owned(),
            "https://serambi.example/latest.json#".to_owned(),
            format!("https://serambi.example/latest.json#{}", &KEY[1..]),
            format!("http://serambi.example/latest.json#{KEY}"),
            format!("http://localhost.serambi.example/latest.json#{KEY}"),
            format!("file:///latest.json#{KEY}"),
            KEY.to_owned(),
        ];
        for line in wrong {
            assert_eq!(UpdateSource::read(&line).unwrap_err().code, Code::LinkWrong, "{line}");
        }
    }
}
