//! Bytes as what a network does to one remote voice's packets: real ones, spoiled ones and garbage, in and out of
//! order, and pauses between.

use bytes::Bytes;
use serambi_codec::{format::FRAME_SAMPLES, testing::real_packets::Kind};

/// Longest pause that a script can ask for in one step, blocks of 5 ms.
const MAX_PAUSE_BLOCKS: u8 = 128;

/// Longest wait of a packet between the network and its reader, ms.
const MAX_INBOX_MS: u8 = 32;

/// Most blocks that a device asks for at once.
const MAX_AT_ONCE: u8 = 4;

/// A packet with its numbers.
#[derive(Clone, Debug)]
pub(super) struct Numbered {
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) payload: Bytes,
    /// How long ago it came in.
    pub(super) inbox_ms: u8,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Packet(Numbered),
    /// Time passes, and a device asks for `at_once` blocks each time.
    Blocks {
        blocks: u32,
        at_once: u32,
    },
}

/// How much a script may ask for; what it says beyond that is not read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) packets: u32,
    /// Of 5 ms.
    pub(super) blocks: u32,
}

/// The steps of a script. Bytes that are missing at its end are zeros.
#[derive(Clone, Debug)]
pub(super) struct Script<'a> {
    bytes: &'a [u8],
    left: Limits,
    index: usize,
    /// How far the numbers of the packets are off.
    sequence_shift: u16,
    timestamp_shift: u32,
    inbox_ms: u8,
    at_once: u8,
}

impl<'a> Script<'a> {
    /// Both numbers wrap soon.
    pub(super) fn new(bytes: &'a [u8], left: Limits) -> Self {
        Self {
            bytes,
            left,
            index: 0,
            sequence_shift: 65_500,
            timestamp_shift: u32::MAX - 9_600,
            inbox_ms: 0,
            at_once: 1,
        }
    }

    fn first(&mut self) -> Option<u8> {
        let (&first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(first)
    }

    fn byte(&mut self) -> u8 {
        self.first().unwrap_or(0)
    }

    fn raw(&mut self) -> Bytes {
        let length = usize::from(self.byte()).min(self.bytes.len());
        let (raw, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        Bytes::copy_from_slice(raw)
    }

    fn truncated(&mut self) -> Bytes {
        let (packet, length) = (self.real(), usize::from(self.byte()));
        packet.slice(..length.min(packet.len()))
    }

    fn flipped(&mut self) -> Bytes {
        let mut packet = self.real().to_vec();
        let (at, mask) = (usize::from(self.byte()), self.byte());
        if let Some(byte) = packet.get_mut(at) {
            *byte ^= mask;
        }
        packet.into()
    }

    fn real(&self) -> Bytes {
        Kind::Usual.packet(self.index)
    }

    fn packet(&mut self, payload: Bytes) -> Option<Step> {
        self.left.packets = self.left.packets.checked_sub(1)?;
        let packet = Numbered {
            sequence: self.sequence_shift.wrapping_add(self.index as u16),
            timestamp: self.timestamp_shift.wrapping_add((self.index * FRAME_SAMPLES) as u32),
            payload,
            inbox_ms: self.inbox_ms,
        };
        self.index += 1;
        Some(Step::Packet(packet))
    }

    /// One whose length or number of channels is not that of the others, at a time that may or may not fit.
    fn another_kind(&mut self) -> Option<Step> {
        let which = self.byte();
        let payload = Kind::any(which).packet(self.index);
        let step = self.packet(payload);
        self.index += usize::from(which & 4 != 0);
        step
    }

    fn pause(&mut self, blocks: u8) -> Option<Step> {
        let blocks = u32::from(blocks).min(self.left.blocks);
        self.left.blocks -= blocks;
        let end = self.left.blocks == 0 && blocks == 0;
        (!end).then(|| Step::Blocks { blocks, at_once: u32::from(self.at_once) })
    }

    /// Small jumps repeat or leave out packets, large ones change the numbers of all to come; or the computer gets
    /// slower.
    fn jump(&mut self) {
        let (kind, far) = (self.byte(), self.byte());
        let by = usize::from(far);
        match kind % 7 {
            0 => self.index += by,
            1 => self.index = self.index.saturating_sub(by),
            2 => self.sequence_shift = self.sequence_shift.wrapping_add(u16::from(far) << 8),
            3 => self.timestamp_shift = self.timestamp_shift.wrapping_add(u32::from(far) << 24),
            4 => self.timestamp_shift = self.timestamp_shift.wrapping_add(u32::from(far)),
            5 => self.inbox_ms = far % MAX_INBOX_MS,
            _ => self.at_once = 1 + far % MAX_AT_ONCE,
        }
    }
}

impl Iterator for Script<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        loop {
            let payload = match self.first()? % 8 {
                0 => self.real(),
                1 => return self.another_kind(),
                2 => self.raw(),
                3 => self.truncated(),
                4 => self.flipped(),
                5 => {
                    self.jump();
                    continue;
                }
                6 => {
                    let blocks = self.byte() % MAX_PAUSE_BLOCKS;
                    return self.pause(blocks);
                }
                _ => return self.pause(4),
            };
            return self.packet(payload);
        }
    }
}
