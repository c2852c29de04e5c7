//! The RPM package, format 4: a lead, a header of signatures, a header of everything that is known of the package, and a
//! gzipped cpio archive of the files to install.
//!
//! Source: the "RPM V4 Package format" page of rpm's manual (<https://rpm.org/docs/latest/manual/format_v4.html>) and
//! its lists of tags. Members below `RPM/` are no files: `RPM/preamble` is what a spec file begins with
//! ([`Preamble`]), and the others are scriptlets. Everything else follows from the members: where a file lies says
//! whether it is configuration, documentation or a licence, and whether its folder is the package's own.
//!
//! Written here rather than by the crate `rpm`: that brings thirty crates, two more versions of syn, a fifth of the
//! time that a cold build takes, and, for gzip, another deflate for every archive of the release.

mod header;
mod preamble;
mod signature;

pub use signature::{signature, signed_part, with_signature};

use super::gzip::{self, Tape};
use super::{ArchiveError, Entry, Member, folders, sorted};
use crate::checksum;
use crate::config::model::Algorithm;
use header::{Header, Tag, Value};
use preamble::Preamble;
use signature::{SIGNATURES, Sections};
use std::collections::BTreeSet;

/// Folder of what is no file.
const CONTROL: &str = "RPM/";
const PREAMBLE: &str = "preamble";
/// The scriptlets, each with the tags of its text and of its interpreter, and the bit that a requirement of it has.
const SCRIPTLETS: [(&str, Tag, Tag, u32); 4] = [
    ("post", 1024, 1086, 1 << 10),
    ("postun", 1026, 1088, 1 << 12),
    ("pre", 1023, 1085, 1 << 9),
    ("preun", 1025, 1087, 1 << 11),
];
const SHELL: &str = "/bin/sh";
/// Bytes of the lead.
const LEAD_BYTES: usize = 96;
/// Folders that belong to the system (hier(7)); below them a folder is the package's own.
const SYSTEM_FOLDERS: [&str; 11] = [
    "etc",
    "usr",
    "usr/bin",
    "usr/lib",
    "usr/lib/systemd",
    "usr/lib/systemd/system",
    "usr/lib/sysusers.d",
    "usr/lib/tmpfiles.d",
    "usr/share",
    "usr/share/doc",
    "usr/share/licenses",
];
/// `RPMSENSE_LESS`, `RPMSENSE_EQUAL`, `RPMSENSE_INTERP`, `RPMSENSE_RPMLIB` and `RPMSENSE_CONFIG`.
const LESS: u32 = 1 << 1;
const EQUAL: u32 = 1 << 3;
const INTERPRETER: u32 = 1 << 8;
const RPMLIB: u32 = 1 << 24;
const CONFIG: u32 = 1 << 28;
/// What a reader of these packages must be able to do, and since which of its versions it can.
const FEATURES: [(&str, &str); 4] = [
    ("rpmlib(CompressedFileNames)", "3.0.4-1"),
    ("rpmlib(FileDigests)", "4.6.0-1"),
    ("rpmlib(PayloadFilesHavePrefix)", "4.0-1"),
    ("rpmlib(TildeInVersions)", "4.10.0-1"),
];
/// SHA-256 in RFC 4880 section 9.4, by which rpm numbers digests.
const SHA256: u32 = 8;
const GZIP: &str = "gzip";

/// Packs a package; see [`super::pack`].
///
/// # Errors
///
/// As [`super::pack`]; a package without `RPM/preamble`, or with scriptlets of other names than rpm's.
pub fn pack(entries: &[Entry<'_>], epoch: u64) -> Result<Vec<u8>, ArchiveError> {
    let parts = Parts::of(entries, epoch, gzip::DEFLATE_LEVEL.to_string())?;
    let cpio = parts.cpio();
    Ok(parts.assemble(&cpio.bytes, &cpio.gzip()?))
}

/// A package before its payload is compressed.
struct Parts<'a> {
    preamble: Preamble,
    scriptlets: Vec<(&'a str, &'a str)>,
    files: Vec<File<'a>>,
    epoch: u32,
    /// Deflate level of the payload, in digits.
    level: String,
}

/// A file or a folder that is installed.
struct File<'a> {
    /// Relative to `/`.
    path: String,
    /// Type and permission bits, stat(2).
    mode: u16,
    contents: &'a [u8],
    deflated: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn of(entries: &[Entry<'a>], epoch: u64, level: String) -> Result<Self, ArchiveError> {
        let (mut preamble, mut scriptlets, mut files) = (None, Vec::new(), Vec::new());
        let mut made = BTreeSet::new();
        for entry in sorted(entries)? {
            let text = || str::from_utf8(entry.contents).map_err(ArchiveError::malformed);
            match entry.path.strip_prefix(CONTROL) {
                Some(PREAMBLE) => preamble = Some(Preamble::parse(text()?)?),
                Some(name) if SCRIPTLETS.iter().any(|(known, ..)| *known == name) => {
                    scriptlets.push((name, text()?));
                }
                Some(name) => {
                    return Err(ArchiveError::malformed(format!("it has a scriptlet {name:?}")));
                }
                None => {
                    let own = folders(entry.path).filter(|at| !SYSTEM_FOLDERS.contains(at));
                    let own = own.filter(|at| made.insert((*at).to_owned()));
                    files.extend(own.map(|at| File {
                        path: at.to_owned(),
                        mode: 0o040_755,
                        contents: &[],
                        deflated: None,
                    }));
                    let mode = if entry.mode == 0o755 { 0o100_755 } else { 0o100_644 };
                    files.push(File {
                        path: entry.path.to_owned(),
                        mode,
                        contents: entry.contents,
                        deflated: entry.deflated,
                    });
                }
            }
        }
        let preamble = preamble.ok_or_else(|| ArchiveError::malformed("it has no RPM/preamble"))?;
        let epoch = u32::try_from(epoch).map_err(ArchiveError::malformed)?;
        Ok(Self { preamble, scriptlets, files, epoch, level })
    }

    /// The files in the "new ASCII" format (cpio(5)), each named `./` and its path.
    fn cpio(&self) -> Tape<'a> {
        let mut tape =
            Tape::with_capacity(self.files.iter().map(|file| file.contents.len() + 512).sum());
        for (index, file) in self.files.iter().enumerate() {
            let name = format!("./{}", file.path);
            let links = if file.is_folder() { 2 } else { 1 };
            let fields = [inode(index), file.mode.into(), links, self.epoch];
            cpio_header(&mut tape, &name, fields, file.contents.len());
            tape.append(file.contents, file.deflated);
            tape.pad(4);
        }
        cpio_header(&mut tape, "TRAILER!!!", [0, 0, 1, 0], 0);
        tape
    }

    /// The package around its compressed payload.
    fn assemble(&self, cpio: &[u8], payload: &[u8]) -> Vec<u8> {
        let header = self.header(cpio, payload).to_bytes();
        let length = |bytes: usize| Value::Numbers(vec![u32::try_from(bytes).unwrap_or(u32::MAX)]);
        let signatures = Header::new(
            SIGNATURES,
            vec![
                (273, Value::Text(digest(&header))),
                (1000, length(header.len() + payload.len())),
                (1007, length(cpio.len())),
            ],
        );
        signature::join(&self.lead(), &signatures, &header, payload)
    }

    /// What file(1) looks at: magic, format 3.0, binary, processor, name, Linux, signatures in a header.
    fn lead(&self) -> Vec<u8> {
        let processor: u16 = if self.preamble.architecture == "aarch64" { 19 } else { 1 };
        let mut bytes = vec![0xed, 0xab, 0xee, 0xdb, 3, 0, 0, 0];
        bytes.extend(processor.to_be_bytes());
        let name = self.preamble.full_name();
        bytes.extend(name.bytes().take(65));
        bytes.resize(76, 0);
        bytes.extend([0, 1, 0, 5]);
        bytes.resize(LEAD_BYTES, 0);
        bytes
    }

    fn header(&self, cpio: &[u8], payload: &[u8]) -> Header {
        let mut tags = self.description();
        tags.extend(self.dependencies());
        tags.extend(self.file_tags());
        for (name, text) in &self.scriptlets {
            for (_, tag, interpreter, _) in SCRIPTLETS.iter().filter(|(known, ..)| known == name) {
                tags.push((*tag, Value::Text((*text).to_owned())));
                tags.push((*interpreter, Value::Text(SHELL.to_owned())));
            }
        }
        tags.extend([
            (1124, Value::Text("cpio".to_owned())),
            (1125, Value::Text(GZIP.to_owned())),
            (1126, Value::Text(self.level.clone())),
            (5092, Value::Texts(vec![digest(payload)])),
            (5093, Value::Numbers(vec![SHA256])),
            (5097, Value::Texts(vec![digest(cpio)])),
        ]);
        Header::new(63, tags)
    }

    fn description(&self) -> Vec<(Tag, Value)> {
        let size = self.files.iter().map(|file| file.contents.len()).sum::<usize>();
        let mut tags = self.preamble.tags();
        tags.extend([
            (100, Value::Texts(vec!["C".to_owned()])),
            (1006, Value::Numbers(vec![self.epoch])),
            (1007, Value::Text("localhost".to_owned())),
            (1009, Value::Numbers(vec![u32::try_from(size).unwrap_or(u32::MAX)])),
            (1016, Value::Translated("System Environment/Daemons".to_owned())),
            (1021, Value::Text("linux".to_owned())),
            (1080, Value::Numbers(vec![self.epoch])),
            (1081, Value::Texts(vec![self.preamble.author()])),
            (1082, Value::Texts(vec!["- Release.".to_owned()])),
            // Without it the package would be taken for one of sources.
            (1044, Value::Text(format!("{}.src.rpm", self.preamble.full_name()))),
            (5062, Value::Text("utf-8".to_owned())),
        ]);
        tags
    }

    /// What it provides and requires, sorted by name: itself, its configuration, systemd, a shell, features of rpm.
    fn dependencies(&self) -> Vec<(Tag, Value)> {
        let (name, version) = (&self.preamble.name, self.preamble.full_version());
        let config = (format!("config({name})"), CONFIG | EQUAL, version.clone());
        let own = (name.clone(), EQUAL, version.clone());
        let scripts = self.scriptlets.iter().flat_map(|(name, _)| {
            SCRIPTLETS.iter().filter(move |(known, ..)| known == name).map(|(.., bit)| *bit)
        });
        let scripts = scripts.fold(0, |bits, bit| bits | bit);
        let mut requires = vec![
            config.clone(),
            (SHELL.to_owned(), INTERPRETER | scripts, String::new()),
            ("systemd".to_owned(), scripts, String::new()),
        ];
        let feature = |(name, version): (&str, &str)| {
            (name.to_owned(), RPMLIB | LESS | EQUAL, version.to_owned())
        };
        requires.extend(FEATURES.map(feature));
        let tags = |[names, flags, versions]: [Tag; 3], mut all: Vec<(String, u32, String)>| {
            all.sort();
            [
                (names, Value::Texts(all.iter().map(|(name, ..)| name.clone()).collect())),
                (flags, Value::Numbers(all.iter().map(|(_, flags, _)| *flags).collect())),
                (versions, Value::Texts(all.into_iter().map(|(.., version)| version).collect())),
            ]
        };
        let provides = tags([1047, 1112, 1113], vec![own, config]);
        provides.into_iter().chain(tags([1049, 1048, 1050], requires)).collect()
    }

    fn file_tags(&self) -> Vec<(Tag, Value)> {
        let folder = |file: &File<'_>| match file.path.rsplit_once('/') {
            Some((folder, _)) => format!("/{folder}/"),
            None => "/".to_owned(),
        };
        let folders: BTreeSet<String> = self.files.iter().map(folder).collect();
        let index = |file: &File<'_>| {
            let index = folders.iter().position(|known| *known == folder(file));
            number(index.unwrap_or_default())
        };
        let numbers =
            |of: &dyn Fn(&File<'_>) -> u32| Value::Numbers(self.files.iter().map(of).collect());
        let texts =
            |of: &dyn Fn(&File<'_>) -> String| Value::Texts(self.files.iter().map(of).collect());
        let inodes = (0..self.files.len()).map(inode).collect();
        vec![
            (1028, numbers(&|file| number(file.contents.len()))),
            (1030, Value::Halves(self.files.iter().map(|file| file.mode).collect())),
            (1033, Value::Halves(vec![0; self.files.len()])),
            (1034, numbers(&|_| self.epoch)),
            (
                1035,
                texts(&|file| if file.is_folder() { String::new() } else { digest(file.contents) }),
            ),
            (1036, texts(&|_| String::new())),
            (1037, numbers(&|file| file.flags())),
            (1039, texts(&|_| "root".to_owned())),
            (1040, texts(&|_| "root".to_owned())),
            (1045, numbers(&|file| file.verified())),
            (1095, numbers(&|_| 1)),
            (1096, Value::Numbers(inodes)),
            (1097, texts(&|_| String::new())),
            (1116, numbers(&index)),
            (1117, texts(&|file| file.path.rsplit('/').next().unwrap_or_default().to_owned())),
            (1118, Value::Texts(folders.iter().cloned().collect())),
            (5011, Value::Numbers(vec![SHA256])),
        ]
    }
}

impl File<'_> {
    fn is_folder(&self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }

    /// `RPMFILE_CONFIG | RPMFILE_NOREPLACE`, `RPMFILE_DOC` or `RPMFILE_LICENSE`, by where it lies.
    fn flags(&self) -> u32 {
        match () {
            () if self.is_folder() => 0,
            () if self.path.starts_with("etc/") => 1 | 1 << 4,
            () if self.path.starts_with("usr/share/doc/") => 1 << 1,
            () if self.path.starts_with("usr/share/licenses/") => 1 << 7,
            () => 0,
        }
    }

    /// What `rpm --verify` compares: everything, but of the configuration not owner, group and mode, which `tmpfiles.d`
    /// sets (`RPMVERIFY_USER`, `RPMVERIFY_GROUP`, `RPMVERIFY_MODE`).
    fn verified(&self) -> u32 {
        if self.path.starts_with("etc/") { !(1 << 3 | 1 << 4 | 1 << 6) } else { u32::MAX }
    }
}

/// Counted from 1: 0 is the trailer's.
fn inode(index: usize) -> u32 {
    number(index + 1)
}

/// A count or a size; [`super::CONTENTS_BYTES_MAX`] keeps all of them below 32 bits.
fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn digest(bytes: &[u8]) -> String {
    checksum::digest(Algorithm::Sha256, bytes)
}

/// Inode, mode, links and time come from `[ino, mode, nlink, mtime]`; owner and devices are 0.
fn cpio_header(tape: &mut Tape<'_>, name: &str, fields: [u32; 4], size: usize) {
    let [ino, mode, links, time] = fields;
    let (size, length) = (number(size), number(name.len() + 1));
    let fields = [ino, mode, 0, 0, links, time, size, 0, 0, 0, 0, length, 0];
    tape.bytes.extend_from_slice(b"070701");
    fields.iter().for_each(|field| tape.bytes.extend(format!("{field:08x}").bytes()));
    tape.bytes.extend(name.bytes().chain([0]));
    tape.pad(4);
}

/// Reads the members, sorted.
///
/// That nothing but them is in it is shown by packing them again around the payload as it was found: every byte must be
/// the same, and so must the uncompressed payload. A signature is no member: it says who vouches for them.
pub(super) fn members(bytes: &[u8], max: u64) -> Result<Vec<Member>, ArchiveError> {
    let Sections { header, payload, .. } = Sections::of(bytes)?;
    let (header, _) = Header::parse(header)?;
    let cpio = gzip::gunzip(payload, max)?;
    let text = |name: &str, mode, text: String| Member {
        path: format!("{CONTROL}{name}"),
        mode,
        contents: text.into_bytes(),
    };
    let mut members = vec![text(PREAMBLE, 0o644, Preamble::of(&header)?.to_text())];
    for (name, tag, ..) in SCRIPTLETS {
        members.extend(header.text(tag).map(|script| text(name, 0o755, script)));
    }
    members.extend(cpio_files(&cpio)?);
    members.sort_by(|a, b| a.path.cmp(&b.path));
    let entries: Vec<_> = members.iter().map(Member::as_entry).collect();
    let epoch = header.number(1006).ok_or_else(|| ArchiveError::malformed("it has no time"))?;
    // That of the packages of an earlier release may have been another.
    let level = header.text(1126).filter(|level| matches!(level.as_bytes(), [b'1'..=b'9']));
    let level = level.ok_or_else(|| ArchiveError::malformed("it has no level of its payload"))?;
    let parts = Parts::of(&entries, epoch.into(), level)?;
    let unsigned = parts.assemble(&cpio, payload);
    let again = match signature(bytes)? {
        Some(signature) => with_signature(&unsigned, &signature)?,
        None => unsigned,
    };
    if parts.cpio().bytes != cpio || again != bytes {
        return Err(ArchiveError::malformed(
            "it has owners, times, tags or bytes that are never packed",
        ));
    }
    Ok(members)
}

/// The regular files of a payload. Whatever else it holds is missing when it is written again.
fn cpio_files(mut bytes: &[u8]) -> Result<Vec<Member>, ArchiveError> {
    const HEADER_BYTES: usize = 110;
    let broken = || ArchiveError::malformed("its payload is no cpio archive");
    let mut members = Vec::new();
    loop {
        let header = bytes.get(..HEADER_BYTES).ok_or_else(broken)?;
        let field = |index: usize| -> Result<usize, ArchiveError> {
            let digits = header.get(6 + 8 * index..14 + 8 * index).ok_or_else(broken)?;
            let digits = str::from_utf8(digits).map_err(|_| broken())?;
            usize::from_str_radix(digits, 16).map_err(|_| broken())
        };
        let (mode, size, length) = (field(1)?, field(6)?, field(11)?);
        let name =
            bytes.get(HEADER_BYTES..HEADER_BYTES.saturating_add(length)).ok_or_else(broken)?;
        let name = name.strip_suffix(&[0]).ok_or_else(broken)?;
        let name = str::from_utf8(name).map_err(|_| broken())?;
        if name == "TRAILER!!!" {
            return Ok(members);
        }
        let from = (HEADER_BYTES + length).next_multiple_of(4);
        let contents = bytes.get(from..from.saturating_add(size)).ok_or_else(broken)?;
        if mode & 0o170_000 != 0o040_000 {
            let path = name.strip_prefix("./").ok_or_else(broken)?.to_owned();
            let mode = if mode & 0o111 == 0 { 0o644 } else { 0o755 };
            members.push(Member { path, mode, contents: contents.to_vec() });
        }
        bytes = bytes.get((from + size).next_multiple_of(4)..).ok_or_else(broken)?;
    }
}
