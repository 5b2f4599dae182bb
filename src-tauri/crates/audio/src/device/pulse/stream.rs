//! A stream of a PulseAudio server (or PipeWire's stand-in for it), with one thread that wakes once per callback.
//! cpal's callbacks, timestamps and errors are its language; [`crate::device::pulse::device`] gives it to cpal.
//!
//! Not cpal's own streams, because of what they cost (cpal 0.18.2 with pulseaudio 0.3.2, callbacks of 5 ms, percent of
//! one core on the machine of the other figures): 2 % per direction, of which half is a buffer of 1 MB that
//! `pulseaudio::client`'s reader clears before each of 1000 reads a second, and the rest two threads that wake each
//! other 1200 times a second to ask for the latency after each callback. This one costs 0.3 %.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime},
};

use cpal::{ErrorKind, FrameCount, StreamConfig, StreamInstant, traits::StreamTrait};
use parking_lot::Mutex;
use pulseaudio::{
    ClientError,
    protocol::{
        Command, CorkStreamParams, CreatePlaybackStreamReply, CreateRecordStreamReply, DESCRIPTOR_SIZE, Descriptor,
        DescriptorFlags, LatencyParams, PulseError, TagStructReader, encode_descriptor,
    },
};

use crate::device::pulse::{
    callback::{Fill, StreamClock, Take},
    connection::{ConnectionEnding, Message, PulseConnection},
    latency::PulseLatency,
    shape::{SAMPLE_BYTES, Shape},
};

/// How long the server may take to end a stream before nobody waits for it.
const GOODBYE_LIMIT: Duration = Duration::from_millis(500);

/// Is told why a stream does not go on, and that it goes on with another device.
pub(crate) type OnError = Box<dyn FnMut(cpal::Error) + Send>;

/// A stream of its own connection. Dropping it ends it.
pub(crate) struct PulseStream {
    /// Until it is played.
    idle: Mutex<Option<Box<Worker>>>,
    running: Mutex<Option<Running>>,
    ending: ConnectionEnding,
    closing: Arc<AtomicBool>,
    shape: Shape,
    clock: StreamClock,
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
    shape: Shape,
    clock: StreamClock,
    latency: PulseLatency,
    /// The number of the command that lets the stream run.
    begins_with: u32,
    outgoing: Vec<u8>,
    /// Heard and not yet taken, or room for what is played.
    samples: Vec<f32>,
    on_error: OnError,
    closing: Arc<AtomicBool>,
}

/// Where the sound goes to or comes from.
enum End {
    Microphone(Take),
    Loudspeaker {
        fill: Fill,
        /// Bytes that the server asked for and has not got.
        requested: usize,
    },
}

/// Tells whoever starts a stream that its sound flows, or why it never will.
type Begun = Sender<Result<(), cpal::Error>>;

impl PulseStream {
    /// A microphone's stream, not yet running, that calls with as many frames as `config` says. The server may take
    /// `limit` for each answer.
    pub(crate) fn capture(
        source: &str,
        config: StreamConfig,
        take: Take,
        on_error: OnError,
        limit: Option<Duration>,
    ) -> Result<Self, cpal::Error> {
        let shape = Shape::of(config)?;
        let params = shape.record(source)?;
        let mut connection = PulseConnection::open(limit)?;
        let reply: CreateRecordStreamReply = connection.ask(&Command::CreateRecordStream(params))?;
        Self::of(connection, reply.channel, End::Microphone(take), shape, on_error)
    }

    /// A loudspeaker's stream, not yet running, that calls for as many frames as `config` says, or for more where the
    /// server ran short. The server holds two callbacks' worth, and may take `limit` for each answer.
    pub(crate) fn playback(
        sink: &str,
        config: StreamConfig,
        fill: Fill,
        on_error: OnError,
        limit: Option<Duration>,
    ) -> Result<Self, cpal::Error> {
        let shape = Shape::of(config)?;
        let params = shape.playback(sink)?;
        let mut connection = PulseConnection::open(limit)?;
        let reply: CreatePlaybackStreamReply = connection.ask(&Command::CreatePlaybackStream(params))?;
        let end = End::Loudspeaker { fill, requested: reply.requested_bytes as usize };
        Self::of(connection, reply.channel, end, shape, on_error)
    }

    fn of(
        mut connection: PulseConnection,
        channel: u32,
        end: End,
        shape: Shape,
        on_error: OnError,
    ) -> Result<Self, cpal::Error> {
        connection.wait_for_ever()?;
        let ending = connection.ending()?;
        let closing = Arc::new(AtomicBool::new(false));
        let clock = StreamClock(Instant::now());
        let worker = Worker {
            connection,
            channel,
            end,
            shape,
            clock,
            latency: PulseLatency::of(shape.bytes_per_second()),
            begins_with: 0,
            outgoing: Vec::new(),
            samples: Vec::new(),
            on_error,
            closing: Arc::clone(&closing),
        };
        let idle = Mutex::new(Some(Box::new(worker)));
        Ok(Self { idle, running: Mutex::new(None), ending, closing, shape, clock })
    }
}

impl StreamTrait for PulseStream {
    /// Starts the callbacks, on a thread as urgent as the calling one. Waits for the first sound, which may never come.
    fn play(&self) -> Result<(), cpal::Error> {
        let Some(worker) = self.idle.lock().take() else { return Ok(()) };
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
        *self.running.lock() = Some(Running { thread, over });
        first_sound.recv().unwrap_or_else(|_| Err(ClientError::Disconnected.into()))
    }

    /// Not supported: nobody rests a stream that can be closed.
    fn pause(&self) -> Result<(), cpal::Error> {
        Err(ErrorKind::UnsupportedOperation.into())
    }

    fn buffer_size(&self) -> Result<FrameCount, cpal::Error> {
        Ok(self.shape.callback_frames)
    }

    fn now(&self) -> StreamInstant {
        self.clock.at(Instant::now())
    }
}

impl Drop for PulseStream {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        self.ending.say_goodbye();
        let Some(running) = self.running.lock().take() else { return };
        // The server closes the connection once the stream is gone.
        if running.over.recv_timeout(GOODBYE_LIMIT) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            self.ending.hang_up();
        }
        // A thread that panicked has ended as well.
        let _ = running.thread.join();
    }
}

/// Nothing is left half done under these locks.
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
            None => (self.on_error)(error.into()),
        }
    }

    fn run_until_error(&mut self, begun: &mut Option<Begun>) -> Result<std::convert::Infallible, ClientError> {
        self.begin()?;
        loop {
            self.connection.receive()?;
            let waiting = self.samples.len();
            let plays = self.obey()?;
            let piece = self.samples.len() - waiting;
            let now = Instant::now();
            let hears = self.deliver(now)?;
            self.serve(now)?;
            if (plays || hears)
                && let Some(begun) = begun.take()
            {
                // The same.
                let _ = begun.send(Ok(()));
            }
            // When an answer comes is part of it.
            if !self.latency.awaits_answer()
                && let Some(nap) = self.shape.nap_after(piece, self.samples.len())
            {
                std::thread::sleep(nap);
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
        let Self { connection, channel, end, latency, samples, begins_with, on_error, .. } = self;
        let mut plays = false;
        while let Some(message) = connection.next_message()? {
            match message {
                Message::Sound { channel: stream, bytes } if stream == *channel => {
                    samples.extend(bytes.as_chunks().0.iter().map(|sample| f32::from_le_bytes(*sample)));
                    latency.pass(bytes.len());
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
                    Command::PlaybackStreamMoved(_) | Command::RecordStreamMoved(_) => {
                        latency.forget();
                        on_error(ErrorKind::DeviceChanged.into());
                    }
                    Command::Started(_)
                    | Command::Underflow(_)
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

    /// Hands on what a microphone's stream brought, in callbacks of the length that was asked for; tells whether there
    /// was one.
    fn deliver(&mut self, now: Instant) -> Result<bool, ClientError> {
        let End::Microphone(take) = &mut self.end else { return Ok(false) };
        let age_of_last = Duration::from_micros(self.latency.capture_micros(now));
        let mut waiting = self.samples.len();
        for piece in self.samples.chunks_exact_mut(self.shape.callback_samples()) {
            self.clock.heard(piece, now, age_of_last + self.shape.length_of(waiting), take);
            waiting -= piece.len();
        }
        let taken = self.samples.len() - waiting;
        if taken == 0 {
            return Ok(false);
        }
        self.samples.drain(..taken);
        self.outgoing.clear();
        self.ask_for_latency(now)?;
        if !self.outgoing.is_empty() {
            self.connection.send(&self.outgoing)?;
        }
        Ok(true)
    }

    /// Gives the server what it asked for.
    fn serve(&mut self, now: Instant) -> Result<(), ClientError> {
        let End::Loudspeaker { fill, requested } = &mut self.end else { return Ok(()) };
        let frames = *requested / self.shape.frame_bytes();
        if frames == 0 || self.closing.load(Ordering::Relaxed) {
            return Ok(());
        }
        let bytes = frames * self.shape.frame_bytes();
        *requested -= bytes;
        self.samples.clear();
        self.samples.resize(bytes / SAMPLE_BYTES, 0.0);
        let later = Duration::from_micros(self.latency.playback_micros(now));
        self.clock.played(&mut self.samples, now, later, fill);
        write_sound(&mut self.outgoing, self.channel, &self.samples);
        self.latency.pass(bytes);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use pulseaudio::protocol::read_descriptor;

    use super::*;

    #[test]
    fn sound_is_sent_as_little_endian_floats_behind_its_header() {
        let mut outgoing = vec![7; 100];
        write_sound(&mut outgoing, 3, &[0.5, -1.0]);
        let header = read_descriptor(&mut &outgoing[..]).unwrap();
        assert_eq!((header.channel, header.length, header.offset), (3, 8, 0));
        assert_eq!(outgoing[DESCRIPTOR_SIZE..], [0.5_f32.to_le_bytes(), (-1.0_f32).to_le_bytes()].concat());
    }
}
