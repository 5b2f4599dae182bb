//! Windows' default devices for communication. Voice programs are expected to take these: a headset for example, where
//! the default for everything else is the loudspeakers that play music.

use std::sync::Once;

use windows::Win32::{
    Media::Audio::{IMMDeviceEnumerator, MMDeviceEnumerator, eCapture, eCommunications, eRender},
    System::Com::{CLSCTX_ALL, CoCreateInstance, CoIncrementMTAUsage, CoTaskMemFree},
};

use crate::device::lookup::Direction;

/// The id of the endpoint, as WASAPI has it.
pub(crate) fn endpoint_id(direction: Direction) -> windows::core::Result<String> {
    enter_com();
    let flow = match direction {
        Direction::Microphone => eCapture,
        Direction::Loudspeaker => eRender,
    };
    // SAFETY: COM is usable on every thread after `enter_com`; the id is freed once, after its last use.
    unsafe {
        let enumerator: IMMDeviceEnumerator = CoCreateInstance(&MMDeviceEnumerator, None, CLSCTX_ALL)?;
        let id = enumerator.GetDefaultAudioEndpoint(flow, eCommunications)?.GetId()?;
        let text = id.to_string();
        CoTaskMemFree(Some(id.as_ptr().cast_const().cast()));
        Ok(text?)
    }
}

/// Makes COM usable on every thread of this program, also on those that never asked for it.
fn enter_com() {
    static ENTERED: Once = Once::new();
    ENTERED.call_once(|| {
        // SAFETY: no requirement; what it takes is kept until the program ends.
        if let Err(error) = unsafe { CoIncrementMTAUsage() } {
            tracing::warn!(%error, "COM is not to be had; sound devices may not be found");
        }
    });
}
