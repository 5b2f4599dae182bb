//! A datagram that shows whether this server's port is reached: whoever knows it sends it and gets the same bytes back.

use super::SfuCore;
use super::media::Datagram;
use super::transport::Transmit;

impl SfuCore {
    /// From now on this datagram is sent back to whoever sends it; none: no datagram is. Only as long as somebody was
    /// asked to send it: it must not be guessed, and nobody gets more bytes than came.
    pub fn expect_probe(&mut self, probe: Option<Vec<u8>>) {
        self.expected_probe = probe;
    }

    /// Whether the datagram was the probe, which is answered.
    pub(super) fn answer_probe(&mut self, datagram: &Datagram<'_>) -> bool {
        let is_probe = self.expected_probe.as_deref() == Some(datagram.bytes);
        if is_probe {
            let (source, destination) = (datagram.local, datagram.source);
            self.outbox.transmits.push_back(Transmit { source, destination, contents: datagram.bytes.to_vec() });
        }
        is_probe
    }
}
