//! The rules of `forward`, `redirect`, `respond` and `files`.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use http::{HeaderValue, StatusCode};
use strict_toml::{Diagnostic, Duration, Invalid, Spanned};

use super::listener::DataListeners;
use super::route::Pools;
use super::{Rules, header, host, listener, name, path};
use crate::config::model::{
    Files, FixedResponse, Forward, HostRewrite, Matcher, PathPattern, PathRewrite, Redirect,
};
use crate::config::raw;

const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);
const STREAM_IDLE_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(24 * 3600);
/// RFC 9110 §15.4: those that name another place.
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

impl Rules<'_> {
    /// `pattern` is what the route takes, if that is known.
    pub(super) fn forward(
        &mut self,
        at: &str,
        raw: &raw::Forward,
        pattern: Option<&PathPattern>,
        pools: &Pools,
    ) -> Forward {
        let raw::Forward {
            pool,
            path,
            host,
            timeout,
            try_timeout,
            retries_max,
            stream_idle_timeout,
        } = raw;
        let key = |key: &str| format!("{at}.forward.{key}");
        if !pools.contains_key(pool) {
            self.broken.push(name::unknown("pool", pool, pools));
        }
        let total = self.duration(&key("timeout"), timeout, &TIMEOUT);
        if let Some(one) = try_timeout.as_ref().filter(|one| one.get() > timeout.get()) {
            self.broken.push(longer(&key("try-timeout"), one, &key("timeout"), timeout));
        }
        Forward {
            pool: pool.as_str().into(),
            path: self.rewrite(&key("path"), path.as_ref(), pattern),
            host: self.host_rewrite(&key("host"), host),
            timeout: total,
            try_timeout: try_timeout
                .as_ref()
                .map_or(total, |one| self.duration(&key("try-timeout"), one, &TIMEOUT)),
            retries_max: *retries_max,
            stream_idle_timeout: self.duration(
                &key("stream-idle-timeout"),
                stream_idle_timeout,
                &STREAM_IDLE_TIMEOUT,
            ),
        }
    }

    fn rewrite(
        &mut self,
        key: &str,
        raw: Option<&raw::PathRewrite>,
        pattern: Option<&PathPattern>,
    ) -> PathRewrite {
        let rewrite = match raw {
            None => None,
            Some(raw::PathRewrite::Prefix(text)) => {
                self.takes_a_prefix(key, text, pattern);
                let key = format!("{key}.prefix");
                self.parsed(&key, text, "the start of a path", path::prefix)
                    .map(PathRewrite::Prefix)
            }
            Some(raw::PathRewrite::Template(text)) => {
                let parse = |text: &str| path::rewrite(text, pattern);
                let key = format!("{key}.template");
                self.parsed(&key, text, "a path template", parse).map(PathRewrite::Template)
            }
        };
        rewrite.unwrap_or(PathRewrite::Keep)
    }

    /// Only what matched a prefix has something after it.
    fn takes_a_prefix(&mut self, key: &str, text: &Spanned<String>, pattern: Option<&PathPattern>) {
        if matches!(pattern, Some(PathPattern::Exact(_) | PathPattern::Template(_))) {
            let slash = if text.starts_with('/') { "" } else { "/" };
            self.broken.push(
                Diagnostic::error(format!("`{key}.prefix` has no prefix to stand for"))
                    .at(text.span(), "the route's `path` is not a prefix")
                    .help(format!("write `{{ template = \"{slash}{text}\" }}`, or give the route `path = {{ prefix = … }}`")),
            );
        }
    }

    fn host_rewrite(&mut self, key: &str, raw: &raw::HostRewrite) -> HostRewrite {
        match raw {
            raw::HostRewrite::Keep => HostRewrite::Keep,
            raw::HostRewrite::Upstream => HostRewrite::Upstream,
            raw::HostRewrite::Fixed(text) => self
                .parsed(&format!("{key}.fixed"), text, "a host", fixed_host)
                .map_or(HostRewrite::Keep, HostRewrite::Fixed),
        }
    }

    pub(super) fn redirect(
        &mut self,
        at: &str,
        raw: &Spanned<raw::Redirect>,
        pattern: Option<&PathPattern>,
    ) -> Redirect {
        let raw::Redirect { status, scheme, authority, path } = raw.get();
        if scheme.is_none() && authority.is_none() && path.is_none() {
            self.broken.push(
                Diagnostic::error(format!("`{at}.redirect` leads to where the client is"))
                    .at(raw.span(), "changes nothing")
                    .help("set `scheme`, `authority` or `path`"),
            );
        }
        let scheme = scheme.map(|scheme| match scheme {
            raw::Scheme::Http => "http",
            raw::Scheme::Https => "https",
        });
        Redirect {
            status: self.redirect_status(at, status),
            scheme: scheme.map(Into::into),
            authority: authority.as_ref().and_then(|text| {
                self.parsed(&format!("{at}.redirect.authority"), text, "a host", host::authority)
            }),
            path: self.rewrite(&format!("{at}.redirect.path"), path.as_ref(), pattern),
        }
    }

    fn redirect_status(&mut self, at: &str, status: &Spanned<u16>) -> StatusCode {
        if !REDIRECTS.contains(status.get()) {
            let allowed = REDIRECTS.map(|status| format!("`{status}`")).join(", ");
            self.broken.push(
                Diagnostic::error(format!("`{at}.redirect.status` is not a redirect: {status}"))
                    .at(status.span(), format!("expected one of {allowed}")),
            );
        }
        StatusCode::from_u16(*status.get()).unwrap_or(StatusCode::PERMANENT_REDIRECT)
    }

    /// A client that is sent to https by https comes again and again.
    pub(super) fn moves(
        &mut self,
        place: Range<usize>,
        redirect: &Redirect,
        matcher: &Matcher,
        listeners: &[Arc<str>],
        declared: &DataListeners,
    ) {
        let Redirect { scheme: Some(scheme), authority: None, path: PathRewrite::Keep, .. } =
            redirect
        else {
            return;
        };
        // A header may tell who came to a proxy before this one by another scheme.
        if !matcher.headers.is_empty() {
            return;
        }
        for name in listeners {
            let Some((written, listener)) = listener::named(declared, name) else { continue };
            let own = if listener.tls.is_some() { "https" } else { "http" };
            if own != &**scheme {
                continue;
            }
            let message =
                format!("on listener `{name}` the redirect to `{scheme}` leads to itself");
            let mistake = Diagnostic::error(message)
                .at(place.clone(), "changes nothing there")
                .help("name other `listeners` of the route");
            self.broken.push(if written.span().is_empty() {
                mistake
            } else {
                mistake.related(written.span(), format!("speaks {own}"))
            });
        }
    }

    pub(super) fn respond(&mut self, at: &str, raw: &raw::Respond) -> FixedResponse {
        let raw::Respond { status, body, content_type } = raw;
        let code = StatusCode::from_u16(*status.get()).unwrap_or(StatusCode::OK);
        let is_bare = [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::NOT_MODIFIED];
        if is_bare.contains(&code) && !body.is_empty() {
            self.broken.push(
                Diagnostic::error(format!("`{at}.respond` has a body and the status {status}"))
                    .at(body.span(), "an answer with this status has no body")
                    .related(status.span(), "has no body"),
            );
        }
        let key = format!("{at}.respond.content-type");
        let content_type = self.parsed(&key, content_type, "a media type", media_type);
        FixedResponse {
            status: code,
            body: body.as_str().into(),
            content_type: content_type.unwrap_or_else(|| HeaderValue::from_static("text/plain")),
        }
    }

    pub(super) fn files(&mut self, at: &str, raw: &raw::Files) -> Files {
        let raw::Files { root, index } = raw;
        let name = self.parsed(&format!("{at}.files.index"), index, "a file's name", file_name);
        Files { root: self.file(root), index: name.unwrap_or_default() }
    }
}

/// Of two durations, the part is longer than the whole.
pub(super) fn longer(
    key: &str,
    part: &Spanned<Duration>,
    whole_key: &str,
    whole: &Spanned<Duration>,
) -> Diagnostic {
    let mistake = Diagnostic::error(format!("`{key}` is longer than `{whole_key}`: {part}"));
    if whole.span().is_empty() {
        return mistake.at(part.span(), format!("the default of `{whole_key}` is {whole}"));
    }
    mistake
        .at(part.span(), format!("may be {whole} at most"))
        .related(whole.span(), "because of this")
}

fn fixed_host(text: &str) -> Result<HeaderValue, Invalid> {
    header::value(&host::authority(text)?)
}

fn media_type(text: &str) -> Result<HeaderValue, Invalid> {
    let value = header::value(text)?;
    let essence = text.split(';').next().unwrap_or(text).trim_end();
    let is_type = essence.split_once('/').is_some_and(|(kind, subtype)| {
        // RFC 6838 §4.2.
        let is_name = |name: &str| {
            let is_kept = |c: u8| c.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&c);
            !name.is_empty() && name.bytes().all(is_kept)
        };
        is_name(kind) && is_name(subtype)
    });
    if is_type {
        return Ok(value);
    }
    Err(Invalid::new(format!("`{text}` is not a media type"))
        .help("for example \"application/json\""))
}

fn file_name(text: &str) -> Result<Box<str>, Invalid> {
    let is_name =
        !text.is_empty() && text != "." && text != ".." && !text.contains(['/', '\\', '\0', ':']);
    if is_name {
        return Ok(text.into());
    }
    Err(Invalid::new(format!("`{}` is not the name of a file in its folder", text.escape_debug()))
        .help("for example \"index.html\""))
}
