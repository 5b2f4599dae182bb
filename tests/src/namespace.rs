//! A network namespace of Linux: programs and sockets in it see interfaces, addresses and routes of their own.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::{
    Trouble,
    error::io as reading,
    program::{Program, run},
    wait,
};

const START_LIMIT: Duration = Duration::from_secs(10);

/// A namespace with a loopback interface. Ends with the value.
pub struct Namespace {
    /// Nothing else keeps a namespace alive.
    holder: Program,
    /// What `/etc/hosts` is in it; none: as everywhere.
    hosts: Option<PathBuf>,
}

impl Namespace {
    /// A new one; its name is for the log's.
    ///
    /// # Errors
    /// When this user may not make networks.
    pub fn open(name: &str, output: &Path) -> Result<Self, Trouble> {
        let mut command = Command::new("unshare");
        command.args(["--net", "--", "sleep", "infinity"]);
        let mut holder = Program::start(&command, Stdio::null(), &output.join(format!("place-{name}.log")))?;
        let (own, its) = (PathBuf::from("/proc/self/ns/net"), path_of(&holder));
        let moved = || {
            holder.still_runs()?;
            let names = std::fs::read_link(&own).and_then(|own| Ok((own, std::fs::read_link(&its)?)));
            Ok(names.is_ok_and(|(own, its)| own != its).then_some(()))
        };
        wait::until("a network namespace", START_LIMIT, moved, String::new)?;
        let namespace = Self { holder, hosts: None };
        // An address that is still being checked for twins (RFC 4862 section 5.4) cannot be bound, and a second later
        // it is a change of the network to everybody who watches for one: Chromium ends what it is loading.
        run(namespace.command("sysctl").args([
            "-qw",
            "net.ipv6.conf.all.accept_dad=0",
            "net.ipv6.conf.default.accept_dad=0",
        ]))?;
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// A process in it, by which the system knows it.
    pub fn process(&self) -> u32 {
        self.holder.id()
    }

    /// Programs that are run here from now on read this file as `/etc/hosts`.
    pub fn name_by(&mut self, hosts: PathBuf) {
        self.hosts = Some(hosts);
    }

    /// A command that runs a program here.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", path_of(&self.holder).display())).arg("--");
        if let Some(hosts) = &self.hosts {
            let bound = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
            command.args(["unshare", "--mount", "--", "sh", "-c", bound]).arg(hosts);
        }
        command.arg(program);
        command
    }

    /// Runs ip(8) here with these words.
    ///
    /// # Errors
    /// With what it said.
    pub fn ip(&self, words: &str) -> Result<(), Trouble> {
        run(self.command("ip").args(words.split_whitespace())).map(drop)
    }

    /// Gives nft(8) these rules.
    ///
    /// # Errors
    /// With what it said.
    pub fn nft(&self, rules: &str) -> Result<(), Trouble> {
        let mut command = self.command("nft");
        let mut nft = command
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|source| Trouble::Start { program: "nft".to_owned(), source })?;
        if let Some(mut stdin) = nft.stdin.take() {
            stdin.write_all(rules.as_bytes()).map_err(reading("writing rules"))?;
        }
        let status = nft.wait().map_err(reading("waiting for nft"))?;
        status.success().then_some(()).ok_or_else(|| Trouble::Unexpected(format!("nft: {status}: {rules}")))
    }

    /// Does something in it: a socket opened there stays there.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn within<T: Send>(&self, doing: impl FnOnce() -> T + Send) -> Result<T, Trouble> {
        let namespace = File::open(path_of(&self.holder)).map_err(reading("opening a network namespace"))?;
        // Only a thread can change its namespace alone; it ends here, so nothing else is ever in the wrong one.
        let outcome = std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
                Ok::<T, rustix::io::Errno>(doing())
            });
            inside.join()
        });
        match outcome {
            Ok(done) => done.map_err(io::Error::from).map_err(reading("entering a network namespace")),
            Err(_) => Err(Trouble::Unexpected("a thread in a network namespace panicked".to_owned())),
        }
    }
}

/// A wire between two namespaces: at each end the interface's name and its address with the prefix's length.
///
/// # Errors
/// With what ip(8) said.
pub fn wire(
    (one, one_name, one_address): (&Namespace, &str, &str),
    (other, other_name, other_address): (&Namespace, &str, &str),
) -> Result<(), Trouble> {
    let process = other.process();
    one.ip(&format!("link add {one_name} type veth peer name {other_name} netns {process}"))?;
    for (end, name, address) in [(one, one_name, one_address), (other, other_name, other_address)] {
        end.ip(&format!("address add {address} dev {name}"))?;
        end.ip(&format!("link set {name} up"))?;
    }
    Ok(())
}

fn path_of(program: &Program) -> PathBuf {
    PathBuf::from(format!("/proc/{}/ns/net", program.id()))
}
