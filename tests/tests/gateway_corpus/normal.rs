//! The normal form of a request that the gateway forwards: its line, its headers in order, its body, joined by ` | `.
//! What the gateway says of the way it came must be there and true, and is left out.

use std::net::SocketAddr;

use tests::message::Message;

/// Headers by which the gateway tells of the way a request came.
const WAY: [&str; 6] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-request-id",
];

/// The normal form.
///
/// # Errors
/// When what the gateway says of the way is not true.
pub fn normal(message: &Message) -> Result<String, String> {
    way(message)?;
    let rest = |(name, value): &(String, String)| match &**name {
        name if WAY.contains(&name) => None,
        "host" if is_upstreams(value) => Some("host: the upstream's".to_owned()),
        name => Some(format!("{name}: {value}")),
    };
    let mut headers: Vec<_> = message.headers.iter().filter_map(rest).collect();
    headers.sort();
    let mut parts = vec![message.start.clone()];
    parts.extend(headers);
    if !message.body.is_empty() {
        parts.push(message.body.escape_ascii().to_string());
    }
    parts.extend(message.trailers.iter().map(|(name, value)| format!("trailer {name}: {value}")));
    Ok(parts.join(" | "))
}

/// A client on 127.0.0.1 whom nobody trusts came over plain HTTP.
fn way(message: &Message) -> Result<(), String> {
    let hosts = message.values("host");
    let named = message.values("x-forwarded-host");
    // For who names no host the upstream's own is made up, of which nothing is told.
    let listed = match &named[..] {
        [] if hosts.len() == 1 && is_upstreams(hosts[0]) => "for=127.0.0.1;proto=http".to_owned(),
        [host] if hosts == [*host] => format!("for=127.0.0.1;host=\"{host}\";proto=http"),
        _ => return Err(format!("x-forwarded-host is {named:?}")),
    };
    let is = |name: &str, expected: &[&str]| {
        let found = message.values(name);
        if found == expected { Ok(()) } else { Err(format!("{name} is {found:?}")) }
    };
    is("forwarded", &[&listed])?;
    is("x-forwarded-for", &["127.0.0.1"])?;
    is("x-forwarded-proto", &["http"])?;
    let is_number = |text: &str| text.parse::<u16>().is_ok();
    let is_word =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match (&message.values("x-forwarded-port")[..], &message.values("x-request-id")[..]) {
        ([port], [id]) if is_number(port) && !id.is_empty() && is_word(id) => Ok(()),
        other => Err(format!("port and id are {other:?}")),
    }
}

/// Whether a host is the address of the recording upstream, which no case names.
fn is_upstreams(host: &str) -> bool {
    host.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback())
}
