//! `edge-node ca …`: a private certificate authority for a site that no public one reaches.
//!
//! The story in order: the command line gives a [`Request`](request::Request) → the folder is locked and its index
//! read (`folder`) → what a verb does to the index is decided (`index`, pure) → the index is written → keys and
//! certificates are made (`signing`) and written → `report` says so. The index comes first, so that no certificate is
//! about that cannot be revoked; a run that is cut short leaves a name whose files are older than the index says,
//! which shows (`unfinished`) and which the next `renew` mends.
//!
//! ```text
//! DIR/ca.pem            the authority's certificate: what others trust
//! DIR/ca.key            its key, for the owner's eyes
//! DIR/ca.crl            what it revoked
//! DIR/index.json        what it issued
//! DIR/issued/NAME.pem   a certificate
//! DIR/issued/NAME.key   its key, for the owner's eyes
//! DIR/lock              held by whoever changes any of it
//! ```

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::cli::{CaCommand, Format, InitArgs, IssueArgs, RenewArgs};
use crate::exit::Exit;
use crate::report as output;
use crate::tls::TlsError;

pub mod folder;
pub mod index;
pub mod name;
pub mod report;
pub mod request;
mod signing;

use folder::{Folder, Locked, random_serial};
use index::{Entry, Index, IndexError, Reason, Status, Target};
use name::Name;

/// Why a verb was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or folder cannot be written.
    #[error("{}: cannot be written: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A PEM file is not what it should be.
    #[error(transparent)]
    Pem(#[from] TlsError),
    /// The index is not what it should be.
    #[error("{}: {source}", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: IndexError,
    },
    /// There is no authority.
    #[error("{}: has no authority", dir.display())]
    NoAuthority {
        /// The folder.
        dir: PathBuf,
    },
    /// There is one already.
    #[error("{}: has an authority already, which is kept", dir.display())]
    Exists {
        /// The folder.
        dir: PathBuf,
    },
    /// There is something else.
    #[error("{}: is not empty", dir.display())]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
    },
    /// Another process is at work.
    #[error("{}: another `edge-node ca` is at work there", dir.display())]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
    /// The authority's certificate is not one of ours.
    #[error("{}: was not made by `edge-node ca init`", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// The authority's key is not its certificate's.
    #[error("{}: is not the key of {} beside it", file.display(), folder::CERTIFICATE)]
    Key {
        /// The file.
        file: PathBuf,
    },
    /// The authority is over.
    #[error("{}: expired at {end}", file.display())]
    AuthorityExpired {
        /// The authority's certificate.
        file: PathBuf,
        /// When.
        end: Timestamp,
    },
    /// A request makes no sense.
    #[error("{name}: {what}")]
    Request {
        /// The certificate.
        name: Name,
        /// Why.
        what: String,
    },
    /// A name has a good certificate.
    #[error("{name}: has a certificate already")]
    Taken {
        /// The name.
        name: Name,
    },
    /// There is no such certificate.
    #[error("{what}: was not issued here")]
    Unknown {
        /// The name or serial number.
        what: String,
    },
    /// The system refuses random numbers.
    #[error("random numbers cannot be had from the system")]
    Random,
    /// A certificate cannot be made.
    #[error("certificate cannot be made: {source}")]
    Signing {
        /// Why.
        source: rcgen::Error,
    },
}

impl CaError {
    fn signing(source: rcgen::Error) -> Self {
        Self::Signing { source }
    }

    /// What a person can do about it, where that is obvious.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::NoAuthority { .. } => Some("make one with `edge-node ca init --dir DIR`"),
            Self::Exists { .. } => Some("choose another --dir"),
            Self::NotEmpty { .. } => Some(
                "name a folder that is not there; where an `init` was cut short, remove what it left",
            ),
            Self::Locked { .. } => Some("try again when that is done"),
            Self::Index { source: IndexError::Malformed { .. }, .. } => {
                Some("restore it from the copy that is kept with the key")
            }
            Self::Foreign { .. } => Some("an authority of another program cannot be used"),
            Self::AuthorityExpired { .. } => {
                Some("make a new one in another folder, and have it trusted beside this one first")
            }
            Self::Taken { .. } => Some("renew it; for other names, revoke it first"),
            Self::Unknown { .. } => Some("`edge-node ca show` lists what was issued"),
            Self::Read { .. }
            | Self::Write { .. }
            | Self::Pem(_)
            | Self::Index { source: IndexError::Version { .. }, .. }
            | Self::Key { .. }
            | Self::Request { .. }
            | Self::Random
            | Self::Signing { .. } => None,
        }
    }

    /// The ending of the program.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if let Self::Request { .. } = self { Exit::Usage } else { Exit::Failed }
    }
}

/// Carries out a verb at `now`.
#[must_use]
pub fn run(command: CaCommand, now: Timestamp) -> Exit {
    match carry_out(command, now) {
        Ok(text) => {
            output::say(&text);
            Exit::Clean
        }
        Err(error) => {
            output::tell_person(&report::error(&error));
            error.exit()
        }
    }
}

fn carry_out(command: CaCommand, now: Timestamp) -> Result<String, CaError> {
    match command {
        CaCommand::Init(arguments) => init(arguments, now),
        CaCommand::Issue(arguments) => issue(arguments, now),
        CaCommand::Renew(arguments) => renew(&arguments, now),
        CaCommand::Revoke { dir, target, reason } => revoke(&dir.dir, &target, reason, now),
        CaCommand::Show { dir, format } => show(&dir.dir, format, now),
    }
}

fn init(arguments: InitArgs, now: Timestamp) -> Result<String, CaError> {
    let InitArgs { dir, name, days, crl_days } = arguments;
    let serial = random_serial()?;
    let name = name.unwrap_or_else(|| format!("edge-node CA {}", &serial.to_string()[..8]));
    let (authority, signed) = signing::create(&name, days, serial, now)?;
    let index = Index::new(now, crl_days);
    let list = authority.revocation_list(&index)?;
    let locked = Locked::create(&dir.dir)?;
    locked.write_index(&index)?;
    locked.write_revocation_list(&list)?;
    locked.write_authority(&signed)?;
    Ok(report::made(locked.folder(), &authority))
}

fn issue(arguments: IssueArgs, now: Timestamp) -> Result<String, CaError> {
    let (dir, name, request) = arguments.into_request();
    request.check().map_err(|what| CaError::Request { name: name.clone(), what })?;
    let locked = Folder::open(&dir)?.lock()?;
    let authority = authority(&locked, now)?;
    let mut index = locked.folder().index()?;
    let entry = Entry::new(name, random_serial()?, request, now, authority.not_after);
    index.issue(entry.clone(), now)?;
    locked.write_index(&index)?;
    locked.write_issued(&entry.name, &authority.sign(&entry)?)?;
    Ok(report::issued(locked.folder(), &entry, authority.not_after))
}

fn renew(arguments: &RenewArgs, now: Timestamp) -> Result<String, CaError> {
    let locked = Folder::open(&arguments.dir.dir)?.lock()?;
    let authority = authority(&locked, now)?;
    let mut index = locked.folder().index()?;
    let chosen = chosen(&index, arguments, locked.folder(), now)?;
    let mut renewed = Vec::new();
    for old in chosen {
        renewed.push(Entry::new(old.name, random_serial()?, old.request, now, authority.not_after));
    }
    index.certificates.extend(renewed.iter().cloned());
    publish(&locked, &authority, &mut index, now)?;
    let mut text = String::new();
    for entry in &renewed {
        locked.write_issued(&entry.name, &authority.sign(entry)?)?;
        text.push_str(&report::issued(locked.folder(), entry, authority.not_after));
    }
    Ok(text + &report::listed(locked.folder(), &index))
}

/// What is to be renewed, each name once. Expired certificates are: a host that was off is not forgotten.
fn chosen(
    index: &Index,
    arguments: &RenewArgs,
    folder: &Folder,
    now: Timestamp,
) -> Result<Vec<Entry>, CaError> {
    if arguments.all_due {
        let is_due = |status| matches!(status, Status::Due | Status::Unfinished | Status::Expired);
        let statuses = statuses(index, folder, now);
        let entries = index.certificates.iter().zip(statuses);
        return Ok(entries.filter(|(_, status)| is_due(*status)).map(|(e, _)| e.clone()).collect());
    }
    let mut names = arguments.names.clone();
    names.sort();
    names.dedup();
    let unknown = |name: &Name| CaError::Unknown { what: name.to_string() };
    names.iter().map(|name| index.current(name).cloned().ok_or_else(|| unknown(name))).collect()
}

fn revoke(dir: &Path, target: &Target, reason: Reason, now: Timestamp) -> Result<String, CaError> {
    let locked = Folder::open(dir)?.lock()?;
    let authority = authority(&locked, now)?;
    let mut index = locked.folder().index()?;
    let revoked = index.revoke(target, reason, now)?;
    publish(&locked, &authority, &mut index, now)?;
    Ok(report::revoked(target, &revoked) + &report::listed(locked.folder(), &index))
}

fn show(dir: &Path, format: Format, now: Timestamp) -> Result<String, CaError> {
    let folder = Folder::open(dir)?;
    let (facts, index) = (folder.facts()?, folder.index()?);
    let statuses = statuses(&index, &folder, now);
    Ok(match format {
        Format::Text => report::text(&facts, &index, &statuses, now),
        Format::Json => format!("{:#}\n", report::json(&folder, &facts, &index, &statuses)),
    })
}

/// What there is to say of each certificate, its files included.
fn statuses(index: &Index, folder: &Folder, now: Timestamp) -> Vec<Status> {
    let entries = index.certificates.iter().zip(index.statuses(now));
    entries
        .map(|(entry, status)| {
            let has_files = matches!(status, Status::Valid | Status::Due);
            if has_files && !folder.is_finished(&entry.name, entry.serial) {
                Status::Unfinished
            } else {
                status
            }
        })
        .collect()
}

/// The authority, which must not be over: what it signed then, nobody would believe.
fn authority(locked: &Locked, now: Timestamp) -> Result<signing::Authority, CaError> {
    let authority = locked.authority()?;
    if now < authority.not_after {
        return Ok(authority);
    }
    let file = locked.folder().file(folder::CERTIFICATE);
    Err(CaError::AuthorityExpired { file, end: authority.not_after })
}

/// Makes the next revocation list. The index is first again: a number is never given twice.
fn publish(
    locked: &Locked,
    authority: &signing::Authority,
    index: &mut Index,
    now: Timestamp,
) -> Result<(), CaError> {
    index.next_list(now);
    locked.write_index(index)?;
    locked.write_revocation_list(&authority.revocation_list(index)?)
}

#[cfg(test)]
mod tests;
