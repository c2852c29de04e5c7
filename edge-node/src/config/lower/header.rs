//! Headers: names, values, edits.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use strict_toml::{Diagnostic, Invalid, Spanned};

use super::Rules;
use crate::config::model::HeaderEdits;
use crate::config::raw;

/// Headers that are between two ends of a connection (RFC 9110 §7.6.1, RFC 9112 §6.1).
const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Bytes of a value; a header block has 16 KiB.
const VALUE_BYTES_MAX: usize = 4096;

impl Rules<'_> {
    pub(super) fn header_edits(&mut self, key: &str, raw: &raw::HeaderEdits) -> HeaderEdits {
        let raw::HeaderEdits { remove, set, add } = raw;
        let removed = format!("{key}.remove[]");
        let remove = self.each_parsed(&removed, remove, "a header's name", editable);
        let set = self.headers(&format!("{key}.set"), set);
        let add = self.headers(&format!("{key}.add"), add);
        HeaderEdits { remove, set, add }
    }

    fn headers(
        &mut self,
        key: &str,
        raw: &BTreeMap<Spanned<String>, Spanned<String>>,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let mut places: BTreeMap<String, &Spanned<String>> = BTreeMap::new();
        let mut headers = Vec::new();
        for (name, value) in raw {
            if let Some(other) = places.insert(name.to_ascii_lowercase(), name) {
                // A map has its names in the order of the alphabet.
                let mut pair = [other, name];
                pair.sort_by_key(|name| name.span().start);
                let [first, again] = pair;
                self.broken.push(
                    Diagnostic::error(format!("`{key}` has `{again}` twice"))
                        .at(again.span(), "the same header in another case")
                        .related(first.span(), "first here"),
                );
            }
            let name = self.parsed(key, name, "a header's name", editable);
            let value = self.parsed(key, value, "a header's value", self::value);
            headers.extend(name.zip(value));
        }
        headers
    }
}

/// Reads the name of a header (RFC 9110 §5.1) in either case.
///
/// # Errors
/// When it is none.
pub(super) fn name(text: &str) -> Result<HeaderName, Invalid> {
    HeaderName::from_bytes(text.as_bytes()).map_err(|_invalid| {
        Invalid::new(format!("`{}` is not a header's name", text.escape_debug()))
            .help("a name has letters, digits and dashes")
    })
}

/// Reads the name of a header that a route may ask for.
///
/// # Errors
/// When it is none, or one with a key of its own.
pub(super) fn matched(text: &str) -> Result<HeaderName, Invalid> {
    let name = name(text)?;
    if name == http::header::HOST {
        return Err(Invalid::new("the host is no header here: HTTP/2 has none")
            .help("use `hosts` of the route"));
    }
    Ok(name)
}

/// Reads the name of a header that may be edited.
///
/// # Errors
/// When it is none, or the header is set by the gateway itself.
pub fn editable(text: &str) -> Result<HeaderName, Invalid> {
    let name = name(text)?;
    if HOP_BY_HOP.contains(&name.as_str()) {
        return Err(Invalid::new(format!("`{text}` belongs to a connection, not to a request"))
            .help("the gateway sets it where it is needed"));
    }
    if name == http::header::CONTENT_LENGTH {
        return Err(Invalid::new(format!("`{text}` says where a body ends"))
            .help("the gateway sets it where it is needed"));
    }
    if name == http::header::HOST {
        return Err(Invalid::new(format!("`{text}` is not edited as a header"))
            .help("use `host` of `forward`"));
    }
    Ok(name)
}

/// Reads the value of a header (RFC 9110 §5.5), ASCII only.
///
/// # Errors
/// When it is none, or has white space around it, which does not arrive.
pub(super) fn value(text: &str) -> Result<HeaderValue, Invalid> {
    let shown = text.escape_debug();
    if text.len() > VALUE_BYTES_MAX {
        return Err(Invalid::new(format!("it has more than {VALUE_BYTES_MAX} bytes")));
    }
    if text.trim_matches([' ', '\t']) != text {
        return Err(Invalid::new(format!("`{shown}` has white space around it"))
            .help(format!("write \"{}\"", text.trim_matches([' ', '\t']).escape_debug())));
    }
    let value = HeaderValue::from_str(text).ok().filter(|_| text.is_ascii());
    value.ok_or_else(|| {
        Invalid::new(format!("`{shown}` has characters that a header does not"))
            .help("a value has printable ASCII characters")
    })
}
