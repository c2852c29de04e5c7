//! What an authority has issued and revoked, and what the verbs do to that. Pure: time and serial numbers come from
//! outside, and what comes out is written by `folder`.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::CaError;
use super::name::{Name, Serial};
use super::request::Request;

/// Certificates and lists are valid from this long before they are made: clocks of a site differ.
const BACKDATED: SignedDuration = SignedDuration::from_mins(5);

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The layout of `index.json`; another program would have to know a later one.
const VERSION: u32 = 1;

/// What an authority knows of what it made: `index.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Index {
    version: u32,
    /// The revocation list.
    pub revocation_list: RevocationList,
    /// In the order of their making. Those of a name that a later one has replaced stay until they have expired.
    pub certificates: Vec<Entry>,
}

/// Why a text is no index that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// It is no index. Its reader's words are about types, which help nobody.
    #[error("is no index of an authority (line {line}, column {column})")]
    Malformed {
        /// The line at which that shows, from 1.
        line: usize,
        /// The column, from 1; 0 before the first.
        column: usize,
    },
    /// It is one of another version of the program.
    #[error("has version {version}, this program knows {VERSION}")]
    Version {
        /// The version of its layout.
        version: u32,
    },
}

/// A revocation list as it was last made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RevocationList {
    /// One more with each. Source: RFC 5280 §5.2.3.
    pub number: u64,
    /// How long each is good for.
    pub days: u16,
    /// From when it is good.
    pub this_update: Timestamp,
    /// Until when.
    pub next_update: Timestamp,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Entry {
    /// Whose it is.
    pub name: Name,
    /// Its serial number.
    pub serial: Serial,
    /// What it says.
    pub request: Request,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
    /// When and why it was revoked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revoked>,
}

/// That a certificate was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Revoked {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
}

/// Why a certificate was revoked. Source: RFC 5280 §5.3.1, less what is for authorities and what can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// No reason is given.
    Unspecified,
    /// Somebody else has or may have the key.
    KeyCompromise,
    /// The names are not its any more.
    AffiliationChanged,
    /// Another certificate has taken its place.
    Superseded,
    /// It is out of use.
    CessationOfOperation,
    /// It may not any more what it could.
    PrivilegeWithdrawn,
}

/// What there is to say of a certificate at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Good, and not due.
    Valid,
    /// Good, with less than a third of its life left.
    Due,
    /// Its files are not those of the index: a run was cut short. Renewing mends it.
    Unfinished,
    /// Over.
    Expired,
    /// Revoked.
    Revoked,
    /// Good, but a later one has taken its name; its files are gone.
    Superseded,
    /// Over, and a later one has taken its name.
    Replaced,
}

impl Status {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Due => "due",
            Self::Unfinished => "unfinished",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Superseded => "superseded",
            Self::Replaced => "replaced",
        }
    }
}

/// From when and until when something made at `now` is valid.
#[must_use]
pub fn validity(now: Timestamp, days: u16) -> (Timestamp, Timestamp) {
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let until = now.checked_add(DAY * i32::from(days)).unwrap_or(Timestamp::MAX);
    (now.checked_sub(BACKDATED).unwrap_or(now), until)
}

impl Index {
    /// The index of a new authority.
    #[must_use]
    pub fn new(now: Timestamp, list_days: u16) -> Self {
        let (this_update, next_update) = validity(now, list_days);
        let revocation_list =
            RevocationList { number: 1, days: list_days, this_update, next_update };
        Self { version: VERSION, revocation_list, certificates: vec![] }
    }

    /// Reads `index.json`.
    ///
    /// # Errors
    /// When it is none, or one of another version.
    pub fn parse(json: &[u8]) -> Result<Self, IndexError> {
        let index: Self = serde_json::from_slice(json).map_err(|error| IndexError::Malformed {
            line: error.line(),
            column: error.column(),
        })?;
        let version = index.version;
        if version == VERSION { Ok(index) } else { Err(IndexError::Version { version }) }
    }

    /// The text of `index.json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("texts, numbers and lists are JSON") + "\n"
    }

    /// The certificate that has a name: the last that was made.
    #[must_use]
    pub fn current(&self, name: &Name) -> Option<&Entry> {
        self.certificates.iter().rfind(|entry| entry.name == *name)
    }

    /// What there is to say of each certificate, in their order; that files are not there is known elsewhere.
    #[must_use]
    pub fn statuses(&self, now: Timestamp) -> Vec<Status> {
        let last = self.last();
        let is_last = |entry: &Entry| last.get(&entry.name) == Some(&entry.serial);
        self.certificates
            .iter()
            .map(|entry| match entry {
                Entry { revoked: Some(_), .. } => Status::Revoked,
                replaced if !is_last(replaced) && now < replaced.not_after => Status::Superseded,
                over if over.not_after <= now && is_last(over) => Status::Expired,
                over if over.not_after <= now => Status::Replaced,
                late if late.due() <= now => Status::Due,
                _ => Status::Valid,
            })
            .collect()
    }

    /// The last certificate of each name.
    fn last(&self) -> HashMap<&Name, Serial> {
        self.certificates.iter().map(|entry| (&entry.name, entry.serial)).collect()
    }

    /// Adds a first certificate for a name, or one for a name whose certificate is revoked or expired.
    ///
    /// # Errors
    /// When the name has one that is good.
    pub fn issue(&mut self, entry: Entry, now: Timestamp) -> Result<(), CaError> {
        let taken = self
            .current(&entry.name)
            .is_some_and(|last| last.revoked.is_none() && now < last.not_after);
        if taken {
            return Err(CaError::Taken { name: entry.name });
        }
        self.certificates.push(entry);
        Ok(())
    }

    /// Revokes certificates: by name all of it, by serial number the one. One that has expired is revoked as well, so
    /// that it is not renewed. Gives those that were not revoked before, with their names.
    ///
    /// # Errors
    /// When there is no such certificate.
    pub fn revoke(
        &mut self,
        target: &Target,
        reason: Reason,
        now: Timestamp,
    ) -> Result<Vec<(Name, Serial)>, CaError> {
        let is_meant = |entry: &&mut Entry| match target {
            Target::Name(name) => entry.name == *name,
            Target::Serial(serial) => entry.serial == *serial,
        };
        let mut meant = self.certificates.iter_mut().filter(is_meant).peekable();
        if meant.peek().is_none() {
            return Err(CaError::Unknown { what: target.to_string() });
        }
        let mut revoked = vec![];
        for entry in meant.filter(|entry| entry.revoked.is_none()) {
            entry.revoked = Some(Revoked { at: now, reason });
            revoked.push((entry.name.clone(), entry.serial));
        }
        Ok(revoked)
    }

    /// Counts a new revocation list, and forgets certificates that have no meaning any more: expired ones that another
    /// has replaced or that are revoked. They stay for one more list's life, as RFC 5280 §3.3 has it.
    pub fn next_list(&mut self, now: Timestamp) {
        let list = &mut self.revocation_list;
        (list.this_update, list.next_update) = validity(now, list.days);
        list.number = list.number.saturating_add(1);
        let kept_for = DAY * i32::from(list.days);
        let last: HashSet<Serial> = self.last().into_values().collect();
        self.certificates.retain(|entry| {
            let end = entry.not_after.checked_add(kept_for).unwrap_or(Timestamp::MAX);
            let can_be_renewed = last.contains(&entry.serial) && entry.revoked.is_none();
            can_be_renewed || now < end
        });
    }
}

impl Entry {
    /// A certificate made at `now` for what is asked, which ends with its authority.
    #[must_use]
    pub fn new(
        name: Name,
        serial: Serial,
        request: Request,
        now: Timestamp,
        authority_end: Timestamp,
    ) -> Self {
        let (not_before, not_after) = validity(now, request.days);
        let not_after = not_after.min(authority_end);
        Self { name, serial, request, not_before, not_after, revoked: None }
    }

    /// When two thirds of its life are over.
    #[must_use]
    pub fn due(&self) -> Timestamp {
        let life = self.not_after.duration_since(self.not_before);
        self.not_before.checked_add(life * 2 / 3).unwrap_or(self.not_after)
    }
}

/// What is to be revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// All certificates of a name.
    Name(Name),
    /// The certificate of a serial number.
    Serial(Serial),
}

impl std::str::FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self::Serial).or_else(|_no_serial| text.parse().map(Self::Name))
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => name.fmt(formatter),
            Self::Serial(serial) => serial.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests;
