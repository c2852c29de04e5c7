//! The verbs on a folder, with a clock of the test's own.

use std::collections::BTreeSet;
use std::fs;

use clap::Parser as _;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::cli::{Cli, Command};
use crate::tls::{certificate, pem};

struct Ca {
    folder: TempDir,
}

impl Ca {
    fn new() -> Self {
        let ca = Self::none();
        ca.at(0, "init --name Site").unwrap();
        ca
    }

    fn none() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("ca")
    }

    /// What a command line gives, so many days after the authority was made.
    fn at(&self, days: i64, line: &str) -> Result<String, CaError> {
        let dir = self.dir();
        let mut words: Vec<&str> = line.split(' ').collect();
        words.splice(1..1, ["--dir", dir.to_str().unwrap()]);
        let arguments = ["edge-node", "ca"].into_iter().chain(words);
        let Command::Ca(command) = Cli::try_parse_from(arguments).unwrap().command else {
            panic!("`ca` is another command")
        };
        carry_out(command, day(days)).map(|text| text.replace(&format!("{}/", dir.display()), ""))
    }

    #[track_caller]
    fn refusal(&self, days: i64, line: &str) -> String {
        let error = self.at(days, line).unwrap_err();
        report::error(&error).replace(&format!("{}", self.dir().display()), "DIR")
    }

    fn shown(&self, days: i64) -> Value {
        serde_json::from_str(&self.at(days, "show --format json").unwrap()).unwrap()
    }

    /// Name and status of all certificates.
    fn statuses(&self, days: i64) -> Vec<(String, String)> {
        let shown = self.shown(days);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let certificates = shown["certificates"].as_array().unwrap();
        certificates.iter().map(|one| (text(&one["name"]), text(&one["status"]))).collect()
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.dir().join(file)).unwrap()
    }

    fn serial(&self, file: &str) -> String {
        let der = pem::certificates(&self.dir().join(file)).unwrap();
        let parsed = certificate::parse(&der[0]).unwrap();
        let bytes = parsed.tbs_certificate().serial_number().as_bytes().to_vec();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn day(days: i64) -> Timestamp {
    Timestamp::from_second(1_900_000_000 + days * 86_400).unwrap()
}

#[test]
fn an_authority_is_a_folder_with_these_files() {
    let ca = Ca::new();
    ca.at(0, "issue web --server --dns web.site").unwrap();
    let mut files = BTreeSet::new();
    for folder in [ca.dir(), ca.dir().join("issued")] {
        for entry in fs::read_dir(folder).unwrap() {
            files.insert(entry.unwrap().file_name().into_string().unwrap());
        }
    }
    let expected =
        ["ca.crl", "ca.key", "ca.pem", "index.json", "issued", "lock", "web.key", "web.pem"];
    assert_eq!(files.into_iter().collect::<Vec<_>>(), expected);
}

#[cfg(unix)]
#[test]
fn keys_are_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let ca = Ca::new();
    ca.at(0, "issue web --server --dns web.site").unwrap();
    ca.at(1, "renew web").unwrap();
    let mode =
        |file: &str| fs::metadata(ca.dir().join(file)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(""), 0o700);
    assert_eq!([mode("ca.key"), mode("issued/web.key"), mode("index.json")], [0o600; 3]);
    assert_eq!([mode("ca.pem"), mode("ca.crl"), mode("issued/web.pem")], [0o644; 3]);
}

#[test]
fn no_verb_prints_a_key() {
    let ca = Ca::new();
    let said = [
        ca.at(0, "issue web --server --dns web.site").unwrap(),
        ca.at(1, "renew web").unwrap(),
        ca.at(1, "show").unwrap(),
        ca.at(1, "show --format json").unwrap(),
        ca.at(1, "revoke web").unwrap(),
    ]
    .concat();
    for file in ["ca.key", "issued/web.key"] {
        let key = ca.read(file);
        let secret = key.lines().nth(1).unwrap();
        assert!(!said.contains(&secret[..20]) && !said.contains("PRIVATE"), "{said}");
    }
}

#[test]
fn an_authority_is_never_made_over_another() {
    let ca = Ca::new();
    let before = (ca.read("ca.key"), ca.read("ca.pem"));
    assert_eq!(
        ca.refusal(1, "init"),
        "error: DIR: has an authority already, which is kept\n  help: choose another --dir\n"
    );
    fs::remove_file(ca.dir().join("ca.pem")).unwrap();
    assert!(ca.refusal(1, "init").starts_with("error: DIR: is not empty\n"));
    assert_eq!(ca.read("ca.key"), before.0);
}

#[test]
fn an_empty_folder_becomes_an_authority_s() {
    let ca = Ca::none();
    fs::create_dir(ca.dir()).unwrap();
    assert_eq!(
        ca.at(0, "init --name Site").unwrap(),
        "ca.pem: made the authority `Site`, valid until 2040-03-14T17:46:40Z\n"
    );
}

#[test]
fn without_an_authority_nothing_is_issued() {
    assert_eq!(
        Ca::none().refusal(0, "show"),
        "error: DIR: has no authority\n  help: make one with `edge-node ca init --dir DIR`\n"
    );
}

#[test]
fn two_at_once_are_one_too_many() {
    let ca = Ca::new();
    let _held = Folder::open(&ca.dir()).unwrap().lock().unwrap();
    assert_eq!(
        ca.refusal(0, "renew --all-due"),
        "error: DIR: another `edge-node ca` is at work there\n  help: try again when that is done\n"
    );
    ca.at(0, "show").unwrap();
}

#[test]
fn a_server_without_a_host_is_a_wrong_command_line() {
    let ca = Ca::new();
    let error = ca.at(0, "issue web --server --uri spiffe://site/web").unwrap_err();
    assert_eq!(
        error.to_string(),
        "web: a server's certificate needs a name that clients know it by: --dns or --ip"
    );
    assert_eq!(error.exit(), Exit::Usage);
}

#[test]
fn all_that_is_due_is_renewed_with_a_new_key_and_the_same_names() {
    let ca = Ca::new();
    ca.at(0, "issue old --server --dns old.site --ip 10.0.0.1").unwrap();
    ca.at(0, "issue gone --client --uri spiffe://site/gone").unwrap();
    ca.at(10, "issue young --client --dns young.site").unwrap();
    ca.at(12, "revoke gone --reason cessation-of-operation").unwrap();
    let before = (ca.read("issued/old.key"), ca.serial("issued/old.pem"));
    let said = ca.at(21, "renew --all-due").unwrap();
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.starts_with("issued/old.pem: issued "), "{said}");
    assert_ne!(ca.read("issued/old.key"), before.0);
    assert_ne!(ca.serial("issued/old.pem"), before.1);
    let shown = ca.shown(21);
    let renewed = &shown["certificates"][3];
    assert_eq!(renewed["serial"], ca.serial("issued/old.pem"));
    assert_eq!(renewed["dns"], serde_json::json!(["old.site"]));
    assert_eq!(renewed["ips"], serde_json::json!(["10.0.0.1"]));
    let statuses: Vec<_> = ca.statuses(21).into_iter().map(|(_, status)| status).collect();
    assert_eq!(statuses, ["superseded", "revoked", "valid", "valid"]);
    assert_eq!(shown["revocation-list"]["number"], 3);
}

#[test]
fn a_name_is_renewed_before_it_is_due_and_even_when_it_was_revoked() {
    let ca = Ca::new();
    ca.at(0, "issue web --server --dns web.site").unwrap();
    ca.at(1, "revoke web --reason key-compromise").unwrap();
    ca.at(1, "renew web web").unwrap();
    let statuses: Vec<_> = ca.statuses(1).into_iter().map(|(_, status)| status).collect();
    assert_eq!(statuses, ["revoked", "valid"]);
    assert!(ca.refusal(1, "renew nobody").starts_with("error: nobody: was not issued here\n"));
}

#[test]
fn what_is_revoked_by_its_serial_number_is_told_by_its_name() {
    let ca = Ca::new();
    ca.at(0, "issue web --server --dns web.site").unwrap();
    let serial = ca.serial("issued/web.pem");
    let said = ca.at(1, &format!("revoke {serial}")).unwrap();
    assert!(said.starts_with(&format!("web: revoked {serial}\n")), "{said}");
}

#[test]
fn a_run_that_was_cut_short_shows_and_is_mended() {
    let ca = Ca::new();
    ca.at(0, "issue web --server --dns web.site").unwrap();
    let (pem, key) = (ca.read("issued/web.pem"), ca.read("issued/web.key"));
    ca.at(1, "renew web").unwrap();
    fs::write(ca.dir().join("issued/web.pem"), pem).unwrap();
    fs::write(ca.dir().join("issued/web.key.new"), key).unwrap();
    assert_eq!(ca.statuses(1)[1], ("web".to_owned(), "unfinished".to_owned()));
    ca.at(1, "renew --all-due").unwrap();
    assert_eq!(ca.statuses(1)[2], ("web".to_owned(), "valid".to_owned()));
    assert!(!ca.dir().join("issued/web.key.new").exists());
}

#[test]
fn an_authority_goes_on_from_copies_of_its_own_files() {
    let ca = Ca::new();
    ca.at(0, "issue web --server --dns web.site").unwrap();
    fs::remove_dir_all(ca.dir().join("issued")).unwrap();
    fs::remove_file(ca.dir().join("lock")).unwrap();
    assert_eq!(ca.statuses(1), [("web".to_owned(), "unfinished".to_owned())]);
    ca.at(1, "renew --all-due").unwrap();
    ca.at(1, "issue cam --client --dns cam.site").unwrap();
    let statuses: Vec<_> = ca.statuses(1).into_iter().map(|(_, status)| status).collect();
    assert_eq!(statuses, ["superseded", "valid", "valid"]);
}

#[test]
fn show_lists_everything_in_lines() {
    let ca = Ca::new();
    ca.at(0, "issue cam-7 --client --dns cam-7.dev.site --uri spiffe://site/cam-7").unwrap();
    let serial = ca.serial("issued/cam-7.pem");
    let expected = format!(
        "authority: Site, valid until 2040-03-14T17:46:40Z\n\
         revocation list: number 1, good until 2030-04-16T17:46:40Z (over)\n\
         cam-7  expired  {serial}  2030-03-17T17:41:40Z to 2030-04-16T17:46:40Z  \
         due 2030-04-06T17:45:00Z  client dns:cam-7.dev.site uri:spiffe://site/cam-7\n"
    );
    assert_eq!(ca.at(31, "show").unwrap(), expected);
}

#[test]
fn the_last_certificates_end_with_their_authority_and_nothing_is_issued_after() {
    let ca = Ca::new();
    let said = ca.at(3640, "issue web --server --dns web.site").unwrap();
    assert!(said.ends_with("valid until 2040-03-14T17:46:40Z, as its authority\n"), "{said}");
    let refusal = ca.refusal(3650, "renew web");
    assert!(
        refusal.starts_with("error: DIR/ca.pem: expired at 2040-03-14T17:46:40Z\n"),
        "{refusal}"
    );
}

#[test]
fn another_s_key_or_certificate_is_refused() {
    let ca = Ca::new();
    let key = ca.dir().join("ca.key");
    fs::write(&key, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert_eq!(
        ca.refusal(0, "renew --all-due"),
        "error: DIR/ca.key: is not the key of ca.pem beside it\n"
    );
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "Somebody");
    let other = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    fs::write(ca.dir().join("ca.pem"), other.pem()).unwrap();
    assert!(ca.refusal(0, "show").starts_with("error: DIR/ca.pem: was not made by"));
}

#[test]
fn an_index_that_was_damaged_is_named() {
    let ca = Ca::new();
    fs::write(ca.dir().join("index.json"), "{").unwrap();
    assert_eq!(
        ca.refusal(0, "show"),
        "error: DIR/index.json: is no index of an authority (line 1, column 1)\n  \
         help: restore it from the copy that is kept with the key\n"
    );
}
