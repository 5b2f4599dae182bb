//! Records what a sink plays, with the moment it began.

use std::{
    io::Read,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{Client, SERVER_START_LIMIT};
use crate::{
    Trouble,
    program::Program,
    recording::{Recording, SAMPLES_PER_SECOND, from_i16},
    wait,
};

/// What recorders ask of the server; smaller brings more wake-ups and no better timing.
const RECORDER_LATENCY_MS: u32 = 5;

/// A recording that goes on until it is finished or dropped.
pub struct Recorder {
    heard: Arc<Mutex<Heard>>,
    program: Program,
    reader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Heard {
    samples: Vec<f32>,
    began: Option<Instant>,
}

impl Recorder {
    pub(super) fn start(client: &Client, sink: &str, output: &Path) -> Result<Self, Trouble> {
        let command = client.parec(&format!("{sink}.monitor"), "s16le", 1, RECORDER_LATENCY_MS);
        let mut program = Program::start(&command, Stdio::piped(), &output.join(format!("parec-{sink}.log")))?;
        let heard = Arc::new(Mutex::new(Heard::default()));
        let stdout = program.take_stdout().ok_or_else(|| Trouble::Unexpected("parec has no output".to_owned()))?;
        let reader = std::thread::spawn({
            let heard = Arc::clone(&heard);
            move || keep(stdout, &heard)
        });
        let mut recorder = Self { heard, program, reader: Some(reader) };
        recorder.wait_for_sound_of_any_kind()?;
        Ok(recorder)
    }

    /// Silence counts: it shows that the recording has begun.
    fn wait_for_sound_of_any_kind(&mut self) -> Result<(), Trouble> {
        let (heard, program) = (&self.heard, &mut self.program);
        let begun = || {
            program.still_runs()?;
            Ok(lock(heard).began.map(|_| ()))
        };
        wait::until("the first recorded samples", SERVER_START_LIMIT, begun, String::new)
    }

    /// What was heard until now.
    pub fn so_far(&self) -> Recording {
        let heard = lock(&self.heard);
        Recording { samples: heard.samples.clone(), began: heard.began.unwrap_or_else(Instant::now) }
    }

    /// Ends the recording.
    pub fn finish(mut self) -> Recording {
        self.program.interrupt();
        if let Some(reader) = self.reader.take() {
            // It ends with parec; a panic in it has been printed by then.
            let _ = reader.join();
        }
        self.so_far()
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The least delayed chunk tells best when the recording began: delays only ever add.
fn keep(mut stdout: impl Read, heard: &Mutex<Heard>) {
    let mut bytes = [0; 4_096];
    let mut odd: Option<u8> = None;
    while let Ok(length @ 1..) = stdout.read(&mut bytes) {
        let now = Instant::now();
        let mut heard = lock(heard);
        for byte in &bytes[..length] {
            match odd.take() {
                Some(low) => heard.samples.push(from_i16(i16::from_le_bytes([low, *byte]))),
                None => odd = Some(*byte),
            }
        }
        let length = Duration::from_secs_f64(heard.samples.len() as f64 / f64::from(SAMPLES_PER_SECOND));
        let began = now.checked_sub(length).unwrap_or(now);
        heard.began = Some(heard.began.map_or(began, |earlier| earlier.min(began)));
    }
}
