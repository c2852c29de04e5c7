//! HTTP/1.1 messages, read without any leniency: what is not exactly as the standard has it is told, not repaired.
//! Pure.
//!
//! This is how a test sees whether a gateway says something that two readers could read differently.

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The request or status line.
    pub start: String,
    /// As they came; bytes beyond ASCII as Latin-1.
    pub headers: Vec<(String, String)>,
    /// Without chunks.
    pub body: Vec<u8>,
    /// What followed the last chunk.
    pub trailers: Vec<(String, String)>,
}

/// What some bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// More are needed.
    More,
    /// A message, in as many bytes.
    Whole(Message, usize),
    /// Nothing that may be sent.
    Odd(String),
}

/// How the end of a body is found.
#[derive(Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
    UntilEnd,
}

impl Message {
    /// The values of the headers of this name, in lower case.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        lines.map(|(_, value)| &**value).collect()
    }

    /// What a request asks for: the second word of its line.
    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// The status of a response; 0 for anything else.
    pub fn status(&self) -> u16 {
        self.target().parse().unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Reads a request. Source: RFC 9112, sections 3 to 7.
pub fn request(bytes: &[u8]) -> Reading {
    let is_line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        words.len() == 3 && !words[0].is_empty() && !words[1].is_empty() && words[2] == "HTTP/1.1"
    };
    read(bytes, is_line, |_| Framing::Length(0), true, false)
}

/// Reads a response to HEAD or another method; `is_over` says that no more bytes will come.
pub fn response(bytes: &[u8], is_to_head: bool, is_over: bool) -> Reading {
    let is_line = |line: &str| {
        let status = line.strip_prefix("HTTP/1.1 ").or_else(|| line.strip_prefix("HTTP/1.0 "));
        status.is_some_and(|rest| {
            rest.as_bytes().get(3) == Some(&b' ') && rest[..3].parse::<u16>().is_ok()
        })
    };
    let default = |line: &str| match &line[9..12] {
        "204" | "304" => Framing::Length(0),
        status if status.starts_with('1') => Framing::Length(0),
        _ => Framing::UntilEnd,
    };
    read(bytes, is_line, default, !is_to_head, is_over)
}

fn read(
    bytes: &[u8],
    is_line: impl Fn(&str) -> bool,
    default: impl Fn(&str) -> Framing,
    may_have_body: bool,
    is_over: bool,
) -> Reading {
    let Some((lines, start)) = lines(bytes) else { return Reading::More };
    let (line, rest) = lines.split_first().expect("a text has a line");
    if !is_line(line) {
        return Reading::Odd(format!("first line {line:?}"));
    }
    let headers = match headers(rest) {
        Ok(headers) => headers,
        Err(why) => return Reading::Odd(why),
    };
    let mut message =
        Message { start: line.clone(), headers, body: Vec::new(), trailers: Vec::new() };
    let framing = match framing(&message) {
        _ if !may_have_body => Framing::Length(0),
        // Without a body whatever the headers say. Source: RFC 9112, section 6.3.
        Ok(_) if matches!(message.status(), 100..200 | 204 | 304) => Framing::Length(0),
        Ok(framing) => framing.unwrap_or_else(|| default(line)),
        Err(why) => return Reading::Odd(why),
    };
    match body(&mut message, &bytes[start..], framing, is_over) {
        Ok(Some(length)) => Reading::Whole(message, start + length),
        Ok(None) => Reading::More,
        Err(why) => Reading::Odd(why),
    }
}

/// The lines of a head, and how long it is.
fn lines(bytes: &[u8]) -> Option<(Vec<String>, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text: String = bytes[..end].iter().map(|byte| char::from(*byte)).collect();
    Some((text.split("\r\n").map(str::to_owned).collect(), end + 4))
}

fn headers(lines: &[String]) -> Result<Vec<(String, String)>, String> {
    let is_token = |name: &str| {
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !name.is_empty() && name.bytes().all(is_fine)
    };
    let header = |line: &String| {
        let (name, value) = line.split_once(':')?;
        let value = value.strip_prefix(' ').unwrap_or(value);
        let is_fine = |character: char| character == '\t' || !character.is_ascii_control();
        (is_token(name) && value.trim() == value && value.chars().all(is_fine))
            .then(|| (name.to_owned(), value.to_owned()))
    };
    let read = |line: &String| header(line).ok_or_else(|| format!("header line {line:?}"));
    lines.iter().map(read).collect()
}

fn framing(message: &Message) -> Result<Option<Framing>, String> {
    let codings = message.values("transfer-encoding");
    let lengths = message.values("content-length");
    match (&codings[..], &lengths[..]) {
        ([], []) => Ok(None),
        (["chunked"], []) => Ok(Some(Framing::Chunked)),
        ([], [length]) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            length.parse().map(|length| Some(Framing::Length(length))).map_err(|_| (*length).into())
        }
        _ => Err(format!("framing by {codings:?} and {lengths:?}")),
    }
}

/// Reads a body into a message; gives how long it is once all is there.
fn body(
    message: &mut Message,
    bytes: &[u8],
    framing: Framing,
    is_over: bool,
) -> Result<Option<usize>, String> {
    let length = match framing {
        Framing::Chunked => return chunks(message, bytes),
        Framing::UntilEnd if is_over => bytes.len(),
        Framing::Length(length) if length <= bytes.len() => length,
        Framing::Length(_) | Framing::UntilEnd => return Ok(None),
    };
    message.body = bytes[..length].to_vec();
    Ok(Some(length))
}

fn chunks(message: &mut Message, bytes: &[u8]) -> Result<Option<usize>, String> {
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
        let line = String::from_utf8_lossy(&rest[..end]);
        let is_hexadecimal = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = usize::from_str_radix(&line, 16).ok().filter(|_| is_hexadecimal);
        let size = size.ok_or_else(|| format!("chunk size {line:?}"))?;
        at += end + 2;
        if size == 0 {
            return trailers(message, bytes, at);
        }
        let Some(chunk) = bytes.get(at..at + size + 2) else { return Ok(None) };
        let Some(chunk) = chunk.strip_suffix(b"\r\n") else {
            return Err("chunk without an end".to_owned());
        };
        message.body.extend_from_slice(chunk);
        at += size + 2;
    }
}

/// Reads what follows the last chunk, at `at`.
fn trailers(message: &mut Message, bytes: &[u8], at: usize) -> Result<Option<usize>, String> {
    let rest = &bytes[at..];
    if rest.starts_with(b"\r\n") {
        return Ok(Some(at + 2));
    }
    let Some((lines, length)) = lines(rest) else { return Ok(None) };
    message.trailers = headers(&lines)?;
    Ok(Some(at + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_request(bytes: &str, body: Option<&str>) {
        match (request(bytes.as_bytes()), body) {
            (Reading::Whole(message, length), Some(body)) => {
                assert_eq!((message.text().as_str(), length), (body, bytes.len()));
            }
            (Reading::Odd(_), None) => {}
            (reading, _) => panic!("{bytes:?}: {reading:?}"),
        }
    }

    #[test]
    fn a_request_is_read_to_its_end() {
        check_request("GET / HTTP/1.1\r\nhost: a\r\n\r\n", Some(""));
        check_request("POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi", Some("hi"));
        let chunked =
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\na: b\r\n\r\n";
        check_request(chunked, Some("hi"));
        assert_eq!(request(&chunked.as_bytes()[..chunked.len() - 1]), Reading::More);
    }

    #[test]
    fn nothing_is_repaired() {
        for head in [
            "GET / HTTP/1.0",
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1\r\na : b",
            "GET / HTTP/1.1\r\na: b\n c",
            "GET / HTTP/1.1\r\na:  b",
            "GET / HTTP/1.1\r\ncontent-length: +1",
            "GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 1",
            "GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 1",
        ] {
            check_request(&format!("{head}\r\n\r\n"), None);
        }
        check_request("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n+2\r\nhi\r\n", None);
    }

    #[test]
    fn a_response_may_end_with_its_connection() {
        let bytes = b"HTTP/1.0 200 OK\r\n\r\nhi";
        assert_eq!(response(bytes, false, false), Reading::More);
        let Reading::Whole(message, _) = response(bytes, false, true) else { panic!("it is one") };
        assert_eq!((message.status(), message.text().as_str()), (200, "hi"));
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
        assert!(matches!(response(head, true, false), Reading::Whole(_, 38)));
    }
}
