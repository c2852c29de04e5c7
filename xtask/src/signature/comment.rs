//! The trusted comment of a signature: which release and file it belongs to.
//!
//! minisign signs it together with the file and `minisign -V` shows it. No tool binds a version into the signature by
//! itself, so without it an old signed file could be served as the new one.

use std::fmt;
use std::str::FromStr;

/// What the trusted comment of a development key ends in.
pub const DEVELOPMENT: &str = "DEVELOPMENT KEY: proves nothing";

/// Bytes a field may have; the name of a file has no more (`limits.h(0p)`, `NAME_MAX` of Linux).
const FIELD_BYTES_MAX: usize = 255;

/// A trusted comment: `product=edge-node version=1.2.3 channel=stable file=SHA256SUMS`, and [`DEVELOPMENT`] after it
/// where a development key signs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TrustedComment {
    /// Product name.
    pub product: String,
    /// Version of the release.
    pub version: String,
    /// Release channel.
    pub channel: String,
    /// Base name of the signed file.
    pub file: String,
    /// Whether a development key signs.
    pub development: bool,
}

/// Why a trusted comment is not one of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommentError {
    /// Not the fields, in their order.
    #[error("is not `product=… version=… channel=… file=…`: {comment:?}")]
    Grammar {
        /// The comment.
        comment: String,
    },
    /// A value with other characters than `A-Z a-z 0-9 . _ + -`, or none, or too many.
    #[error("has a {field} that is not 1 to 255 letters, digits, `.`, `_`, `+` and `-`: {value:?}")]
    Value {
        /// The field.
        field: &'static str,
        /// The value.
        value: String,
    },
}

impl TrustedComment {
    /// The comment as it is signed; parsing it gives the same fields.
    ///
    /// # Errors
    ///
    /// A value that the grammar cannot hold.
    pub fn render(&self) -> Result<String, CommentError> {
        for (field, value) in self.fields() {
            check(field, value)?;
        }
        Ok(self.to_string())
    }

    fn fields(&self) -> [(&'static str, &str); 4] {
        [
            ("product", &self.product),
            ("version", &self.version),
            ("channel", &self.channel),
            ("file", &self.file),
        ]
    }
}

impl fmt::Display for TrustedComment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (field, value)) in self.fields().iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{field}={value}")?;
        }
        if self.development { write!(f, " {DEVELOPMENT}") } else { Ok(()) }
    }
}

impl FromStr for TrustedComment {
    type Err = CommentError;

    fn from_str(comment: &str) -> Result<Self, CommentError> {
        let grammar = || CommentError::Grammar { comment: comment.to_owned() };
        let marked = comment
            .strip_suffix(DEVELOPMENT)
            .map(|rest| rest.strip_suffix(' ').ok_or_else(grammar));
        let development = marked.is_some();
        let mut words = marked.transpose()?.unwrap_or(comment).split(' ');
        let mut value = |field| {
            let value = words
                .next()
                .and_then(|word| word.strip_prefix(field)?.strip_prefix('='))
                .ok_or_else(grammar)?;
            check(field, value)?;
            Ok(value.to_owned())
        };
        let parsed = Self {
            product: value("product")?,
            version: value("version")?,
            channel: value("channel")?,
            file: value("file")?,
            development,
        };
        if words.next().is_some() { Err(grammar()) } else { Ok(parsed) }
    }
}

fn check(field: &'static str, value: &str) -> Result<(), CommentError> {
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | '+' | '-');
    if (1..=FIELD_BYTES_MAX).contains(&value.len()) && value.chars().all(plain) {
        return Ok(());
    }
    Err(CommentError::Value { field, value: value.to_owned() })
}
