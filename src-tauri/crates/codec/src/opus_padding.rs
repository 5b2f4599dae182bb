//! Data that rides in the padding of an Opus packet: any decoder plays the packet as if it were not there, any server
//! forwards it, and nothing is negotiated.
//!
//! The padding is RFC 6716 section 3.2.5 (code 3); its contents follow draft-ietf-mlcodec-opus-extension as libopus
//! 1.6.1 reads and writes it (`extensions.c`). The frames of the packet are never touched.

pub mod extensions;
pub mod packet;

#[cfg(test)]
mod tests;

use extensions::{Extension, FIRST_LONG_ID, LAST_ID, read_extensions, write_extensions};
use packet::OpusPacket;

/// The packet with `payload` attached as extension `id` of its first frame, in front of the extensions it has; an older
/// one of the same `id` goes.
///
/// `None` if `packet` is no Opus packet or `id` is not one of a long extension (32 ..= 127).
pub fn attach(packet: &[u8], id: u8, payload: &[u8]) -> Option<Vec<u8>> {
    if !(FIRST_LONG_ID..=LAST_ID).contains(&id) {
        return None;
    }
    let packet = OpusPacket::parse(packet)?;
    let mut all = vec![Extension { id, frame: 0, payload }];
    // Padding that is not made of extensions carries nothing: it may go.
    let present = read_extensions(packet.padding, packet.frames.len());
    if present.intact {
        all.extend(present.extensions.into_iter().filter(|extension| extension.id != id));
    }
    all.sort_by_key(|extension| extension.frame);
    Some(OpusPacket { padding: &write_extensions(&all), ..packet }.build())
}

/// What is attached to `packet` as extension `id`; the first if there are several.
pub fn find(packet: &[u8], id: u8) -> Option<&[u8]> {
    let packet = OpusPacket::parse(packet)?;
    let present = read_extensions(packet.padding, packet.frames.len()).extensions;
    present.iter().find(|extension| extension.id == id).map(|extension| extension.payload)
}
