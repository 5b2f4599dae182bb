//! The echo canceller on real or virtual devices: plays a sound file as somebody's voice through the loudspeaker, and
//! prints once a second what is left of it in the microphone, as a line of JSON.
//!
//! ```text
//! cargo run -p serambi-audio --example echo_on_devices -- far.wav 20 auto
//! ```
//! The last argument is `auto`, `on` or `off`. On PulseAudio, a room of 0 ms and 0 dB without any device:
//! `pactl load-module module-null-sink sink_name=room` and
//! `pactl load-module module-remap-source source_name=mic master=room.monitor`.

use std::{
    error::Error,
    sync::mpsc::channel,
    time::{Duration, Instant},
};

use serambi_audio::{
    Bytes, DeviceChoice, EchoCancelling, Engine, EngineSettings, MicrophoneMode, ReceivedPacket, RemoteVoiceId,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let far = arguments.next().ok_or("usage: echo_on_devices far.wav [seconds] [auto|on|off]")?;
    let seconds: u64 = arguments.next().map_or(Ok(20), |text| text.parse())?;
    let setting = match arguments.next().as_deref() {
        Some("on") => EchoCancelling::On,
        Some("off") => EchoCancelling::Off,
        _ => EchoCancelling::Auto,
    };
    let near = Engine::start(
        EngineSettings { microphone: DeviceChoice::System, loudspeaker: DeviceChoice::System },
        |_| {},
        |notice| eprintln!("notice: {notice:?}"),
    )?;
    near.set_microphone_mode(MicrophoneMode::Speech);
    near.set_echo_cancelling(setting);
    near.open_microphone()?;
    let far = far_end(&far, &near)?;
    for second in 1..=seconds {
        std::thread::sleep(Duration::from_secs(1));
        let statistics = near.statistics();
        let line = serde_json::json!({
            "second": second,
            "playedDbfs": statistics.remote_voices.first().map(|voice| voice.level_dbfs),
            "leftDbfs": statistics.voice.level_dbfs,
            "processing": statistics.voice.processing,
        });
        println!("{line}");
    }
    drop(far);
    Ok(())
}

/// Somebody who speaks a sound file, carried to `near` without loss.
fn far_end(path: &str, near: &Engine) -> Result<Engine, Box<dyn Error>> {
    let (frames, sent) = channel();
    let inbox = near.add_remote_voice(RemoteVoiceId(1))?;
    let far = Engine::start(
        EngineSettings { microphone: DeviceChoice::File(path.into()), loudspeaker: DeviceChoice::Absent },
        move |frame| {
            // The carrier ends before the engine does.
            let _ = frames.send(frame);
        },
        |_| {},
    )?;
    std::thread::spawn(move || {
        let mut sequence = 0_u16;
        while let Ok(frame) = sent.recv() {
            sequence = sequence.wrapping_add(1);
            let payload = Bytes::from(frame.payload);
            inbox.push(ReceivedPacket { sequence, timestamp: frame.timestamp, payload, arrival: Instant::now() });
        }
    });
    far.open_microphone()?;
    far.set_muted(false);
    Ok(far)
}
