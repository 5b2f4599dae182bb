//! What the close button and quitting do, by what goes on at that moment.

use serambi_call::WhenClosed;

/// What goes on when somebody closes the window or quits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// What the person chose.
    pub when_closed: WhenClosed,
    /// A window that is hidden can be found again in the tray.
    pub has_tray: bool,
    /// This person is in a room.
    pub in_room: bool,
    /// Others whose rooms live in this program.
    pub cut_off: u32,
}

/// What happens then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The window is hidden, everything goes on.
    Stay,
    /// The page asks first: others would be cut off.
    Ask,
    /// The app leaves and ends.
    Quit,
}

impl Circumstances {
    /// What the close button of the window does.
    pub fn close_button(self) -> Closing {
        let stays = match self.when_closed {
            WhenClosed::StayInRoom => self.in_room || self.cut_off > 0,
            WhenClosed::Stay => true,
            WhenClosed::Quit => false,
        };
        if stays && self.has_tray { Closing::Stay } else { self.quit() }
    }

    /// What Ctrl+Q and the tray's last entry do.
    pub fn quit(self) -> Closing {
        if self.cut_off > 0 { Closing::Ask } else { Closing::Quit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALONE_AT_HOME: Circumstances =
        Circumstances { when_closed: WhenClosed::StayInRoom, has_tray: true, in_room: false, cut_off: 0 };

    #[test]
    fn closing_stays_while_in_a_room_and_while_others_are_in_ones_own() {
        assert_eq!(Circumstances { in_room: true, ..ALONE_AT_HOME }.close_button(), Closing::Stay);
        assert_eq!(Circumstances { cut_off: 2, ..ALONE_AT_HOME }.close_button(), Closing::Stay);
        assert_eq!(ALONE_AT_HOME.close_button(), Closing::Quit);
    }

    #[test]
    fn a_window_that_could_not_be_found_again_is_never_hidden() {
        for when_closed in [WhenClosed::StayInRoom, WhenClosed::Stay, WhenClosed::Quit] {
            let without_tray = Circumstances { when_closed, has_tray: false, ..ALONE_AT_HOME };
            assert_eq!(without_tray.close_button(), Closing::Quit);
            assert_eq!(Circumstances { in_room: true, ..without_tray }.close_button(), Closing::Quit);
            assert_eq!(Circumstances { cut_off: 1, ..without_tray }.close_button(), Closing::Ask);
        }
    }

    #[test]
    fn who_chose_so_always_stays_or_always_quits() {
        let stay = Circumstances { when_closed: WhenClosed::Stay, ..ALONE_AT_HOME };
        assert_eq!(stay.close_button(), Closing::Stay);
        let quit = Circumstances { when_closed: WhenClosed::Quit, in_room: true, ..ALONE_AT_HOME };
        assert_eq!(quit.close_button(), Closing::Quit);
        assert_eq!(Circumstances { cut_off: 1, ..quit }.close_button(), Closing::Ask);
    }

    #[test]
    fn quitting_asks_only_where_others_are_cut_off() {
        assert_eq!(Circumstances { in_room: true, ..ALONE_AT_HOME }.quit(), Closing::Quit);
        assert_eq!(Circumstances { cut_off: 1, ..ALONE_AT_HOME }.quit(), Closing::Ask);
    }
}
