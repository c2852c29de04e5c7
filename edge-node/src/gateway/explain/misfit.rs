//! Which route comes nearest to a request that none takes, and what did not fit.

use serde::Serialize;

use super::super::table::{Row, has_headers, has_method, takes_host, takes_path};
use super::{Asked, ListingRow, spelling};
use crate::config::{HeaderMatch, PathPattern, Route, TemplateSegment};

/// The route that comes nearest.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Nearest {
    /// Its name.
    pub route: String,
    /// What it takes.
    pub takes: ListingRow,
    /// What did not fit, a sentence each.
    pub misfits: Vec<String>,
}

/// The row of which the least does not fit.
pub fn nearest(rows: &[Row<'_, &Route>], asked: &Asked<'_>) -> Option<Nearest> {
    let row = rows.iter().min_by_key(|row| distance(row, asked))?;
    Some(Nearest {
        route: row.route.name.to_string(),
        takes: ListingRow::of(row),
        misfits: misfits(row, asked),
    })
}

/// A wrong host is further away than a wrong path, and that than methods and headers; of paths, the one with more in
/// common is nearer.
fn distance(row: &Row<'_, &Route>, asked: &Asked<'_>) -> (u8, usize) {
    let matcher = row.matcher;
    let parts = [
        (takes_host(row.host, asked.host), 4),
        (takes_path(&matcher.path, asked.path), 3),
        (has_method(matcher, asked.method), 1),
        (has_headers(matcher, asked.headers), 1),
    ];
    let weight = parts.iter().filter(|(is_fitting, _)| !is_fitting).map(|(_, weight)| weight).sum();
    (weight, usize::MAX - in_common(&matcher.path, asked.path))
}

/// Bytes from the start that a path has in common with a pattern.
fn in_common(pattern: &PathPattern, path: &str) -> usize {
    match pattern {
        PathPattern::Exact(text) | PathPattern::Prefix(text) => {
            text.bytes().zip(path.bytes()).take_while(|(one, other)| one == other).count()
        }
        PathPattern::Template(segments) => segments
            .iter()
            .zip(path.split('/').skip(1))
            .take_while(|(segment, text)| match segment {
                TemplateSegment::Literal(literal) => **literal == **text,
                TemplateSegment::Parameter(_) | TemplateSegment::Rest(_) => true,
            })
            .map(|(_, text)| text.len() + 1)
            .sum(),
    }
}

fn misfits(row: &Row<'_, &Route>, asked: &Asked<'_>) -> Vec<String> {
    let matcher = row.matcher;
    let mut misfits = Vec::new();
    if !takes_host(row.host, asked.host) {
        let host = spelling::host(row.host);
        misfits.push(format!("host `{}` does not fit {host}", asked.host));
    }
    if !takes_path(&matcher.path, asked.path) {
        let (kind, pattern) = spelling::path(&matcher.path);
        misfits.push(format!("path {} does not fit the {kind} {pattern}", asked.path));
    }
    if !has_method(matcher, asked.method) {
        let methods = spelling::methods(matcher).join(", ");
        misfits.push(format!("method {} is not one of {methods}", asked.method));
    }
    for HeaderMatch { name, value } in &matcher.headers {
        let there: Vec<_> = asked.headers.get_all(name).iter().collect();
        match (value, there.first()) {
            (_, None) => misfits.push(format!("header {name} is missing")),
            (Some(value), Some(other)) if !there.contains(&value) => {
                let other = spelling::header_line(name, other);
                let wanted = spelling::header_line(name, value);
                misfits.push(format!("header `{other}` is not `{wanted}`"));
            }
            (_, Some(_)) => {}
        }
    }
    misfits
}
