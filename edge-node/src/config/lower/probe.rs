//! The rules of `[pools.<name>.probe]`.

use std::ops::RangeInclusive;

use http::StatusCode;
use http::uri::PathAndQuery;
use strict_toml::{Diagnostic, Duration, Invalid, Spanned};

use super::{Rules, host};
use crate::config::model::{Probe, ProbeKind};
use crate::config::raw;

const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(300);

impl Rules<'_> {
    pub(super) fn probe(
        &mut self,
        pool: &str,
        raw: &Spanned<raw::Probe>,
        protocol: raw::Protocol,
    ) -> Probe {
        let raw::Probe { http, tcp, grpc, interval, jitter_percent, timeout, down_after, up_after } =
            raw.get();
        let at = format!("{pool}.probe");
        self.exactly_one(
            &format!("`{at}`"),
            raw.span(),
            [
                ("http", http.as_ref().map(Spanned::span)),
                ("tcp", tcp.as_ref().map(Spanned::span)),
                ("grpc", grpc.as_ref().map(Spanned::span)),
            ],
        );
        if let Some(grpc) = grpc.as_ref().filter(|_| protocol == raw::Protocol::Http1) {
            self.broken.push(
                Diagnostic::error(format!("`{at}.grpc` needs HTTP/2"))
                    .at(grpc.span(), "the pool speaks HTTP/1.1")
                    .help(format!("set `{pool}.protocol` to \"http2\", or probe by `tcp`")),
            );
        }
        let http = http.as_ref().map(|http| self.http_probe(&format!("{at}.http"), http));
        let grpc =
            grpc.as_ref().map(|grpc| ProbeKind::Grpc { service: grpc.service.as_str().into() });
        Probe {
            kind: http.or(grpc).unwrap_or(ProbeKind::Tcp),
            interval: self.duration(&format!("{at}.interval"), interval, &INTERVAL),
            jitter_percent: *jitter_percent,
            timeout: self.duration(&format!("{at}.timeout"), timeout, &TIMEOUT),
            down_after: *down_after,
            up_after: *up_after,
        }
    }

    fn http_probe(&mut self, at: &str, raw: &raw::HttpProbe) -> ProbeKind {
        let raw::HttpProbe { path, host, status, body_contains } = raw;
        let path = self.parsed(&format!("{at}.path"), path, "a path", path_and_query);
        ProbeKind::Http {
            path: path.unwrap_or_default(),
            host: host.as_ref().and_then(|text| {
                self.parsed(&format!("{at}.host"), text, "a host", host::authority)
            }),
            status: self.each_parsed(
                &format!("{at}.status[]"),
                status,
                "a status or a range of them",
                status_range,
            ),
            body_contains: body_contains.as_deref().map(Into::into),
        }
    }
}

fn path_and_query(text: &str) -> Result<Box<str>, Invalid> {
    let shown = text.escape_debug();
    if !text.starts_with('/') {
        return Err(Invalid::new(format!("`{shown}` does not start with a slash"))
            .help("for example \"/healthz\""));
    }
    let is_whole = |read: &PathAndQuery| read.as_str() == text;
    match text.parse::<PathAndQuery>().ok().filter(is_whole) {
        Some(_) if text.bytes().all(|c| c.is_ascii_graphic()) => Ok(text.into()),
        Some(_) | None => Err(Invalid::new(format!("`{shown}` is not a path"))),
    }
}

/// Reads `204` or `200-299`.
fn status_range(text: &str) -> Result<(StatusCode, StatusCode), Invalid> {
    let invalid = || {
        Invalid::new(format!("`{}` is not a status or a range of them", text.escape_debug()))
            .help("for example \"200-299\" or \"204\"; a status is 200 to 599")
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let status = |text: &str| {
        let is_number = text.len() == 3 && text.bytes().all(|c| c.is_ascii_digit());
        let code = text.parse::<u16>().ok().filter(|code| is_number && (200..600).contains(code));
        code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or_else(invalid)
    };
    let (first, last) = (status(first)?, status(last)?);
    if first > last {
        return Err(Invalid::new(format!("`{text}` ends before it starts")).help(format!(
            "write \"{}-{}\"",
            last.as_u16(),
            first.as_u16()
        )));
    }
    Ok((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_alone_is_a_range_of_one() {
        let range = |text| status_range(text).map(|(one, two)| (one.as_u16(), two.as_u16()));
        assert_eq!(range("204"), Ok((204, 204)));
        assert_eq!(range("200-399"), Ok((200, 399)));
        for text in
            ["", "20", "2xx", "100", "600", "300-200", "200-", "-200", "200-299-300", "+204"]
        {
            assert!(range(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_may_have_a_query_and_no_fragment() {
        for text in ["/", "/healthz", "/a?b=c&d"] {
            assert_eq!(&*path_and_query(text).unwrap(), text);
        }
        for text in ["", "healthz", "/a#b", "/a b", "/ä", "http://a/"] {
            assert!(path_and_query(text).is_err(), "{text}");
        }
    }
}
