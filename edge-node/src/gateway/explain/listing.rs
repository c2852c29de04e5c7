//! All routes of the listeners, in the order in which requests meet them.

use serde::Serialize;

use super::super::table::Row;
use super::{ExplainError, spelling, table};
use crate::config::{Config, Route};

/// The routes of a listener.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Listing {
    /// The listener's name.
    pub listener: String,
    /// Where it is bound.
    pub address: String,
    /// Its routes, once for each of their hosts.
    pub routes: Vec<ListingRow>,
}

/// What a route takes by one of its hosts, and what it does.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ListingRow {
    /// The route's name.
    pub route: String,
    /// `*` for every host.
    pub host: String,
    /// `exact`, `template` or `prefix`.
    pub path_kind: &'static str,
    /// The path.
    pub path: String,
    /// Empty for every method.
    pub methods: Vec<String>,
    /// Headers that a request must have, with their values.
    pub headers: Vec<String>,
    /// What the route does, in a few words.
    pub action: String,
}

impl ListingRow {
    pub(super) fn of(row: &Row<'_, &Route>) -> Self {
        let (path_kind, path) = spelling::path(&row.matcher.path);
        Self {
            route: row.route.name.to_string(),
            host: spelling::host(row.host),
            path_kind,
            path,
            methods: spelling::methods(row.matcher),
            headers: row.matcher.headers.iter().map(spelling::header_match).collect(),
            action: spelling::action(&row.route.action),
        }
    }
}

/// The routes of every data listener, or of one.
///
/// # Errors
/// When there is no listener of that name.
pub fn listings(config: &Config, only: Option<&str>) -> Result<Vec<Listing>, ExplainError> {
    let all = &config.listeners.data;
    let is_wanted = |name: &str| only.is_none_or(|only| only == name);
    let listings: Vec<_> = all
        .iter()
        .filter(|listener| is_wanted(&listener.name))
        .map(|listener| Listing {
            listener: listener.name.to_string(),
            address: listener.listener.address.to_string(),
            routes: table(config, listener).rows().iter().map(ListingRow::of).collect(),
        })
        .collect();
    match only {
        Some(name) if listings.is_empty() => Err(ExplainError::UnknownListener {
            name: name.to_owned(),
            known: all.iter().map(|listener| listener.name.to_string()).collect(),
        }),
        _ => Ok(listings),
    }
}
