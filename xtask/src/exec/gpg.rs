//! Puts OpenPGP signatures into and over packages by `gpg`, and does not believe that one is good before it was checked.
//!
//! Each signature is made in a keyring of its own, which holds the declared public key and, where it is declared, the
//! secret one; else gpg is asked to use the keyring of whoever runs it. It is checked against the public key alone.
//! Secrets reach gpg as files in a private folder, never as arguments, which every user of the machine can read. The
//! time of signing is the release's, so that the same package, key and gpg make the same bytes.

mod folder;

use self::folder::Private;
use super::Cause;
use super::files;
use super::keys::gpg::Credentials;
use crate::apt;
use crate::archive::rpm;
use crate::plan::{GpgSigning, Location, Roots, Step};
use crate::tool::{self, ToolError};
use std::path::{Path, PathBuf};
use xshell::{Cmd, Shell};

/// What gpg says of a signature that is good, by a key that is neither expired nor revoked (doc/DETAILS of GnuPG).
const GOOD: &str = "[GNUPG:] GOODSIG ";

/// Signs an RPM package.
pub(super) fn sign_rpm(
    step: &Step,
    unsigned: &Location,
    how: &GpgSigning,
    credentials: Option<&Credentials>,
    roots: &Roots,
) -> Result<(), Cause> {
    let package = files::read(&unsigned.resolve(roots))?;
    let desk = Desk::new(how, credentials, roots, unsigned.base_name())?;
    let signature = desk.sign(Form::Detached, rpm::signed_part(&package)?)?;
    write(step, &rpm::with_signature(&package, &signature)?, roots)
}

/// Writes the index of Debian packages.
pub(super) fn index_debs(step: &Step, roots: &Roots) -> Result<(), Cause> {
    let read = |input: &Location| files::read(&input.resolve(roots));
    let packages = step.inputs.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let names = step.inputs.iter().map(Location::base_name);
    let packages: Vec<_> = names.zip(packages.iter().map(Vec::as_slice)).collect();
    write(step, apt::index(&packages)?.as_bytes(), roots)
}

/// Writes what vouches for the index.
pub(super) fn sign_index(
    step: &Step,
    index: &Location,
    repository: &apt::Repository,
    how: &GpgSigning,
    credentials: Option<&Credentials>,
    roots: &Roots,
) -> Result<(), Cause> {
    let text = apt::release(repository, &files::read_text(&index.resolve(roots))?);
    let desk = Desk::new(how, credentials, roots, apt::SIGNED)?;
    write(step, &desk.sign(Form::Clear, text.as_bytes())?, roots)
}

fn write(step: &Step, contents: &[u8], roots: &Roots) -> Result<(), Cause> {
    for output in &step.outputs {
        files::write_if_changed(&output.resolve(roots), contents, 0o644)?;
    }
    Ok(())
}

/// How a signature and what is signed belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A binary packet beside it.
    Detached,
    /// A text around it.
    Clear,
}

/// A private folder with a keyring. It holds the secrets while it exists.
#[derive(Debug)]
struct Desk<'a> {
    folder: Private,
    shell: Shell,
    how: &'a GpgSigning,
    /// What is signed, for messages.
    file: &'a str,
    /// Fingerprint of the declared key.
    key: String,
    /// Whether its secret half is in the keyring.
    is_secret_here: bool,
    password: Option<PathBuf>,
}

impl<'a> Desk<'a> {
    fn new(
        how: &'a GpgSigning,
        credentials: Option<&Credentials>,
        roots: &Roots,
        file: &'a str,
    ) -> Result<Self, Cause> {
        let credentials = credentials.ok_or(Cause::NoKey)?;
        let folder = Private::new(&std::env::temp_dir())?;
        let mut desk = Self {
            shell: tool::shell_in(folder.path())?,
            folder,
            how,
            file,
            key: String::new(),
            is_secret_here: false,
            password: None,
        };
        let public_key = roots.workspace.join(&how.declared.public_key);
        desk.key = desk.fingerprint(&public_key)?;
        desk.import(&public_key)?;
        if let Some(secret) = &credentials.secret_key {
            let secret = desk.private("secret.asc", secret.reveal())?;
            desk.import(&secret)?;
            // From here on it is in the keyring alone, where it has the password it came with.
            std::fs::remove_file(&secret).map_err(files::at("cannot remove", &secret))?;
            desk.is_secret_here = true;
        }
        if let Some(password) = &credentials.password {
            desk.password = Some(desk.private("password", password.reveal())?);
        }
        Ok(desk)
    }

    fn private(&self, name: &str, text: &str) -> Result<PathBuf, Cause> {
        let path = self.folder.path().join(name);
        files::write(&path, text.as_bytes(), 0o600)?;
        Ok(path)
    }

    /// Signs some bytes, and returns the signature or, in clear, bytes and signature.
    fn sign(&self, form: Form, bytes: &[u8]) -> Result<Vec<u8>, Cause> {
        let [input, output] = ["input", "output"].map(|name| self.folder.path().join(name));
        files::write(&input, bytes, 0o600)?;
        let mut command = match self.is_secret_here {
            true => self.in_own_keyring(),
            false => self.gpg(),
        };
        // With an exclamation mark the time stands still (gpg(1)).
        command = command.arg("--faked-system-time").arg(format!("{}!", self.how.epoch));
        command = command.args(["--local-user", &self.key, "--digest-algo", "SHA512"]);
        command = command.args(["--no-emit-version", "--no-comments"]);
        if self.is_secret_here {
            command = command.args(["--pinentry-mode", "loopback"]);
        }
        if let Some(password) = &self.password {
            command = command.arg("--passphrase-file").arg(password);
        }
        let verb = match form {
            Form::Detached => "--detach-sign",
            Form::Clear => "--clear-sign",
        };
        self.run(command.arg("--output").arg(&output).arg(verb).arg(&input))?;
        self.verify(form, &output, &input)?;
        Ok(files::read(&output)?)
    }

    /// Refuses a signature that is not of the declared key, or not good.
    fn verify(&self, form: Form, signature: &Path, signed: &Path) -> Result<(), Cause> {
        let command = self.in_own_keyring().args(["--status-fd", "1", "--verify"]).arg(signature);
        let answer = self.run(match form {
            Form::Detached => command.arg(signed),
            Form::Clear => command,
        })?;
        let of_key = |line: &str| {
            let rest = line.strip_prefix("[GNUPG:] VALIDSIG ");
            rest.is_some_and(|rest| rest.split_ascii_whitespace().any(|word| word == self.key))
        };
        let mut lines = answer.printed.lines();
        if lines.clone().any(|line| line.starts_with(GOOD)) && lines.any(of_key) {
            return Ok(());
        }
        Err(self.refused(&answer.refused("the declared key does not vouch for it")))
    }

    /// The fingerprint of the one key in a file.
    fn fingerprint(&self, public_key: &Path) -> Result<String, Cause> {
        let command = self.in_own_keyring().args(["--with-colons", "--show-keys"]);
        let answer = self.run(command.arg(public_key))?;
        let count =
            |kind: &str| answer.printed.lines().filter(|line| line.starts_with(kind)).count();
        let mut lines = answer.printed.lines();
        let fingerprint = lines.find_map(|line| line.strip_prefix("fpr:")?.split(':').nth(8));
        match (fingerprint, count("pub:"), count("sec:")) {
            (Some(fingerprint), 1, 0) => Ok(fingerprint.to_owned()),
            _ => Err(self.refused(&answer.refused("not one public key"))),
        }
    }

    fn import(&self, key: &Path) -> Result<(), Cause> {
        self.run(self.in_own_keyring().arg("--import").arg(key)).map(|_| ())
    }

    fn in_own_keyring(&self) -> Cmd<'_> {
        self.gpg().arg("--no-options").arg("--homedir").arg(self.folder.path())
    }

    fn gpg(&self) -> Cmd<'_> {
        let command = self.shell.cmd("gpg").args(["--batch", "--no-tty", "--yes"]);
        self.how.removed.iter().fold(command, Cmd::env_remove)
    }

    fn run(&self, command: Cmd<'_>) -> Result<tool::Answer, Cause> {
        tool::run(command).map_err(|error| self.refused(&error))
    }

    fn refused(&self, error: &ToolError) -> Cause {
        Cause::Gpg { file: self.file.to_owned(), reason: error.to_string() }
    }
}

impl Drop for Desk<'_> {
    /// Ends the agent that gpg has started. One that goes on ends by itself, as its folder is gone.
    fn drop(&mut self) {
        let command = self.shell.cmd("gpgconf").arg("--homedir").arg(self.folder.path());
        let _ended = tool::ask(command.args(["--kill", "all"]));
    }
}
