//! A name server that knows a few names, asked over TCP (RFC 1035 section 4.2.2), as Pebble does.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crate::{Trouble, error};

/// How long somebody who asks may take.
const LIMIT: Duration = Duration::from_secs(10);
const HEADER_BYTES: usize = 12;
/// An answer to a question that the server was asked to look into, which it did.
const ANSWER: u16 = 0x8180;
/// There is no such name.
const NO_NAME: u16 = 3;
/// Type A, class IN.
const ADDRESS: [u8; 4] = [0, 1, 0, 1];

/// A running name server. Ends with the value.
pub struct NameServer {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl NameServer {
    /// One that knows these names and no other, on loopback.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(names: &[(&str, Ipv4Addr)]) -> Result<Self, Trouble> {
        let listening = || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            Ok::<_, io::Error>((listener.local_addr()?, listener))
        };
        let (address, listener) = listening().map_err(error::io("opening a name server"))?;
        let known: HashMap<String, Ipv4Addr> = names.iter().map(|(name, ip)| ((*name).to_owned(), *ip)).collect();
        let ends = Arc::new(AtomicBool::new(false));
        let has_ended = ends.clone();
        let serving = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if has_ended.load(Ordering::SeqCst) {
                    return;
                }
                // Whoever hangs up has heard enough.
                let _ = answer_all(stream, &known);
            }
        });
        Ok(Self { address, ends, serving: Some(serving) })
    }

    /// Where it is.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        // Wakes it up to see that; from another network namespace it is not reached, and ends with the test.
        let is_woken = TcpStream::connect(self.address).is_ok();
        if let Some(serving) = self.serving.take().filter(|_| is_woken) {
            let _ = serving.join();
        }
    }
}

fn answer_all(mut stream: TcpStream, known: &HashMap<String, Ipv4Addr>) -> io::Result<()> {
    stream.set_read_timeout(Some(LIMIT))?;
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut question)?;
        let Some(answer) = answer(&question, known) else { return Ok(()) };
        stream.write_all(&u16::try_from(answer.len()).unwrap_or(u16::MAX).to_be_bytes())?;
        stream.write_all(&answer)?;
    }
}

/// The question with its answer behind; none for what is no question.
fn answer(message: &[u8], known: &HashMap<String, Ipv4Addr>) -> Option<Vec<u8>> {
    let (name, name_bytes) = read_name(message.get(HEADER_BYTES..)?)?;
    let question = message.get(HEADER_BYTES..HEADER_BYTES + name_bytes + ADDRESS.len())?;
    let ip = known.get(&name);
    let found = ip.filter(|_| question.ends_with(&ADDRESS));
    let flags = ANSWER | if ip.is_none() { NO_NAME } else { 0 };
    let counts = [1, u16::from(found.is_some()), 0, 0];
    let mut answer = message.get(..2)?.to_vec();
    answer.extend(flags.to_be_bytes());
    answer.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
    answer.extend(question);
    if let Some(ip) = found {
        // The name as a pointer to the question, one second to live, four bytes of address.
        answer.extend([0xC0, 12]);
        answer.extend(ADDRESS);
        answer.extend([0, 0, 0, 1, 0, 4]);
        answer.extend(ip.octets());
    }
    Some(answer)
}

/// A name in small letters, and how many bytes it took.
fn read_name(mut bytes: &[u8]) -> Option<(String, usize)> {
    let whole = bytes.len();
    let mut labels = Vec::new();
    loop {
        let (length, rest) = bytes.split_first()?;
        let length = usize::from(*length);
        if length == 0 {
            return Some((labels.join("."), whole - rest.len()));
        }
        labels.push(String::from_utf8_lossy(rest.get(..length)?).to_ascii_lowercase());
        bytes = rest.get(length..)?;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn question(name: &str, kind: u8) -> Vec<u8> {
        let mut message = vec![7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(label.len() as u8);
            message.extend(label.as_bytes());
        }
        message.extend([0, 0, kind, 0, 1]);
        message
    }

    #[test]
    fn a_known_name_has_an_address_and_nothing_else_and_an_unknown_one_is_none() {
        let known = HashMap::from([("rooms.example".to_owned(), Ipv4Addr::new(127, 0, 0, 5))]);
        let found = answer(&question("Rooms.example", 1), &known).unwrap();
        assert_eq!((&found[..4], found[7]), (&[7, 9, 0x81, 0x80][..], 1));
        assert!(found.ends_with(&[0, 4, 127, 0, 0, 5]));
        let no_such_kind = answer(&question("rooms.example", 28), &known).unwrap();
        assert_eq!((no_such_kind[3], no_such_kind[7]), (0x80, 0));
        let unknown = answer(&question("other.example", 1), &known).unwrap();
        assert_eq!((unknown[3], unknown[7]), (0x83, 0));
        assert_eq!(answer(&[1, 2, 3], &known), None);
    }
}
