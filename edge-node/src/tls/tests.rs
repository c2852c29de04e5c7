//! Loading from files, and what is said of files that cannot be used.

use std::fs;
use std::path::Path;

use ::tests::certificates::{Authority, EXPIRED, GOOD, Leaf, NOT_YET, written};
use tempfile::TempDir;

use super::*;
use crate::config::{
    CertificateFiles, ClientCertificates, ClientTls, Protocol, ServerTls, TlsVersion,
    UpstreamAddress,
};

struct Site {
    folder: TempDir,
    authority: Authority,
}

impl Site {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), authority: Authority::new("site") }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A listener with one certificate, in `site.pem` and `site.key`.
    fn with(&self, leaf: Leaf) -> ServerTls {
        let (chain, key) = self.authority.issue(leaf).write(self.path(), "site");
        ServerTls {
            certificates: vec![CertificateFiles { chain, key, ocsp: None }],
            version_min: TlsVersion::Tls12,
            clients: None,
        }
    }

    fn good(&self) -> ServerTls {
        self.with(Leaf::new("site").host("site.example").host("10.0.0.1"))
    }

    fn with_clients(&self, revoked: Vec<PathBuf>) -> ServerTls {
        let authorities = self.authority.write(self.path(), "clients");
        let clients = Some(ClientCertificates { authorities, revoked, is_required: true });
        ServerTls { clients, ..self.good() }
    }

    /// What is said of a key file with these contents.
    fn with_key(&self, contents: impl AsRef<[u8]>) -> String {
        let settings = self.good();
        fs::write(&settings.certificates[0].key, contents).unwrap();
        self.refusal(&settings)
    }

    /// The error, with the folder's name taken out of it.
    #[track_caller]
    fn refusal(&self, settings: &ServerTls) -> String {
        self.shortened(server(settings).unwrap_err())
    }

    fn shortened(&self, error: impl ToString) -> String {
        error.to_string().replace(&format!("{}/", self.path().display()), "")
    }
}

fn now() -> Timestamp {
    "2030-01-01T00:00:00Z".parse().unwrap()
}

#[test]
fn a_certificate_is_loaded_with_its_names_and_its_end() {
    let site = Site::new();
    let loaded = server(&site.good()).unwrap();
    let [info] = &loaded.certificates[..] else { panic!("{loaded:?}") };
    assert_eq!(info.names, ["site.example", "10.0.0.1"]);
    assert_eq!(info.not_after, "2090-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(loaded.warnings(now()), []);
}

#[test]
fn what_is_spoken_is_what_the_settings_say() {
    let site = Site::new();
    let mut settings = site.good();
    let config = server(&settings).unwrap().config;
    assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert!(config.ticketer.enabled());
    settings.version_min = TlsVersion::Tls13;
    assert!(!format!("{:?}", server(&settings).unwrap().config).contains("TLSv1_2"));
}

#[test]
fn the_cryptography_is_named_and_not_the_process_default() {
    let site = Site::new();
    server(&site.with_clients(vec![])).unwrap();
    client(&towards(&site, None), Protocol::Http2).unwrap();
    assert!(CryptoProvider::get_default().is_none());
}

#[track_caller]
fn check_warning(leaf: Leaf, expected: &str) {
    let site = Site::new();
    let warnings = server(&site.with(leaf)).unwrap().warnings(now());
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert_eq!(site.shortened(warning), expected);
}

#[test]
fn a_certificate_that_clients_will_refuse_is_a_warning_and_no_error() {
    let leaf = || Leaf::new("site").host("site.example");
    check_warning(leaf().valid(EXPIRED), "site.pem: expired at 2021-01-01T00:00:00Z");
    check_warning(leaf().valid(NOT_YET), "site.pem: is not valid before 2089-01-01T00:00:00Z");
    check_warning(
        Leaf::new("site.example"),
        "site.pem: has no DNS name and no address: clients refuse it",
    );
}

#[test]
fn a_key_of_another_certificate_is_an_error_that_names_both_files() {
    let site = Site::new();
    let settings = site.good();
    let other = site.authority.server(&["other.example"]);
    fs::write(&settings.certificates[0].key, &other.key).unwrap();
    assert_eq!(site.refusal(&settings), "site.key: is not the key of site.pem");
    let chain = fs::read_to_string(&settings.certificates[0].chain).unwrap() + &other.pem;
    fs::write(&settings.certificates[0].chain, chain).unwrap();
    assert_eq!(
        site.refusal(&settings),
        "site.key: is not the key of site.pem's first certificate but of number 2: put that first"
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let site = Site::new();
    let mut settings = site.good();
    settings.certificates[0].chain = site.path().join("nowhere.pem");
    assert_eq!(site.refusal(&settings), "nowhere.pem: No such file or directory (os error 2)");
}

#[test]
fn a_key_file_is_diagnosed_by_what_is_in_it() {
    let site = Site::new();
    let key = rcgen::KeyPair::generate().unwrap();
    assert_eq!(
        site.with_key(key.serialize_pem() + &key.serialize_pem()),
        "site.key: has 2 keys; one is wanted"
    );
    assert_eq!(
        site.with_key(key.serialized_der()),
        format!(
            "site.key: is DER, not PEM: convert it with `openssl pkey -inform der -in site.key -out FILE`"
        )
    );
    let encrypted = "has an encrypted private key, for which nobody can type the password: decrypt it with \
                     `openssl pkey -in site.key -out FILE` and protect it by its mode";
    for contents in [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII=\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMIIB\n-----END RSA PRIVATE KEY-----\n",
    ] {
        assert_eq!(site.with_key(contents), format!("site.key: {encrypted}"));
    }
    assert_eq!(
        site.with_key(&site.authority.pem),
        "site.key: has no private key, only CERTIFICATE"
    );
    assert_eq!(site.with_key("hello"), "site.key: has no private key: it is no PEM at all");
    assert_eq!(site.with_key(""), "site.key: is empty");
    assert_eq!(site.with_key(b"\xFF\xFE-\0"), "site.key: is UTF-16: save it as UTF-8 or ASCII");
    assert_eq!(
        site.with_key("-----BEGIN PRIVATE KEY-----\nMII=\n"),
        "site.key: is broken PEM: the line `-----END PRIVATE KEY-----` is missing"
    );
    assert_eq!(
        site.with_key("-----BEGIN PRIVATE KEY-----\nMII=\n-----END PRIVATE KEY-----\n"),
        "site.key: has a key that cannot be used: failed to parse private key as RSA, ECDSA, or EdDSA"
    );
}

#[test]
fn a_chain_file_is_diagnosed_by_what_is_in_it() {
    let site = Site::new();
    let settings = site.good();
    let issued = site.authority.server(&["a"]);
    let check = |contents: &[u8], expected: &str| {
        fs::write(&settings.certificates[0].chain, contents).unwrap();
        assert_eq!(site.refusal(&settings), format!("site.pem: {expected}"));
    };
    check(issued.key.as_bytes(), "has no certificate, only PRIVATE KEY");
    check(
        &issued.der,
        "is DER, not PEM: convert it with `openssl x509 -inform der -in site.pem -out FILE`",
    );
    check(
        b"\x30\x82\x01\x00\x02\x01\x03",
        "is PKCS #12, not PEM: convert it with `openssl pkcs12 -in site.pem -nodes -out FILE`",
    );
    check(
        b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        "has a malformed certificate, number 1",
    );
}

#[test]
fn a_file_from_a_windows_editor_is_read() {
    let site = Site::new();
    let settings = site.good();
    for path in [&settings.certificates[0].chain, &settings.certificates[0].key] {
        let text = fs::read_to_string(path).unwrap().replace('\n', "\r\n");
        fs::write(path, format!("\u{FEFF}{text}")).unwrap();
    }
    server(&settings).unwrap();
}

#[test]
fn chain_and_key_may_be_in_one_file() {
    let site = Site::new();
    let issued = site.authority.server(&["site.example"]);
    let path = written(site.path(), "both.pem", issued.key.clone() + &issued.pem);
    let files = CertificateFiles { chain: path.clone(), key: path, ocsp: None };
    server(&ServerTls { certificates: vec![files], ..site.good() }).unwrap();
}

#[test]
fn what_is_stapled_must_be_a_response_that_says_something() {
    let site = Site::new();
    let mut settings = site.good();
    settings.certificates[0].ocsp =
        Some(written(site.path(), "site.ocsp", b"\x30\x03\x0A\x01\x06"));
    assert_eq!(
        site.refusal(&settings),
        "site.ocsp: is an OCSP response that says nothing: its responder failed with status 6"
    );
    written(site.path(), "site.ocsp", "hello");
    assert_eq!(site.refusal(&settings), "site.ocsp: is no OCSP response in DER");
}

#[test]
fn revocation_lists_are_loaded_and_one_out_of_date_is_a_warning() {
    let site = Site::new();
    let other = Authority::new("other").revocation_list(&[7], GOOD);
    let good = written(site.path(), "good.crl", other);
    let old = written(site.path(), "old.crl", site.authority.revocation_list(&[], EXPIRED));
    let loaded = server(&site.with_clients(vec![good, old])).unwrap();
    let warnings: Vec<_> =
        loaded.warnings(now()).iter().map(|warning| site.shortened(warning)).collect();
    assert_eq!(
        warnings,
        [
            "old.crl: a newer list was due at 2021-01-01T00:00:00Z: its authority's clients are refused"
        ]
    );
}

#[test]
fn a_second_revocation_list_of_an_authority_is_refused_as_nobody_would_be_asked_by_it() {
    let site = Site::new();
    let lists = [("one.crl", [7]), ("two.crl", [8])].map(|(name, serials)| {
        written(site.path(), name, site.authority.revocation_list(&serials, GOOD))
    });
    assert_eq!(
        site.refusal(&site.with_clients(lists.to_vec())),
        "two.crl: has a revocation list of `CN=site`, and so has one.crl: only one of them would be asked"
    );
}

#[test]
fn a_revocation_list_that_is_none_is_named() {
    let site = Site::new();
    let file = written(site.path(), "not.crl", &site.authority.pem);
    assert_eq!(
        site.refusal(&site.with_clients(vec![file])),
        "not.crl: has no revocation list (X509 CRL), only CERTIFICATE"
    );
}

fn towards(site: &Site, server_name: Option<&str>) -> ClientTls {
    let authorities = site.authority.write(site.path(), "ca");
    let (chain, key) = site.authority.client(&["gateway"]).write(site.path(), "gateway");
    let certificate = Some(CertificateFiles { chain, key, ocsp: None });
    ClientTls { authorities, server_name: server_name.map(Into::into), certificate }
}

#[test]
fn towards_upstreams_one_protocol_is_offered() {
    let site = Site::new();
    let settings = towards(&site, None);
    for (protocol, expected) in [(Protocol::Http1, &b"http/1.1"[..]), (Protocol::Http2, b"h2")] {
        let config = client(&settings, protocol).unwrap();
        assert_eq!(config.alpn_protocols, [expected.to_vec()]);
        assert!(config.client_auth_cert_resolver.has_certs());
    }
}

#[test]
fn authorities_of_upstreams_are_diagnosed() {
    let site = Site::new();
    let settings = towards(&site, None);
    written(site.path(), "ca.pem", "hello");
    let error = client(&settings, Protocol::Http1).unwrap_err();
    assert_eq!(site.shortened(error), "ca.pem: has no certificate: it is no PEM at all");
}

#[track_caller]
fn check_name(server_name: Option<&str>, address: UpstreamAddress, expected: &str) {
    let settings = ClientTls {
        authorities: PathBuf::new(),
        server_name: server_name.map(Into::into),
        certificate: None,
    };
    let name = super::server_name(&settings, &address);
    assert_eq!(name.map_or_else(|error| error.to_string(), |name| name.to_str().into()), expected);
}

#[test]
fn the_name_an_upstream_must_have_is_the_setting_s_or_its_address() {
    let socket = || UpstreamAddress::Socket("10.0.0.1:443".parse().unwrap());
    let unix = || UpstreamAddress::Unix("/run/app.sock".into());
    check_name(None, UpstreamAddress::Name("app.local".into(), 80), "app.local");
    check_name(None, socket(), "10.0.0.1");
    check_name(Some("app.local"), socket(), "app.local");
    check_name(Some("app.local"), unix(), "app.local");
    check_name(
        None,
        unix(),
        "unix:/run/app.sock: cannot be the name of a certificate: set `server-name`",
    );
    check_name(
        Some("a b"),
        socket(),
        "a b: cannot be the name of a certificate: set `server-name`",
    );
}

#[test]
fn all_files_of_the_settings_are_watched() {
    let site = Site::new();
    let mut settings = site.with_clients(vec!["x.crl".into()]);
    settings.certificates[0].ocsp = Some("x.ocsp".into());
    let names = |files: Vec<PathBuf>| {
        files.iter().map(|file| file.file_name().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        names(server_files(&settings)),
        ["site.pem", "site.key", "x.ocsp", "clients.pem", "x.crl"]
    );
    assert_eq!(
        names(client_files(&towards(&site, None))),
        ["ca.pem", "gateway.pem", "gateway.key"]
    );
}
