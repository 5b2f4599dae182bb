//! The elements inside the padding of an Opus packet (draft-ietf-mlcodec-opus-extension, libopus 1.6.1 `extensions.c`).
//!
//! Each begins with one byte `id << 1 | L` and belongs to one frame of the packet:
//!
//! | id | L = 0 | L = 1 |
//! |---|---|---|
//! | 0 | the rest is plain padding | one byte of padding |
//! | 1 | go on with the next frame | one more byte: go on so many frames later |
//! | 2 | what this frame has, the later ones have as well; the last long one takes the rest | the same, with lengths |
//! | 3 ..= 31 | no payload | one byte of payload |
//! | 32 ..= 127 | the payload takes the rest | length in bytes of 255 and one of 0 ..= 254, payload |

/// The first id whose payload may have any length.
pub const FIRST_LONG_ID: u8 = 32;

/// The largest id.
pub const LAST_ID: u8 = 127;

const PADDING: u8 = 0;
const SEPARATOR: u8 = 1;
const REPEAT: u8 = 2;

/// A payload that belongs to one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// What it is, 3 ..= 127.
    pub id: u8,
    /// Which frame of the packet it belongs to.
    pub frame: usize,
    /// At most one byte if `id` is below [`FIRST_LONG_ID`].
    pub payload: &'a [u8],
}

/// What a padding holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions<'a> {
    /// In the order of the bytes; up to the first mistake.
    pub extensions: Vec<Extension<'a>>,
    /// Whether there was no mistake.
    pub intact: bool,
}

/// Reads the padding of a packet of `frames` frames.
pub fn read_extensions(padding: &[u8], frames: usize) -> Extensions<'_> {
    let mut reader = Reader { rest: padding, frames, frame: 0, section: Vec::new(), extensions: Vec::new() };
    let intact = reader.read_all().is_some();
    Extensions { extensions: reader.extensions, intact }
}

/// The padding that holds `extensions`, which are in the order of their frames. Makes no use of repetition.
pub fn write_extensions(extensions: &[Extension<'_>]) -> Vec<u8> {
    let mut padding = Vec::new();
    let mut frame = 0;
    for (index, extension) in extensions.iter().enumerate() {
        match extension.frame.saturating_sub(frame) {
            0 => {}
            1 => padding.push(SEPARATOR << 1),
            more => padding.extend([SEPARATOR << 1 | 1, more as u8]),
        }
        frame = extension.frame;
        let is_last = index + 1 == extensions.len();
        if extension.id < FIRST_LONG_ID {
            padding.push(extension.id << 1 | extension.payload.len() as u8 & 1);
        } else {
            padding.push(extension.id << 1 | u8::from(!is_last));
            if !is_last {
                write_length(extension.payload.len(), &mut padding);
            }
        }
        padding.extend_from_slice(extension.payload);
    }
    padding
}

/// An element's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head(u8);

impl Head {
    fn id(self) -> u8 {
        self.0 >> 1
    }

    fn flag(self) -> bool {
        self.0 & 1 != 0
    }

    fn is_long(self) -> bool {
        self.id() >= FIRST_LONG_ID
    }

    /// Payload bytes of a short one.
    fn short_bytes(self) -> usize {
        if self.is_long() { 0 } else { usize::from(self.flag()) }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    frames: usize,
    frame: usize,
    /// What came since the last separator or repetition, and could be repeated.
    section: Vec<Head>,
    extensions: Vec<Extension<'a>>,
}

impl<'a> Reader<'a> {
    /// `None` at the first mistake.
    fn read_all(&mut self) -> Option<()> {
        while !self.rest.is_empty() {
            let head = Head(self.take(1)?[0]);
            match (head.id(), head.flag()) {
                (PADDING, false) => self.rest = &[],
                (PADDING, true) => {}
                (SEPARATOR, false) => self.go_to(self.frame + 1)?,
                (SEPARATOR, true) => match self.take(1)?[0] {
                    0 => {}
                    more => self.go_to(self.frame + usize::from(more))?,
                },
                (REPEAT, with_lengths) => self.repeat(with_lengths)?,
                _ => {
                    let payload = self.take_payload(head, 0)?;
                    self.extensions.push(Extension { id: head.id(), frame: self.frame, payload });
                    self.section.push(head);
                }
            }
        }
        Some(())
    }

    fn go_to(&mut self, frame: usize) -> Option<()> {
        self.frame = frame;
        self.section.clear();
        (frame < self.frames).then_some(())
    }

    fn repeat(&mut self, with_lengths: bool) -> Option<()> {
        let section = std::mem::take(&mut self.section);
        let last_long = section.iter().rposition(|head| head.is_long());
        let after_last_long = &section[last_long.map_or(0, |index| index + 1)..];
        let short_bytes = after_last_long.iter().map(|head| head.short_bytes()).sum();
        for frame in self.frame + 1..self.frames {
            for (index, &head) in section.iter().enumerate() {
                let takes_the_rest = !with_lengths && frame + 1 == self.frames && Some(index) == last_long;
                let head = if takes_the_rest { Head(head.0 & !1) } else { head };
                let payload = self.take_payload(head, short_bytes)?;
                self.extensions.push(Extension { id: head.id(), frame, payload });
            }
        }
        if !with_lengths {
            self.frame += 1;
            if self.frame >= self.frames {
                self.rest = &[];
            }
        }
        Some(())
    }

    /// The payload after `head`; one without a length leaves `short_bytes` for those after it.
    fn take_payload(&mut self, head: Head, short_bytes: usize) -> Option<&'a [u8]> {
        let length = match (head.is_long(), head.flag()) {
            (false, _) => head.short_bytes(),
            (true, true) => self.take_length()?,
            (true, false) => self.rest.len().checked_sub(short_bytes)?,
        };
        self.take(length)
    }

    fn take_length(&mut self) -> Option<usize> {
        let mut length = 0;
        loop {
            let byte = self.take(1)?[0];
            length += usize::from(byte);
            if byte != 255 {
                return Some(length);
            }
        }
    }

    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }
}

fn write_length(mut length: usize, padding: &mut Vec<u8>) {
    while length >= 255 {
        padding.push(255);
        length -= 255;
    }
    padding.push(length as u8);
}
