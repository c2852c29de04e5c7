//! Routes that some request would fit equally well.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use strict_toml::Diagnostic;

use super::Rules;
use crate::config::model::{Matcher, Route};
use crate::gateway::table::Table;

impl Rules<'_> {
    /// Refuses each pair of routes of one listener of which neither is the more specific.
    pub(super) fn unambiguous(&mut self, routes: &[(Range<usize>, Route)]) {
        let mut pairs: BTreeMap<(usize, usize), Vec<Arc<str>>> = BTreeMap::new();
        let listeners: BTreeSet<_> =
            routes.iter().flat_map(|(_, route)| &route.listeners).cloned().collect();
        for listener in listeners {
            for pair in ambiguous(routes, &listener) {
                pairs.entry(pair).or_default().push(Arc::clone(&listener));
            }
        }
        for ((first, second), listeners) in pairs {
            let (first_place, first) = &routes[first];
            let (second_place, second) = &routes[second];
            let on: Vec<_> = listeners.iter().map(|name| format!("`{name}`")).collect();
            let message = format!(
                "routes `{}` and `{}` take the same requests of listener{} {}, and neither is the more specific",
                first.name,
                second.name,
                if on.len() > 1 { "s" } else { "" },
                on.join(", ")
            );
            self.broken.push(
                Diagnostic::error(message)
                    .at(second_place.clone(), "fits as well")
                    .related(first_place.clone(), "fits")
                    .help(
                        "tell them apart by `hosts`, `path`, `methods`, `headers` or `listeners`",
                    ),
            );
        }
    }
}

/// The places in `routes` of the pairs on one listener, the earlier first.
fn ambiguous(routes: &[(Range<usize>, Route)], listener: &str) -> Vec<(usize, usize)> {
    let is_on = |route: &Route| route.listeners.iter().any(|name| &**name == listener);
    let here: Vec<(Matcher, usize)> = routes
        .iter()
        .enumerate()
        .filter(|(_, (_, route))| is_on(route))
        .map(|(index, (_, route))| (route.matcher.clone(), index))
        .collect();
    let places: Vec<usize> = here.iter().map(|(_, index)| *index).collect();
    let found = Table::new(here).err().unwrap_or_default();
    let pair = |first: usize, second: usize| {
        let (first, second) = (*places.get(first)?, *places.get(second)?);
        Some((first.min(second), first.max(second)))
    };
    found.iter().filter_map(|ambiguity| pair(ambiguity.first, ambiguity.second)).collect()
}
