//! The verbs of `edge-node ca` as clap types; what a verb does is in `crate::ca`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, value_parser};

use super::Format;
use crate::ca::index::{Reason, Target};
use crate::ca::name::Name;
use crate::ca::request::{self, Purpose, Request};

/// The longest life of an authority: 50 years.
const AUTHORITY_DAYS_MAX: i64 = 50 * 365;

/// The longest life of anything else: ten years.
const DAYS_MAX: i64 = 3650;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum CaCommand {
    /// Make an authority in a new folder, whose key only its owner can read
    Init(InitArgs),
    /// Issue a certificate with a new key to DIR/issued/NAME.pem and NAME.key
    Issue(IssueArgs),
    /// Issue certificates anew, each with a new key, and a new revocation list
    ///
    /// The same names, purposes and length of life. The certificates before stay good until their
    /// end. Run daily with --all-due, it keeps all certificates and the revocation list from
    /// expiring.
    Renew(RenewArgs),
    /// Revoke a certificate and write a new revocation list
    ///
    /// By name, all certificates of that name that were ever issued; by serial number, the one.
    Revoke {
        /// Where the authority is.
        #[command(flatten)]
        dir: DirArg,
        /// A name, or a serial number of 32 hexadecimal digits
        #[arg(value_name = "NAME|SERIAL")]
        target: Target,
        /// Why
        #[arg(long, value_enum, default_value_t = Reason::Unspecified)]
        reason: Reason,
    },
    /// List what was issued, with status and the time at which renewal is due
    Show {
        /// Where the authority is.
        #[command(flatten)]
        dir: DirArg,
        /// How to print
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

/// Where an authority is.
#[derive(Args, Debug)]
pub struct DirArg {
    /// The authority's folder
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
}

/// What `ca init` can be told.
#[derive(Args, Debug)]
pub struct InitArgs {
    /// Where it is to be.
    #[command(flatten)]
    pub dir: DirArg,
    /// Its name in certificates; without it, one with a random number
    #[arg(long, value_name = "NAME", value_parser = authority_name)]
    pub name: Option<String>,
    /// How long it is valid
    #[arg(long, value_name = "DAYS", default_value_t = 3650, value_parser = value_parser!(u16).range(1..=AUTHORITY_DAYS_MAX))]
    pub days: u16,
    /// How long each of its revocation lists is good
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = value_parser!(u16).range(1..=DAYS_MAX))]
    pub crl_days: u16,
}

/// What `ca issue` can be told.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("purpose").required(true).multiple(true))]
pub struct IssueArgs {
    /// Where the authority is.
    #[command(flatten)]
    pub dir: DirArg,
    /// What it is called: lower-case letters, digits, `-`, `_` and `.`
    pub name: Name,
    /// For a TLS server
    #[arg(long, group = "purpose")]
    pub server: bool,
    /// For a TLS client
    #[arg(long, group = "purpose")]
    pub client: bool,
    /// A DNS name; may be repeated
    #[arg(long, value_name = "NAME", value_parser = request::dns)]
    pub dns: Vec<String>,
    /// An address; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Vec<IpAddr>,
    /// A URI, such as spiffe://site/camera-7; may be repeated
    #[arg(long, value_name = "URI", value_parser = request::uri)]
    pub uri: Vec<String>,
    /// How long it is valid; renewal is due when two thirds are over
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = value_parser!(u16).range(1..=DAYS_MAX))]
    pub days: u16,
}

impl IssueArgs {
    /// Folder, name, and what is asked for.
    #[must_use]
    pub fn into_request(self) -> (PathBuf, Name, Request) {
        let Self { dir, name, server, client, dns, ip, uri, days } = self;
        let server = server.then_some(Purpose::Server);
        let client = client.then_some(Purpose::Client);
        let purposes = server.into_iter().chain(client).collect();
        (dir.dir, name, Request { purposes, dns, ips: ip, uris: uri, days })
    }
}

/// What `ca renew` can be told.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("which").required(true))]
pub struct RenewArgs {
    /// Where the authority is.
    #[command(flatten)]
    pub dir: DirArg,
    /// Which, due or not
    #[arg(value_name = "NAME", group = "which")]
    pub names: Vec<Name>,
    /// All that are past two thirds of their life and not revoked
    #[arg(long, group = "which")]
    pub all_due: bool,
}

/// RFC 5280 appendix A has 64 characters at most.
fn authority_name(text: &str) -> Result<String, String> {
    let is_good = (1..=64).contains(&text.chars().count())
        && !text.trim().is_empty()
        && !text.chars().any(char::is_control);
    let refusal =
        "must have 1 to 64 characters, none of them a control character, and not only blanks";
    if is_good { Ok(text.to_owned()) } else { Err(refusal.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_s_name_is_refused_with_all_it_must_be() {
        let long = "x".repeat(65);
        for text in ["", "  ", "a\nb", &long] {
            let refusal = "must have 1 to 64 characters, none of them a control character, and not only blanks";
            assert_eq!(authority_name(text), Err(refusal.to_owned()), "{text:?}");
        }
        assert_eq!(authority_name("Site 1"), Ok("Site 1".to_owned()));
    }
}
