//! What the route of a request does with it.

use http::request::Parts;
use hyper::body::Incoming;

use super::answer::{self, Fault};
use super::exchange::Exchange;
use super::proxy::{self, Going};
use super::reply::Reply;
use super::snapshot::Entry;
use super::table::Found;
use super::{Path, files, rewrite};
use crate::config::{Action, Redirect};

/// Does what the route says.
///
/// # Errors
/// What to answer instead.
pub async fn act(
    exchange: &mut Exchange,
    found: &Found<'_, Entry>,
    path: &Path,
    parts: Parts,
    body: Incoming,
) -> Result<Reply, Fault> {
    let route = &found.route.route;
    let mut reply = match &route.settings.action {
        Action::Forward(settings) => {
            let pool = route.pool.as_deref().ok_or(Fault::Internal)?;
            let going = Going { settings, pool, found };
            proxy::forward(exchange, going, path, parts, body).await?
        }
        Action::Redirect(settings) => redirect(exchange, settings, found, path, &parts),
        Action::Respond(_) => Reply::whole(route.fixed.as_ref().ok_or(Fault::Internal)?.answer()),
        Action::Files(settings) => {
            let asked = files::Asked {
                method: &parts.method,
                path: path.text(&parts.uri),
                query: parts.uri.query(),
                headers: &parts.headers,
                pattern: found.path,
            };
            Reply::file(files::serve(settings, asked).await?)
        }
    };
    rewrite::headers(&route.settings.response_headers, &mut reply.head.headers);
    Ok(reply)
}

fn redirect(
    exchange: &Exchange,
    settings: &Redirect,
    found: &Found<'_, Entry>,
    path: &Path,
    parts: &Parts,
) -> Reply {
    let path = rewrite::path(&settings.path, found.path, path.text(&parts.uri), &found.parameters);
    let host = exchange.host.as_ref().and_then(|host| host.to_str().ok());
    Reply::whole(answer::redirect(
        settings,
        answer::Asked {
            scheme: if exchange.context.is_secure { "https" } else { "http" },
            authority: host.unwrap_or_default(),
            path: &path,
            query: parts.uri.query(),
        },
    ))
}
