//! The cookie that a greeting to a PulseAudio server carries: found where libpulse looks for it, and made where
//! libpulse makes it.
//!
//! PipeWire's stand-in takes any cookie, PulseAudio its own or, from its own user, any; but both refuse a greeting
//! whose cookie is not 256 bytes long. pulseaudio 0.3.2, by which cpal finds the devices, sends an empty one where it
//! finds no file, and so was never let in where no other program had played sound yet.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{ErrorKind, Read as _, Result, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::PathBuf,
};

const COOKIE_BYTES: usize = 256;

/// Below a home directory: where libpulse makes the cookie, and where old ones are.
const USUAL_PLACE: &str = ".config/pulse/cookie";
const OLD_PLACE: &str = ".pulse-cookie";

/// Where cookies may be.
#[derive(Debug)]
pub(crate) struct CookiePlaces {
    /// What `PULSE_COOKIE` names.
    named: Option<PathBuf>,
    /// In the directory that `PULSE_CONFIG_PATH` or `XDG_CONFIG_HOME` names: cpal's client does not look there.
    configured: Option<PathBuf>,
    home: Option<PathBuf>,
}

impl CookiePlaces {
    /// The places that the environment names.
    pub(crate) fn from_env() -> Self {
        let named = |key: &str| std::env::var_os(key).map(PathBuf::from).filter(|path| path.is_absolute());
        let configured = named("PULSE_CONFIG_PATH").or_else(|| Some(named("XDG_CONFIG_HOME")?.join("pulse")));
        Self {
            named: named("PULSE_COOKIE"),
            configured: configured.map(|folder| folder.join("cookie")),
            home: std::env::home_dir(),
        }
    }

    /// What to greet a server with: zeros if there is no cookie.
    pub(crate) fn cookie(&self) -> Vec<u8> {
        self.find().unwrap_or_else(|| vec![0; COOKIE_BYTES])
    }

    fn find(&self) -> Option<Vec<u8>> {
        let places = [self.named.clone(), self.configured.clone(), self.at_home(USUAL_PLACE), self.at_home(OLD_PLACE)];
        let mut cookies = places.into_iter().flatten().filter_map(|path| std::fs::read(path).ok());
        cookies.find(|cookie| cookie.len() == COOKIE_BYTES)
    }

    fn at_home(&self, place: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(place))
    }

    /// Sees to it that cpal's client finds a cookie: as libpulse does, a new one is made where there is none.
    pub(crate) fn provide(&self) -> Result<()> {
        let seen = [self.named.clone(), self.at_home(USUAL_PLACE), self.at_home(OLD_PLACE)];
        if seen.into_iter().flatten().any(|path| path.exists()) {
            return Ok(());
        }
        let Some(path) = self.at_home(USUAL_PLACE) else { return Ok(()) };
        let cookie = self.find().map_or_else(random_cookie, Ok)?;
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(mut file) => file.write_all(&cookie),
            // Another program was quicker.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn random_cookie() -> Result<Vec<u8>> {
    let mut cookie = vec![0; COOKIE_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut cookie)?;
    Ok(cookie)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn places(folder: &tempfile::TempDir) -> CookiePlaces {
        let path = |name: &str| Some(folder.path().join(name));
        CookiePlaces { named: path("named"), configured: path("configured"), home: path("home") }
    }

    fn put(path: Option<&PathBuf>, cookie: &[u8]) {
        let path = path.unwrap();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, cookie).unwrap();
    }

    #[test]
    fn a_cookie_is_looked_for_where_libpulse_does_and_only_a_whole_one_counts() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(&folder);
        assert_eq!(places.cookie(), [0; 256]);
        put(places.at_home(OLD_PLACE).as_ref(), &[1; 256]);
        assert_eq!(places.cookie(), [1; 256]);
        put(places.at_home(USUAL_PLACE).as_ref(), &[2; 256]);
        assert_eq!(places.cookie(), [2; 256]);
        put(places.configured.as_ref(), &[3; 256]);
        assert_eq!(places.cookie(), [3; 256]);
        put(places.named.as_ref(), &[4; 255]);
        assert_eq!(places.cookie(), [3; 256]);
        put(places.named.as_ref(), &[5; 256]);
        assert_eq!(places.cookie(), [5; 256]);
    }

    // Regression: where no program had made a cookie yet, the sound server refused this one, which took the bare cards
    // instead.
    #[test]
    fn where_there_is_no_cookie_one_is_made_that_is_nobody_elses_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(&folder);
        places.provide().unwrap();
        let made = places.cookie();
        assert_ne!(made, [0; 256]);
        let path = places.at_home(USUAL_PLACE).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), made);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        places.provide().unwrap();
        assert_eq!(places.cookie(), made);
    }

    #[test]
    fn a_cookie_that_cpal_does_not_see_is_copied_to_where_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(&folder);
        put(places.configured.as_ref(), &[3; 256]);
        places.provide().unwrap();
        assert_eq!(std::fs::read(places.at_home(USUAL_PLACE).unwrap()).unwrap(), [3; 256]);
    }

    #[test]
    fn a_cookie_that_cpal_sees_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(&folder);
        put(places.at_home(OLD_PLACE).as_ref(), &[1; 256]);
        places.provide().unwrap();
        assert!(!places.at_home(USUAL_PLACE).unwrap().exists());
    }
}
