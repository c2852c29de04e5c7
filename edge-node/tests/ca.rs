//! `edge-node ca` as people use it, judged by OpenSSL.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "the real programs are what is tested")]
#![expect(
    clippy::unwrap_used,
    reason = "test code; the lint exempts only functions marked as tests"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use tests::needs;

struct Ca {
    folder: TempDir,
}

impl Ca {
    fn new() -> Self {
        let ca = Self { folder: tempfile::tempdir().unwrap() };
        ca.succeeds("init", &["--name", "Site CA"]);
        ca
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("ca").join(name)
    }

    /// Exit code, stdout and stderr of a verb.
    fn says(&self, verb: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut program = Command::new(env!("CARGO_BIN_EXE_edge-node"));
        program.args(["ca", verb, "--dir"]).arg(self.file("")).args(arguments);
        let Output { status, stdout, stderr } = program.output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    #[track_caller]
    fn succeeds(&self, verb: &str, arguments: &[&str]) -> String {
        let (code, stdout, stderr) = self.says(verb, arguments);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
        stdout
    }

    /// What `openssl` says, both streams, run in the authority's folder.
    fn openssl(&self, line: &str) -> (bool, String) {
        let output = Command::new("openssl")
            .args(line.split(' '))
            .current_dir(self.file(""))
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    #[track_caller]
    fn has(&self, line: &str, expected: &[&str]) {
        let (succeeded, said) = self.openssl(line);
        assert!(succeeded, "{said}");
        for text in expected {
            assert!(said.contains(text), "{text:?} is not in:\n{said}");
        }
    }
}

#[test]
fn openssl_reads_what_the_authority_makes_as_it_was_asked_for() {
    needs!(Tool("openssl"));
    let ca = Ca::new();
    let names = ["--dns", "web.site", "--dns", "*.web.site", "--ip", "10.0.0.1", "--ip", "::1"];
    ca.succeeds("issue", &[&["web", "--server"][..], &names].concat());
    ca.succeeds("issue", &["cam", "--client", "--uri", "spiffe://site/cam", "--days", "7"]);
    ca.has(
        "x509 -in ca.pem -noout -text",
        &[
            "Subject: CN = Site CA",
            "CA:TRUE, pathlen:0",
            "Certificate Sign, CRL Sign",
            "ecdsa-with-SHA256",
            "NIST CURVE: P-256",
        ],
    );
    ca.has(
        "x509 -in issued/web.pem -noout -text",
        &[
            "Issuer: CN = Site CA",
            "Subject: CN = web",
            "DNS:web.site, DNS:*.web.site, IP Address:10.0.0.1, IP Address:0:0:0:0:0:0:0:1",
            "TLS Web Server Authentication\n",
            "Digital Signature\n",
            "X509v3 Authority Key Identifier",
        ],
    );
    ca.has(
        "x509 -in issued/cam.pem -noout -text",
        &["URI:spiffe://site/cam", "TLS Web Client Authentication\n"],
    );
    ca.has("pkey -in issued/web.key -noout -text", &["NIST CURVE: P-256"]);
}

#[test]
fn openssl_verifies_what_the_authority_makes_until_it_is_revoked() {
    needs!(Tool("openssl"));
    let ca = Ca::new();
    ca.succeeds("issue", &["web", "--server", "--dns", "web.site"]);
    ca.succeeds("issue", &["cam", "--client", "--dns", "cam.site"]);
    let verify = |purpose: &str, name: &str| {
        ca.openssl(&format!(
            "verify -x509_strict -crl_check -CAfile ca.pem -CRLfile ca.crl -purpose {purpose} issued/{name}.pem"
        ))
    };
    for (purpose, name) in [("sslserver", "web"), ("sslclient", "cam")] {
        assert_eq!(verify(purpose, name), (true, format!("issued/{name}.pem: OK\n")));
    }
    let (is_good, said) = verify("sslserver", "cam");
    assert!(!is_good && said.contains("unsuitable certificate purpose"), "{said}");

    ca.succeeds("revoke", &["cam", "--reason", "key-compromise"]);
    let (is_good, said) = verify("sslclient", "cam");
    assert!(!is_good && said.contains("certificate revoked"), "{said}");
    assert!(verify("sslserver", "web").0);
    ca.has(
        "crl -in ca.crl -noout -text",
        &["Issuer: CN = Site CA", "X509v3 CRL Number: \n                2", "Key Compromise"],
    );

    ca.succeeds("renew", &["cam"]);
    assert_eq!(verify("sslclient", "cam"), (true, "issued/cam.pem: OK\n".to_owned()));
}

#[test]
fn the_serial_number_is_the_one_openssl_shows_and_revokes_by_it() {
    needs!(Tool("openssl"));
    let ca = Ca::new();
    ca.succeeds("issue", &["web", "--server", "--dns", "web.site"]);
    let (_, said) = ca.openssl("x509 -in issued/web.pem -noout -serial");
    let serial = said.trim().strip_prefix("serial=").unwrap();
    assert_eq!(serial.len(), 32, "{serial}");
    assert!(ca.succeeds("show", &[]).contains(&serial.to_lowercase()));
    let said = ca.succeeds("revoke", &[serial]);
    assert!(said.starts_with(&format!("web: revoked {}\n", serial.to_lowercase())), "{said}");
    ca.has("crl -in ca.crl -noout -text", &[&format!("Serial Number: {serial}")]);
}

#[track_caller]
fn check(ca: &Ca, verb: &str, arguments: &[&str], code: i32, expected: &str) {
    let (exit, stdout, stderr) = ca.says(verb, arguments);
    assert_eq!((exit, stdout.as_str()), (Some(code), ""), "{stderr}");
    assert!(stderr.contains(expected), "{stderr}");
}

#[test]
fn what_cannot_be_done_is_said_with_an_exit_code() {
    let ca = Ca::new();
    check(&ca, "init", &[], 1, "has an authority already, which is kept\n  help: ");
    check(&ca, "renew", &["web"], 1, "error: web: was not issued here\n  help: ");
    check(&ca, "renew", &[], 2, "<NAME|--all-due>");
    check(&ca, "issue", &["web", "--dns", "a"], 2, "<--server|--client>");
    check(&ca, "issue", &["web", "--server"], 2, "error: web: a server's certificate needs");
    check(&ca, "issue", &["../web", "--server"], 2, "`../web` cannot be a name");
    check(&ca, "issue", &["web", "--server", "--dns", "10.0.0.1"], 2, "use --ip");
    check(&ca, "issue", &["web", "--server", "--days", "0"], 2, "0 is not in 1..=3650");
    check(&ca, "revoke", &["web", "--reason", "boredom"], 2, "[possible values: unspecified, ");
}

const PAGE: &str = include_str!("../../docs/certificates.md");

/// What the page's pieces of a configuration leave out, as they show tables about certificates only.
const LEFT_OUT: &str = "[routes.api]\nforward = { pool = 'api' }\n\
                        [pools.api]\nupstreams = [{ address = 'app.local:443' }]\n";

#[test]
fn the_pieces_of_a_configuration_on_the_page_make_one_that_is_read() {
    let pieces: Vec<&str> =
        PAGE.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(pieces.len() >= 4, "{pieces:?}");
    let text = format!("{LEFT_OUT}{}", pieces.concat());
    let source = strict_toml::Source::new("docs/certificates.md", text);
    let config = edge_node::config::parse(&source, Path::new(""))
        .map_err(|mistakes| strict_toml::Report::new(source, mistakes).to_string())
        .unwrap_or_else(|mistakes| panic!("{mistakes}"));
    // Each piece counts.
    let listener = config.listeners.data[0].tls.as_ref().unwrap();
    assert_eq!((listener.certificates.len(), listener.clients.is_some()), (2, true));
    assert_eq!(config.routes[0].clients.as_ref().unwrap().allow.len(), 3);
    assert!(config.pools[0].tls.as_ref().unwrap().certificate.is_some());
}

/// The commands of the first shell block of the page, whose folder is the test's.
fn shown(folder: &str) -> Vec<Vec<String>> {
    let block = PAGE.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    // Quotes hold words together; none has a blank within but where they are.
    let words = |line: &str| {
        let parts = line.split('"').enumerate().flat_map(|(number, part)| match number % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
            _ => vec![part.to_owned()],
        });
        parts.map(|word| word.replace("/etc/edge-node/ca", folder)).collect()
    };
    block.lines().map(words).collect()
}

#[test]
fn the_commands_of_the_page_work_as_they_stand() {
    needs!(Tool("openssl"));
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ca");
    let commands = shown(dir.to_str().unwrap());
    assert!(commands.len() > 5, "{commands:?}");
    for command in commands {
        let [program, arguments @ ..] = &command[..] else { continue };
        let program = if program == "openssl" { program } else { env!("CARGO_BIN_EXE_edge-node") };
        let output = Command::new(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{command:?}\n{output:?}");
    }
}
