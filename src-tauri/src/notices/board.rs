//! The notices that stand on the desktop, one for each subject: shown, replaced, withdrawn, answered.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tauri::async_runtime::JoinHandle;
use tokio::{sync::mpsc, time::timeout};

use super::{desktop::SystemDesktop, told::Subject};

/// Orders that may wait for the desktop; a person reads no more than a few.
const ORDERS_WAITING: usize = 32;
/// A desktop that has not shown or taken away a notice after this long does not.
const DESKTOP_LIMIT: Duration = Duration::from_secs(5);
/// An answer that comes later than this is to a question nobody remembers.
const ANSWER_LIMIT: Duration = Duration::from_secs(3_600);

/// What a notice says and offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesktopNotice {
    /// What it is about.
    pub subject: Subject,
    /// What it says.
    pub words: Words,
    /// What it says on a locked screen, which anybody may look at: no names.
    pub on_locked: Words,
    /// Two answers, where the desktop has buttons.
    pub buttons: Option<Buttons>,
    /// To be shown only in place of another one about the same.
    pub only_replaces: bool,
    /// The system's own sound comes with it. What is worth a sound in a room has its cue.
    pub has_sound: bool,
}

/// What a notice says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// One line.
    pub title: String,
    /// Plain text.
    pub text: String,
}

/// The words on two buttons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buttons {
    /// To what was asked.
    pub yes: String,
    /// The other.
    pub no: String,
}

/// What a person pressed.
// macOS does not say what was pressed.
#[cfg_attr(target_os = "macos", allow(dead_code))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The notice itself.
    Open,
    /// [`Buttons::yes`].
    Yes,
    /// [`Buttons::no`].
    No,
}

/// Where notices are shown.
pub(super) trait Desktop: Send + Sync + 'static {
    /// A notice that stands there.
    type Shown: Send + Sync;

    /// Whether the system says that the screen is locked.
    fn is_locked(&self) -> impl Future<Output = bool> + Send;

    /// Shows a notice in these words of it, in place of `earlier` if there is one.
    fn show(
        &self,
        notice: &DesktopNotice,
        words: &Words,
        earlier: Option<&Self::Shown>,
    ) -> impl Future<Output = Result<Self::Shown, String>> + Send;

    /// Waits for what is pressed; none: it was closed.
    fn answer(shown: &Self::Shown) -> impl Future<Output = Option<Answer>> + Send;

    /// Takes it away.
    fn withdraw(&self, shown: &Self::Shown) -> impl Future<Output = ()> + Send;
}

enum Order {
    Show(DesktopNotice),
    Withdraw(Subject),
    WithdrawAll,
}

/// The handle of what stands on the desktop.
pub struct NoticeBoard {
    orders: Mutex<Option<mpsc::Sender<Order>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl NoticeBoard {
    /// An empty one on the system's own desktop. `on_answer` is told what a person presses; it must not block.
    pub fn start(on_answer: impl Fn(Subject, Answer) + Send + 'static) -> Self {
        Self::on(SystemDesktop, on_answer)
    }

    fn on<D: Desktop>(desktop: D, on_answer: impl Fn(Subject, Answer) + Send + 'static) -> Self {
        let (orders, queue) = mpsc::channel(ORDERS_WAITING);
        let standing = Standing { desktop, shown: HashMap::new(), answers: FuturesUnordered::new(), count: 0 };
        let task = tauri::async_runtime::spawn(standing.run(queue, on_answer));
        Self { orders: Mutex::new(Some(orders)), task: Mutex::new(Some(task)) }
    }

    /// Shows a notice, in place of an earlier one about the same.
    pub fn show(&self, notice: DesktopNotice) {
        self.order(Order::Show(notice));
    }

    /// What stands there about this is over.
    pub fn withdraw(&self, subject: Subject) {
        self.order(Order::Withdraw(subject));
    }

    /// Nothing of what stands there matters any more.
    pub fn withdraw_all(&self) {
        self.order(Order::WithdrawAll);
    }

    /// Withdraws everything; nothing is shown afterwards.
    pub async fn close(&self) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).take();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::warn!(%error, "the notices on the desktop");
        }
    }

    fn order(&self, order: Order) {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        // A closed board takes no orders.
        let is_full = |orders: &mpsc::Sender<Order>| {
            let ordered = orders.try_send(order);
            matches!(ordered, Err(mpsc::error::TrySendError::Full(_)))
        };
        if orders.as_ref().is_some_and(is_full) {
            tracing::warn!("the desktop does not keep up with notices");
        }
    }
}

type Answered = (Subject, u64, Option<Answer>);

/// The task's own state.
struct Standing<D: Desktop> {
    desktop: D,
    /// With the number of its showing.
    shown: HashMap<Subject, (u64, Arc<D::Shown>)>,
    answers: FuturesUnordered<BoxFuture<'static, Answered>>,
    count: u64,
}

impl<D: Desktop> Standing<D> {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>, on_answer: impl Fn(Subject, Answer)) {
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Show(notice)) => self.show(notice).await,
                    Some(Order::Withdraw(subject)) => self.withdraw(subject).await,
                    Some(Order::WithdrawAll) => self.withdraw_all().await,
                    None => return self.withdraw_all().await,
                },
                Some((subject, number, answer)) = self.answers.next() => {
                    // One that was replaced or withdrawn has nothing to answer any more.
                    let is_present = self.shown.get(&subject).is_some_and(|(present, _)| *present == number);
                    if is_present {
                        self.shown.remove(&subject);
                        if let Some(answer) = answer {
                            on_answer(subject, answer);
                        }
                    }
                }
            }
        }
    }

    async fn show(&mut self, notice: DesktopNotice) {
        let subject = notice.subject;
        let earlier = self.shown.get(&subject).map(|(_, shown)| shown.clone());
        if notice.only_replaces && earlier.is_none() {
            return;
        }
        let showing = async {
            let words = if self.desktop.is_locked().await { &notice.on_locked } else { &notice.words };
            self.desktop.show(&notice, words, earlier.as_deref()).await
        };
        let showing = timeout(DESKTOP_LIMIT, showing).await;
        match showing.unwrap_or_else(|_| Err("it does not answer".to_owned())) {
            Ok(shown) => self.take_shown(subject, Arc::new(shown)),
            Err(error) => tracing::info!(error, "the desktop shows no notice"),
        }
    }

    fn take_shown(&mut self, subject: Subject, shown: Arc<D::Shown>) {
        self.count += 1;
        let number = self.count;
        self.shown.insert(subject, (number, shown.clone()));
        self.answers.push(Box::pin(async move {
            let answer = timeout(ANSWER_LIMIT, D::answer(&shown)).await.ok().flatten();
            (subject, number, answer)
        }));
    }

    async fn withdraw(&mut self, subject: Subject) {
        let Some((_, shown)) = self.shown.remove(&subject) else { return };
        if timeout(DESKTOP_LIMIT, self.desktop.withdraw(&shown)).await.is_err() {
            tracing::info!("the desktop does not take a notice away");
        }
    }

    async fn withdraw_all(&mut self) {
        let subjects: Vec<Subject> = self.shown.keys().copied().collect();
        for subject in subjects {
            self.withdraw(subject).await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::sync::{Notify, watch};

    use super::*;

    /// A desktop that only remembers.
    #[derive(Clone, Default)]
    struct FakeDesktop {
        standing: watch::Sender<Vec<(u32, String)>>,
        count: Arc<Mutex<u32>>,
        /// By the title of the notice that can be pressed.
        buttons: Arc<Mutex<HashMap<String, Arc<Notify>>>>,
        refuses: bool,
        is_locked: bool,
    }

    struct FakeShown {
        id: u32,
        pressed: Arc<Notify>,
    }

    impl Desktop for FakeDesktop {
        type Shown = FakeShown;

        async fn is_locked(&self) -> bool {
            self.is_locked
        }

        async fn show(
            &self,
            _notice: &DesktopNotice,
            words: &Words,
            earlier: Option<&FakeShown>,
        ) -> Result<FakeShown, String> {
            if self.refuses {
                return Err("no notification service".to_owned());
            }
            let new_id = || {
                let mut count = self.count.lock().unwrap();
                *count += 1;
                *count
            };
            let id = earlier.map_or_else(new_id, |earlier| earlier.id);
            let pressed = Arc::new(Notify::new());
            self.buttons.lock().unwrap().insert(words.title.clone(), pressed.clone());
            self.standing.send_modify(|standing| {
                standing.retain(|(other, _)| *other != id);
                standing.push((id, words.title.clone()));
            });
            Ok(FakeShown { id, pressed })
        }

        async fn answer(shown: &FakeShown) -> Option<Answer> {
            shown.pressed.notified().await;
            Some(Answer::Yes)
        }

        async fn withdraw(&self, shown: &FakeShown) {
            self.standing.send_modify(|standing| standing.retain(|(id, _)| *id != shown.id));
        }
    }

    fn notice(subject: Subject, title: &str) -> DesktopNotice {
        let words = |title: &str| Words { title: title.to_owned(), text: String::new() };
        let (words, on_locked) = (words(title), words("locked"));
        DesktopNotice { subject, words, on_locked, buttons: None, only_replaces: false, has_sound: false }
    }

    async fn stands(desktop: &FakeDesktop, titles: &[&str]) {
        let mut standing = desktop.standing.subscribe();
        let as_wanted = |standing: &Vec<(u32, String)>| standing.iter().map(|(_, title)| title).eq(titles);
        timeout(DESKTOP_LIMIT, standing.wait_for(as_wanted)).await.expect("in time").unwrap();
    }

    #[tokio::test]
    async fn a_newer_notice_takes_the_place_of_the_one_about_the_same() {
        let desktop = FakeDesktop::default();
        let board = NoticeBoard::on(desktop.clone(), |_, _| {});
        board.show(notice(Subject::Hands, "one hand"));
        board.show(notice(Subject::Room, "ended"));
        board.show(notice(Subject::Hands, "two hands"));
        stands(&desktop, &["ended", "two hands"]).await;
        board.withdraw(Subject::Room);
        stands(&desktop, &["two hands"]).await;
        board.close().await;
        assert!(desktop.standing.borrow().is_empty(), "nothing stays behind");
    }

    #[tokio::test]
    async fn what_is_shown_on_a_locked_screen_names_nobody() {
        let desktop = FakeDesktop { is_locked: true, ..FakeDesktop::default() };
        let board = NoticeBoard::on(desktop.clone(), |_, _| {});
        board.show(notice(Subject::Hands, "Dewi raised a hand"));
        stands(&desktop, &["locked"]).await;
        board.close().await;
    }

    #[tokio::test]
    async fn that_all_is_well_again_is_said_only_where_the_opposite_stands() {
        let desktop = FakeDesktop::default();
        let board = NoticeBoard::on(desktop.clone(), |_, _| {});
        let back = DesktopNotice { only_replaces: true, ..notice(Subject::Connection, "back") };
        board.show(back.clone());
        board.show(notice(Subject::Connection, "lost"));
        stands(&desktop, &["lost"]).await;
        board.show(back);
        stands(&desktop, &["back"]).await;
        board.close().await;
    }

    #[tokio::test]
    async fn what_is_pressed_is_told_once_and_what_was_replaced_tells_nothing() {
        let desktop = FakeDesktop::default();
        let (sender, mut answers) = mpsc::unbounded_channel();
        let board = NoticeBoard::on(desktop.clone(), move |subject, answer| sender.send((subject, answer)).unwrap());
        board.show(notice(Subject::Invitation, "first"));
        board.show(notice(Subject::Invitation, "second"));
        stands(&desktop, &["second"]).await;
        let press = |title: &str| desktop.buttons.lock().unwrap()[title].notify_one();
        press("first");
        press("second");
        assert_eq!(answers.recv().await, Some((Subject::Invitation, Answer::Yes)));
        board.close().await;
        assert_eq!(answers.recv().await, None);
    }

    #[tokio::test]
    async fn a_desktop_without_notices_is_no_trouble() {
        let desktop = FakeDesktop { refuses: true, ..FakeDesktop::default() };
        let board = NoticeBoard::on(desktop.clone(), |_, _| {});
        board.show(notice(Subject::Hands, "refused"));
        board.close().await;
        board.show(notice(Subject::Hands, "too late"));
        assert!(desktop.standing.borrow().is_empty());
    }
}
