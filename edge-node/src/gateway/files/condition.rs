//! What of a file a request wants, by its conditions and its range. Pure.
//!
//! Sources: RFC 9110, sections 8.8, 13 and 14.

use std::fs::Metadata;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::Fault;

/// By what a client knows whether its copy is the file's.
#[derive(Debug)]
pub struct Validators {
    /// Of the time of the last change to the nanosecond, and the length.
    tag: String,
    /// In whole seconds, as HTTP has times; none where the system does not say or HTTP cannot.
    modified: Option<SystemTime>,
}

impl Validators {
    /// Those of a file.
    pub fn of(metadata: &Metadata) -> Self {
        let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Self::new(since, metadata.len())
    }

    /// Those of a file that was changed so long after 1970, as far as the system has times, and has `length` bytes.
    pub fn new(since: Option<Duration>, length: u64) -> Self {
        let tag = format!("\"{:x}-{length:x}\"", since.unwrap_or_default().as_nanos());
        let modified = since.map(|since| UNIX_EPOCH + Duration::from_secs(since.as_secs()));
        // Later years have no HTTP date.
        let is_telling =
            |time: &SystemTime| *time < UNIX_EPOCH + Duration::from_secs(253_402_300_800);
        Self { tag, modified: modified.filter(is_telling) }
    }

    /// Tells them in a response.
    pub fn tell(&self, headers: &mut HeaderMap) {
        let modified = self.modified.map(httpdate::fmt_http_date);
        let both = [(header::ETAG, Some(self.tag.clone())), (header::LAST_MODIFIED, modified)];
        for (name, text) in both {
            if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
                headers.insert(name, value);
            }
        }
    }

    /// Whether one of a list of tags is the file's; a weak one never is in a strong comparison.
    fn has_tag(&self, list: &str, is_strong: bool) -> bool {
        let is_same = |tag: &str| {
            let tag = if is_strong { tag } else { tag.strip_prefix("W/").unwrap_or(tag) };
            tag == self.tag
        };
        list.trim() == "*" || list.split(',').any(|tag| is_same(tag.trim()))
    }
}

/// The headers of a request that choose, each as one text.
#[derive(Debug, Default)]
pub struct Conditions {
    matching: Option<String>,
    unmodified_since: Option<String>,
    none_matching: Option<String>,
    modified_since: Option<String>,
    range: Option<String>,
    range_if: Option<String>,
}

/// What is sent of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selected {
    /// Nothing: the client has it.
    Unchanged,
    /// All.
    Whole,
    /// A part that is not empty and lies inside.
    Part {
        /// Where it starts.
        start: u64,
        /// Its bytes.
        length: u64,
    },
}

impl Conditions {
    /// Those of a request. Only GET has ranges.
    pub fn of(headers: &HeaderMap, is_get: bool) -> Self {
        let text = |name: HeaderName| {
            let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
            let first = values.next()?.to_owned();
            let list = values.fold(first, |list, value| [&list, &b","[..], value].concat());
            // What is no text is nothing that we said, and must not count as not said at all.
            Some(String::from_utf8_lossy(&list).trim().to_owned())
        };
        Self {
            matching: text(header::IF_MATCH),
            unmodified_since: text(header::IF_UNMODIFIED_SINCE),
            none_matching: text(header::IF_NONE_MATCH),
            modified_since: text(header::IF_MODIFIED_SINCE),
            range: text(header::RANGE).filter(|_range| is_get),
            range_if: text(header::IF_RANGE),
        }
    }

    /// What they select of a file of `length` bytes.
    ///
    /// # Errors
    /// When a condition does not hold, or the range lies outside.
    pub fn select(&self, validators: &Validators, length: u64) -> Result<Selected, Fault> {
        let is_changed_since = |date: &Option<String>| {
            let date = httpdate::parse_http_date(date.as_deref()?).ok()?;
            Some(validators.modified? > date)
        };
        let is_refused = match &self.matching {
            Some(list) => !validators.has_tag(list, true),
            None => is_changed_since(&self.unmodified_since) == Some(true),
        };
        if is_refused {
            return Err(Fault::Precondition);
        }
        let is_unchanged = match &self.none_matching {
            Some(list) => validators.has_tag(list, false),
            None => is_changed_since(&self.modified_since) == Some(false),
        };
        if is_unchanged {
            return Ok(Selected::Unchanged);
        }
        match &self.range {
            Some(range) if self.has_same_part(validators) => part(range, length),
            _ => Ok(Selected::Whole),
        }
    }

    /// Whether a part fits the one that the client has.
    fn has_same_part(&self, validators: &Validators) -> bool {
        self.range_if.as_deref().is_none_or(|wanted| {
            let date = httpdate::parse_http_date(wanted).ok();
            (date.is_some() && date == validators.modified)
                || (wanted != "*" && validators.has_tag(wanted, true))
        })
    }
}

/// One range of bytes; several, or what is none, select the whole, as a server may choose.
fn part(range: &str, length: u64) -> Result<Selected, Fault> {
    let Some((first, last)) = bounds(range) else { return Ok(Selected::Whole) };
    let (start, end) = match (first, last) {
        (Some(first), Some(last)) if last < first => return Ok(Selected::Whole),
        (Some(first), Some(last)) => (first, last.saturating_add(1).min(length)),
        (Some(first), None) => (first, length),
        (None, Some(last)) => (length.saturating_sub(last), length),
        (None, None) => return Ok(Selected::Whole),
    };
    if start >= end {
        return Err(Fault::Range(length));
    }
    Ok(Selected::Part { start, length: end - start })
}

fn bounds(range: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, range) = range.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    let number = |text: &str| {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        // What does not fit into 64 bits lies behind every file.
        is_number.then(|| (!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX)))
    };
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    Some((number(first)?, number(last)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: u64 = 10;

    fn validators() -> Validators {
        Validators::new(Some(Duration::new(784_111_777, 5)), LENGTH)
    }

    #[track_caller]
    fn check(headers: &[(&'static str, &str)], expected: Result<Selected, Fault>) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let selected = Conditions::of(&headers, true).select(&validators(), LENGTH);
        assert_eq!(selected, expected, "{headers:?}");
    }

    const TAG: &str = "\"ae1b981bc490a05-a\"";
    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    #[test]
    fn validators_are_told() {
        let mut headers = HeaderMap::new();
        validators().tell(&mut headers);
        assert_eq!(
            (&headers["etag"], &headers["last-modified"]),
            (&TAG.parse().unwrap(), &THEN.parse().unwrap())
        );
        let mut headers = HeaderMap::new();
        Validators::new(Some(Duration::from_secs(u64::MAX / 4)), 0).tell(&mut headers);
        assert!(!headers.contains_key("last-modified"));
    }

    #[test]
    fn a_copy_that_is_the_same_is_not_sent_again() {
        let unchanged = Ok(Selected::Unchanged);
        let weak = format!("\"x\", W/{TAG}");
        check(&[("if-none-match", TAG)], unchanged.clone());
        check(&[("if-none-match", &weak)], unchanged.clone());
        check(&[("if-none-match", "*")], unchanged.clone());
        check(&[("if-none-match", "\"x\"")], Ok(Selected::Whole));
        check(&[("if-modified-since", THEN)], unchanged);
        check(&[("if-modified-since", BEFORE)], Ok(Selected::Whole));
        check(&[("if-modified-since", "yesterday")], Ok(Selected::Whole));
        // The tag goes before the date.
        check(&[("if-none-match", "\"x\""), ("if-modified-since", THEN)], Ok(Selected::Whole));
    }

    #[test]
    fn a_condition_that_does_not_hold_is_refused() {
        check(&[("if-match", "\"x\"")], Err(Fault::Precondition));
        check(&[("if-match", &format!("W/{TAG}"))], Err(Fault::Precondition));
        check(&[("if-match", TAG)], Ok(Selected::Whole));
        check(&[("if-unmodified-since", BEFORE)], Err(Fault::Precondition));
        check(&[("if-unmodified-since", THEN)], Ok(Selected::Whole));
        // A tag may have any byte above ASCII; it is another's.
        check(&[("if-match", "\"é\"")], Err(Fault::Precondition));
    }

    #[test]
    fn one_range_inside_is_sent_and_one_outside_refused() {
        let part = |start, length| Ok(Selected::Part { start, length });
        for (range, expected) in [
            ("bytes=0-0", part(0, 1)),
            ("Bytes=2-4", part(2, 3)),
            ("bytes=2-", part(2, 8)),
            ("bytes=2-99999999999999999999", part(2, 8)),
            ("bytes=-3", part(7, 3)),
            ("bytes=-30", part(0, 10)),
            ("bytes=10-", Err(Fault::Range(10))),
            ("bytes=99999999999999999999-", Err(Fault::Range(10))),
            ("bytes=-0", Err(Fault::Range(10))),
            ("bytes=4-2", Ok(Selected::Whole)),
            ("bytes=-", Ok(Selected::Whole)),
            ("bytes=a-2", Ok(Selected::Whole)),
            ("bytes=+1-2", Ok(Selected::Whole)),
            ("bytes=0-1,3-4", Ok(Selected::Whole)),
            ("lines=0-1", Ok(Selected::Whole)),
            ("bytes", Ok(Selected::Whole)),
        ] {
            check(&[("range", range)], expected);
        }
    }

    #[test]
    fn a_range_of_another_version_is_not_sent() {
        let part = Ok(Selected::Part { start: 1, length: 9 });
        for (wanted, expected) in [
            (TAG, part.clone()),
            (THEN, part),
            (BEFORE, Ok(Selected::Whole)),
            ("\"x\"", Ok(Selected::Whole)),
            ("\"é\"", Ok(Selected::Whole)),
            ("*", Ok(Selected::Whole)),
            // As HTTP/2 may bring it.
            (" *", Ok(Selected::Whole)),
        ] {
            check(&[("range", "bytes=1-"), ("if-range", wanted)], expected);
        }
    }
}
