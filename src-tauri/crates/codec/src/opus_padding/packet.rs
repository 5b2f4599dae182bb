//! An Opus packet taken apart into frames and padding, and put together again (RFC 6716 section 3).

/// Longest frame, bytes (RFC 6716 section 3.4, R2).
const MAX_FRAME_BYTES: usize = 1_275;

/// Longest packet, samples at 48 kHz: 120 ms (RFC 6716 section 3.4, R5).
const MAX_PACKET_SAMPLES: usize = 5_760;

/// The code bits of the first byte, and the code of a packet with any number of frames.
const CODE: u8 = 0b11;
const ANY_NUMBER: u8 = 3;

/// Bits of the second byte of a code 3 packet.
const LENGTHS_DIFFER: u8 = 0x80;
const HAS_PADDING: u8 = 0x40;
const NUMBER: u8 = 0x3F;

/// Frames this long or longer have a length of two bytes (RFC 6716 section 3.2.1).
const LONG_FRAME_BYTES: usize = 252;

/// The parts of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpusPacket<'a> {
    /// Configuration and channels of every frame: the first byte, its two code bits being 0.
    pub toc: u8,
    /// One to 48 frames; an empty one is a frame that the encoder left out (DTX).
    pub frames: Vec<&'a [u8]>,
    /// Bytes after the frames.
    pub padding: &'a [u8],
}

/// Samples at 48 kHz in each frame of a packet that begins with `toc` (RFC 6716 section 3.1, table 2).
pub fn frame_samples(toc: u8) -> usize {
    let size = usize::from(toc >> 3 & 0b11);
    match toc >> 3 {
        0..12 => [480, 960, 1_920, 2_880][size],
        12..16 => [480, 960][size & 1],
        _ => 120 << size,
    }
}

/// Samples of sound in an Opus packet at 48 kHz; `None` if it is none.
pub fn packet_samples(packet: &[u8]) -> Option<usize> {
    OpusPacket::parse(packet).map(|packet| packet.samples())
}

/// Whether frames of a packet that begins with `toc` are coded by CELT alone.
pub fn is_celt(toc: u8) -> bool {
    toc & 0x80 != 0
}

/// Whether frames of a packet that begins with `toc` have two channels (RFC 6716 section 3.1).
pub fn is_stereo(toc: u8) -> bool {
    toc & 0b100 != 0
}

impl<'a> OpusPacket<'a> {
    /// Takes `packet` apart; `None` if it is none.
    pub fn parse(packet: &'a [u8]) -> Option<Self> {
        let (&first, rest) = packet.split_first()?;
        let toc = first & !CODE;
        let (frames, padding) = match first & CODE {
            0 => (vec![rest], &[][..]),
            1 => (split_evenly(rest, 2)?, &[][..]),
            2 => (split_by_lengths(rest, 2)?, &[][..]),
            _ => any_number(toc, rest)?,
        };
        frames.iter().all(|frame| frame.len() <= MAX_FRAME_BYTES).then_some(Self { toc, frames, padding })
    }

    /// Samples of sound in the packet at 48 kHz.
    pub fn samples(&self) -> usize {
        self.frames.len() * frame_samples(self.toc)
    }

    /// The packet in code 3, with its padding.
    pub fn build(&self) -> Vec<u8> {
        let differ = self.frames.windows(2).any(|pair| pair[0].len() != pair[1].len());
        let lengths_differ = if differ { LENGTHS_DIFFER } else { 0 };
        let has_padding = if self.padding.is_empty() { 0 } else { HAS_PADDING };
        let number = self.frames.len() as u8 & NUMBER;
        let mut packet = vec![self.toc | ANY_NUMBER, number | lengths_differ | has_padding];
        if has_padding != 0 {
            write_padding_length(self.padding.len(), &mut packet);
        }
        if let (true, Some((_, all_but_last))) = (differ, self.frames.split_last()) {
            all_but_last.iter().for_each(|frame| write_frame_length(frame.len(), &mut packet));
        }
        self.frames.iter().for_each(|frame| packet.extend_from_slice(frame));
        packet.extend_from_slice(self.padding);
        packet
    }
}

type FramesAndPadding<'a> = (Vec<&'a [u8]>, &'a [u8]);

fn any_number(toc: u8, rest: &[u8]) -> Option<FramesAndPadding<'_>> {
    let (&header, mut rest) = rest.split_first()?;
    let number = usize::from(header & NUMBER);
    if number == 0 || number * frame_samples(toc) > MAX_PACKET_SAMPLES {
        return None;
    }
    let mut padding = &[][..];
    if header & HAS_PADDING != 0 {
        let length = read_padding_length(&mut rest)?;
        (rest, padding) = rest.split_at_checked(rest.len().checked_sub(length)?)?;
    }
    let frames =
        if header & LENGTHS_DIFFER != 0 { split_by_lengths(rest, number)? } else { split_evenly(rest, number)? };
    Some((frames, padding))
}

fn split_evenly(bytes: &[u8], number: usize) -> Option<Vec<&[u8]>> {
    let length = bytes.len() / number;
    (length * number == bytes.len()).then(|| (0..number).map(|n| &bytes[n * length..(n + 1) * length]).collect())
}

/// Splits off frames whose lengths come first, all but the last one's.
fn split_by_lengths(mut bytes: &[u8], number: usize) -> Option<Vec<&[u8]>> {
    let lengths: Vec<usize> = (1..number).map(|_| read_frame_length(&mut bytes)).collect::<Option<_>>()?;
    let mut frames = Vec::with_capacity(number);
    for length in lengths {
        let (frame, rest) = bytes.split_at_checked(length)?;
        frames.push(frame);
        bytes = rest;
    }
    frames.push(bytes);
    Some(frames)
}

fn next_byte(bytes: &mut &[u8]) -> Option<u8> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(first)
}

fn read_frame_length(bytes: &mut &[u8]) -> Option<usize> {
    let first = usize::from(next_byte(bytes)?);
    if first < LONG_FRAME_BYTES {
        return Some(first);
    }
    Some(first + 4 * usize::from(next_byte(bytes)?))
}

fn write_frame_length(length: usize, packet: &mut Vec<u8>) {
    if length < LONG_FRAME_BYTES {
        packet.push(length as u8);
    } else {
        let first = LONG_FRAME_BYTES + (length & 3);
        packet.extend([first as u8, ((length - first) / 4) as u8]);
    }
}

/// A byte of 255 stands for 254 bytes of padding and more to come.
fn read_padding_length(bytes: &mut &[u8]) -> Option<usize> {
    let mut length = 0;
    loop {
        match next_byte(bytes)? {
            255 => length += 254,
            last => return Some(length + usize::from(last)),
        }
    }
}

fn write_padding_length(mut length: usize, packet: &mut Vec<u8>) {
    while length > 254 {
        packet.push(255);
        length -= 254;
    }
    packet.push(length as u8);
}
