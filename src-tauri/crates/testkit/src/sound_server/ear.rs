//! Notes when a loudspeaker plays something loud.

use std::{
    io::Read as _,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Instant,
};

use super::Client;
use crate::{Trouble, program::Program};

/// 10 ms of 16-bit mono sound at 48 kHz, bytes.
const BLOCK_BYTES: usize = 960;

/// A block is loud if a sample of it is beyond this.
const LOUD_SAMPLE: u16 = 300;

/// What the recorder asks of the server.
const LATENCY_MS: u32 = 5;

/// Listens to one loudspeaker. Ends with the value.
pub struct Ear {
    program: Option<Program>,
    listener: Option<JoinHandle<()>>,
    /// When each loud piece of 10 ms was heard.
    loud_at: Arc<Mutex<Vec<Instant>>>,
}

impl Ear {
    pub(super) fn start(client: &Client, loudspeaker: &str, output: &Path) -> Result<Self, Trouble> {
        let command = client.parec(&format!("{loudspeaker}.monitor"), "s16le", 1, LATENCY_MS);
        let mut program = Program::start(&command, Stdio::piped(), &output.join(format!("ear-{loudspeaker}.log")))?;
        let sound = program.take_stdout();
        let mut sound = sound.ok_or_else(|| Trouble::Unexpected("parec has no output".to_owned()))?;
        let loud_at: Arc<Mutex<Vec<Instant>>> = Arc::default();
        let noted = Arc::clone(&loud_at);
        let listener = std::thread::spawn(move || {
            let mut block = [0_u8; BLOCK_BYTES];
            while sound.read_exact(&mut block).is_ok() {
                let loudest = block.as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair).unsigned_abs()).max();
                if loudest > Some(LOUD_SAMPLE) {
                    lock(&noted).push(Instant::now());
                }
            }
        });
        Ok(Self { program: Some(program), listener: Some(listener), loud_at })
    }

    /// When something loud was first heard after `moment`.
    pub fn first_after(&self, moment: Instant) -> Option<Instant> {
        lock(&self.loud_at).iter().find(|at| **at > moment).copied()
    }

    /// When something loud was heard last.
    pub fn last(&self) -> Option<Instant> {
        lock(&self.loud_at).last().copied()
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.program = None;
        if let Some(listener) = self.listener.take() {
            // It ends with parec; a panic in it has been printed by then.
            let _ = listener.join();
        }
    }
}

fn lock(loud_at: &Mutex<Vec<Instant>>) -> MutexGuard<'_, Vec<Instant>> {
    loud_at.lock().unwrap_or_else(PoisonError::into_inner)
}
