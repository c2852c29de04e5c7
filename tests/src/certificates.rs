//! An authority of a test's own, and certificates with whatever is right or wrong about them.
//!
//! Good ones are valid from 2020 to 2090, so that no test reads a clock.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevocationReason, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

/// Years from whose first day until whose first day something is valid.
pub type Years = (i32, i32);

/// From before this program until after it.
pub const GOOD: Years = (2020, 2090);

/// Over long ago.
pub const EXPIRED: Years = (2020, 2021);

/// Not begun.
pub const NOT_YET: Years = (2089, 2090);

/// An authority that signs whatever a test asks for.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, in PEM.
    pub pem: String,
    /// Its key, in PEM (PKCS #8).
    pub key: String,
    serial: AtomicU64,
}

impl Authority {
    /// An authority of this name, with a new key.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = params(name, GOOD);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let text = key.serialize_pem();
        Self { issuer: Issuer::new(params, key), pem, key: text, serial: AtomicU64::new(1) }
    }

    /// A certificate for a server that has these DNS names and addresses.
    #[must_use]
    pub fn server(&self, names: &[&str]) -> Issued {
        let names = names.iter().fold(Leaf::new("server"), |leaf, name| leaf.host(name));
        self.issue(names)
    }

    /// A certificate for a client that has these DNS names and addresses.
    #[must_use]
    pub fn client(&self, names: &[&str]) -> Issued {
        let names = names.iter().fold(Leaf::new("client"), |leaf, name| leaf.host(name));
        self.issue(names)
    }

    /// Signs what is asked for.
    #[must_use]
    pub fn issue(&self, leaf: Leaf) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = leaf.0;
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        params.serial_number = Some(SerialNumber::from(serial));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued {
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
            key: key.serialize_pem(),
            serial,
        }
    }

    /// A revocation list in PEM with these serial numbers on it.
    #[must_use]
    pub fn revocation_list(&self, serials: &[u64], (from, until): Years) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(from, 1, 1),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(from, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// Writes its certificate to `NAME.pem` of a folder.
    ///
    /// # Panics
    /// When the folder refuses.
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        written(folder, &format!("{name}.pem"), &self.pem)
    }
}

/// What a certificate is to say.
#[must_use]
pub struct Leaf(CertificateParams);

impl Leaf {
    /// A good one for a server and client, without any alternative name.
    pub fn new(common_name: &str) -> Self {
        let mut params = params(common_name, GOOD);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        Self(params)
    }

    /// With an address, or else a DNS name.
    pub fn host(mut self, name: &str) -> Self {
        let name = match name.parse() {
            Ok(ip) => SanType::IpAddress(ip),
            Err(_) => SanType::DnsName(name.try_into().unwrap()),
        };
        self.0.subject_alt_names.push(name);
        self
    }

    /// With a URI.
    pub fn uri(mut self, uri: &str) -> Self {
        self.0.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
        self
    }

    /// Valid at another time.
    pub fn valid(mut self, (from, until): Years) -> Self {
        self.0.not_before = date_time_ymd(from, 1, 1);
        self.0.not_after = date_time_ymd(until, 1, 1);
        self
    }

    /// For servers only.
    pub fn for_servers_only(mut self) -> Self {
        self.0.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self
    }
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate, in PEM.
    pub pem: String,
    /// The certificate, in DER.
    pub der: Vec<u8>,
    /// Its key, in PEM (PKCS #8).
    pub key: String,
    /// Its serial number.
    pub serial: u64,
}

impl Issued {
    /// Signs what is asked for by its own key.
    #[must_use]
    pub fn self_signed(leaf: Leaf) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = leaf.0;
        params.serial_number = Some(SerialNumber::from(1));
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
            key: key.serialize_pem(),
            serial: 1,
        }
    }

    /// Writes `NAME.pem` and `NAME.key` to a folder; gives their paths in this order.
    ///
    /// # Panics
    /// When the folder refuses.
    pub fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let chain = written(folder, &format!("{name}.pem"), &self.pem);
        (chain, written(folder, &format!("{name}.key"), &self.key))
    }
}

/// Writes a text to a folder and gives its path.
///
/// # Panics
/// When the folder refuses.
pub fn written(folder: &Path, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, contents).unwrap();
    path
}

fn params(common_name: &str, (from, until): Years) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}
