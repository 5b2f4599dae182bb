//! A sound file in place of a loudspeaker: the middle of the mix, 16 bit, 48 kHz, mono, written off the engine thread.

use std::{
    fs::File,
    io::BufWriter,
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
};

use hound::{SampleFormat, WavSpec, WavWriter};
use serambi_codec::format::SAMPLE_RATE_HZ;

use crate::{error::AudioError, format::MixBlock};

/// Blocks that may wait for a slow disk (5 s).
const WAITING_BLOCKS: usize = 1_000;

/// Blocks between two updates of the file's header (250 ms): a file of a killed process is readable up to there.
const BLOCKS_BETWEEN_HEADERS: u32 = 50;

/// The engine's end of the file.
pub(crate) struct WavTap(SyncSender<MixBlock>);

impl WavTap {
    /// Hands a block over; false if the disk is seconds behind and the block was dropped.
    pub(crate) fn write(&self, block: &MixBlock) -> bool {
        self.0.try_send(*block).is_ok()
    }
}

/// A file being written. It is complete once the tap is gone and this has been dropped.
pub(crate) struct WavLoudspeaker(Option<JoinHandle<()>>);

impl Drop for WavLoudspeaker {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // A writer that panicked has stopped as well.
            let _ = thread.join();
        }
    }
}

/// Creates `path`, overwriting it.
///
/// # Errors
/// [`AudioError::WavUnwritable`] if that is not possible.
pub(crate) fn create(path: &Path) -> Result<(WavLoudspeaker, WavTap), AudioError> {
    let unwritable = |detail: String| AudioError::WavUnwritable(format!("{}: {detail}", path.display()));
    let spec =
        WavSpec { channels: 1, sample_rate: SAMPLE_RATE_HZ, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let writer = WavWriter::create(path, spec).map_err(|error| unwritable(error.to_string()))?;
    let (tap, blocks) = sync_channel(WAITING_BLOCKS);
    let thread = std::thread::Builder::new()
        .name("wav-loudspeaker".into())
        .spawn(move || {
            if let Err(error) = write_all(writer, &blocks) {
                tracing::warn!(%error, "the sound file of the loudspeaker cannot be written");
            }
        })
        .map_err(|error| unwritable(error.to_string()))?;
    Ok((WavLoudspeaker(Some(thread)), WavTap(tap)))
}

fn write_all(mut writer: WavWriter<BufWriter<File>>, blocks: &Receiver<MixBlock>) -> Result<(), hound::Error> {
    let mut since_header = 0;
    for block in blocks {
        for sample in block {
            // The limiter keeps samples within full scale; the cast saturates.
            writer.write_sample((sample * 32_767.0).round() as i16)?;
        }
        since_header += 1;
        if since_header == BLOCKS_BETWEEN_HEADERS {
            writer.flush()?;
            since_header = 0;
        }
    }
    writer.finalize()
}
