//! A sound server of a test's own, whose cards can be plugged in, pulled out and silenced, and which can be killed and
//! frozen.
//!
//! The sound system finds its server by an environment variable, which a running test must not change. So each test
//! runs in a process of its own, which the test starts from the same program.

use std::{
    fmt::Write as _,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// Names the folder of the sound server in the process that a test runs in.
const FOLDER_VARIABLE: &str = "PRIVATE_SOUND_FOLDER";

/// Longest that one test may take.
const TEST_LIMIT: Duration = Duration::from_secs(120);

/// Longest that the sound server may take for anything.
const SERVER_LIMIT: Duration = Duration::from_secs(15);

/// What one look counts at most.
const LONGEST_LOOK: Duration = Duration::from_millis(200);

/// One at a time: each needs its sound in real time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs `body` with a sound server that has no cards yet. `test` is the name of the test that calls.
pub fn with_sound_server(test: &str, body: impl FnOnce(SoundServer)) {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        let folder = PathBuf::from(folder);
        body(SoundServer { folder: folder.clone(), daemon: None, cards: Vec::new(), default: None });
        std::fs::write(folder.join("done"), "").unwrap();
        return;
    }
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(FOLDER_VARIABLE, folder.path())
        .env("PULSE_SERVER", address(folder.path()))
        .env("XDG_RUNTIME_DIR", folder.path())
        .env("HOME", folder.path())
        .env_remove("PULSE_RUNTIME_PATH")
        .env_remove("PULSE_COOKIE")
        .env_remove("PULSE_CONFIG_PATH")
        .env_remove("XDG_CONFIG_HOME")
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = process.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > TEST_LIMIT {
            process.kill().unwrap();
            process.wait().unwrap();
            unreachable!("{test} hangs");
        }
        std::thread::park_timeout(Duration::from_millis(20));
    };
    assert!(status.success(), "{test}: {status}");
    assert!(folder.path().join("done").exists(), "{test} is not the name of a test");
}

fn address(folder: &Path) -> String {
    format!("unix:{}", folder.join("native").display())
}

/// Looks until `holds`.
pub fn wait_until(what: &str, holds: impl FnMut() -> bool) {
    wait_or_say(what, holds, String::new);
}

/// The same, with what is there instead if it never holds.
pub fn wait_or_say(what: &str, mut holds: impl FnMut() -> bool, instead: impl FnOnce() -> String) {
    let (mut waited, mut looked) = (Duration::ZERO, Instant::now());
    while !holds() {
        // A computer that stops this process for a while has not waited.
        waited += looked.elapsed().min(LONGEST_LOOK);
        looked = Instant::now();
        if waited > SERVER_LIMIT {
            unreachable!("{what} did not come true: {}", instead());
        }
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// A private sound server. A card is a microphone that repeats what is played into its mouth, and a loudspeaker.
pub struct SoundServer {
    folder: PathBuf,
    daemon: Option<Child>,
    cards: Vec<Card>,
    default: Option<String>,
}

#[derive(Clone)]
struct Card {
    name: String,
    /// Channels of its microphone.
    ears: u8,
}

impl SoundServer {
    /// Starts the server with the cards it has. When this returns it answers, and its cards are there.
    pub fn start(&mut self) {
        let script = self.folder.join("script");
        let mut commands = String::new();
        for card in &self.cards {
            for module in modules_of(card) {
                writeln!(commands, "load-module {module}").unwrap();
            }
        }
        if let Some(default) = &self.default {
            writeln!(commands, "set-default-sink {default}-loudspeaker\nset-default-source {default}-microphone")
                .unwrap();
        }
        let socket = self.folder.join("native");
        writeln!(commands, "load-module module-native-protocol-unix auth-anonymous=1 socket={}", socket.display())
            .unwrap();
        std::fs::write(&script, commands).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1"]);
        command.args(["--use-pid-file=no", "--realtime=yes", "--high-priority=yes", "--disable-shm=yes"]);
        command.args(["--log-level=error", "-F"]).arg(&script);
        for key in ["PULSE_RUNTIME_PATH", "PULSE_STATE_PATH", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "HOME"] {
            command.env(key, &self.folder);
        }
        command.env_remove("PULSE_SERVER").env_remove("DISPLAY").stdin(Stdio::null()).stderr(Stdio::null());
        self.daemon = Some(command.spawn().unwrap());
        wait_until("the sound server", || self.try_pactl(&["info"]).is_some());
    }

    /// Ends the server as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().unwrap();
            daemon.wait().unwrap();
        }
    }

    /// The server neither answers nor ends.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let id = self.daemon.as_ref().unwrap().id();
        kill_process(Pid::from_raw(i32::try_from(id).unwrap()).unwrap(), signal).unwrap();
    }

    /// A card that is there when the server starts, or from now on.
    pub fn plug_in(&mut self, card: &str) {
        self.plug_in_with(card, 1);
    }

    /// The same with a microphone of so many channels.
    pub fn plug_in_with(&mut self, card: &str, ears: u8) {
        let card = Card { name: card.to_owned(), ears };
        self.cards.push(card.clone());
        if self.daemon.is_some() {
            for module in modules_of(&card) {
                self.pactl(&[&["load-module"], &module.split(' ').collect::<Vec<_>>()[..]].concat());
            }
        }
    }

    /// Takes a card away, the microphone first.
    pub fn pull_out(&mut self, card: &str) {
        self.cards.retain(|other| other.name != card);
        for module in self.loaded_of(card) {
            self.pactl(&["unload-module", &module]);
        }
    }

    /// A loose plug: takes a card away and gives it back within a few 10 ms.
    pub fn jolt(&self, card: &str) {
        let card = self.cards.iter().find(|other| other.name == card).unwrap();
        let away = self.loaded_of(&card.name).into_iter().map(|module| format!("pactl unload-module {module}"));
        let back = modules_of(card).map(|module| format!("pactl load-module {module}"));
        let script = away.chain(back).collect::<Vec<_>>().join(" && ");
        assert!(self.client("sh").arg("-c").arg(&script).stdout(Stdio::null()).status().unwrap().success(), "{script}");
    }

    /// The numbers of a card's modules, the last one first.
    fn loaded_of(&self, card: &str) -> Vec<String> {
        let listed = self.pactl(&["list", "short", "modules"]);
        let of_card = listed.lines().rev().filter(|line| line.contains(&format!("_name={card}-")));
        let modules: Vec<String> = of_card.filter_map(|line| line.split('\t').next()).map(str::to_owned).collect();
        assert_eq!(modules.len(), 3, "{listed}");
        modules
    }

    /// What programs use that have no wish of their own.
    pub fn make_default(&mut self, card: &str) {
        self.default = Some(card.to_owned());
        if self.daemon.is_some() {
            self.pactl(&["set-default-sink", &format!("{card}-loudspeaker")]);
            self.pactl(&["set-default-source", &format!("{card}-microphone")]);
        }
    }

    /// A suspended device is there and delivers and takes nothing.
    pub fn suspend(&self, kind: &str, device: &str, suspended: bool) {
        self.pactl(&[&format!("suspend-{kind}"), device, if suspended { "1" } else { "0" }]);
    }

    /// How many streams a device has; `kind` is `source` or `sink`.
    pub fn streams_on(&self, kind: &str, device: &str) -> usize {
        let column = |line: &str, n: usize| line.split('\t').nth(n).map(str::to_owned);
        let devices = self.pactl(&["list", "short", &format!("{kind}s")]);
        let index =
            devices.lines().find(|line| column(line, 1).as_deref() == Some(device)).and_then(|line| column(line, 0));
        let streams = self.pactl(&["list", "short", if kind == "source" { "source-outputs" } else { "sink-inputs" }]);
        streams.lines().filter(|line| index.is_some() && column(line, 1) == index).count()
    }

    /// Plays a tone into a card's mouth until the value is dropped.
    pub fn hum(&self, card: &str, peak: f32) -> Child {
        self.hum_into(card, &[peak])
    }

    /// The same with a peak for each channel of the card's microphone.
    pub fn hum_into(&self, card: &str, peaks: &[f32]) -> Child {
        let path = self.folder.join(format!("{card}.wav"));
        let spec = hound::WavSpec {
            channels: u16::try_from(peaks.len()).unwrap(),
            sample_rate: 48_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        for n in 0..48_000 * TEST_LIMIT.as_secs() {
            for peak in peaks {
                let sample = peak * (n as f32 * std::f32::consts::TAU / 120.0).sin();
                writer.write_sample((sample * 32_767.0) as i16).unwrap();
            }
        }
        writer.finalize().unwrap();
        let mut command = self.client("paplay");
        command.arg(format!("--device={card}-mouth")).arg("--latency-msec=200").arg(&path).spawn().unwrap()
    }

    /// Listens to what a card's loudspeaker plays, from now on.
    pub fn ear(&self, card: &str) -> Ear {
        let mut command = self.client("parec");
        command.arg(format!("--device={card}-loudspeaker.monitor"));
        command.args(["--raw", "--format=s16le", "--channels=1", "--rate=48000", "--latency-msec=5"]);
        let mut recorder = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut sound = recorder.stdout.take().unwrap();
        let loud_at: Arc<Mutex<Vec<Instant>>> = Arc::default();
        let listening = Arc::clone(&loud_at);
        std::thread::spawn(move || {
            let mut block = [0_u8; 960];
            while sound.read_exact(&mut block).is_ok() {
                let loudest = block.as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair).unsigned_abs()).max();
                if loudest > Some(300) {
                    listening.lock().unwrap().push(Instant::now());
                }
            }
        });
        Ear { recorder, loud_at }
    }

    /// What a card's loudspeaker plays left and right for a second from now.
    pub fn heard_in_a_second(&self, card: &str) -> [Vec<f32>; 2] {
        let mut command = self.client("parec");
        command.arg(format!("--device={card}-loudspeaker.monitor"));
        command.args(["--raw", "--format=float32le", "--channels=2", "--rate=48000", "--latency-msec=20"]);
        let mut recorder = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut bytes = vec![0_u8; 48_000 * 2 * 4];
        recorder.stdout.take().unwrap().read_exact(&mut bytes).unwrap();
        recorder.kill().unwrap();
        recorder.wait().unwrap();
        let samples: Vec<f32> = bytes.as_chunks().0.iter().map(|sample| f32::from_le_bytes(*sample)).collect();
        [0, 1].map(|channel| samples.iter().skip(channel).step_by(2).copied().collect())
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", program]).env("PULSE_SERVER", address(&self.folder));
        // Its cookie is not for the test to find.
        command.env("XDG_CONFIG_HOME", &self.folder);
        command.stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn pactl(&self, arguments: &[&str]) -> String {
        self.try_pactl(arguments).unwrap_or_else(|| unreachable!("pactl {arguments:?}"))
    }

    fn try_pactl(&self, arguments: &[&str]) -> Option<String> {
        let output = self.client("pactl").args(arguments).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }
}

impl Drop for SoundServer {
    fn drop(&mut self) {
        if self.daemon.is_some() {
            self.thaw();
        }
        self.kill();
    }
}

/// The modules that make a card; its loudspeaker comes first and so is the server's default where nobody has chosen
/// one. A null sink with rewinds would sleep up to two seconds.
fn modules_of(card: &Card) -> [String; 3] {
    let Card { name: card, ears } = card;
    let sink = |name: &str, channels: u8| {
        format!(
            "module-null-sink sink_name={card}-{name} rate=48000 channels={channels} norewinds=1 \
             sink_properties=device.description={card}-{name}"
        )
    };
    [
        sink("loudspeaker", 2),
        sink("mouth", *ears),
        format!(
            "module-remap-source source_name={card}-microphone master={card}-mouth.monitor \
             source_properties=device.description={card}-microphone"
        ),
    ]
}

/// Listens to one loudspeaker. Ends with the value.
pub struct Ear {
    recorder: Child,
    /// When each loud piece of 10 ms was heard.
    loud_at: Arc<Mutex<Vec<Instant>>>,
}

impl Ear {
    /// When something loud was first heard after `moment`.
    pub fn first_after(&self, moment: Instant) -> Option<Instant> {
        self.loud_at.lock().unwrap().iter().find(|at| **at > moment).copied()
    }

    /// When something loud was heard last.
    pub fn last(&self) -> Option<Instant> {
        self.loud_at.lock().unwrap().last().copied()
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        // It may have ended with its server.
        let _ = self.recorder.kill();
        let _ = self.recorder.wait();
    }
}
