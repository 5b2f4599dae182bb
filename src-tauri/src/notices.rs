//! What a person is told outside the window: which event of the call is worth a system notice, its words, and the
//! notices that stand on the desktop.

mod board;
mod call_notices;
mod called;
mod desktop;
mod sentence;
mod told;

pub use board::{Answer, NoticeBoard};
pub use call_notices::{CallNotices, NoticeAct};
pub use called::called_notice;
pub use sentence::system_language;
pub use told::{Subject, Told};
