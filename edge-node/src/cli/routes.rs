//! The arguments of `edge-node routes` as clap types; what is explained is in `gateway::explain`.

use std::path::PathBuf;

use clap::Args;
use http::{HeaderName, HeaderValue, Method};

use super::Format;
use crate::gateway::explain::Question;

/// What `routes` can be told.
#[derive(Args, Debug)]
pub struct RoutesArgs {
    /// The config file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// A request to explain: which route takes it, why, and what becomes of it
    #[arg(long, num_args = 2, value_names = ["METHOD", "URL"], allow_hyphen_values = false)]
    explain: Vec<String>,
    /// A header of that request, as often as needed; without a Host, the URL's is its own
    #[arg(long, value_name = "NAME: VALUE", value_parser = header, requires = "explain")]
    header: Vec<(HeaderName, HeaderValue)>,
    /// The listener; without it, all are listed, and a request comes to the one that the scheme or
    /// port of its URL tells
    #[arg(long, value_name = "NAME")]
    pub listener: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

impl RoutesArgs {
    /// The request to explain, if one was given.
    ///
    /// # Errors
    /// What of it is no request, in words.
    pub fn question(&self) -> Result<Option<Question>, String> {
        let [method, url] = &self.explain[..] else { return Ok(None) };
        Ok(Some(Question {
            method: method.parse::<Method>().map_err(|_odd| format!("{method} is not a method"))?,
            url: url.clone(),
            headers: {
                let mut headers = http::HeaderMap::new();
                for (name, value) in &self.header {
                    headers.append(name, value.clone());
                }
                headers
            },
            listener: self.listener.clone(),
        }))
    }
}

/// Reads a header as it stands in a request.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("not a name, a colon and a value")?;
    let name = name.parse().map_err(|_odd| format!("{name} is not the name of a header"))?;
    let value = value.trim().parse().map_err(|_odd| format!("{value} is not a header's value"))?;
    Ok((name, value))
}
