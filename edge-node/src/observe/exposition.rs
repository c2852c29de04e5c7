//! The two text forms of metrics and the choice between them.
//!
//! The metrics crate writes OpenMetrics. The classic Prometheus form, which `promtool check
//! metrics`, `curl` users and older scrapers read, differs in its comment lines only and is made
//! from it here.

use std::borrow::Cow;

/// A text form of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The Prometheus text format 0.0.4.
    Classic,
}

impl Exposition {
    /// The form a scraper's `Accept` header asks for; classic where it asks for nothing we know.
    ///
    /// Scrapers name OpenMetrics only when they prefer it, so quality values are not weighed.
    #[must_use]
    pub fn accepted_by(accept: Option<&str>) -> Self {
        match accept {
            Some(accept) if accept.contains("application/openmetrics-text") => Self::OpenMetrics,
            Some(_) | None => Self::Classic,
        }
    }

    /// The content type, to the letter.
    ///
    /// Source: Prometheus, "Exposition formats"; OpenMetrics 1.0, "Protocol Negotiation".
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The text in this form, given in OpenMetrics.
    #[must_use]
    pub fn from_open_metrics(self, text: String) -> String {
        match self {
            Self::OpenMetrics => text,
            Self::Classic => classic(&text),
        }
    }
}

/// A counter's comments carry the name of its sample, `_total` included; `unknown` is called
/// `untyped`; units and the end mark do not exist.
fn classic(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        let (head, name, rest) = comment(line).unwrap_or((line, "", ""));
        let kind = match head {
            "# TYPE " => Some(rest),
            // The type stands in the next line, but the name is needed in this one.
            "# HELP " => lines.peek().and_then(|next| comment(next)).map(|(_, _, kind)| kind),
            _sample => None,
        };
        text.push_str(head);
        text.push_str(&classic_name(name, kind));
        if !name.is_empty() {
            text.push(' ');
            text.push_str(if kind == Some("unknown") && head == "# TYPE " {
                "untyped"
            } else {
                rest
            });
        }
        text.push('\n');
    }
    text
}

/// The three parts of a `HELP` or `TYPE` line.
fn comment(line: &str) -> Option<(&str, &str, &str)> {
    let (head, rest) = line.split_at_checked("# HELP ".len())?;
    let (name, rest) = rest.split_once(' ')?;
    matches!(head, "# HELP " | "# TYPE ").then_some((head, name, rest))
}

fn classic_name<'a>(name: &'a str, kind: Option<&str>) -> Cow<'a, str> {
    match kind {
        Some("counter") => Cow::Owned(format!("{name}_total")),
        Some(_) | None => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classic_form_renames_counters_and_drops_what_it_does_not_know() {
        let open = "# HELP a Requests.\n# TYPE a counter\na_total{b=\"# HELP a\"} 1\n\
                    # HELP t_seconds Time.\n# TYPE t_seconds histogram\n# UNIT t_seconds seconds\n\
                    t_seconds_sum 0.5\n\
                    # HELP u What.\n# TYPE u unknown\nu 3\n# EOF\n";
        assert_eq!(
            Exposition::Classic.from_open_metrics(open.to_owned()),
            "# HELP a_total Requests.\n# TYPE a_total counter\na_total{b=\"# HELP a\"} 1\n\
             # HELP t_seconds Time.\n# TYPE t_seconds histogram\nt_seconds_sum 0.5\n\
             # HELP u What.\n# TYPE u untyped\nu 3\n"
        );
        assert_eq!(Exposition::OpenMetrics.from_open_metrics(open.to_owned()), open);
    }

    #[test]
    fn the_form_follows_the_accept_header() {
        let prometheus =
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
        for (accept, form) in [
            (Some(prometheus), Exposition::OpenMetrics),
            (Some("text/plain"), Exposition::Classic),
            (Some("*/*"), Exposition::Classic),
            (None, Exposition::Classic),
        ] {
            assert_eq!(Exposition::accepted_by(accept), form, "{accept:?}");
        }
    }
}
