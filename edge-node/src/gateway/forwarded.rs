//! What upstreams are told of the way a request came: `Forwarded`, `X-Forwarded-*` and
//! `X-Request-Id`. What a client says of it is believed only of trusted proxies.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use super::head;

pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Headers beside `Forwarded` and `X-Forwarded-*` in which proxies tell the client's address, and which frameworks
/// take for it.
const CLIENT_ADDRESS: [&str; 6] = [
    "cf-connecting-ip",
    "client-ip",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-real-ip",
];

/// Bytes of a client's request id at most.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// What is the same for every request of a connection, made with the first one.
#[derive(Default)]
pub struct Via {
    peer: Option<HeaderValue>,
    port: Option<HeaderValue>,
    /// The last `Forwarded` element, and the host it is for.
    element: Option<(Option<HeaderValue>, HeaderValue)>,
}

/// How a request came.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    /// Who is at the other end of the connection.
    pub peer: IpAddr,
    /// True for TLS.
    pub is_secure: bool,
    /// The host that was asked, valid.
    pub host: Option<&'a HeaderValue>,
    /// Where the connection was taken.
    pub listener: SocketAddr,
    /// The proxies that are believed.
    pub trusted: &'a [IpNet],
}

impl Way<'_> {
    /// True if the peer is a proxy that is believed.
    pub fn is_trusted(&self) -> bool {
        is_trusted(self.trusted, self.peer.to_canonical())
    }
}

impl Via {
    /// Sets the headers that tell of the way: after what a trusted proxy said, else in its place. Of what anybody else
    /// said nothing is left, be it in a header that is not set here.
    pub fn tell(&mut self, way: Way<'_>, headers: &mut HeaderMap) {
        let peer = self.peer.get_or_insert_with(|| text(&way.peer.to_canonical().to_string()));
        let peer = peer.clone();
        let element = self.element(way);
        if way.is_trusted() {
            append(headers, X_FORWARDED_FOR, &peer);
            append(headers, FORWARDED, &element);
            for (name, value) in self.rest(way) {
                if let (Some(value), false) = (value, headers.contains_key(&name)) {
                    headers.insert(name, value);
                }
            }
        } else {
            head::take_away(headers, tells_of_the_way);
            headers.insert(X_FORWARDED_FOR, peer);
            headers.insert(FORWARDED, element);
            for (name, value) in self.rest(way) {
                if let Some(value) = value {
                    headers.insert(name, value);
                }
            }
        }
    }

    fn rest(&mut self, way: Way<'_>) -> [(HeaderName, Option<HeaderValue>); 3] {
        let port = self.port.get_or_insert_with(|| text(&way.listener.port().to_string()));
        let proto = HeaderValue::from_static(if way.is_secure { "https" } else { "http" });
        [
            (X_FORWARDED_PROTO, Some(proto)),
            (X_FORWARDED_HOST, way.host.cloned()),
            (X_FORWARDED_PORT, Some(port.clone())),
        ]
    }

    /// Source: RFC 7239, section 4; IPv6 addresses stand in brackets and quotes (section 6).
    fn element(&mut self, way: Way<'_>) -> HeaderValue {
        if let Some((host, element)) = &self.element
            && host.as_ref() == way.host
        {
            return element.clone();
        }
        let mut element = match way.peer.to_canonical() {
            IpAddr::V4(address) => format!("for={address}"),
            IpAddr::V6(address) => format!("for=\"[{address}]\""),
        };
        if let Some(host) = way.host.and_then(|host| host.to_str().ok()) {
            // A valid host has neither a quote nor a backslash.
            let _ = write!(element, ";host=\"{host}\"");
        }
        element.push_str(if way.is_secure { ";proto=https" } else { ";proto=http" });
        let element = text(&element);
        // A copy: the header value would keep the whole buffer that the request was read into.
        let host = way.host.and_then(|host| HeaderValue::from_bytes(host.as_bytes()).ok());
        self.element = Some((host, element.clone()));
        element
    }
}

/// Who a client is by address: of what came by trusted proxies, the last address that none of them has.
pub fn client_address(peer: IpAddr, trusted: &[IpNet], headers: &HeaderMap) -> IpAddr {
    let mut client = peer.to_canonical();
    if !is_trusted(trusted, client) {
        return client;
    }
    let lists: Vec<_> = headers.get_all(X_FORWARDED_FOR).iter().collect();
    for list in lists.iter().rev() {
        // By bytes: a word that is no text must not hide the ones behind it.
        for word in list.as_bytes().rsplit(|byte| *byte == b',') {
            let word = std::str::from_utf8(word.trim_ascii());
            let Some(address) = word.ok().and_then(|word| word.parse::<IpAddr>().ok()) else {
                return client;
            };
            client = address.to_canonical();
            if !is_trusted(trusted, client) {
                return client;
            }
        }
    }
    client
}

fn is_trusted(trusted: &[IpNet], address: IpAddr) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// Whether a header tells of the way a request came, or is read so by some upstream: `X-Forwarded-Prefix`, `-Ssl` or
/// `-User` as well as those that are set here.
pub fn tells_of_the_way(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("x-forwarded") || name == "forwarded" || CLIENT_ADDRESS.contains(&name)
}

/// A header value of text that we made.
fn text(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_not_ascii| HeaderValue::from_static("unknown"))
}

/// Adds to a list: in one line, as some servers read only the first or the last.
fn append(headers: &mut HeaderMap, name: HeaderName, value: &HeaderValue) {
    let mut all = Vec::new();
    for known in headers.get_all(&name) {
        all.extend_from_slice(known.as_bytes());
        all.extend_from_slice(b", ");
    }
    all.extend_from_slice(value.as_bytes());
    let all = HeaderValue::from_maybe_shared(bytes::Bytes::from(all));
    headers.insert(name, all.unwrap_or_else(|_unjoinable| value.clone()));
}

/// The id by which a request is found in logs: that of a trusted proxy, if it is a plain word, else what `make` makes.
pub fn request_id(
    headers: &mut HeaderMap,
    is_trusted: bool,
    make: impl FnOnce() -> HeaderValue,
) -> HeaderValue {
    let is_plain = |id: &HeaderValue| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=@".contains(byte);
        (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.as_bytes().iter().all(plain)
    };
    let mut given = headers.get_all(X_REQUEST_ID).iter();
    if let (true, Some(id), None) = (is_trusted, given.next(), given.next())
        && is_plain(id)
    {
        return id.clone();
    }
    let id = make();
    headers.insert(X_REQUEST_ID, id.clone());
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What headers become; `headers` and the result are `name: value` lines.
    fn told(peer: &str, trusted: &str, headers: &[(&'static str, &str)]) -> Vec<String> {
        let host = HeaderValue::from_static("a.example:80");
        let trusted = [trusted.parse().unwrap()];
        let way = Way {
            peer: peer.parse().unwrap(),
            is_secure: true,
            host: Some(&host),
            listener: "0.0.0.0:8443".parse().unwrap(),
            trusted: &trusted,
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Via::default().tell(way, &mut map);
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        let mut lines: Vec<_> = map.iter().map(line).collect();
        lines.sort();
        lines
    }

    #[test]
    fn what_an_untrusted_client_says_is_replaced() {
        let said = [
            ("x-forwarded-for", "1.1.1.1"),
            ("forwarded", "for=1.1.1.1"),
            ("x-forwarded-port", "1"),
            ("x-forwarded-prefix", "/admin"),
            ("x-forwarded-client-cert", "Subject=\"CN=root\""),
            ("x-forwarded", "for=1.1.1.1"),
            ("x-real-ip", "1.1.1.1"),
            ("true-client-ip", "1.1.1.1"),
        ];
        assert_eq!(
            told("::ffff:10.0.0.1", "192.168.0.0/16", &said),
            [
                "forwarded: for=10.0.0.1;host=\"a.example:80\";proto=https",
                "x-forwarded-for: 10.0.0.1",
                "x-forwarded-host: a.example:80",
                "x-forwarded-port: 8443",
                "x-forwarded-proto: https",
            ]
        );
    }

    #[test]
    fn what_a_trusted_proxy_says_is_added_to() {
        let said = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-prefix", "/shop"),
            ("x-real-ip", "1.1.1.1"),
        ];
        assert_eq!(
            told("2001:db8::1", "2001:db8::/32", &said),
            [
                "forwarded: for=\"[2001:db8::1]\";host=\"a.example:80\";proto=https",
                "x-forwarded-for: 1.1.1.1, 2.2.2.2, 2001:db8::1",
                "x-forwarded-host: a.example:80",
                "x-forwarded-port: 8443",
                "x-forwarded-prefix: /shop",
                "x-forwarded-proto: http",
                "x-real-ip: 1.1.1.1",
            ]
        );
    }

    #[test]
    fn a_client_is_the_last_address_that_no_trusted_proxy_has() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        for (peer, lists, expected) in [
            ("::ffff:11.0.0.1", &[&b"1.1.1.1"[..]][..], "11.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[b"1.1.1.1, 2.2.2.2", b"10.0.0.2,10.0.0.3"], "2.2.2.2"),
            ("10.0.0.1", &[b"1.1.1.1, nobody, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[b"1.1.1.1", b"\xff, 2.2.2.2"], "2.2.2.2"),
            ("10.0.0.1", &[b"1.1.1.1", b"\xff"], "10.0.0.1"),
        ] {
            let line = |list: &&[u8]| (X_FORWARDED_FOR, HeaderValue::from_bytes(list).unwrap());
            let mut headers = HeaderMap::new();
            headers.extend(lists.iter().map(line));
            let client = client_address(peer.parse().unwrap(), &trusted, &headers);
            assert_eq!(client.to_string(), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_request_keeps_the_plain_id_of_a_trusted_proxy_and_gets_one_for_any_other() {
        for (given, is_trusted, is_kept) in [
            ("abc-1", true, true),
            ("abc-1", false, false),
            ("", true, false),
            ("a b", true, false),
            ("a\",\"x", true, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, given.parse().unwrap());
            let id = request_id(&mut headers, is_trusted, || HeaderValue::from_static("made"));
            assert_eq!(id == given, is_kept, "{given:?}");
            assert_eq!(headers[X_REQUEST_ID], id);
        }
    }
}
