//! Firefox's own remote protocol, as much of it as the tests use: WebDriver's commands as JSON over one TCP connection
//! (<https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html>). Debian packages no WebDriver for
//! Firefox.

use std::{
    cell::RefCell,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{Trouble, error::io};

const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// A number of bytes has no more digits than this.
const LENGTH_DIGITS: usize = 9;
/// The kind of a message: a command.
const COMMAND: u8 = 0;

/// A session, which is all that a connection is good for.
pub struct Marionette {
    connection: RefCell<Connection>,
}

struct Connection {
    stream: TcpStream,
    last: u64,
}

impl Marionette {
    /// Begins one over a connection to the browser that was just made. Certificates that nobody knows are taken.
    ///
    /// # Errors
    /// When the browser refuses or says nothing.
    pub fn begin(stream: TcpStream) -> Result<Self, Trouble> {
        stream.set_read_timeout(Some(ANSWER_LIMIT)).map_err(io("a limit for Firefox"))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT)).map_err(io("a limit for Firefox"))?;
        let mut connection = Connection { stream, last: 0 };
        let greeting = connection.read()?;
        if greeting["marionetteProtocol"] != 3 {
            return Err(Trouble::Unexpected(format!("Firefox says {greeting}")));
        }
        let session = Self { connection: RefCell::new(connection) };
        session.command("WebDriver:NewSession", &json!({ "acceptInsecureCerts": true }))?;
        Ok(session)
    }

    /// Opens a page and waits until it is loaded.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub fn open(&self, url: &str) -> Result<(), Trouble> {
        self.command("WebDriver:Navigate", &json!({ "url": url })).map(drop)
    }

    /// Runs JavaScript in the page and gives what it returns.
    ///
    /// # Errors
    /// When the script throws or the browser does not answer.
    pub fn run(&self, script: &str, arguments: &[Value]) -> Result<Value, Trouble> {
        let mut answer = self
            .command("WebDriver:ExecuteScript", &json!({ "script": script, "args": arguments, "newSandbox": false }))?;
        Ok(answer["value"].take())
    }

    fn command(&self, name: &str, parameters: &Value) -> Result<Value, Trouble> {
        let mut connection = self.connection.borrow_mut();
        connection.last += 1;
        let number = connection.last;
        connection.write(&json!([COMMAND, number, name, parameters]))?;
        let mut answer = connection.read()?;
        if answer[1] != number {
            return Err(Trouble::Unexpected(format!("{name}: an answer to something else: {answer}")));
        }
        let field = |error: &Value, field: &str| error[field].as_str().unwrap_or_default().to_owned();
        match answer[2].take() {
            Value::Null => Ok(answer[3].take()),
            error => Err(Trouble::Driver { code: field(&error, "error"), message: field(&error, "message") }),
        }
    }
}

impl Connection {
    fn write(&mut self, message: &Value) -> Result<(), Trouble> {
        let text = message.to_string();
        self.stream.write_all(format!("{}:{text}", text.len()).as_bytes()).map_err(io("asking Firefox"))
    }

    fn read(&mut self) -> Result<Value, Trouble> {
        read_message(&mut self.stream)
    }
}

/// `LENGTH:JSON`.
fn read_message(stream: &mut impl Read) -> Result<Value, Trouble> {
    let unreadable = |what: String| Trouble::Unexpected(format!("Firefox: {what}"));
    let mut digits = Vec::new();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).map_err(io("hearing from Firefox"))?;
        match byte[0] {
            b':' => break,
            digit if digit.is_ascii_digit() && digits.len() < LENGTH_DIGITS => digits.push(digit),
            other => return Err(unreadable(format!("a length with {:?} in it", char::from(other)))),
        }
    }
    let length = String::from_utf8_lossy(&digits).parse().map_err(|_| unreadable("no length".to_owned()))?;
    let mut text = vec![0; length];
    stream.read_exact(&mut text).map_err(io("hearing from Firefox"))?;
    serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn messages_follow_each_other_by_their_lengths() {
        let mut stream = &b"4:null13:[1,2,null,{}]"[..];
        assert_eq!(read_message(&mut stream).unwrap(), Value::Null);
        assert_eq!(read_message(&mut stream).unwrap(), json!([1, 2, null, {}]));
        for wrong in [&b""[..], b"x:null", b"5:null", b":", b"12345678901:"] {
            assert!(read_message(&mut &wrong[..]).is_err(), "{wrong:?}");
        }
    }
}
