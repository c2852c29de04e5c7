//! Static files: GET and HEAD of what lies in a folder, with conditions and ranges.
//!
//! Nothing outside the folder is ever read, whatever links it holds, nor anything whose name starts with a dot. All that
//! may block is done beside the event loop; a body is read as it is sent, one chunk ahead of nothing.

use std::io;
use std::path::Path;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::answer::Fault;
use crate::config::{Files, PathPattern};

mod body;
pub(super) mod condition;
mod content_type;
pub(super) mod place;

pub use body::FileBody;
use condition::{Conditions, Selected, Validators};
use place::Place;

/// What a client asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path, normalised.
    pub path: &'a str,
    /// The query, which only a redirect repeats.
    pub query: Option<&'a str>,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// What took the path. Of a prefix, what follows it is looked for in the folder, otherwise the whole path.
    pub pattern: &'a PathPattern,
}

/// Answers from a folder.
///
/// # Errors
/// What to answer instead: that there is no such file, that the method or a condition does not fit, or that a disk
/// failed.
pub async fn serve(settings: &Files, asked: Asked<'_>) -> Result<Response<FileBody>, Fault> {
    if asked.method != Method::GET && asked.method != Method::HEAD {
        return Err(Fault::Method(vec![Method::GET, Method::HEAD]));
    }
    let path = match asked.pattern {
        PathPattern::Prefix(prefix) => asked.path.strip_prefix(&**prefix).unwrap_or(asked.path),
        PathPattern::Exact(_) | PathPattern::Template(_) => asked.path,
    };
    if path.is_empty() {
        return with_slash(asked);
    }
    let mut relative = place::relative(path).ok_or(Fault::NoFile)?;
    if path.ends_with('/') {
        relative.push(&*settings.index);
    }
    let is_read = asked.method == Method::GET;
    let conditions = Conditions::of(asked.headers, is_read);
    let root = settings.root.clone();
    let work = move || read(&root, &relative, &conditions, is_read);
    let read = tokio::task::spawn_blocking(work).await;
    match read.map_err(|_panicked_or_stopping| Fault::Internal)?? {
        Some(response) => Ok(response),
        None => with_slash(asked),
    }
}

/// The response from a file, none for a folder. May block.
fn read(
    root: &Path,
    relative: &Path,
    conditions: &Conditions,
    is_read: bool,
) -> Result<Option<Response<FileBody>>, Fault> {
    let Place::File(file, metadata) = place::find(root, relative).map_err(|error| fault(&error))?
    else {
        return Ok(None);
    };
    let whole = metadata.len();
    let validators = Validators::of(&metadata);
    let selected = conditions.select(&validators, whole)?;
    let (status, part) = match selected {
        Selected::Unchanged => (StatusCode::NOT_MODIFIED, None),
        Selected::Whole => (StatusCode::OK, Some((0, whole))),
        Selected::Part { start, length } => (StatusCode::PARTIAL_CONTENT, Some((start, length))),
    };
    let body = match part {
        Some((start, length)) if is_read => {
            FileBody::open(file, start, length).map_err(|error| fault(&error))?
        }
        _ => FileBody::empty(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    validators.tell(headers);
    if let Some((start, length)) = part {
        headers.insert(header::CONTENT_LENGTH, length.into());
        headers.insert(header::CONTENT_TYPE, content_type::of(relative));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        // A browser must not take a text that somebody put there for a script.
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if status == StatusCode::PARTIAL_CONTENT
            && let Ok(range) = format!("bytes {start}-{}/{whole}", start + length - 1).try_into()
        {
            headers.insert(header::CONTENT_RANGE, range);
        }
    }
    Ok(Some(response))
}

/// Sends a client that asked for a folder to its path with a slash, so that links in its index lead where they should.
fn with_slash(asked: Asked<'_>) -> Result<Response<FileBody>, Fault> {
    let query = asked.query.map(|query| format!("?{query}")).unwrap_or_default();
    let location = HeaderValue::try_from(format!("{}/{query}", asked.path));
    let mut response = Response::new(FileBody::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location.map_err(|_odd| Fault::Internal)?);
    Ok(response)
}

/// What may not be read is not there, as far as the world is concerned.
fn fault(error: &io::Error) -> Fault {
    let is_missing = matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::InvalidFilename
            | io::ErrorKind::InvalidInput
    );
    if is_missing { Fault::NoFile } else { Fault::Internal }
}

#[cfg(test)]
mod tests;
