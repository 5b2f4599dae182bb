//! Does one person hear what the other says? Asked of sound cards, not of programs.

use std::{path::Path, time::Duration};

use crate::{
    Trouble,
    likeness::{self, Likeness},
    recording::write_wav,
    sound_server::{Card, Recorder},
    speech::Speech,
    wait,
};

const SPEECH_LIMIT: Duration = Duration::from_secs(60);
/// A sentence is in the recording shortly after it was said, or never.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(5);
/// What is still on its way when the last word is said has arrived after this much of silence.
const ON_THE_WAY_MS: u64 = 2_000;
/// A program opens or closes a microphone within this time, also on a busy machine.
const MICROPHONE_LIMIT: Duration = Duration::from_secs(20);

/// On a machine that compiles beside the test a sentence can come out torn; then people say it again, too.
const SAID_AT_MOST: u32 = 3;

/// Says a sentence into one card and waits until it is found in what the other's loudspeaker plays; says it again if it
/// is not. What was heard last is kept in `recording`, also in vain.
///
/// # Errors
/// `TooLong` with the best likeness instead.
pub fn hears(speaker: &Card, listener: &Card, speech: &Speech, recording: &Path) -> Result<Likeness, Trouble> {
    let mut heard = hears_once(speaker, listener, speech, recording);
    for _ in 1..SAID_AT_MOST {
        match heard {
            Err(Trouble::TooLong { what, seen, .. }) => println!("{what} again, {seen}"),
            decided => return decided,
        }
        heard = hears_once(speaker, listener, speech, recording);
    }
    heard
}

fn hears_once(speaker: &Card, listener: &Card, speech: &Speech, recording: &Path) -> Result<Likeness, Trouble> {
    let ear = say(speaker, listener, speech)?;
    let best = || likeness::find(&speech.samples, &ear.so_far().samples);
    let found = wait::until(
        "the sentence",
        ARRIVAL_LIMIT,
        || Ok(best().filter(Likeness::is_found)),
        || format!("heard instead: {:?}, see {}", best(), recording.display()),
    );
    write_wav(recording, &ear.finish().samples)?;
    found
}

/// Says a sentence into one card and gives how much of it is found at the other, in vain or not. What was heard is kept
/// in `recording`.
///
/// # Errors
/// When nothing can be recorded.
pub fn overhears(
    speaker: &Card,
    listener: &Card,
    speech: &Speech,
    recording: &Path,
) -> Result<Option<Likeness>, Trouble> {
    let ear = say(speaker, listener, speech)?;
    let enough_ms = ear.so_far().duration_ms() + ON_THE_WAY_MS;
    let arrived = || Ok((ear.so_far().duration_ms() > enough_ms).then_some(()));
    wait::until("two more recorded seconds", ARRIVAL_LIMIT, arrived, String::new)?;
    let heard = ear.finish();
    write_wav(recording, &heard.samples)?;
    Ok(likeness::find(&speech.samples, &heard.samples))
}

/// Waits until so many programs have a card's microphone open.
///
/// # Errors
/// `TooLong` with how many have.
pub fn microphones_open(card: &Card, expected: usize) -> Result<(), Trouble> {
    let look = || Ok((card.open_captures()? == expected).then_some(()));
    let what = format!("{expected} programs at {}", card.microphone);
    wait::until(&what, MICROPHONE_LIMIT, look, || format!("there are {:?}", card.open_captures()))
}

fn say(speaker: &Card, listener: &Card, speech: &Speech) -> Result<Recorder, Trouble> {
    let ear = listener.listen()?;
    speaker.speak(&speech.path)?.until_done(SPEECH_LIMIT)?;
    Ok(ear)
}
