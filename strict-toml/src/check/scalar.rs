//! Single values: the range of a number, the length and format of a string.

use std::{fmt, ops::Range};

use serde_json::Value;
use toml::de::DeInteger;

use super::{
    Check,
    words::{subject, with_article},
};
use crate::{Diagnostic, schema::Node};

impl Check<'_> {
    pub(super) fn text(&mut self, node: &Node<'_>, text: &str, span: &Range<usize>, path: &str) {
        let subject = subject(path);
        let len = text.chars().count();
        if let Some(min) = node.count("minLength").filter(|min| len < *min) {
            let mistake = if len == 0 {
                Diagnostic::error(format!("{subject} is empty"))
                    .at(span.clone(), "must not be empty")
            } else {
                Diagnostic::error(format!("{subject} is too short: {}", characters(len)))
                    .at(span.clone(), format!("must have at least {}", characters(min)))
            };
            return self.report(mistake);
        }
        if let Some(max) = node.count("maxLength").filter(|max| len > *max) {
            let mistake = Diagnostic::error(format!("{subject} is too long: {}", characters(len)))
                .at(span.clone(), format!("may have at most {}", characters(max)));
            return self.report(mistake);
        }
        let Some(format) = node.str("format") else { return };
        if let Err(invalid) = self.formats.check(format, text) {
            let expected = with_article(&node.kind());
            let mistake = Diagnostic::error(format!("{subject}: {}", invalid.reason))
                .at(span.clone(), format!("expected {expected}"));
            self.report(match invalid.help {
                Some(help) => mistake.help(help),
                None => mistake,
            });
        }
    }

    pub(super) fn integer(
        &mut self,
        node: &Node<'_>,
        number: &DeInteger<'_>,
        span: &Range<usize>,
        path: &str,
    ) {
        let bounds = Bounds::<i128>::of(node);
        let value = i128::from_str_radix(number.as_str(), number.radix());
        if !value.is_ok_and(|value| bounds.admit(value)) {
            self.out_of_range(&number.to_string(), &bounds, span, path);
        }
    }

    pub(super) fn float(&mut self, node: &Node<'_>, number: &str, span: &Range<usize>, path: &str) {
        let bounds = Bounds::<f64>::of(node);
        let value = number.replace('_', "").parse::<f64>();
        if value.is_ok_and(|value| !bounds.admit(value)) {
            self.out_of_range(number, &bounds, span, path);
        }
    }

    fn out_of_range<N: fmt::Display>(
        &mut self,
        number: &str,
        bounds: &Bounds<N>,
        span: &Range<usize>,
        path: &str,
    ) {
        let subject = subject(path);
        let mistake = Diagnostic::error(format!("{subject} is out of range: {number}"))
            .at(span.clone(), format!("must be {bounds}"));
        self.report(mistake);
    }
}

fn characters(count: usize) -> String {
    if count == 1 { "1 character".to_owned() } else { format!("{count} characters") }
}

/// The numbers a schema admits.
pub(crate) struct Bounds<N> {
    min: Option<N>,
    max: Option<N>,
    above: Option<N>,
    below: Option<N>,
}

impl Bounds<i128> {
    /// The stated limits, or else those of the integer type named by `format`.
    pub(crate) fn of(node: &Node<'_>) -> Self {
        let limit = |keyword| node.get(keyword).and_then(whole);
        // schemars states the limits of 8- and 16-bit types itself, and of wider ones the format.
        let (least, most) = match node.str("format") {
            Some("int32") => (Some(i128::from(i32::MIN)), Some(i128::from(i32::MAX))),
            Some("uint32") => (Some(0), Some(i128::from(u32::MAX))),
            _ => (None, None),
        };
        Self {
            min: limit("minimum").or(least),
            max: limit("maximum").or(most),
            above: limit("exclusiveMinimum"),
            below: limit("exclusiveMaximum"),
        }
    }
}

impl Bounds<f64> {
    pub(crate) fn of(node: &Node<'_>) -> Self {
        let limit = |keyword| node.get(keyword).and_then(Value::as_f64);
        Self {
            min: limit("minimum"),
            max: limit("maximum"),
            above: limit("exclusiveMinimum"),
            below: limit("exclusiveMaximum"),
        }
    }
}

/// A limit as an integer; schemars writes those of `#[schemars(range(…))]` either way.
fn whole(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from)).or_else(|| {
        let float = value.as_f64().filter(|float| float.fract() == 0.0)?;
        format!("{float:.0}").parse().ok()
    })
}

impl<N: PartialOrd + Copy> Bounds<N> {
    fn admit(&self, value: N) -> bool {
        self.min.is_none_or(|min| value >= min)
            && self.max.is_none_or(|max| value <= max)
            && self.above.is_none_or(|above| value > above)
            && self.below.is_none_or(|below| value < below)
    }
}

impl<N> Bounds<N> {
    pub(crate) fn is_open(&self) -> bool {
        self.min.is_none() && self.max.is_none() && self.above.is_none() && self.below.is_none()
    }
}

impl<N: fmt::Display> fmt::Display for Bounds<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let low = match (&self.min, &self.above) {
            (_, Some(above)) => Some(format!("above {above}")),
            (Some(min), None) => Some(format!("at least {min}")),
            (None, None) => None,
        };
        let high = match (&self.max, &self.below) {
            (_, Some(below)) => Some(format!("below {below}")),
            (Some(max), None) => Some(format!("at most {max}")),
            (None, None) => None,
        };
        match (self, low, high) {
            (Self { min: Some(min), max: Some(max), above: None, below: None }, ..) => {
                write!(out, "{min} to {max}")
            }
            (_, Some(low), Some(high)) => write!(out, "{low} and {high}"),
            (_, Some(one), None) | (_, None, Some(one)) => out.write_str(&one),
            (_, None, None) => out.write_str("a 64-bit number"),
        }
    }
}
