//! Reading what `/metrics` answers: the text format of Prometheus (exposition formats, version 0.0.4) and what
//! `OpenMetrics` adds to it that a scrape may contain (`# UNIT`, `# EOF`, exemplars).

use std::collections::BTreeMap;

/// One line of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Full name, with `_total`, `_bucket` …
    pub name: String,
    /// Labels with their values, unescaped.
    pub labels: BTreeMap<String, String>,
    /// The number; `NaN` and infinities are numbers.
    pub value: f64,
}

/// All samples of an answer.
///
/// # Errors
/// The first line that is neither a comment nor a sample.
pub fn parse(text: &str) -> Result<Vec<Sample>, String> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| sample(line).ok_or_else(|| format!("no sample: {line:?}")))
        .collect()
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let valid = |at: usize, c: char| {
        c.is_ascii_alphabetic() || "_:".contains(c) || (at > 0 && c.is_ascii_digit())
    };
    if name.is_empty() || !name.char_indices().all(|(at, c)| valid(at, c)) {
        return None;
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => labels(inside)?,
        None => (BTreeMap::new(), rest),
    };
    let value = match rest.split_ascii_whitespace().next()? {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        number => number.parse().ok()?,
    };
    Some(Sample { name: name.to_owned(), labels, value })
}

/// Reads `name="value",…}`; gives the labels and what follows the brace.
fn labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, after) = rest.split_once("=\"")?;
        let (value, after) = quoted(after)?;
        labels.insert(name.to_owned(), value);
        rest = after;
    }
}

/// Reads to the closing quote, undoing `\\`, `\"` and `\n`.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_with_labels_and_comments_are_passed_over() {
        let text = "# HELP a b\n# TYPE a counter\na_total{x=\"1\",y=\"q\\\"}\\\\\\n\"} 4 # {} 1\nb +Inf\n# EOF\n";
        let read = parse(text).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].name.as_str(), read[0].value), ("a_total", 4.0));
        assert_eq!(read[0].labels["y"], "q\"}\\\n");
        assert_eq!(read[1].value, f64::INFINITY);
    }

    #[test]
    fn a_line_that_is_no_sample_is_named() {
        for line in ["<html>", "a", "a b", "1a 2", "a{b=\"c} 1", "a{b=c} 1"] {
            assert_eq!(parse(line), Err(format!("no sample: {line:?}")));
        }
    }
}
