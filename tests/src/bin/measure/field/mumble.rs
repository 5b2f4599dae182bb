//! Two of Debian's Mumble on Debian's server, set up without a person: no wizard, no question about certificates.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serambi_tests::{
    Trouble,
    datagram::Wrapping,
    error::io,
    network::Place,
    program::{Program, run},
    sound_server::Card,
    strangers::script,
    wait,
};
use tempfile::TempDir;

use super::{Call, Stage};

const PORT: u16 = 64_738;
const LIMIT: Duration = Duration::from_secs(30);
/// Debian 12 has it under the old name, later ones under the new, and neither where ordinary users look.
const SERVER_PROGRAMS: [&str; 4] =
    ["/usr/sbin/murmurd", "/usr/bin/murmurd", "/usr/bin/mumble-server", "/usr/sbin/mumble-server"];
/// `AudioTransmit` of Mumble's Settings.h.
#[derive(Clone, Copy)]
enum Transmit {
    Continuous = 0,
    /// Nobody pushes, so nothing is sent.
    PushToTalk = 2,
}

struct Pair {
    server: Program,
    clients: [Client; 2],
}

struct Client {
    program: Program,
    _home: TempDir,
}

pub fn start(stage: &Stage<'_>) -> Result<Box<dyn Call>, Trouble> {
    let (here, there) = (&stage.network.here, &stage.network.there);
    let mut server = start_server(here, stage.output)?;
    let listening = || {
        server.still_runs()?;
        let address = (here.address, PORT);
        Ok(here.within(|| TcpStream::connect(address).is_ok())?.then_some(()))
    };
    wait::until("Mumble's server", LIMIT, listening, String::new)?;
    let clients = [
        Client::start("sari", here, here, stage.speaker, Transmit::Continuous, stage.output)?,
        Client::start("wei", there, here, stage.listener, Transmit::PushToTalk, stage.output)?,
    ];
    Ok(Box::new(Pair { server, clients }))
}

fn start_server(place: &Place, output: &Path) -> Result<Program, Trouble> {
    let program = SERVER_PROGRAMS.into_iter().map(PathBuf::from).find(|program| program.is_file());
    let program = program.ok_or_else(|| Trouble::Missing {
        path: PathBuf::from(SERVER_PROGRAMS[0]),
        remedy: "install mumble-server, or cargo xtask measure, which does".to_owned(),
    })?;
    // Whoever starts it stays who they are: the package's user may not write here.
    let settings = format!(
        "database={}\nhost={}\nport={PORT}\nuname=root\nbonjour=False\n",
        output.join("mumble-server.sqlite").display(),
        place.address
    );
    let file = output.join("mumble-server.ini");
    fs::write(&file, settings).map_err(io("writing the Mumble server's settings"))?;
    let mut command = place.command(program);
    command.arg("-fg").arg("-ini").arg(&file);
    Program::start(&command, Stdio::null(), &output.join("mumble-server.log"))
}

impl Client {
    fn start(
        name: &str,
        place: &Place,
        server: &Place,
        card: &Card,
        transmit: Transmit,
        output: &Path,
    ) -> Result<Self, Trouble> {
        let home = tempfile::tempdir().map_err(io("making a home for Mumble"))?;
        let database = home.path().join("mumble.sqlite");
        settle(home.path(), &settings(&database, transmit))?;
        trust(place, server, &database)?;
        let mut command = place.command("mumble");
        command.arg("--multiple").arg(format!("mumble://{name}@{}:{PORT}/", server.address));
        command.env("HOME", home.path()).env("XDG_RUNTIME_DIR", home.path());
        for key in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"] {
            command.env_remove(key);
        }
        command.env("QT_QPA_PLATFORM", "offscreen").env("PULSE_SERVER", card.server());
        let program = Program::start(&command, Stdio::null(), &output.join(format!("mumble-{name}.log")))?;
        Ok(Self { program, _home: home })
    }
}

/// Everything else is as Mumble has it. `lastupdate` says that the sound wizard has been seen.
fn settings(database: &Path, transmit: Transmit) -> String {
    format!(
        "[General]\nlastupdate=2\ndatabaselocation={}\n\n[audio]\ninput=PulseAudio\noutput=PulseAudio\ntransmit={}\n\n\
         [ui]\nupdatecheck=false\nplugincheck=false\nusage=false\n",
        database.display(),
        transmit as i32
    )
}

/// Mumble asks for a certificate in a dialogue, unless it finds its own backup of one.
fn settle(home: &Path, settings: &str) -> Result<(), Trouble> {
    let (folder, documents) = (home.join(".config/Mumble"), home.join("Documents"));
    let written = fs::create_dir_all(&folder)
        .and_then(|()| fs::create_dir_all(&documents))
        .and_then(|()| fs::write(folder.join("Mumble.conf"), settings));
    written.map_err(io("writing Mumble's settings"))?;
    let (key, certificate) = (home.join("key.pem"), home.join("certificate.pem"));
    let mut make = Command::new("openssl");
    make.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "365", "-subj", "/CN=Measuring"]);
    run(make.arg("-keyout").arg(&key).arg("-out").arg(&certificate))?;
    let mut pack = Command::new("openssl");
    pack.args(["pkcs12", "-export", "-passout", "pass:"]).arg("-inkey").arg(&key).arg("-in").arg(&certificate);
    run(pack.arg("-out").arg(documents.join("MumbleAutomaticCertificateBackup.p12"))).map(|_| ())
}

/// Mumble asks about a server's certificate in a dialogue, unless it was accepted before.
fn trust(place: &Place, server: &Place, database: &Path) -> Result<(), Trouble> {
    let mut command = place.command("python3");
    command.arg(script("trust_mumble_server.py")).arg(server.address.to_string()).arg(PORT.to_string());
    run(command.arg(database)).map(|_| ())
}

impl Call for Pair {
    fn still_runs(&mut self) -> Result<(), Trouble> {
        self.server.still_runs()?;
        self.clients.iter_mut().try_for_each(|client| client.program.still_runs())
    }

    fn wrapping(&self) -> Wrapping {
        Wrapping::Mumble
    }
}
