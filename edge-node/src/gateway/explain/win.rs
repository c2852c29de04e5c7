//! Why a route wins over others that would take the same request.

use serde::Serialize;

use super::super::table::{PathRank, Row, SegmentKind, rank};
use super::spelling;
use crate::config::{HostPattern, Route};

/// Others that are told at most.
const WINS_MAX: usize = 5;

/// A route that would take the request as well.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Win {
    /// The other route's name.
    pub route: String,
    /// Why it does not get the request.
    pub because: String,
}

/// Why a row wins over others that fit as well, each of which comes later.
pub fn over<'a>(
    winner: &Row<'_, &Route>,
    others: impl Iterator<Item = &'a Row<'a, &'a Route>>,
) -> Vec<Win> {
    // A route with several hosts is no rival of its own.
    let mut told = vec![&winner.route.name];
    let mut wins = Vec::new();
    for other in others {
        if told.contains(&&other.route.name) || wins.len() == WINS_MAX {
            continue;
        }
        told.push(&other.route.name);
        wins.push(Win { route: other.route.name.to_string(), because: because(winner, other) });
    }
    wins
}

/// The first rule that tells two rows apart.
fn because(winner: &Row<'_, &Route>, other: &Row<'_, &Route>) -> String {
    if winner.host != other.host {
        let spelt = |row: &Row<'_, &Route>| match row.host {
            None => "any host".to_owned(),
            Some(HostPattern::Exact(_)) => format!("exact host {}", spelling::host(row.host)),
            Some(HostPattern::Wildcard(_)) => format!("wildcard host {}", spelling::host(row.host)),
        };
        return format!("{} comes before {}", spelt(winner), spelt(other));
    }
    let (one, two) = (rank(winner.matcher), rank(other.matcher));
    if one.path != two.path {
        let spelt = |row: &Row<'_, &Route>| {
            let (kind, path) = spelling::path(&row.matcher.path);
            format!("{kind} path {path}")
        };
        let rule = path_rule(&one.path, &two.path);
        return format!("{} comes before {}{rule}", spelt(winner), spelt(other));
    }
    let count = |rank: &super::super::table::Rank| (rank.headers.0, rank.values.0);
    let ((headers, values), (other_headers, other_values)) = (count(&one), count(&two));
    if headers != other_headers {
        format!("more headers come before fewer ({headers}, {other_headers})")
    } else if values != other_values {
        format!("more header values come before fewer ({values}, {other_values})")
    } else if one.is_any_method != two.is_any_method {
        "named methods come before any method".to_owned()
    } else if one.is_without_head != two.is_without_head {
        "HEAD that is named comes before HEAD that GET brings".to_owned()
    } else {
        "both fit alike, as the request has two values of a header: the first by name".to_owned()
    }
}

fn path_rule(one: &PathRank, two: &PathRank) -> &'static str {
    match (one, two) {
        (
            PathRank::Template { literals, kinds },
            PathRank::Template { literals: others, kinds: other_kinds },
        ) => {
            let apart = kinds.iter().zip(other_kinds).find(|(one, other)| one != other);
            match apart {
                _ if literals != others => ": more literal segments",
                Some((_, SegmentKind::Rest)) => ": one segment before all that is left",
                _ => ": a literal segment before a parameter, from left to right",
            }
        }
        (PathRank::Prefix { .. }, PathRank::Prefix { .. }) => ": the longer prefix",
        _ => "",
    }
}
