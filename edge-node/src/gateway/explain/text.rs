//! Explanations and listings in words.

use std::fmt::{self, Display, Formatter};

use super::effect::{Edits, Effect, Limits, seconds};
use super::{Explanation, Listing, ListingRow, Nearest, Taken, Verdict};

impl Display for Explanation {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { listener, method, host, path, headers_dropped, verdict } = self;
        let host = if host.is_empty() { "no host" } else { host };
        writeln!(out, "{method} {path} for {host}, at listener {listener}")?;
        for name in headers_dropped {
            writeln!(out, "header {name} is dropped: programs behind may take it for another one")?;
        }
        match verdict {
            Verdict::Refused { status, error } => writeln!(out, "refused with {status}: {error}"),
            Verdict::Server => {
                writeln!(out, "answered with 204: it asks for the server, not a path")
            }
            Verdict::NoRoutes => {
                writeln!(out, "there are no routes: / says who answers, all else is 404")
            }
            Verdict::Taken(taken) => taken.fmt(out),
            Verdict::Missed { status, allow, nearest } => {
                writeln!(out, "no route takes it: answered with {status}")?;
                if !allow.is_empty() {
                    line(out, "allow", &allow.join(", "))?;
                }
                nearest.as_ref().map_or(Ok(()), |nearest| nearest.fmt(out))
            }
        }
    }
}

impl Display for Nearest {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        line(out, "nearest", &format!("{} ({})", self.route, self.takes))?;
        self.misfits.iter().try_for_each(|misfit| line(out, "but", misfit))
    }
}

impl Display for Taken {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "route {} takes it", self.route)?;
        line(out, "takes", &self.takes)?;
        for (name, value) in &self.parameters {
            line(out, "parameter", &format!("{name} = {}", value.as_str().unwrap_or_default()))?;
        }
        for win in &self.wins_over {
            line(out, "wins over", &format!("{}: {}", win.route, win.because))?;
        }
        self.action.fmt(out)?;
        edits(out, "request", &self.request_headers)?;
        edits(out, "response", &self.response_headers)?;
        self.limits.fmt(out)
    }
}

impl Display for Effect {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forward { .. } => forward(out, self),
            Self::Redirect { status, location } => {
                line(out, "redirects", &format!("with {status} to {location}"))
            }
            Self::Respond { status, content_type, body_bytes } => {
                let what = format!("with {status}, {body_bytes} bytes of {content_type}");
                line(out, "responds", &what)
            }
            Self::Files { root, path, index } => {
                line(out, "files", &format!("{path} in {root}, of a folder {index}"))
            }
        }
    }
}

fn forward(out: &mut Formatter<'_>, effect: &Effect) -> fmt::Result {
    let Effect::Forward {
        pool,
        balance,
        protocol,
        upstreams,
        path,
        host,
        timeout_seconds,
        try_timeout_seconds,
        retries_max,
        stream_idle_timeout_seconds,
    } = effect
    else {
        return Ok(());
    };
    line(out, "forwards", &format!("to pool {pool}, {balance}, {protocol}"))?;
    for upstream in upstreams {
        line(out, "upstream", &format!("{}, weight {}", upstream.address, upstream.weight))?;
    }
    line(out, "path", path)?;
    line(out, "host", host.as_deref().unwrap_or("the upstream's own address"))?;
    let [whole, one, idle] = [timeout_seconds, try_timeout_seconds, stream_idle_timeout_seconds]
        .map(|time| seconds(*time));
    line(out, "timeouts", &format!("{whole} in all, {one} a try, {idle} without a byte"))?;
    line(out, "retries", retries_max)
}

fn edits(out: &mut Formatter<'_>, whose: &str, edits: &Edits) -> fmt::Result {
    let Edits { remove, set, add } = edits;
    for (verb, lines) in [("without", remove), ("sets", set), ("adds", add)] {
        for text in lines {
            line(out, whose, &format!("{verb} {text}"))?;
        }
    }
    Ok(())
}

impl Display for Limits {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { body_bytes_max, body_rate_min, rate, clients } = self;
        if let Some(bytes) = body_bytes_max {
            line(out, "limit", &format!("{bytes} bytes of body"))?;
        }
        if let Some(bytes) = body_rate_min {
            line(out, "limit", &format!("at least {bytes} bytes of body a second"))?;
        }
        if let Some(rate) = rate {
            line(out, "limit", rate)?;
        }
        let Some(clients) = clients else { return Ok(()) };
        let need = if clients.is_required {
            "with a certificate"
        } else {
            "with or without a certificate"
        };
        line(out, "clients", need)?;
        clients.allow.iter().try_for_each(|name| line(out, "allowed", name))
    }
}

/// A fact under its heading.
fn line(out: &mut Formatter<'_>, heading: &str, text: &(impl Display + ?Sized)) -> fmt::Result {
    writeln!(out, "  {heading:<9}  {text}")
}

impl Display for ListingRow {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { host, path_kind, path, .. } = self;
        let host = if host == "*" { "any host" } else { host };
        write!(out, "{}, {host}, {path_kind} {path}", self.methods_text())?;
        self.headers.iter().try_for_each(|header| write!(out, ", {header}"))
    }
}

impl ListingRow {
    fn methods_text(&self) -> String {
        if self.methods.is_empty() { "any method".to_owned() } else { self.methods.join(",") }
    }
}

impl Display for Listing {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "listener {} at {}", self.listener, self.address)?;
        if self.routes.is_empty() {
            return writeln!(out, "  no routes");
        }
        let rows: Vec<_> = self.routes.iter().map(cells).collect();
        let width = |column: usize| {
            rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
        };
        let widths = [width(0), width(1), width(2), width(3)];
        for [host, path, fits, route, action] in &rows {
            let [first, second, third, fourth] = widths;
            write!(out, "  {host:<first$}  {path:<second$}  {fits:<third$}  ")?;
            writeln!(out, "{route:<fourth$}  {action}")?;
        }
        Ok(())
    }
}

fn cells(row: &ListingRow) -> [String; 5] {
    let mut fits = vec![row.methods_text()];
    fits.extend(row.headers.iter().cloned());
    let path = format!("{} {}", row.path_kind, row.path);
    [row.host.clone(), path, fits.join(", "), row.route.clone(), row.action.clone()]
}
