//! Keys from anywhere under X11: grabbed on the root window, waited for on a thread that sleeps until one is pressed.
//!
//! The library that takes them on Windows and macOS asks the X server here twenty times a second, pressed or not
//! (global-hotkey 0.8 and 0.9).

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use serambi_protocol::{Code, Refusal};
use tauri::AppHandle;
use tauri_plugin_global_shortcut::{Code as Key, Modifiers};
use x11rb::{
    connection::Connection as _,
    errors::{ConnectError, ConnectionError, ReplyError, ReplyOrIdError},
    protocol::{
        ErrorKind, Event,
        xkb::{self, ConnectionExt as _},
        xproto::{
            AtomEnum, ClientMessageEvent, ConnectionExt as _, CreateWindowAux, EventMask, GrabMode, KeyButMask,
            Keycode, ModMask, Window, WindowClass,
        },
    },
    rust_connection::RustConnection,
};
use xkeysym::{RawKeysym, key as keysym};

use crate::{
    key_combination::KeyCombination,
    shortcuts::{KeyEvent, KeyReports},
};

/// The modifiers that a combination has.
const MODIFIERS: [(Modifiers, ModMask); 4] = [
    (Modifiers::SHIFT, ModMask::SHIFT),
    (Modifiers::CONTROL, ModMask::CONTROL),
    (Modifiers::ALT, ModMask::M1),
    (Modifiers::SUPER, ModMask::M4),
];
/// Keys other than letters, digits and F1 to F24, by what stands on them.
const NAMED_KEYS: [(Key, RawKeysym); 47] = [
    (Key::Backquote, keysym::grave),
    (Key::Backslash, keysym::backslash),
    (Key::BracketLeft, keysym::bracketleft),
    (Key::BracketRight, keysym::bracketright),
    (Key::Comma, keysym::comma),
    (Key::Equal, keysym::equal),
    (Key::Minus, keysym::minus),
    (Key::Period, keysym::period),
    (Key::Quote, keysym::apostrophe),
    (Key::Semicolon, keysym::semicolon),
    (Key::Slash, keysym::slash),
    (Key::Space, keysym::space),
    (Key::Escape, keysym::Escape),
    (Key::Tab, keysym::Tab),
    (Key::Enter, keysym::Return),
    (Key::Backspace, keysym::BackSpace),
    (Key::Delete, keysym::Delete),
    (Key::Insert, keysym::Insert),
    (Key::Home, keysym::Home),
    (Key::End, keysym::End),
    (Key::PageUp, keysym::Page_Up),
    (Key::PageDown, keysym::Page_Down),
    (Key::ArrowUp, keysym::Up),
    (Key::ArrowDown, keysym::Down),
    (Key::ArrowLeft, keysym::Left),
    (Key::ArrowRight, keysym::Right),
    (Key::PrintScreen, keysym::Print),
    (Key::ScrollLock, keysym::Scroll_Lock),
    (Key::Pause, keysym::Pause),
    (Key::Numpad0, keysym::KP_0),
    (Key::Numpad1, keysym::KP_1),
    (Key::Numpad2, keysym::KP_2),
    (Key::Numpad3, keysym::KP_3),
    (Key::Numpad4, keysym::KP_4),
    (Key::Numpad5, keysym::KP_5),
    (Key::Numpad6, keysym::KP_6),
    (Key::Numpad7, keysym::KP_7),
    (Key::Numpad8, keysym::KP_8),
    (Key::Numpad9, keysym::KP_9),
    (Key::NumpadAdd, keysym::KP_Add),
    (Key::NumpadSubtract, keysym::KP_Subtract),
    (Key::NumpadMultiply, keysym::KP_Multiply),
    (Key::NumpadDivide, keysym::KP_Divide),
    (Key::NumpadDecimal, keysym::KP_Decimal),
    (Key::NumpadEnter, keysym::KP_Enter),
    (Key::AudioVolumeMute, keysym::XF86_AudioMute),
    (Key::MediaPlayPause, keysym::XF86_AudioPlay),
];

/// A key that is ours until it is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Grab {
    keys: KeyCombination,
    keycode: Keycode,
    modifiers: ModMask,
    reports: KeyReports,
    is_down: bool,
}

/// The keys that are ours, once the first was asked for.
pub struct KeyGrabs {
    app: AppHandle,
    heard: fn(&AppHandle, KeyEvent),
    keyboard: Mutex<Option<Keyboard>>,
}

impl KeyGrabs {
    /// None yet. `heard` is called on a thread of its own.
    pub fn new(app: AppHandle, heard: fn(&AppHandle, KeyEvent)) -> Self {
        Self { app, heard, keyboard: Mutex::default() }
    }

    /// Takes a key from every other program.
    ///
    /// # Errors
    /// `shortcut_taken`, also where no such key exists and where the display is gone.
    pub fn grab(&self, keys: KeyCombination, reports: KeyReports) -> Result<(), Refusal> {
        let taken = |why: String| Refusal::new(Code::ShortcutTaken, format!("{keys}: {why}"));
        let mut place = lock(&self.keyboard);
        let keyboard = match place.take() {
            Some(keyboard) => keyboard,
            None => {
                let (app, heard) = (self.app.clone(), self.heard);
                Keyboard::open(move |event| heard(&app, event)).map_err(|error| taken(error.to_string()))?
            }
        };
        place.insert(keyboard).display.grab(keys, reports).map_err(taken)
    }

    /// Gives a key back.
    pub fn give_back(&self, keys: KeyCombination) {
        if let Some(keyboard) = lock(&self.keyboard).as_ref() {
            keyboard.display.give_back(keys);
        }
    }
}

/// A display's keyboard and the thread that listens to it, which ends with it.
struct Keyboard {
    display: Arc<Display>,
    listening: Option<JoinHandle<()>>,
}

impl Keyboard {
    fn open(heard: impl Fn(KeyEvent) + Send + 'static) -> Result<Self, ReplyOrIdError> {
        let display = Arc::new(Display::open()?);
        let listened = display.clone();
        let listen = move || {
            if let Err(error) = listened.listen(heard) {
                tracing::warn!(%error, "keys of other windows are not heard any more");
            }
        };
        let thread = std::thread::Builder::new().name("keys-anywhere".to_owned());
        let listening = thread.spawn(listen).map_err(ConnectionError::from)?;
        Ok(Self { display, listening: Some(listening) })
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        // A display that takes no event is gone, and has ended the thread itself.
        if let Err(error) = self.display.end() {
            tracing::debug!(%error, "the display is gone");
        }
        if self.listening.take().is_some_and(|listening| listening.join().is_err()) {
            tracing::error!("listening to keys broke off");
        }
    }
}

/// A connection of its own to the X server: one thread waits for its events while others ask.
struct Display {
    connection: RustConnection,
    root: Window,
    /// Never seen; what is sent to it ends the listening.
    own: Window,
    grabs: Mutex<Vec<Grab>>,
}

impl Display {
    fn open() -> Result<Self, ReplyOrIdError> {
        let (connection, screen) = RustConnection::connect(None).map_err(to_connection_error)?;
        let root = connection.setup().roots[screen].root;
        tell_repeats_apart(&connection)?;
        let own = connection.generate_id()?;
        let (depth, visual) = (x11rb::COPY_DEPTH_FROM_PARENT, x11rb::COPY_FROM_PARENT);
        let about = CreateWindowAux::new();
        connection.create_window(depth, own, root, 0, 0, 1, 1, 0, WindowClass::INPUT_ONLY, visual, &about)?.check()?;
        Ok(Self { connection, root, own, grabs: Mutex::default() })
    }

    fn grab(&self, keys: KeyCombination, reports: KeyReports) -> Result<(), String> {
        let keycode = self.keycode(keys.shortcut().key)?;
        let modifiers = modifiers_of(keys);
        // Known before the first press can come.
        lock(&self.grabs).push(Grab { keys, keycode, modifiers, reports, is_down: false });
        let grabbed = with_locks(modifiers).into_iter().try_for_each(|exactly| self.grab_exactly(keycode, exactly));
        if grabbed.is_err() {
            self.give_back(keys);
        }
        grabbed.map_err(|error| match error {
            ReplyError::X11Error(error) if error.error_kind == ErrorKind::Access => "another program has it".to_owned(),
            error => error.to_string(),
        })
    }

    fn grab_exactly(&self, keycode: Keycode, modifiers: ModMask) -> Result<(), ReplyError> {
        let (pointer, keyboard) = (GrabMode::ASYNC, GrabMode::ASYNC);
        self.connection.grab_key(false, self.root, modifiers, keycode, pointer, keyboard)?.check()
    }

    fn give_back(&self, keys: KeyCombination) {
        let grab = {
            let mut grabs = lock(&self.grabs);
            let at = grabs.iter().position(|grab| grab.keys == keys);
            at.map(|at| grabs.swap_remove(at))
        };
        let Some(Grab { keycode, modifiers, .. }) = grab else { return };
        for exactly in with_locks(modifiers) {
            // The server does not mind a key that was not ours.
            match self.connection.ungrab_key(keycode, self.root, exactly) {
                Ok(asked) => asked.ignore_error(),
                Err(error) => tracing::warn!(%keys, %error, "a key was not given back"),
            }
        }
        if let Err(error) = self.connection.flush() {
            tracing::warn!(%keys, %error, "a key was not given back");
        }
    }

    /// The key on which this stands, in whichever row of the layout.
    fn keycode(&self, key: Key) -> Result<Keycode, String> {
        let wanted = keysym_of(key).ok_or_else(|| format!("{key} is no key of X"))?;
        let (first, last) = (self.connection.setup().min_keycode, self.connection.setup().max_keycode);
        let asked = self.connection.get_keyboard_mapping(first, last - first + 1).map_err(|error| error.to_string())?;
        let layout = asked.reply().map_err(|error| error.to_string())?;
        let columns = usize::from(layout.keysyms_per_keycode).max(1);
        // The first layout's own letters before a second layout's: "us,fr" has an M of each, on two keys.
        let at = (0..columns)
            .find_map(|column| layout.keysyms.chunks(columns).position(|keysyms| keysyms.get(column) == Some(&wanted)));
        let keycode = at.and_then(|at| u8::try_from(usize::from(first) + at).ok());
        keycode.ok_or_else(|| format!("no key has {key}"))
    }

    /// Waits for keys until [`Self::end`].
    fn listen(&self, heard: impl Fn(KeyEvent)) -> Result<(), ReplyError> {
        loop {
            let report = match self.connection.wait_for_event()? {
                Event::KeyPress(event) => press(&mut lock(&self.grabs), event.detail, event.state),
                Event::KeyRelease(event) => release(&mut lock(&self.grabs), event.detail),
                Event::ClientMessage(event) if event.window == self.own => return Ok(()),
                _ => None,
            };
            if let Some(report) = report {
                heard(report);
            }
        }
    }

    fn end(&self) -> Result<(), ReplyError> {
        let message = ClientMessageEvent::new(32, self.own, AtomEnum::INTEGER, [0_u32; 5]);
        // Without a mask it goes to whoever made the window.
        self.connection.send_event(false, self.own, EventMask::NO_EVENT, message)?.check()
    }
}

fn to_connection_error(error: ConnectError) -> ConnectionError {
    std::io::Error::other(error).into()
}

/// Without this every repetition of a held key begins with it coming up.
fn tell_repeats_apart(connection: &RustConnection) -> Result<(), ReplyError> {
    let (apart, nothing) = (xkb::PerClientFlag::DETECTABLE_AUTO_REPEAT, xkb::BoolCtrl::default());
    connection.xkb_use_extension(1, 0)?.reply()?;
    let keyboard = xkb::ID::USE_CORE_KBD.into();
    connection.xkb_per_client_flags(keyboard, apart, apart, nothing, nothing, nothing)?.reply()?;
    Ok(())
}

fn modifiers_of(keys: KeyCombination) -> ModMask {
    let held = keys.shortcut().mods;
    let masks = MODIFIERS.iter().filter(|(modifier, _)| held.contains(*modifier)).map(|(_, mask)| *mask);
    masks.fold(ModMask::default(), |all, mask| all | mask)
}

/// A grab is for one exact set of modifiers, and X counts the locks among them: Num Lock is the second by custom.
fn with_locks(modifiers: ModMask) -> [ModMask; 4] {
    let locked = modifiers | ModMask::LOCK;
    [modifiers, locked, modifiers | ModMask::M2, locked | ModMask::M2]
}

fn keysym_of(key: Key) -> Option<RawKeysym> {
    let name = key.to_string();
    let number = |prefix: &str| name.strip_prefix(prefix).and_then(|rest| rest.parse::<RawKeysym>().ok());
    let letter = name.strip_prefix("Key").filter(|rest| rest.len() == 1).and_then(|rest| rest.bytes().next());
    if let Some(letter) = letter {
        // Latin letters and digits are their own keysyms.
        return Some(RawKeysym::from(letter.to_ascii_lowercase()));
    }
    let digit = number("Digit").map(|digit| keysym::_0 + digit);
    let function = || number("F").filter(|number| (1..=24).contains(number)).map(|number| keysym::F1 + number - 1);
    let named = || NAMED_KEYS.iter().find(|(named, _)| *named == key).map(|(_, keysym)| *keysym);
    digit.or_else(function).or_else(named)
}

/// What a key that goes down means; a held key is told once, whichever modifiers come to it: it repeats with them.
fn press(grabs: &mut [Grab], keycode: Keycode, state: KeyButMask) -> Option<KeyEvent> {
    let ours = MODIFIERS.iter().fold(0, |all, (_, mask)| all | u16::from(*mask));
    let modifiers = ModMask::from(u16::from(state) & ours);
    if grabs.iter().any(|grab| grab.keycode == keycode && grab.is_down) {
        return None;
    }
    let grab = grabs.iter_mut().find(|grab| grab.keycode == keycode && grab.modifiers == modifiers)?;
    grab.is_down = true;
    Some(grab.reports.pressed)
}

/// What a key that comes up means, whichever modifiers came up before it.
fn release(grabs: &mut [Grab], keycode: Keycode) -> Option<KeyEvent> {
    let grab = grabs.iter_mut().find(|grab| grab.keycode == keycode && grab.is_down)?;
    grab.is_down = false;
    grab.reports.released
}

/// Nothing is computed while these locks are held, so a poisoned one still holds good data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const M: Keycode = 58;
    const F8: Keycode = 74;

    fn grabs() -> [Grab; 3] {
        let grab = |keys: &str, keycode, reports| {
            let keys: KeyCombination = keys.parse().unwrap();
            Grab { keys, keycode, modifiers: modifiers_of(keys), reports, is_down: false }
        };
        let talk = KeyReports { pressed: KeyEvent::TalkPressed, released: Some(KeyEvent::TalkReleased) };
        let mute = KeyReports { pressed: KeyEvent::ToggleMute, released: None };
        [grab("Ctrl+Shift+KeyM", M, mute), grab("Ctrl+F8", F8, mute), grab("F8", F8, talk)]
    }

    /// The release went to the other combination, and the microphone stayed open.
    #[test]
    fn a_held_key_to_which_a_modifier_comes_is_the_same_press() {
        let mut grabs = grabs();
        assert_eq!(press(&mut grabs, F8, KeyButMask::default()), Some(KeyEvent::TalkPressed));
        assert_eq!(press(&mut grabs, F8, KeyButMask::CONTROL), None, "it repeats with what is held now");
        assert_eq!(release(&mut grabs, F8), Some(KeyEvent::TalkReleased));
        assert_eq!(press(&mut grabs, F8, KeyButMask::CONTROL), Some(KeyEvent::ToggleMute));
    }

    #[test]
    fn a_key_is_told_when_it_goes_down_and_when_it_comes_up() {
        let mut grabs = grabs();
        assert_eq!(press(&mut grabs, F8, KeyButMask::default()), Some(KeyEvent::TalkPressed));
        assert_eq!(press(&mut grabs, F8, KeyButMask::default()), None, "it repeats while it is held");
        assert_eq!(release(&mut grabs, F8), Some(KeyEvent::TalkReleased));
        assert_eq!(release(&mut grabs, F8), None);
    }

    #[test]
    fn locks_and_layouts_are_no_modifiers() {
        let state = KeyButMask::CONTROL | KeyButMask::SHIFT | KeyButMask::MOD2 | KeyButMask::LOCK;
        assert_eq!(press(&mut grabs(), M, state), Some(KeyEvent::ToggleMute));
        assert_eq!(press(&mut grabs(), M, KeyButMask::from(u16::from(state) | 0x2000)), Some(KeyEvent::ToggleMute));
        assert_eq!(press(&mut grabs(), M, KeyButMask::SHIFT), None, "a capital letter");
    }

    #[test]
    fn a_key_comes_up_also_when_its_modifiers_did_before() {
        let mut grabs = grabs();
        let held = KeyButMask::CONTROL | KeyButMask::SHIFT;
        press(&mut grabs, M, held);
        release(&mut grabs, M);
        assert_eq!(press(&mut grabs, M, held), Some(KeyEvent::ToggleMute));
    }

    #[test]
    fn every_key_that_may_be_taken_alone_is_one_of_x() {
        assert_eq!(keysym_of(Key::KeyM), Some(0x6d));
        assert_eq!(keysym_of(Key::Digit7), Some(0x37));
        assert_eq!(keysym_of(Key::F8), Some(0xffc5));
        assert_eq!(keysym_of(Key::F24), Some(0xffd5));
        assert_eq!(keysym_of(Key::Pause), Some(0xff13));
        assert_eq!(keysym_of(Key::Fn), None);
    }
}
