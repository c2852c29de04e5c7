//! What the verbs of `edge-node ca` say. No key is ever part of it.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::CaError;
use super::folder::{CERTIFICATE, Folder, REVOCATION_LIST};
use super::index::{Entry, Index, Status, Target};
use super::name::{Name, Serial};
use super::request::{Purpose, Request};
use super::signing::{Authority, Facts};

/// An error and what a person can do about it.
#[must_use]
pub fn error(error: &CaError) -> String {
    let help = error.help().map_or_else(String::new, |help| format!("  help: {help}\n"));
    format!("error: {error}\n{help}")
}

/// That an authority was made.
#[must_use]
pub fn made(folder: &Folder, authority: &Authority) -> String {
    format!(
        "{}: made the authority `{}`, valid until {}\n",
        folder.file(CERTIFICATE).display(),
        authority.name,
        authority.not_after
    )
}

/// That a certificate was issued.
#[must_use]
pub fn issued(folder: &Folder, entry: &Entry, authority_end: Timestamp) -> String {
    let (chain, _key) = folder.issued(&entry.name);
    let end = if entry.not_after == authority_end { ", as its authority" } else { "" };
    format!("{}: issued {}, valid until {}{end}\n", chain.display(), entry.serial, entry.not_after)
}

/// That a revocation list was made.
#[must_use]
pub fn listed(folder: &Folder, index: &Index) -> String {
    let list = &index.revocation_list;
    let file = folder.file(REVOCATION_LIST);
    format!("{}: number {}, good until {}\n", file.display(), list.number, list.next_update)
}

/// Which certificates were revoked.
#[must_use]
pub fn revoked(target: &Target, revoked: &[(Name, Serial)]) -> String {
    if revoked.is_empty() {
        return format!("{target}: was revoked before\n");
    }
    revoked.iter().fold(String::new(), |mut text, (name, serial)| {
        let _infallible = writeln!(text, "{name}: revoked {serial}");
        text
    })
}

/// `show` for people: the authority, its list, a line for each certificate.
#[must_use]
pub fn text(facts: &Facts, index: &Index, statuses: &[Status], now: Timestamp) -> String {
    let list = &index.revocation_list;
    let over = |end: Timestamp| if end <= now { " (over)" } else { "" };
    let end = facts.validity.1;
    let mut text = format!(
        "authority: {}, valid until {end}{}\nrevocation list: number {}, good until {}{}\n",
        facts.name,
        over(end),
        list.number,
        list.next_update,
        over(list.next_update)
    );
    for (entry, status) in index.certificates.iter().zip(statuses) {
        let _infallible = writeln!(
            text,
            "{}  {}  {}  {} to {}  due {}  {}",
            entry.name,
            status.as_str(),
            entry.serial,
            entry.not_before,
            entry.not_after,
            entry.due(),
            words(&entry.request)
        );
    }
    text
}

/// Purposes and names in one line.
fn words(request: &Request) -> String {
    let Request { purposes, dns, ips, uris, days: _ } = request;
    let purposes = purposes.iter().map(|purpose| purpose.as_str().to_owned());
    let dns = dns.iter().map(|name| format!("dns:{name}"));
    let ips = ips.iter().map(|ip| format!("ip:{ip}"));
    let uris = uris.iter().map(|uri| format!("uri:{uri}"));
    purposes.chain(dns).chain(ips).chain(uris).collect::<Vec<_>>().join(" ")
}

/// `show` for programs.
#[must_use]
pub fn json(folder: &Folder, facts: &Facts, index: &Index, statuses: &[Status]) -> Value {
    let list = &index.revocation_list;
    let certificates: Vec<Value> = index
        .certificates
        .iter()
        .zip(statuses)
        .map(|(entry, status)| certificate(folder, entry, *status))
        .collect();
    json!({
        "authority": {
            "name": facts.name,
            "not-before": facts.validity.0.to_string(),
            "not-after": facts.validity.1.to_string(),
            "file": folder.file(CERTIFICATE).display().to_string(),
        },
        "revocation-list": {
            "number": list.number,
            "this-update": list.this_update.to_string(),
            "next-update": list.next_update.to_string(),
            "file": folder.file(REVOCATION_LIST).display().to_string(),
        },
        "certificates": certificates,
    })
}

fn certificate(folder: &Folder, entry: &Entry, status: Status) -> Value {
    let Request { purposes, dns, ips, uris, days: _ } = &entry.request;
    let (chain, _key) = folder.issued(&entry.name);
    let mut value = json!({
        "name": entry.name,
        "serial": entry.serial,
        "status": status.as_str(),
        "purposes": purposes.iter().copied().map(Purpose::as_str).collect::<Vec<_>>(),
        "dns": dns,
        "ips": ips,
        "uris": uris,
        "not-before": entry.not_before.to_string(),
        "not-after": entry.not_after.to_string(),
        "due": entry.due().to_string(),
        "is-due": matches!(status, Status::Due | Status::Unfinished | Status::Expired),
        "file": chain.display().to_string(),
    });
    if let Some(revoked) = entry.revoked {
        value["revoked"] = json!(revoked);
    }
    value
}
