//! Paths of requests: patterns of them, and what they are rewritten to. Pure.

use strict_toml::Invalid;

use crate::config::model::{PathPattern, TemplateSegment};
use crate::gateway;

/// Bytes of a path; those of a request are as few as its head may have.
const PATH_BYTES_MAX: usize = 4096;
const NORMAL: &str = "no `.` and `..`, no doubled slashes, nothing encoded that need not be";

/// Reads a whole path.
///
/// # Errors
/// When no request has it as its normal form.
pub(super) fn exact(text: &str) -> Result<PathPattern, Invalid> {
    normal(text)?;
    Ok(PathPattern::Exact(text.into()))
}

/// Reads the start of a path; returns it without a slash at its end, empty for `/`.
///
/// # Errors
/// When no request's normal form has it.
pub(super) fn prefix(text: &str) -> Result<Box<str>, Invalid> {
    normal(text)?;
    Ok(text.strip_suffix('/').unwrap_or(text).into())
}

/// Reads a template that requests are to fit.
///
/// # Errors
/// When it is none, has no parameter, or one twice.
pub(super) fn template(text: &str) -> Result<PathPattern, Invalid> {
    let segments = segments(text)?;
    let names: Vec<_> = parameters(&segments).map(|(name, _)| name).collect();
    if names.is_empty() {
        return Err(Invalid::new(format!("`{text}` has no parameter"))
            .help(format!("write {{ exact = \"{text}\" }}")));
    }
    let twice = names.iter().enumerate().find(|(index, name)| names[..*index].contains(name));
    match twice {
        Some((_, name)) => Err(Invalid::new(format!("`{text}` has the parameter `{name}` twice"))),
        None => Ok(PathPattern::Template(segments)),
    }
}

/// Reads a template that a path is to be made of, with parameters of `known`; none if these are not known.
///
/// # Errors
/// When it is none, or has another parameter.
pub(super) fn rewrite(
    text: &str,
    known: Option<&PathPattern>,
) -> Result<Vec<TemplateSegment>, Invalid> {
    let segments = segments(text)?;
    let Some(known) = known else { return Ok(segments) };
    let known: Vec<_> = match known {
        PathPattern::Template(segments) => parameters(segments).collect(),
        PathPattern::Exact(_) | PathPattern::Prefix(_) => Vec::new(),
    };
    for used in parameters(&segments) {
        if !known.contains(&used) {
            return Err(unknown_parameter(used, &known));
        }
    }
    Ok(segments)
}

/// A parameter's name, and whether it is all that is left.
type Parameter<'a> = (&'a str, bool);

fn parameters(segments: &[TemplateSegment]) -> impl Iterator<Item = Parameter<'_>> {
    segments.iter().filter_map(|segment| match segment {
        TemplateSegment::Literal(_) => None,
        TemplateSegment::Parameter(name) => Some((&**name, false)),
        TemplateSegment::Rest(name) => Some((&**name, true)),
    })
}

fn unknown_parameter(used: Parameter<'_>, known: &[Parameter<'_>]) -> Invalid {
    let written = |(name, is_rest): Parameter<'_>| {
        if is_rest { format!("`{{{name}...}}`") } else { format!("`{{{name}}}`") }
    };
    let reason = format!("the path of the route has no parameter {}", written(used));
    let all: Vec<_> = known.iter().map(|parameter| written(*parameter)).collect();
    let same = known.iter().find(|(name, _)| *name == used.0);
    let near = || strict_toml::suggest(used.0, known.iter().map(|(name, _)| *name));
    let meant = same.or_else(|| near().and_then(|near| known.iter().find(|one| one.0 == near)));
    match (meant, all.is_empty()) {
        (Some(meant), _) => Invalid::new(reason).help(format!("did you mean {}?", written(*meant))),
        (None, false) => Invalid::new(reason).help(format!("it has {}", all.join(", "))),
        (None, true) => Invalid::new(reason).help("give the route `path = { template = … }`"),
    }
}

/// Reads a template: `/users/{id}/{rest...}`.
fn segments(text: &str) -> Result<Vec<TemplateSegment>, Invalid> {
    let Some(rest) = text.strip_prefix('/') else { return Err(relative(text)) };
    let parts: Vec<&str> = rest.split('/').collect();
    let mut segments = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let segment = segment(text, part)?;
        if matches!(segment, TemplateSegment::Rest(_)) && index + 1 < parts.len() {
            return Err(Invalid::new(format!("`{text}` goes on after `{part}`"))
                .help("only the last segment can stand for all that is left"));
        }
        segments.push(segment);
    }
    // Any segment does for a parameter.
    let sample = |segment: &TemplateSegment| match segment {
        TemplateSegment::Literal(literal) => format!("/{literal}"),
        TemplateSegment::Parameter(_) | TemplateSegment::Rest(_) => "/x".to_owned(),
    };
    readable(&segments.iter().map(sample).collect::<String>(), text)?;
    Ok(segments)
}

fn segment(text: &str, part: &str) -> Result<TemplateSegment, Invalid> {
    let Some(name) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        if part.contains(['{', '}']) {
            return Err(Invalid::new(format!("`{text}` has a parameter within `{part}`"))
                .help("a parameter is a whole segment: \"/users/{id}\""));
        }
        return Ok(TemplateSegment::Literal(part.into()));
    };
    let (name, is_rest) = match name.strip_suffix("...") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let is_kept = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(is_kept) {
        return Err(Invalid::new(format!("`{part}` is not a parameter"))
            .help("its name has letters, digits, `-` and `_`: \"{id}\", or \"{rest...}\""));
    }
    Ok(if is_rest {
        TemplateSegment::Rest(name.into())
    } else {
        TemplateSegment::Parameter(name.into())
    })
}

/// Refuses a path that is not what requests' paths become before they are looked at.
fn normal(text: &str) -> Result<(), Invalid> {
    if text.contains(['{', '}']) {
        return Err(Invalid::new(format!("`{text}` has a parameter"))
            .help(format!("write {{ template = \"{text}\" }}")));
    }
    readable(text, text)
}

/// The same for the `path` that stands for what is `written`.
fn readable(path: &str, written: &str) -> Result<(), Invalid> {
    if !path.starts_with('/') {
        return Err(relative(written));
    }
    if written.len() > PATH_BYTES_MAX {
        return Err(Invalid::new(format!("it has more than {PATH_BYTES_MAX} bytes")));
    }
    if let Some(at) = written.find(['?', '#']) {
        return Err(Invalid::new(format!("`{written}` has more than a path"))
            .help(format!("write \"{}\"", &written[..at])));
    }
    if let Some(other) = path.chars().find(|c| !is_path_character(*c)) {
        let encoded: String =
            other.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
        return Err(Invalid::new(format!("`{}` has {other:?}", written.escape_debug()))
            .help(format!("requests have it as `{encoded}`")));
    }
    match gateway::path::normalise(path) {
        Ok(normal) if normal == path => Ok(()),
        Ok(normal) => Err(Invalid::new(format!("`{written}` is not in its normal form"))
            .help(if path == written { format!("write \"{normal}\"") } else { NORMAL.to_owned() })),
        Err(fault) => Err(Invalid::new(format!("`{written}` is refused in requests: {fault}"))),
    }
}

fn relative(text: &str) -> Invalid {
    let reason = format!("`{text}` does not start with a slash");
    let is_likely = !text.is_empty() && text.chars().all(is_path_character);
    if is_likely {
        Invalid::new(reason).help(format!("write \"/{text}\""))
    } else {
        Invalid::new(reason)
    }
}

/// RFC 3986 §3.3, and slashes.
fn is_path_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/-._~!$&'()*+,;=:@%".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> TemplateSegment {
        TemplateSegment::Literal(text.into())
    }

    #[test]
    fn a_prefix_has_no_slash_at_its_end() {
        for (text, expected) in [("/", ""), ("/a", "/a"), ("/a/", "/a"), ("/a/b", "/a/b")] {
            assert_eq!(&*prefix(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_template_is_read_by_segments() {
        let expected = vec![
            literal("users"),
            TemplateSegment::Parameter("id".into()),
            TemplateSegment::Rest("rest".into()),
        ];
        assert_eq!(template("/users/{id}/{rest...}").unwrap(), PathPattern::Template(expected));
        let expected = vec![TemplateSegment::Parameter("a".into()), literal("")];
        assert_eq!(template("/{a}/").unwrap(), PathPattern::Template(expected));
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for text in [
            "",
            "/",
            "/a",
            "{a}",
            "/{}",
            "/{...}",
            "/{a",
            "/a}",
            "/x{a}",
            "/{a}x",
            "/{a b}",
            "/{a}/{a}",
            "/{a...}/b",
            "/{a}?b",
            "/{{a}}",
            "/{a}/b c",
            "/{a..}",
        ] {
            assert!(template(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_rewrite_has_the_parameters_of_its_route_as_often_as_it_likes() {
        let known = template("/users/{id}/{rest...}").unwrap();
        for text in ["/u/{id}", "/{id}/{id}", "/{id}/{rest...}", "/", "/same"] {
            assert!(rewrite(text, Some(&known)).is_ok(), "{text}");
        }
        for text in ["/{rest}", "/{id...}", "/{ID}", "/{other}", "u/{id}"] {
            assert!(rewrite(text, Some(&known)).is_err(), "{text}");
        }
        assert!(rewrite("/{id}", Some(&PathPattern::Prefix("".into()))).is_err());
    }

    #[test]
    fn paths_that_no_request_has_are_refused() {
        for text in ["", "a", "/a?b", "/a#b", "/{a}", "/a b", "/ä", "/a\\b", "/a\n"] {
            assert!(exact(text).is_err() && prefix(text).is_err(), "{text}");
        }
    }
}
