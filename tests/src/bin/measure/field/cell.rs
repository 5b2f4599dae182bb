//! One cell of the table: one contender on one network.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serambi_tests::{
    Trouble,
    cable::Offered,
    datagram::Wrapping,
    delay::{self, Delays},
    network::Network,
    precedence::Precedence,
    recording::{Recording, SAMPLES_PER_SECOND, level_dbfs},
    sound_server::{Card, SoundServer},
    speech::{self, Speech, UTTERANCES},
    wait,
};

use super::{
    Call, Stage,
    conditions::{Named, SEED},
    score::{self, Scores},
};

const GREATEST_DELAY: Duration = Duration::from_millis(800);
const SPEECH_LIMIT: Duration = Duration::from_secs(60);
const ARRIVAL_LIMIT: Duration = Duration::from_secs(10);
/// A pair that has not been heard after so many tries is not connected.
const TRIES: usize = 12;
/// Unscored speech on the impaired network: who adapts has had time to, as in any longer talk.
const SETTLING_UTTERANCES: usize = 2;
/// Louder is speech; the pauses of a virtual card are digital silence.
const SPEECH_DBFS: f32 = -60.0;
/// Kept before and after an utterance for the scores.
const MARGIN: Duration = Duration::from_millis(250);

/// What a cell says.
pub struct Figures {
    pub delays: Delays,
    pub pesq: score::Spread,
    pub stoi: score::Spread,
    pub rate: Rate,
    pub lost_share: f64,
}

/// What one voice sends while somebody talks, per second.
pub struct Rate {
    pub opus_kilobits: f64,
    pub ip_kilobits: f64,
    pub packets: f64,
}

/// An utterance at both ends, and when it was said.
struct Heard {
    said: Recording,
    heard: Recording,
    began: Instant,
    ended: Instant,
}

/// Connects a pair, lets it talk, and ends it before anything is computed: computing takes the processor that the pair
/// needs.
pub fn measure(
    named: &Named,
    start: fn(&Stage<'_>) -> Result<Box<dyn Call>, Trouble>,
    output: &Path,
) -> Result<Figures, Trouble> {
    let utterances: Vec<Speech> =
        UTTERANCES.iter().map(|(voice, text)| speech::say(voice, text)).collect::<Result<_, _>>()?;
    let network = Network::build(output)?;
    let servers = [SoundServer::start(output)?, SoundServer::start(output)?];
    let (speaker, listener) = (servers[0].add_card("speaker")?, servers[1].add_card("listener")?);
    let mut call = start(&Stage { network: &network, speaker: &speaker, listener: &listener, output })?;
    until_heard(&mut *call, &speaker, &listener, &utterances[0])?;
    let precedence = Precedence::take()?;

    network.impair(named.condition, SEED);
    let began = Instant::now();
    for unscored in utterances.iter().take(SETTLING_UTTERANCES) {
        say(&speaker, &listener, unscored)?;
    }
    let heard: Vec<Heard> =
        utterances.iter().map(|utterance| say(&speaker, &listener, utterance)).collect::<Result<_, _>>()?;
    call.still_runs()?;
    let wrapping = call.wrapping();
    drop((call, servers, precedence));
    let lost_share = lost_share(&network.sent_there(began, Instant::now()));
    let delays = heard.iter().map(|one| delay::between(&one.said, &one.heard, GREATEST_DELAY));
    let Scores { pesq, stoi } = score::utterances(output, heard.iter().map(parts))?;
    let talking = heard.iter().map(|one| one.ended - one.began).sum();
    let sent: Vec<Offered> = heard.iter().flat_map(|one| network.sent_there(one.began, one.ended)).collect();
    Ok(Figures { delays: Delays::joined(delays), pesq, stoi, rate: rate(&sent, wrapping, talking), lost_share })
}

fn until_heard(call: &mut dyn Call, speaker: &Card, listener: &Card, speech: &Speech) -> Result<(), Trouble> {
    for _ in 0..TRIES {
        call.still_runs()?;
        let one = say(speaker, listener, speech)?;
        if delay::between(&one.said, &one.heard, GREATEST_DELAY).count() > 0 {
            return Ok(());
        }
    }
    Err(Trouble::Unexpected(format!("nothing was heard in {TRIES} tries")))
}

/// Says something and records both ends, until a second after the last word.
fn say(speaker: &Card, listener: &Card, speech: &Speech) -> Result<Heard, Trouble> {
    let (mouth, ear) = (speaker.overhear()?, listener.listen()?);
    speaker.speak(&speech.path)?.until_done(SPEECH_LIMIT)?;
    let done = Instant::now();
    let enough = || {
        let both = [mouth.so_far(), ear.so_far()];
        let late = |recording: &Recording| end(recording) > done + Duration::from_secs(1);
        Ok(both.iter().all(late).then_some(()))
    };
    wait::until("the end of a recording", ARRIVAL_LIMIT, enough, String::new)?;
    let (said, heard) = (mouth.finish(), ear.finish());
    let (from, to) = speech_span(&said).ok_or_else(|| Trouble::Unexpected("the mouth was silent".to_owned()))?;
    Ok(Heard { began: said.began + from, ended: said.began + to, said, heard })
}

fn end(recording: &Recording) -> Instant {
    recording.began + duration(recording.samples.len())
}

fn duration(samples: usize) -> Duration {
    Duration::from_secs_f64(samples as f64 / f64::from(SAMPLES_PER_SECOND))
}

/// From the first to the last sound, in blocks of 10 ms.
fn speech_span(recording: &Recording) -> Option<(Duration, Duration)> {
    let block = SAMPLES_PER_SECOND as usize / 100;
    let is_speech = |samples: &[f32]| level_dbfs(samples) > SPEECH_DBFS;
    let first = recording.samples.chunks(block).position(is_speech)?;
    let last = recording.samples.chunks(block).rposition(is_speech)?;
    Some((duration(first * block), duration((last + 1) * block)))
}

/// What was said, with a margin, and what was heard from the same moment on until it must have arrived.
fn parts(one: &Heard) -> (Vec<f32>, Vec<f32>) {
    let (from, to) = (one.began - MARGIN, one.ended + MARGIN);
    (between(&one.said, from, to), between(&one.heard, from, to + GREATEST_DELAY))
}

/// Silence where nothing was recorded.
fn between(recording: &Recording, from: Instant, to: Instant) -> Vec<f32> {
    let samples = |time: Duration| (time.as_secs_f64() * f64::from(SAMPLES_PER_SECOND)).round() as usize;
    let missing = samples(recording.began.saturating_duration_since(from));
    let skipped = samples(from.saturating_duration_since(recording.began));
    let wanted = samples(to - from);
    let mut part = vec![0.0; missing.min(wanted)];
    part.extend(recording.samples.iter().skip(skipped).take(wanted - part.len()));
    part.resize(wanted, 0.0);
    part
}

fn rate(sent: &[Offered], wrapping: Wrapping, time: Duration) -> Rate {
    let opus_bytes = |packet: &Offered| wrapping.opus_bytes(packet.datagram?);
    let kilobits = |bytes: usize| bytes as f64 * 8.0 / 1_000.0 / time.as_secs_f64();
    Rate {
        opus_kilobits: kilobits(sent.iter().filter_map(opus_bytes).sum()),
        ip_kilobits: kilobits(sent.iter().map(|packet| packet.bytes).sum()),
        packets: sent.len() as f64 / time.as_secs_f64(),
    }
}

/// Of the datagrams: TCP meets no fate.
fn lost_share(sent: &[Offered]) -> f64 {
    let datagrams = sent.iter().filter(|packet| packet.datagram.is_some()).count();
    sent.iter().filter(|packet| packet.is_lost).count() as f64 / datagrams.max(1) as f64
}
