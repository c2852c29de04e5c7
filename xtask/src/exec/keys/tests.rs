//! Keys are found, made and refused as declared, and no message shows a secret.

use super::*;
use crate::signature::{self, TrustedComment};
use crate::stock_tools;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

/// Answers questions as told.
#[derive(Default)]
struct Told {
    environment: BTreeMap<&'static str, String>,
    answers: RefCell<VecDeque<&'static str>>,
}

impl Outside for Told {
    fn environment(&self, name: &str) -> Option<String> {
        self.environment.get(name).cloned()
    }

    fn ask(&self, _question: &str) -> io::Result<String> {
        let answer = self.answers.borrow_mut().pop_front();
        answer.map(str::to_owned).ok_or_else(|| io::Error::other("no such device"))
    }
}

fn nobody() -> Told {
    Told::default()
}

fn asked(answers: &[&'static str]) -> Told {
    Told { answers: RefCell::new(answers.iter().copied().collect()), ..Told::default() }
}

fn places(folder: &tempfile::TempDir) -> Places<'_> {
    Places { root: folder.path(), target: folder.path() }
}

/// A workspace with an encrypted key pair, `release.key` and `release.pub`; the password is `sesame`.
fn with_key() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    keygen(&pair_in(folder.path()), folder.path(), &asked(&["sesame", "sesame"])).unwrap();
    folder
}

fn pair_in(folder: &Path) -> Keygen {
    Keygen {
        secret_key: folder.join("release.key"),
        public_key: folder.join("release.pub"),
        password: None,
    }
}

fn declared_key(secret_key: Secret, password: Option<Secret>) -> Signing {
    Signing::Key { public_key: "release.pub".to_owned(), secret_key, password }
}

fn file(name: &str) -> Secret {
    Secret::File(name.to_owned())
}

fn variable(name: &str) -> Secret {
    Secret::Environment(name.to_owned())
}

#[track_caller]
fn refused(signing: &Signing, folder: &tempfile::TempDir, outside: &Told, expected: &str) {
    let error = load(signing, places(folder), outside).unwrap_err();
    let text = format!("{error}\n{error:?}\n{:?}", error.help());
    assert!(error.to_string().contains(expected), "{text}");
    assert!(!text.contains("sesame") && !text.contains("RWRTY0Iy"), "a secret is shown: {text}");
}

#[test]
fn a_declared_key_is_found_in_environment_file_and_prompt() {
    let folder = with_key();
    let text = std::fs::read_to_string(folder.path().join("release.key")).unwrap();
    std::fs::write(folder.path().join("password"), "sesame\r\n").unwrap();
    let line = text.lines().nth(1).unwrap().to_owned();
    let environment =
        BTreeMap::from([("KEY", text), ("LINE", line), ("PASSWORD", "sesame".to_owned())]);
    let references = [
        (variable("KEY"), variable("PASSWORD")),
        (variable("LINE"), file("password")),
        (file("release.key"), Secret::Prompt("Password".to_owned())),
    ];
    for (secret_key, password) in references {
        let outside =
            Told { environment: environment.clone(), answers: RefCell::new(["sesame"].into()) };
        let pair =
            load(&declared_key(secret_key, Some(password)), places(&folder), &outside).unwrap();
        assert_eq!(pair.signing.public_key(), pair.trusted.key);
        assert_eq!(pair.trusted.origin, KeyOrigin::Declared);
    }
}

#[test]
fn a_key_that_cannot_be_used_is_an_error() {
    let folder = with_key();
    let password = Some(Secret::Prompt("Password".to_owned()));
    let encrypted = |password| declared_key(file("release.key"), password);
    refused(
        &declared_key(variable("KEY"), None),
        &folder,
        &nobody(),
        "environment variable KEY is not set",
    );
    refused(
        &declared_key(file("absent"), None),
        &folder,
        &nobody(),
        "absent: cannot read the secret key",
    );
    refused(
        &encrypted(password.clone()),
        &folder,
        &nobody(),
        "the password: cannot ask for it, there is no terminal",
    );
    refused(&encrypted(password.clone()), &folder, &asked(&["sesam"]), "the password is wrong");
    refused(&encrypted(None), &folder, &nobody(), "is encrypted, and no password was given");
    refused(
        &declared_key(file("release.pub"), None),
        &folder,
        &nobody(),
        "release.pub is not a minisign secret key",
    );
    std::fs::write(folder.path().join("release.pub"), "hello").unwrap();
    refused(
        &encrypted(password),
        &folder,
        &asked(&["sesame"]),
        "public key of release.pub is not a minisign public key",
    );
    std::fs::remove_file(folder.path().join("release.pub")).unwrap();
    refused(&encrypted(None), &folder, &nobody(), "release.pub: cannot read the public key");
}

#[test]
fn a_secret_key_of_another_public_key_is_an_error() {
    let (folder, other) = (with_key(), with_key());
    std::fs::copy(other.path().join("release.pub"), folder.path().join("release.pub")).unwrap();
    let signing = declared_key(file("release.key"), Some(Secret::Prompt("Password".to_owned())));
    refused(&signing, &folder, &asked(&["sesame"]), "belongs to public key RW");
}

#[test]
fn a_development_key_is_made_once_and_readable_by_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(trusted(None, None, places(&folder)), Err(KeysError::NothingTrusted)));
    let made = load(&Signing::Development, places(&folder), &nobody()).unwrap();
    let found = load(&Signing::Development, places(&folder), &nobody()).unwrap();
    assert_eq!(made.trusted, found.trusted);
    assert_eq!(made.trusted.origin, KeyOrigin::Development);
    assert_eq!(trusted(None, Some(&Signing::Development), places(&folder)).unwrap(), made.trusted);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let secret = folder.path().join("xtask-development-key/minisign.key");
        assert_eq!(secret.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn processes_that_make_the_development_key_at_once_agree_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let barrier = std::sync::Barrier::new(8);
    let keys: Vec<_> = std::thread::scope(|scope| {
        let make = || {
            barrier.wait();
            development::load_or_make(folder.path()).unwrap().trusted.key
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(keys.iter().all(|key| *key == keys[0]));
}

#[test]
fn a_shared_development_key_signs_the_same() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    development::load_or_make(two.path()).unwrap();
    development::share(one.path(), two.path()).unwrap();
    let keys =
        [one.path(), two.path()].map(|folder| development::load_or_make(folder).unwrap().trusted);
    assert_eq!(keys[0], keys[1]);
}

#[test]
fn a_damaged_development_key_says_what_to_remove() {
    let folder = tempfile::tempdir().unwrap();
    development::load_or_make(folder.path()).unwrap();
    std::fs::write(folder.path().join("xtask-development-key/minisign.key"), "x").unwrap();
    refused(&Signing::Development, &folder, &nobody(), "remove it, and another is made");
}

#[test]
fn the_trusted_key_is_the_given_one_then_the_declared_one() {
    let (folder, other) = (with_key(), with_key());
    let signing = declared_key(file("release.key"), None);
    let declared = trusted(None, Some(&signing), places(&folder)).unwrap();
    assert_eq!(declared.origin, KeyOrigin::Declared);
    let path = other.path().join("release.pub");
    let by_file = trusted(path.to_str(), Some(&signing), places(&folder)).unwrap();
    let by_text = trusted(Some(&by_file.key.to_base64()), Some(&signing), places(&folder)).unwrap();
    assert_eq!(by_file, by_text);
    assert_ne!(by_file.key, declared.key);
    let error = trusted(Some("RWQnonsense"), None, places(&folder)).unwrap_err();
    assert!(error.to_string().contains("RWQnonsense: cannot read the public key"), "{error}");
}

#[test]
fn keygen_overwrites_nothing_and_wants_one_good_password() {
    let folder = with_key();
    let old = std::fs::read_to_string(folder.path().join("release.key")).unwrap();
    let error = keygen(&pair_in(folder.path()), folder.path(), &asked(&["a", "a"])).unwrap_err();
    assert!(
        error.to_string().ends_with("release.key: already exists, and a key is never overwritten"),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(folder.path().join("release.key")).unwrap(), old);
    let empty = tempfile::tempdir().unwrap();
    let refused = |answers: &[&'static str]| {
        keygen(&pair_in(empty.path()), empty.path(), &asked(answers)).unwrap_err().to_string()
    };
    assert_eq!(refused(&["a", "b"]), "the two passwords differ");
    assert_eq!(refused(&["", ""]), "the password is empty");
    assert!(refused(&["a"]).contains("there is no terminal"));
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
}

/// Where a run of this test program is told to make a key pair.
#[cfg(unix)]
const MAKE_IN: &str = "XTASK_TEST_KEYGEN_IN";

/// Not a test of its own: what [`a_key_file_is_there_only_when_it_is_complete`] runs in a process that cannot write.
#[cfg(unix)]
#[test]
#[expect(clippy::disallowed_methods, reason = "the test program talks to itself")]
fn a_key_pair_is_made_where_this_process_is_told_to() {
    if let Ok(folder) = std::env::var(MAKE_IN) {
        let folder = Path::new(&folder);
        keygen(&pair_in(folder), folder, &asked(&["sesame", "sesame"])).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_key_file_is_there_only_when_it_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let shell = xshell::Shell::new().unwrap();
    let this = std::env::current_exe().unwrap();
    let test = "exec::keys::tests::a_key_pair_is_made_where_this_process_is_told_to";
    let run = |limit: &str| {
        // No file may grow beyond the limit; whoever tries is killed in the middle of it.
        let script = format!("ulimit -c 0; {limit} exec \"$0\" --exact \"$1\"");
        let command = xshell::cmd!(shell, "sh -c {script} {this} {test}");
        let command = command.env(MAKE_IN, folder.path()).quiet().ignore_status();
        command.output().unwrap().status.success()
    };
    assert!(!run("ulimit -f 0;"), "it was not killed");
    for name in ["release.key", "release.pub"] {
        assert!(!folder.path().join(name).exists(), "{name} is there, and not complete");
    }
    assert!(run(""), "what is left is in the way");
    let pair = load(
        &declared_key(file("release.key"), Some(Secret::Prompt("Password".to_owned()))),
        places(&folder),
        &asked(&["sesame"]),
    );
    assert!(pair.is_ok(), "{pair:?}");
}

#[cfg(unix)]
#[test]
fn a_secret_key_is_readable_by_its_owner_only_and_a_public_key_by_all() {
    use std::os::unix::fs::PermissionsExt;
    let folder = with_key();
    let mode = |name| folder.path().join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("release.key"), 0o600);
    // The process's umask may take permissions of others away.
    assert_eq!(mode("release.pub") & 0o600, 0o600);
    assert_eq!(mode("release.pub") & 0o133, 0);
}

#[test]
fn stock_minisign_signs_with_our_key_and_we_sign_with_a_key_of_its_own() {
    let folder = with_key();
    std::fs::write(folder.path().join("file"), "bytes").unwrap();
    let sign =
        ["-S", "-s", "release.key", "-m", "file", "-t", "product=p version=1 channel=c file=file"];
    let Some(answer) = stock_tools::run(folder.path(), "minisign", &sign, "sesame\n") else {
        return;
    };
    assert!(answer.success, "{}", answer.text);
    let verify = ["-V", "-p", "release.pub", "-m", "file"];
    let answer = stock_tools::run(folder.path(), "minisign", &verify, "").unwrap();
    assert!(answer.success, "{}", answer.text);

    // Without a password: with one, stock minisign and we would spend a gigabyte and seconds on deriving it.
    let generate = ["-G", "-W", "-p", "stock.pub", "-s", "stock.key"];
    let answer = stock_tools::run(folder.path(), "minisign", &generate, "").unwrap();
    assert!(answer.success, "{}", answer.text);
    let signing = Signing::Key {
        public_key: "stock.pub".to_owned(),
        secret_key: file("stock.key"),
        password: None,
    };
    let pair = load(&signing, places(&folder), &nobody()).unwrap();
    let comment: TrustedComment = "product=p version=1 channel=c file=file".parse().unwrap();
    std::fs::write(
        folder.path().join("file.minisig"),
        signature::sign(&pair.signing, b"bytes", &comment).unwrap(),
    )
    .unwrap();
    let answer =
        stock_tools::run(folder.path(), "minisign", &["-V", "-p", "stock.pub", "-m", "file"], "")
            .unwrap();
    assert!(answer.success, "{}", answer.text);
}
