//! A stream of a PulseAudio server (or PipeWire's stand-in for it), with one thread that wakes once per callback.
//!
//! cpal finds the devices on every system and runs the streams of all others. Not these, because of what its streams cost here
//! (cpal 0.18.2 with pulseaudio 0.3.2, callbacks of 5 ms, percent of one core on the machine of the other figures): 2 % per
//! direction, of which half is a buffer of 1 MB that `pulseaudio::client`'s reader clears before each of 1000 reads a second, and
//! the rest two threads that wake each other 1200 times a second to ask for the latency after each callback. This one costs 0.3 %.

use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use pulseaudio::ClientError;
use pulseaudio::protocol::stream::{BufferAttr, StreamFlags};
use pulseaudio::protocol::{
    ChannelMap, Command, CorkStreamParams, CreatePlaybackStreamReply, CreateRecordStreamReply, DESCRIPTOR_SIZE,
    Descriptor, DescriptorFlags, LatencyParams, PlaybackStreamParams, Prop, Props, PulseError, RecordStreamParams,
    SampleFormat, SampleSpec, TagStructReader, encode_descriptor,
};

use crate::format::SAMPLE_RATE_HZ;
use crate::mid_side::Channels;
use crate::pulse_connection::{ConnectionEnding, Message, PulseConnection};
use crate::pulse_latency::PulseLatency;
use crate::ring::{CapturePort, PlaybackPort};
use crate::stream::{DrainCount, OPENING_LIMIT, OnBroken};

/// What these streams have; the server converts. A loudspeaker has two channels, a microphone one or two.
const SAMPLE_BYTES: usize = size_of::<f32>();
const LOUDSPEAKER_CHANNELS: u8 = 2;
const LOUDSPEAKER_FRAME_BYTES: usize = SAMPLE_BYTES * LOUDSPEAKER_CHANNELS as usize;

/// Some sources (a null sink's monitor with rewinds) deliver 3000 pieces a second, whatever fragment they were asked for, and
/// being woken for each costs 3 % of a core. After a piece shorter than this the next ones are left to gather, for no longer than
/// the engine would wait for them anyway, less a margin for a late wake-up.
const SHORT_PIECE_FRAMES: usize = 48;
const LONGEST_NAP: Duration = Duration::from_millis(2);
const NAP_MARGIN: Duration = Duration::from_micros(500);

/// How long the server may take to end a stream before nobody waits for it.
const GOODBYE_LIMIT: Duration = Duration::from_millis(500);

/// A stream of its own connection. Dropping it ends it.
pub(crate) struct PulseStream {
    /// Until it is played.
    idle: Option<Box<Worker>>,
    ending: ConnectionEnding,
    closing: Arc<AtomicBool>,
    running: Option<Running>,
}

struct Running {
    thread: JoinHandle<()>,
    /// Disconnected once the thread is done.
    over: Receiver<()>,
}

/// What the stream's thread has.
struct Worker {
    connection: PulseConnection,
    channel: u32,
    end: End,
    latency: PulseLatency,
    /// The number of the command that lets the stream run.
    begins_with: u32,
    outgoing: Vec<u8>,
    samples: Vec<f32>,
    on_broken: OnBroken,
    closing: Arc<AtomicBool>,
}

/// Where the sound comes from or goes to.
enum End {
    Microphone(CapturePort),
    Loudspeaker {
        port: PlaybackPort,
        drains: DrainCount,
        /// Bytes that the server asked for and has not got.
        requested: usize,
    },
}

/// Tells whoever starts a stream that its sound flows, or why it never will.
type Begun = Sender<Result<(), cpal::Error>>;

impl PulseStream {
    /// A microphone's stream, not yet running, that calls every `frames`.
    pub(crate) fn capture(
        source: &str,
        channels: Channels,
        frames: u32,
        port: CapturePort,
        on_broken: OnBroken,
    ) -> Result<Self, cpal::Error> {
        let mut connection = PulseConnection::open(OPENING_LIMIT)?;
        let frame_bytes = SAMPLE_BYTES * channels.count();
        let bytes = frames * frame_bytes as u32;
        let params = RecordStreamParams {
            sample_spec: sample_spec(channels.count() as u8),
            channel_map: match channels {
                Channels::Mono => ChannelMap::mono(),
                Channels::Stereo => ChannelMap::stereo(),
            },
            source_name: Some(device_name(source)?),
            buffer_attr: BufferAttr { max_length: bytes, fragment_size: bytes, ..BufferAttr::default() },
            flags: flags(),
            props: stream_names(),
            ..RecordStreamParams::default()
        };
        let reply: CreateRecordStreamReply = connection.ask(&Command::CreateRecordStream(params))?;
        Self::of(connection, reply.channel, End::Microphone(port), frame_bytes, on_broken)
    }

    /// A loudspeaker's stream, not yet running, that calls every `frames`. The server holds two callbacks' worth.
    pub(crate) fn playback(
        sink: &str,
        frames: u32,
        port: PlaybackPort,
        drains: DrainCount,
        on_broken: OnBroken,
    ) -> Result<Self, cpal::Error> {
        let mut connection = PulseConnection::open(OPENING_LIMIT)?;
        let bytes = frames * LOUDSPEAKER_FRAME_BYTES as u32;
        let params = PlaybackStreamParams {
            sample_spec: sample_spec(LOUDSPEAKER_CHANNELS),
            channel_map: ChannelMap::stereo(),
            sink_name: Some(device_name(sink)?),
            buffer_attr: BufferAttr {
                max_length: 2 * bytes,
                target_length: 2 * bytes,
                minimum_request_length: bytes,
                ..BufferAttr::default()
            },
            flags: flags(),
            props: stream_names(),
            ..PlaybackStreamParams::default()
        };
        let reply: CreatePlaybackStreamReply = connection.ask(&Command::CreatePlaybackStream(params))?;
        let end = End::Loudspeaker { port, drains, requested: reply.requested_bytes as usize };
        Self::of(connection, reply.channel, end, LOUDSPEAKER_FRAME_BYTES, on_broken)
    }

    fn of(
        mut connection: PulseConnection,
        channel: u32,
        end: End,
        frame_bytes: usize,
        on_broken: OnBroken,
    ) -> Result<Self, cpal::Error> {
        connection.wait_for_ever()?;
        let ending = connection.ending()?;
        let closing = Arc::new(AtomicBool::new(false));
        let worker = Worker {
            connection,
            channel,
            end,
            latency: PulseLatency::of(SAMPLE_RATE_HZ * frame_bytes as u32),
            begins_with: 0,
            outgoing: Vec::new(),
            samples: Vec::new(),
            on_broken,
            closing: Arc::clone(&closing),
        };
        Ok(Self { idle: Some(Box::new(worker)), ending, closing, running: None })
    }

    /// Starts the callbacks, on a thread as urgent as the calling one. Waits for the first sound, which may never come.
    pub(crate) fn play(&mut self) -> Result<(), cpal::Error> {
        let Some(worker) = self.idle.take() else { return Ok(()) };
        let (begun, first_sound) = channel();
        let (end, over) = channel::<()>();
        let name = match worker.end {
            End::Microphone(_) => "pulse-capture",
            End::Loudspeaker { .. } => "pulse-playback",
        };
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || {
                worker.run(begun);
                drop(end);
            })
            .map_err(ClientError::from)?;
        self.running = Some(Running { thread, over });
        first_sound.recv().unwrap_or_else(|_| Err(ClientError::Disconnected.into()))
    }
}

impl Drop for PulseStream {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        self.ending.say_goodbye();
        let Some(running) = self.running.take() else { return };
        // The server closes the connection once the stream is gone.
        if running.over.recv_timeout(GOODBYE_LIMIT) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            self.ending.hang_up();
        }
        // A thread that panicked has ended as well.
        let _ = running.thread.join();
    }
}

impl Worker {
    fn run(mut self: Box<Self>, begun: Begun) {
        let mut begun = Some(begun);
        let Err(error) = self.run_until_error(&mut begun);
        if self.closing.load(Ordering::Relaxed) {
            return;
        }
        match begun {
            // Whoever started the stream may have stopped waiting.
            Some(begun) => drop(begun.send(Err(error.into()))),
            None => (self.on_broken)(error.into()),
        }
    }

    fn run_until_error(&mut self, begun: &mut Option<Begun>) -> Result<std::convert::Infallible, ClientError> {
        self.begin()?;
        loop {
            self.connection.receive()?;
            let plays = self.obey()?;
            let now = Instant::now();
            let hears = self.deliver(now)?;
            self.serve(now)?;
            if (plays || hears)
                && let Some(begun) = begun.take()
            {
                // The same.
                let _ = begun.send(Ok(()));
            }
        }
    }

    /// Lets the stream run. A loudspeaker's has all that the server holds by then.
    fn begin(&mut self) -> Result<(), ClientError> {
        self.serve(Instant::now())?;
        let params = CorkStreamParams { channel: self.channel, cork: false };
        let command = match self.end {
            End::Microphone(_) => Command::CorkRecordStream(params),
            End::Loudspeaker { .. } => Command::CorkPlaybackStream(params),
        };
        self.outgoing.clear();
        self.begins_with = self.connection.write_command(&command, &mut self.outgoing)?;
        self.latency.forget();
        self.connection.send(&self.outgoing)
    }

    /// Takes in what the server said; tells whether it lets a loudspeaker play from here on.
    fn obey(&mut self) -> Result<bool, ClientError> {
        let Self { connection, channel, end, latency, samples, begins_with, .. } = self;
        let mut plays = false;
        samples.clear();
        while let Some(message) = connection.next_message()? {
            match message {
                Message::Sound { channel: stream, bytes } if stream == *channel => {
                    samples.extend(bytes.as_chunks().0.iter().map(|sample| f32::from_le_bytes(*sample)));
                }
                Message::Sound { .. } => {}
                Message::Command { sequence, command, mut rest, version } => match command {
                    Command::Request(wish) => {
                        if let End::Loudspeaker { requested, .. } = end {
                            *requested += wish.length as usize;
                        }
                    }
                    Command::Reply if sequence == *begins_with => plays = matches!(end, End::Loudspeaker { .. }),
                    Command::Reply if latency.is_answer(sequence) => {
                        let mut answer = TagStructReader::new(&mut rest, version);
                        match end {
                            End::Microphone(_) => latency.take_capture(&answer.read()?, Instant::now()),
                            End::Loudspeaker { .. } => latency.take_playback(&answer.read()?, Instant::now()),
                        }
                    }
                    Command::Error(error) if sequence == *begins_with => return Err(ClientError::ServerError(error)),
                    Command::Error(_) if latency.is_answer(sequence) => latency.take_refusal(),
                    Command::PlaybackStreamKilled(_) | Command::RecordStreamKilled(_) => {
                        // Its device is gone, and there is no other one.
                        return Err(ClientError::ServerError(PulseError::NoEntity));
                    }
                    Command::Started(_)
                    | Command::Underflow(_)
                    | Command::PlaybackStreamMoved(_)
                    | Command::RecordStreamMoved(_)
                    | Command::PlaybackStreamSuspended(_)
                    | Command::RecordStreamSuspended(_)
                    | Command::PlaybackBufferAttrChanged(_)
                    | Command::RecordBufferAttrChanged(_) => latency.forget(),
                    _ => {}
                },
            }
        }
        Ok(plays)
    }

    /// Hands on what a microphone's stream brought; tells whether that was anything.
    fn deliver(&mut self, now: Instant) -> Result<bool, ClientError> {
        let End::Microphone(port) = &mut self.end else { return Ok(false) };
        if self.samples.is_empty() {
            return Ok(false);
        }
        self.latency.pass(self.samples.len() * SAMPLE_BYTES);
        port.take(&self.samples, self.latency.capture_micros(now));
        let nap = nap_after(self.samples.len() / port.channels(), port.frames_to_wake());
        self.outgoing.clear();
        self.ask_for_latency(now)?;
        if !self.outgoing.is_empty() {
            self.connection.send(&self.outgoing)?;
        }
        if let Some(nap) = nap {
            std::thread::sleep(nap);
        }
        Ok(true)
    }

    /// Gives the server what it asked for.
    fn serve(&mut self, now: Instant) -> Result<(), ClientError> {
        let End::Loudspeaker { port, drains, requested } = &mut self.end else { return Ok(()) };
        let frames = *requested / LOUDSPEAKER_FRAME_BYTES;
        if frames == 0 || self.closing.load(Ordering::Relaxed) {
            return Ok(());
        }
        *requested -= frames * LOUDSPEAKER_FRAME_BYTES;
        self.samples.resize(frames * usize::from(LOUDSPEAKER_CHANNELS), 0.0);
        drains.note_callback(self.samples.len());
        port.fill(&mut self.samples, now, self.latency.playback_micros(now));
        write_sound(&mut self.outgoing, self.channel, &self.samples);
        self.latency.pass(frames * LOUDSPEAKER_FRAME_BYTES);
        self.ask_for_latency(now)?;
        self.connection.send(&self.outgoing)
    }

    /// Appends the question to what goes out, if it is time for it: it must reach the server behind the sound.
    fn ask_for_latency(&mut self, now: Instant) -> Result<(), ClientError> {
        if !self.latency.wants_to_ask(now) {
            return Ok(());
        }
        let params = LatencyParams { channel: self.channel, now: SystemTime::now() };
        let command = match self.end {
            End::Microphone(_) => Command::GetRecordLatency(params),
            End::Loudspeaker { .. } => Command::GetPlaybackLatency(params),
        };
        let sequence = self.connection.write_command(&command, &mut self.outgoing)?;
        self.latency.note_asked(sequence, now);
        Ok(())
    }
}

/// How long the pieces behind one of `piece` frames may gather while the engine wants `missing` frames more.
fn nap_after(piece: usize, missing: usize) -> Option<Duration> {
    let until_wanted = Duration::from_micros(missing as u64 * 1_000_000 / u64::from(SAMPLE_RATE_HZ));
    let nap = until_wanted.saturating_sub(NAP_MARGIN).min(LONGEST_NAP);
    (piece < SHORT_PIECE_FRAMES && nap > NAP_MARGIN).then_some(nap)
}

/// A message with sound for `channel`, in place of what `outgoing` held.
fn write_sound(outgoing: &mut Vec<u8>, channel: u32, samples: &[f32]) {
    outgoing.resize(DESCRIPTOR_SIZE + samples.len() * SAMPLE_BYTES, 0);
    let length = u32::try_from(samples.len() * SAMPLE_BYTES).unwrap_or(u32::MAX);
    let header = Descriptor { length, channel, offset: 0, flags: DescriptorFlags::empty() };
    if let Some((place, sound)) = outgoing.split_first_chunk_mut() {
        encode_descriptor(place, &header);
        for (place, sample) in sound.as_chunks_mut().0.iter_mut().zip(samples) {
            *place = sample.to_le_bytes();
        }
    }
}

fn sample_spec(channels: u8) -> SampleSpec {
    SampleSpec { format: SampleFormat::Float32Le, channels, sample_rate: SAMPLE_RATE_HZ }
}

/// Silent until it is played, and the device's own buffer counts as part of the stream's.
fn flags() -> StreamFlags {
    StreamFlags { start_corked: true, adjust_latency: true, ..StreamFlags::default() }
}

fn stream_names() -> Props {
    let mut names = Props::new();
    names.set(Prop::MediaName, c"Serambi");
    names
}

fn device_name(name: &str) -> Result<CString, cpal::Error> {
    CString::new(name).map_err(|_| ClientError::ServerError(PulseError::NoEntity).into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use pulseaudio::protocol::read_descriptor;

    use super::*;

    #[test]
    fn only_short_pieces_are_left_to_gather_and_never_past_the_moment_the_engine_wants_them() {
        assert_eq!(nap_after(240, 240), None);
        assert_eq!(nap_after(16, 0), None);
        assert_eq!(nap_after(16, 48), None);
        assert_eq!(nap_after(16, 72), Some(Duration::from_millis(1)));
        assert_eq!(nap_after(16, 480), Some(LONGEST_NAP));
    }

    #[test]
    fn sound_is_sent_as_little_endian_floats_behind_its_header() {
        let mut outgoing = vec![7; 100];
        write_sound(&mut outgoing, 3, &[0.5, -1.0]);
        let header = read_descriptor(&mut &outgoing[..]).unwrap();
        assert_eq!((header.channel, header.length, header.offset), (3, 8, 0));
        assert_eq!(outgoing[DESCRIPTOR_SIZE..], [0.5_f32.to_le_bytes(), (-1.0_f32).to_le_bytes()].concat());
    }
}
