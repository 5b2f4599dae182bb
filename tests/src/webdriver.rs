//! W3C WebDriver spoken over plain HTTP, as much of it as the tests use (<https://www.w3.org/TR/webdriver2/>).

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{Trouble, error::io};

/// The key under which an element reference stands in JSON (WebDriver, section 12.1 "web element identifier").
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Starting the app under test is part of it.
const NEW_SESSION_LIMIT: Duration = Duration::from_secs(90);

/// A reference to an element of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element(String);

/// How the driver is reached: it may listen in a network namespace of its own.
pub type Dial = Box<dyn Fn() -> Result<TcpStream, Trouble>>;

/// A session with a driver. Every call has a limit.
pub struct Session {
    dial: Dial,
    id: String,
}

/// A port of this computer that is free now.
///
/// # Errors
/// When none can be had.
pub fn free_port() -> Result<u16, Trouble> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(io("looking for a free port"))?;
    listener.local_addr().map(|address| address.port()).map_err(io("looking for a free port"))
}

impl Session {
    /// Asks WebKitGTK's driver to start a program and to take over its web view.
    ///
    /// # Errors
    /// When the driver refuses, or the program does not come up in time.
    pub fn new(address: SocketAddr, binary: &str, arguments: &[String]) -> Result<Self, Trouble> {
        let options = json!({ "binary": binary, "args": arguments });
        Self::with(Box::new(move || connect(address)), &json!({ "webkitgtk:browserOptions": options }))
    }

    /// Asks any driver for a session with these capabilities.
    ///
    /// # Errors
    /// When the driver refuses, or the program does not come up in time.
    pub fn with(dial: Dial, capabilities: &Value) -> Result<Self, Trouble> {
        let ask = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let value = request(&dial, "POST", "/session", Some(&ask), NEW_SESSION_LIMIT)?;
        let id = value["sessionId"].as_str().map(str::to_owned);
        id.map(|id| Self { dial, id }).ok_or_else(|| Trouble::Unexpected(format!("no session in {value}")))
    }

    /// Opens a page and waits until it is loaded.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub fn open(&self, url: &str) -> Result<(), Trouble> {
        self.post("url", &json!({ "url": url })).map(|_| ())
    }

    /// Runs JavaScript that calls its last argument with what it gives.
    ///
    /// # Errors
    /// When the script throws, never calls it, or the driver does not answer.
    pub fn run_until_called(&self, script: &str, arguments: &[Value]) -> Result<Value, Trouble> {
        self.post("execute/async", &json!({ "script": script, "args": arguments }))
    }

    /// Runs JavaScript in the page and gives what it returns.
    ///
    /// # Errors
    /// When the script throws or the driver does not answer.
    pub fn run(&self, script: &str, arguments: &[Value]) -> Result<Value, Trouble> {
        self.post("execute/sync", &json!({ "script": script, "args": arguments }))
    }

    /// The same for a script that returns an element or null.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn find_by(&self, script: &str, arguments: &[Value]) -> Result<Option<Element>, Trouble> {
        let value = self.run(script, arguments)?;
        Ok(value[ELEMENT].as_str().map(|id| Element(id.to_owned())))
    }

    /// Waits until what the page says now has been drawn; a busy machine draws late. A page at rest may never draw
    /// again, so half a second is enough.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub fn until_drawn(&self) -> Result<(), Trouble> {
        let script = "const done = arguments[0]; setTimeout(done, 500); \
            requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50)))";
        self.run_until_called(script, &[]).map(|_| ())
    }

    /// Clicks an element as a mouse would.
    ///
    /// # Errors
    /// When something covers it, or it is gone.
    pub fn click(&self, element: &Element) -> Result<(), Trouble> {
        self.post(&format!("element/{}/click", element.0), &json!({})).map(|_| ())
    }

    /// Types into an element as a keyboard would.
    ///
    /// # Errors
    /// When it takes no keys, or is gone.
    pub fn type_into(&self, element: &Element, text: &str) -> Result<(), Trouble> {
        self.post(&format!("element/{}/value", element.0), &json!({ "text": text })).map(|_| ())
    }

    /// Presses and releases keys, one after the other, wherever the focus is.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn press(&self, keys: &str) -> Result<(), Trouble> {
        let presses = keys.chars().flat_map(|key| {
            let press = |kind: &str| json!({ "type": kind, "value": key });
            [press("keyDown"), press("keyUp")]
        });
        let actions: Vec<Value> = presses.collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.post("actions", &json!({ "actions": [keyboard] })).map(|_| ())
    }

    /// Ends the session and the program under test.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub fn end(&self) -> Result<(), Trouble> {
        request(&self.dial, "DELETE", &format!("/session/{}", self.id), None, ANSWER_LIMIT).map(|_| ())
    }

    fn post(&self, what: &str, body: &Value) -> Result<Value, Trouble> {
        request(&self.dial, "POST", &self.path(what), Some(body), ANSWER_LIMIT)
    }

    fn path(&self, what: &str) -> String {
        format!("/session/{}/{what}", self.id)
    }
}

/// Connects to a driver that listens here.
///
/// # Errors
/// When nobody listens.
pub fn connect(address: SocketAddr) -> Result<TcpStream, Trouble> {
    TcpStream::connect_timeout(&address, CONNECT_LIMIT).map_err(io(format!("connecting to {address}")))
}

fn request(dial: &Dial, method: &str, path: &str, body: Option<&Value>, limit: Duration) -> Result<Value, Trouble> {
    let doing = || format!("{method} {path}");
    let mut stream = dial()?;
    stream.set_read_timeout(Some(limit)).map_err(io(doing()))?;
    stream.set_write_timeout(Some(limit)).map_err(io(doing()))?;
    let body = body.map_or_else(String::new, Value::to_string);
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).map_err(io(doing()))?;
    let answer = read_answer(&mut stream).map_err(io(doing()))?;
    value_of(&answer).ok_or_else(|| Trouble::Unexpected(format!("{}: an answer that is none", doing())))?
}

/// Until all that was announced is there: Chromium's driver leaves the connection open, whatever it was asked.
fn read_answer(stream: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let (mut answer, mut buffer) = (Vec::new(), [0; 4_096]);
    while !is_whole(&answer) {
        match stream.read(&mut buffer)? {
            0 => break,
            length => answer.extend_from_slice(&buffer[..length]),
        }
    }
    Ok(answer)
}

/// Header names are of any case (RFC 9110 section 5.1).
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| answer.len() >= end + 4 + length)
}

/// The JSON `value` of an HTTP answer, or the driver's error.
fn value_of(answer: &[u8]) -> Option<Result<Value, Trouble>> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let succeeded = head.split_whitespace().nth(1)? == "200";
    let mut value: Value = serde_json::from_str(body).ok()?;
    let value = value.get_mut("value")?.take();
    let field = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    Some(if succeeded { Ok(value) } else { Err(Trouble::Driver { code: field("error"), message: field("message") }) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_it_says_also_on_a_connection_that_stays_open() {
        let mut open = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnull".chain(std::io::repeat(b' '));
        assert!(read_answer(&mut open).is_ok_and(|answer| answer.starts_with(b"HTTP") && is_whole(&answer)));
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnul"));
    }

    #[test]
    fn an_answer_is_a_value_or_the_drivers_error() {
        let good = value_of(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"value\":[1]}");
        assert!(matches!(good, Some(Ok(value)) if value == json!([1])));
        let bad =
            value_of(b"HTTP/1.1 404 Not Found\r\n\r\n{\"value\":{\"error\":\"no such element\",\"message\":\"gone\"}}");
        assert!(matches!(bad, Some(Err(Trouble::Driver { code, .. })) if code == "no such element"));
        assert!(value_of(b"HTTP/1.1 200 OK\r\n\r\nnot json").is_none());
    }
}
