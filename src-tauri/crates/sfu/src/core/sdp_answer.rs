//! The answer to a client's offer on its publisher connection.

use super::sdp::{Description, Section};
use super::sdp_writer::{Origin, Reachability, SdpWriter};

/// What we say to one section of the offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SectionAnswer {
    /// Port 0, out of the bundle. For video, and for sections whose track has ended: a browser
    /// takes a stopped section as free and re-uses it for the next track.
    Refuse,
    /// Kept in the bundle, nothing flows.
    Inactive {
        opus: u8,
    },
    /// We take the client's audio.
    Receive {
        opus: u8,
        /// Ask for discontinuous transmission.
        dtx: bool,
        stereo: bool,
    },
    Data,
}

/// Writes the answer; `answers` has one entry per section of the offer.
///
/// The client's own payload numbers and section order are kept; header extensions, RED, feedback
/// and everything else that was offered is left out, which refuses it.
pub(crate) fn write_answer(
    offer: &Description,
    answers: &[SectionAnswer],
    reach: &Reachability,
    origin: Origin,
    setup: &str,
) -> String {
    let accepted = |mid: &str| {
        let position = offer.sections.iter().position(|s| s.mid == mid);
        position.and_then(|index| answers.get(index)) != Some(&SectionAnswer::Refuse)
    };
    let bundle: Vec<&str> = offer.bundle.iter().map(String::as_str).filter(|mid| accepted(mid)).collect();
    let mut writer = SdpWriter::new(origin, &bundle);
    let mut first = true;
    for (section, answer) in offer.sections.iter().zip(answers) {
        write_section(&mut writer, section, *answer, reach, setup, first);
        if *answer != SectionAnswer::Refuse {
            first = false;
        }
    }
    writer.finish()
}

fn write_section(
    writer: &mut SdpWriter,
    section: &Section,
    answer: SectionAnswer,
    reach: &Reachability,
    setup: &str,
    first: bool,
) {
    match answer {
        SectionAnswer::Refuse => {
            // One format with its map: a refused section must have some (RFC 3264 section 6), and
            // strict readers want to know what it is.
            let map = section.first_rtpmap.as_deref();
            let format = map.and_then(|map| map.split(' ').next()).unwrap_or(&section.formats);
            writer.media(&section.media, 0, &section.protocol, format);
            writer.attribute("mid", &section.mid);
            writer.line("a=inactive");
            if let Some(map) = map {
                writer.attribute("rtpmap", map);
            }
        }
        SectionAnswer::Inactive { opus } => {
            writer.media(&section.media, 9, &section.protocol, &opus.to_string());
            writer.transport(reach, setup, first);
            writer.attribute("mid", &section.mid);
            writer.line("a=inactive");
            writer.line("a=rtcp-mux");
            writer.attribute("rtpmap", format_args!("{opus} opus/48000/2"));
        }
        SectionAnswer::Receive { opus, dtx, stereo } => {
            writer.media(&section.media, 9, &section.protocol, &opus.to_string());
            writer.transport(reach, setup, first);
            writer.attribute("mid", &section.mid);
            writer.line("a=recvonly");
            writer.line("a=rtcp-mux");
            writer.attribute("rtpmap", format_args!("{opus} opus/48000/2"));
            writer.attribute("fmtp", OpusParameters { opus, dtx, stereo: Stereo::taken(stereo) });
        }
        SectionAnswer::Data => {
            writer.media(&section.media, 9, &section.protocol, &section.formats);
            writer.transport(reach, setup, first);
            writer.data(&section.mid);
        }
    }
}

/// `a=fmtp` of Opus (RFC 7587 section 7).
pub(crate) struct OpusParameters {
    pub(crate) opus: u8,
    pub(crate) dtx: bool,
    pub(crate) stereo: Stereo,
}

/// What a description says about two channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stereo {
    No,
    /// We take stereo (`stereo`), at any bit rate of Opus.
    Taken,
    /// We may send it (`sprop-stereo`). The SDKs of LiveKit look for that before they tell a browser to decode two
    /// channels.
    Sent,
}

impl Stereo {
    pub(crate) fn taken(stereo: bool) -> Self {
        if stereo { Self::Taken } else { Self::No }
    }

    pub(crate) fn sent(stereo: bool) -> Self {
        if stereo { Self::Sent } else { Self::No }
    }
}

impl std::fmt::Display for OpusParameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} minptime=10;useinbandfec=1", self.opus)?;
        if self.dtx {
            f.write_str(";usedtx=1")?;
        }
        match self.stereo {
            Stereo::No => Ok(()),
            Stereo::Taken => f.write_str(";stereo=1;maxaveragebitrate=510000"),
            Stereo::Sent => f.write_str(";stereo=1;sprop-stereo=1"),
        }
    }
}
