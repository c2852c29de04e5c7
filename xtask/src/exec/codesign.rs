//! Puts Authenticode signatures into programs, and does not believe that one is there before it was looked at.
//!
//! Three things must hold of what a signer leaves: it is the unsigned program with a signature added
//! ([`crate::authenticode`]), it has a time stamp if one is declared, and the signature leads to the declared
//! authorities, which `osslsigncode verify` or `signtool verify` says. Secrets reach the signer as files in a private
//! folder, never as arguments, which every user of the machine can read.

use super::Cause;
use super::files::{self, FileError};
use super::installer::SCRATCH;
use super::keys::codesign::{Credentials, Pkcs12};
use crate::authenticode;
use crate::config::FILE;
use crate::config::model::{Codesign, CodesignKey, Signer, StoreCertificate};
use crate::plan::{self, Codesigning, Roots};
use crate::tool::{self, Answer, ToolError};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tempfile::TempDir;
use xshell::Cmd;

/// What makes the installer script sign its uninstaller. The compiler gives the command to a shell (`system(3)`), which
/// puts the path of this program in; the compiler itself puts the path of the uninstaller in the place of `%1` (NSIS
/// Users Manual 5.1, `!uninstfinalize`).
const DEFINITION: &str = if cfg!(windows) {
    "-DCODESIGN=\"%XTASK_CODESIGN%\" codesign-uninstaller \"%1\""
} else {
    "-DCODESIGN=\"$XTASK_CODESIGN\" codesign-uninstaller \"%1\""
};

/// Holds the path of this program.
const PROGRAM: &str = "XTASK_CODESIGN";
/// Holds the folder of the [`Desk`].
pub const FOLDER: &str = "XTASK_CODESIGN_FOLDER";
/// The [`Job`], in that folder.
const JOB: &str = "job.json";
/// Is there, in that folder, once an uninstaller was signed.
const UNINSTALLER_SIGNED: &str = "uninstaller-signed";

/// A word of a command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    /// As it stands.
    Text(String),
    /// With the path of the file in the place of [`FILE`].
    Template(String),
    /// The path of the file.
    File,
    /// Where the signer is to write the signed file; without such a word it signs in place.
    Signed,
}

/// `osslsigncode verify` succeeds with a time stamp that nobody vouches for, and only says so (2.5 to 2.9).
const TIME_STAMP_VERIFIED: &str = "Timestamp Server Signature verification: ok";

/// What to run on each file; holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Job {
    sign: Vec<Word>,
    verify: Vec<Word>,
    /// What that must print beside its success.
    says: Option<String>,
    time_stamped: bool,
    removed: Vec<String>,
    /// Where it is run.
    workspace: PathBuf,
}

/// A private folder in which programs are signed. It holds the secrets while it exists.
#[derive(Debug)]
pub(super) struct Desk {
    folder: TempDir,
    job: Job,
}

/// Signs a program and lays it at its place.
pub(super) fn sign(
    codesign: &plan::Codesign,
    credentials: Option<&Credentials>,
    roots: &Roots,
) -> Result<(), Cause> {
    let desk = Desk::new(&codesign.how, credentials, roots)?;
    let unsigned = files::read(&codesign.unsigned.resolve(roots))?;
    let name = codesign.signed.base_name();
    let signed = desk.job.sign(desk.folder.path(), name, &unsigned)?;
    let size = signed.len() as u64;
    if size > codesign.size_max {
        let what = format!("{name} with its signature");
        return Err(Cause::TooLarge { what, size, size_max: codesign.size_max });
    }
    let to = codesign.signed.resolve(roots);
    let mode = if matches!(codesign.signed, plan::Location::Release(_)) { 0o644 } else { 0o755 };
    files::write_if_changed(&to, &signed, mode)?;
    Ok(())
}

impl Desk {
    pub(super) fn new(
        how: &Codesigning,
        credentials: Option<&Credentials>,
        roots: &Roots,
    ) -> Result<Self, Cause> {
        let credentials = credentials.ok_or(Cause::NoKey)?;
        let folder = private_folder(&roots.work.join(SCRATCH))?;
        let job = Job {
            sign: signing(how, &secrets(credentials, folder.path())?, roots),
            verify: verifying(&how.declared, roots),
            says: says(&how.declared),
            time_stamped: how.declared.timestamp_url.is_some(),
            removed: how.removed.clone(),
            workspace: roots.workspace.clone(),
        };
        Ok(Self { folder, job })
    }

    /// Prepares the command of a compiler that will call this program to sign an uninstaller.
    pub(super) fn called_by<'a>(
        &self,
        compiler: Cmd<'a>,
        xtask: &Path,
    ) -> Result<Cmd<'a>, FileError> {
        let folder = self.folder.path();
        let text = serde_json::to_vec(&self.job).expect("a job is made of strings");
        files::write(&folder.join(JOB), &text, 0o600)?;
        let compiler = without(compiler, &self.job.removed);
        Ok(compiler.arg(DEFINITION).env(PROGRAM, xtask).env(FOLDER, folder))
    }

    /// Refuses an installer whose script did not have its uninstaller signed.
    pub(super) fn require_uninstaller(&self, installer: &str) -> Result<(), Cause> {
        if self.folder.path().join(UNINSTALLER_SIGNED).is_file() {
            return Ok(());
        }
        Err(Cause::Codesign {
            file: format!("the uninstaller in {installer}"),
            reason: "its script has no `!uninstfinalize '${CODESIGN}' = 0`".to_owned(),
        })
    }
}

/// The files with the secrets, for the command line.
#[derive(Default)]
struct SecretFiles {
    pkcs12: Option<PathBuf>,
    password: Option<PathBuf>,
}

fn secrets(credentials: &Credentials, folder: &Path) -> Result<SecretFiles, FileError> {
    let pkcs12 = match &credentials.pkcs12 {
        Some(Pkcs12::File(path)) => Some(path.clone()),
        Some(Pkcs12::Contents(contents)) => {
            let path = folder.join("key.p12");
            files::write(&path, contents, 0o600)?;
            Some(path)
        }
        None => None,
    };
    let write = |text: &str| {
        let path = folder.join("password");
        files::write(&path, text.as_bytes(), 0o600).map(|()| path)
    };
    let password = credentials.password.as_ref().map(|it| write(it.reveal())).transpose()?;
    Ok(SecretFiles { pkcs12, password })
}

/// The command that signs. `-st` states the release's time as the time of signing (osslsigncode's help), so that the
/// same program, key and options make the same bytes: RSA signatures of PKCS #1 v1.5 hold nothing random.
fn signing(how: &Codesigning, secrets: &SecretFiles, roots: &Roots) -> Vec<Word> {
    let Codesigning { declared, description, homepage, epoch, removed: _ } = how;
    let url = declared.timestamp_url.as_deref();
    match &declared.signer {
        Signer::Osslsigncode { key, password: _ } => {
            let mut line = Line::new(&["osslsigncode", "sign"]);
            match key {
                CodesignKey::Pkcs12(_) => {
                    line.path("-pkcs12", secrets.pkcs12.as_deref());
                }
                CodesignKey::Pkcs11 { module, engine, key, certificates } => {
                    line.option("-pkcs11engine", engine.as_deref());
                    line.option("-pkcs11module", Some(module));
                    line.path("-certs", Some(&roots.workspace.join(certificates)));
                    line.option("-key", Some(key));
                }
            }
            line.path("-readpass", secrets.password.as_deref());
            line.option("-h", Some("sha256"));
            line.option("-n", Some(description));
            line.option("-i", Some(homepage));
            line.option("-ts", url);
            line.option("-st", Some(&epoch.to_string()));
            line.end([text("-in"), Word::File, text("-out"), Word::Signed])
        }
        Signer::Signtool { certificate, machine_store } => {
            let mut line = Line::new(&["signtool", "sign", "/fd", "SHA256"]);
            match certificate {
                StoreCertificate::Thumbprint(digest) => line.option("/sha1", Some(digest)),
                StoreCertificate::Subject(subject) => line.option("/n", Some(subject)),
            }
            line.words.extend(machine_store.then(|| text("/sm")));
            line.option("/d", Some(description));
            line.option("/du", Some(homepage));
            line.option("/tr", url);
            line.option("/td", url.map(|_| "SHA256"));
            line.end([Word::File])
        }
        Signer::Command { words, variables: _ } => {
            words.iter().map(|word| Word::Template(word.clone())).collect()
        }
    }
}

/// The command that says whether a signature leads to an authority.
fn verifying(declared: &Codesign, roots: &Roots) -> Vec<Word> {
    let in_workspace = |file: &String| roots.workspace.join(file);
    let Some(authorities) = &declared.authorities else {
        // The policy for programs, not for drivers (signtool's help).
        return Line::new(&["signtool", "verify", "/pa", "/q"]).end([Word::File]);
    };
    let mut line = Line::new(&["osslsigncode", "verify"]);
    line.path("-CAfile", Some(&in_workspace(authorities)));
    let of_time_stamps = declared.timestamp_authorities.as_ref().map(in_workspace);
    line.path("-TSA-CAfile", of_time_stamps.as_deref());
    line.end([text("-in"), Word::File])
}

/// What that command must print.
fn says(declared: &Codesign) -> Option<String> {
    let asked = declared.timestamp_url.is_some() && declared.authorities.is_some();
    asked.then(|| TIME_STAMP_VERIFIED.to_owned())
}

/// A command line while it is put together.
struct Line {
    words: Vec<Word>,
}

impl Line {
    fn new(words: &[&str]) -> Self {
        Self { words: words.iter().map(|word| text(word)).collect() }
    }

    fn option(&mut self, name: &str, value: Option<&str>) {
        self.words.extend(value.into_iter().flat_map(|value| [text(name), text(value)]));
    }

    fn path(&mut self, name: &str, value: Option<&Path>) {
        self.option(name, value.map(Path::to_string_lossy).as_deref());
    }

    fn end(mut self, last: impl IntoIterator<Item = Word>) -> Vec<Word> {
        self.words.extend(last);
        self.words
    }
}

fn text(word: &str) -> Word {
    Word::Text(word.to_owned())
}

impl Job {
    /// Signs a program of the name given, and returns it signed.
    fn sign(&self, desk: &Path, name: &str, unsigned: &[u8]) -> Result<Vec<u8>, Cause> {
        let refused = |reason: String| Cause::Codesign { file: name.to_owned(), reason };
        // Signers go by the extension, which the uninstaller does not have where the compiler keeps it.
        let (file, output) = (desk.join(name), desk.join(format!("signed-{name}")));
        files::write(&file, unsigned, 0o700)?;
        self.run(&self.sign, &file, &output).map_err(|error| refused(error.to_string()))?;
        let in_place = !self.sign.contains(&Word::Signed);
        let made = if in_place { &file } else { &output };
        let signed = std::fs::read(made)
            .map_err(|_| refused("the signer succeeded and wrote nothing".to_owned()))?;
        let signature = authenticode::signature(&signed)
            .map_err(|error| refused(format!("the signer succeeded, but the file {error}")))?;
        if !authenticode::is_signed_form(&signed, unsigned) {
            return Err(refused("the signer changed more than the signature".to_owned()));
        }
        if self.time_stamped && !signature.time_stamped {
            return Err(refused("the signature has no RFC 3161 time stamp".to_owned()));
        }
        let verified = self.run(&self.verify, made, made);
        let verified = verified.map_err(|error| refused(error.to_string()))?;
        if self.says.as_ref().is_some_and(|says| !verified.printed.contains(says)) {
            let error = verified.refused("nobody vouches for the time stamp");
            return Err(refused(error.to_string()));
        }
        Ok(signed)
    }

    fn run(&self, words: &[Word], file: &Path, signed: &Path) -> Result<Answer, ToolError> {
        let path = file.to_string_lossy();
        let text = |word: &Word| match word {
            Word::Text(text) => text.clone(),
            Word::Template(template) => template.replace(FILE, &path),
            Word::File => path.clone().into_owned(),
            Word::Signed => signed.to_string_lossy().into_owned(),
        };
        let words: Vec<String> = words.iter().map(text).collect();
        let (program, arguments) = words.split_first().expect("a command has a program");
        let shell = tool::shell_in(&self.workspace)?;
        tool::run(without(shell.cmd(program).args(arguments), &self.removed))
    }
}

fn without<'a>(command: Cmd<'a>, removed: &[String]) -> Cmd<'a> {
    removed.iter().fold(command, Cmd::env_remove)
}

/// A folder that nobody else can look into.
fn private_folder(scratch: &Path) -> Result<TempDir, FileError> {
    files::create_folder(scratch)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix("codesign-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir_in(scratch).map_err(files::at("cannot make a folder in", scratch))
}

/// Signs an uninstaller, if this process was started by a compiler for that; `None` says that it was not.
///
/// To be asked first thing in `main`, with the arguments after the program's name and the value of [`FOLDER`].
pub fn intercept(arguments: &[String], folder: Option<&str>) -> Option<ExitCode> {
    let ([verb, file], Some(folder)) = (arguments, folder) else { return None };
    if verb != "codesign-uninstaller" {
        return None;
    }
    match sign_uninstaller(Path::new(file), Path::new(folder)) {
        Ok(()) => Some(ExitCode::SUCCESS),
        Err(cause) => {
            eprintln!("{cause}");
            Some(ExitCode::FAILURE)
        }
    }
}

/// The compiler goes on with what it finds in the file then.
fn sign_uninstaller(file: &Path, folder: &Path) -> Result<(), Cause> {
    let refused = |reason: String| Cause::Codesign { file: "uninstall.exe".to_owned(), reason };
    let job = files::read(&folder.join(JOB))?;
    let job: Job = serde_json::from_slice(&job).map_err(|error| refused(error.to_string()))?;
    let signed = job.sign(folder, "uninstall.exe", &files::read(file)?)?;
    // The compiler's own file, which it reads again: not another one of its name.
    std::fs::write(file, &signed).map_err(files::at("cannot write", file))?;
    files::write(&folder.join(UNINSTALLER_SIGNED), b"", 0o600)?;
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
