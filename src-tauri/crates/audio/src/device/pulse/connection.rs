//! A connection to a PulseAudio server (or PipeWire's stand-in for it): its greeting, its commands, and its messages as
//! they come.
//!
//! The words of the protocol are the `pulseaudio` crate's. Its own client is not used for streams: see
//! [`crate::device::pulse::stream`].

use std::{
    ffi::CString,
    io::{Cursor, Write as _},
    net::Shutdown,
    os::unix::net::UnixStream,
    time::Duration,
};

use pulseaudio::{
    ClientError,
    protocol::{
        AuthParams, AuthReply, Command, CommandReply, DESCRIPTOR_SIZE, MAX_MEMBLOCKQ_LENGTH, MAX_VERSION, Prop, Props,
        ProtocolError, SetClientNameReply, TagStructReader, read_descriptor, write_command_message,
    },
    socket_path_from_env,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::device::pulse::cookie::CookiePlaces;

/// The channel of commands; every other one is a stream.
const COMMAND_CHANNEL: u32 = u32::MAX;

/// Room for what is read at once. A message that is longer gets more.
const INBOX_BYTES: usize = 16 * 1024;

/// A connection whose greeting is done.
pub(crate) struct PulseConnection {
    socket: UnixStream,
    /// How long an answer may take; `None` for ever.
    limit: Option<Timespec>,
    inbox: Inbox,
    version: u16,
    last_sequence: u32,
}

/// What the server says.
#[expect(
    clippy::large_enum_variant,
    reason = "made where it is read, a hundred times a second: not worth an allocation"
)]
pub(crate) enum Message<'a> {
    /// A command, or an error or reply to the command with this number; what a reply says follows in the reader.
    Command { sequence: u32, command: Command, rest: Cursor<&'a [u8]>, version: u16 },
    /// Sound of a stream.
    Sound { channel: u32, bytes: &'a [u8] },
}

impl PulseConnection {
    /// Connects to the server that the environment names. No answer may take longer than `limit`, until
    /// [`Self::wait_for_ever`].
    pub(crate) fn open(limit: Option<Duration>) -> Result<Self, ClientError> {
        let path = socket_path_from_env().ok_or(ClientError::ServerUnavailable)?;
        let socket = UnixStream::connect(path)?;
        socket.set_write_timeout(limit)?;
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        let mut connection = Self { socket, limit, inbox: Inbox::default(), version: MAX_VERSION, last_sequence: 0 };
        let cookie = CookiePlaces::from_env().cookie();
        let greeting = AuthParams { version: MAX_VERSION, supports_shm: false, supports_memfd: false, cookie };
        let answer: AuthReply = connection.ask(&Command::Auth(greeting))?;
        connection.version = MAX_VERSION.min(answer.version);
        let mut names = Props::new();
        names.set(Prop::ApplicationName, c"Serambi");
        if let Ok(id) = CString::new(std::process::id().to_string()) {
            names.set(Prop::ApplicationProcessId, id);
        }
        let _: SetClientNameReply = connection.ask(&Command::SetClientName(names))?;
        Ok(connection)
    }

    /// From here on an answer may take as long as it will.
    pub(crate) fn wait_for_ever(&mut self) -> Result<(), ClientError> {
        self.limit = None;
        self.socket.set_write_timeout(None)?;
        Ok(())
    }

    /// A second handle, to end the connection from another thread.
    pub(crate) fn ending(&self) -> Result<ConnectionEnding, ClientError> {
        Ok(ConnectionEnding(self.socket.try_clone()?))
    }

    /// What the server replies to `command`. What it says in between is passed over.
    pub(crate) fn ask<R: CommandReply>(&mut self, command: &Command) -> Result<R, ClientError> {
        let mut bytes = Vec::new();
        let asked = self.write_command(command, &mut bytes)?;
        self.send(&bytes)?;
        loop {
            while let Some(message) = self.next_message()? {
                let Message::Command { sequence, command, mut rest, version } = message else { continue };
                match command {
                    Command::Reply if sequence == asked => {
                        return Ok(TagStructReader::new(&mut rest, version).read()?);
                    }
                    Command::Error(error) if sequence == asked => return Err(ClientError::ServerError(error)),
                    _ => {}
                }
            }
            self.receive()?;
        }
    }

    /// Appends `command` to `bytes`; returns its number.
    pub(crate) fn write_command(&mut self, command: &Command, bytes: &mut Vec<u8>) -> Result<u32, ClientError> {
        self.last_sequence = self.last_sequence.wrapping_add(1);
        write_command_message(bytes, self.last_sequence, command, self.version)?;
        Ok(self.last_sequence)
    }

    /// Sends whole messages.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        Ok(self.socket.write_all(bytes)?)
    }

    /// Waits for more of what the server says.
    pub(crate) fn receive(&mut self) -> Result<(), ClientError> {
        wait_until_readable(&self.socket, self.limit)?;
        match self.inbox.read_from(&mut self.socket)? {
            0 => Err(ClientError::Disconnected),
            _ => Ok(()),
        }
    }

    /// The next whole message of those received.
    pub(crate) fn next_message(&mut self) -> Result<Option<Message<'_>>, ClientError> {
        let version = self.version;
        let Some((channel, bytes)) = self.inbox.next()? else { return Ok(None) };
        if channel != COMMAND_CHANNEL {
            return Ok(Some(Message::Sound { channel, bytes }));
        }
        let mut rest = Cursor::new(bytes);
        let (sequence, command) = Command::read_tag_prefixed(&mut rest, version)?;
        Ok(Some(Message::Command { sequence, command, rest, version }))
    }
}

/// Waits until there is something to read, or the end of the connection, for no longer than `limit`.
///
/// Reading waits as well, but not only for that: whoever sleeps in `recv` on a Unix socket is also woken when the other
/// end has taken what was sent (`unix_write_space` in Linux), finds nothing, and goes back to sleep. That is a second
/// wake-up for each block of sound that a loudspeaker gets.
fn wait_until_readable(socket: &UnixStream, limit: Option<Timespec>) -> std::io::Result<()> {
    loop {
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], limit.as_ref()) {
            Ok(0) => return Err(std::io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Ends a connection on which another thread waits.
pub(crate) struct ConnectionEnding(UnixStream);

impl ConnectionEnding {
    /// Says goodbye: the server ends the streams of this connection and closes it in turn.
    pub(crate) fn say_goodbye(&self) {
        // A server that is gone needs none.
        let _ = self.0.shutdown(Shutdown::Write);
    }

    /// Does not wait for the server any longer.
    pub(crate) fn hang_up(&self) {
        // The same.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Bytes from the server, whole messages first.
#[derive(Default)]
struct Inbox {
    bytes: Vec<u8>,
    begin: usize,
    end: usize,
}

impl Inbox {
    /// Reads once; 0 at the end of the connection.
    fn read_from(&mut self, socket: &mut impl std::io::Read) -> std::io::Result<usize> {
        self.make_room();
        loop {
            match socket.read(&mut self.bytes[self.end..]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(count) => {
                    self.end += count;
                    return Ok(count);
                }
            }
        }
    }

    /// Moves the begun message to the front, and makes room for all of it.
    fn make_room(&mut self) {
        self.bytes.copy_within(self.begin..self.end, 0);
        self.end -= self.begin;
        self.begin = 0;
        if self.end + DESCRIPTOR_SIZE > self.bytes.len() {
            self.bytes.resize((self.bytes.len() * 2).max(INBOX_BYTES), 0);
        }
    }

    /// The next whole message: its channel, and what it says.
    fn next(&mut self) -> Result<Option<(u32, &[u8])>, ProtocolError> {
        let waiting = &self.bytes[self.begin..self.end];
        if waiting.len() < DESCRIPTOR_SIZE {
            return Ok(None);
        }
        let header = read_descriptor(&mut &waiting[..DESCRIPTOR_SIZE])?;
        let length = header.length as usize;
        if length > MAX_MEMBLOCKQ_LENGTH {
            return Err(ProtocolError::Invalid(format!("a message of {length} bytes")));
        }
        if waiting.len() < DESCRIPTOR_SIZE + length {
            return Ok(None);
        }
        let first = self.begin + DESCRIPTOR_SIZE;
        self.begin = first + length;
        Ok(Some((header.channel, &self.bytes[first..self.begin])))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn message(channel: u32, said: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(said.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend(channel.to_be_bytes());
        bytes.extend([0; 12]);
        bytes.extend(said);
        bytes
    }

    /// Gives at most so many bytes at once.
    struct Dribble<'a>(&'a [u8], usize);

    impl std::io::Read for Dribble<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let count = self.1.min(self.0.len()).min(into.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    proptest! {
        #[test]
        fn messages_come_whole_and_in_order_however_they_are_cut(
            lengths in prop::collection::vec(0_usize..40_000, 1..8), at_once in 1_usize..50_000
        ) {
            let said = |n: usize| vec![n as u8; lengths[n]];
            let all: Vec<u8> = (0..lengths.len()).flat_map(|n| message(n as u32, &said(n))).collect();
            let mut socket = Dribble(&all, at_once);
            let mut inbox = Inbox::default();
            let mut heard = Vec::new();
            while inbox.read_from(&mut socket).unwrap() > 0 {
                while let Some((channel, bytes)) = inbox.next().unwrap() {
                    heard.push((channel as usize, bytes.to_vec()));
                }
            }
            prop_assert_eq!(heard, (0..lengths.len()).map(|n| (n, said(n))).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_answer_is_waited_for_no_longer_than_it_may_take_and_the_end_of_the_connection_is_one() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let limit = Timespec::try_from(Duration::from_millis(1)).ok();
        let late = wait_until_readable(&ours, limit).unwrap_err();
        assert_eq!(late.kind(), std::io::ErrorKind::TimedOut);
        theirs.write_all(&[1]).unwrap();
        wait_until_readable(&ours, None).unwrap();
        std::io::Read::read_exact(&mut &ours, &mut [0]).unwrap();
        drop(theirs);
        wait_until_readable(&ours, None).unwrap();
    }

    #[test]
    fn a_message_of_more_than_the_protocol_allows_is_an_error() {
        let mut inbox = Inbox::default();
        let mut socket = &[0xff_u8; DESCRIPTOR_SIZE][..];
        inbox.read_from(&mut socket).unwrap();
        assert!(inbox.next().is_err());
    }
}
