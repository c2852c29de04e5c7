//! An authority's key at work: certificates and revocation lists as PEM. The only part of `ca` that knows rcgen.

use std::path::Path;

use jiff::Timestamp;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevocationReason, RevokedCertParams, SanType, SerialNumber,
};
use time::OffsetDateTime;
use x509_cert::Certificate;
use x509_cert::attr::AttributeValue;
use x509_cert::der::asn1::Utf8StringRef;
use x509_cert::der::oid::db::rfc4519::CN;

use super::CaError;
use super::index::{Entry, Index, Reason, validity};
use super::name::Serial;
use super::request::Purpose;
use crate::tls::certificate;

/// A text with its key; neither is ever shown, so there is no `Debug`.
pub struct Signed {
    /// The certificate.
    pub pem: String,
    /// Its private key, PKCS #8.
    pub key: String,
}

/// An authority that can sign.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its name.
    pub name: String,
    /// Until when it is valid.
    pub not_after: Timestamp,
}

/// Makes an authority: a self-signed certificate that may sign certificates of servers and clients, not of authorities.
///
/// # Errors
/// When the system gives no random numbers.
pub fn create(
    name: &str,
    days: u16,
    serial: Serial,
    now: Timestamp,
) -> Result<(Authority, Signed), CaError> {
    let (not_before, not_after) = validity(now, days);
    let mut params = params(name, serial, (not_before, not_after));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = usages();
    let key = KeyPair::generate().map_err(CaError::signing)?;
    let certificate = params.self_signed(&key).map_err(CaError::signing)?;
    let signed = Signed { pem: certificate.pem(), key: key.serialize_pem() };
    let issuer = Issuer::new(params, key);
    Ok((Authority { issuer, name: name.to_owned(), not_after }, signed))
}

/// What is known of an authority by its certificate alone.
pub struct Facts {
    /// Its name.
    pub name: String,
    /// From when and until when it is valid.
    pub validity: (Timestamp, Timestamp),
    public_key: Vec<u8>,
}

/// Reads an authority's certificate.
///
/// # Errors
/// When it was not made by [`create`]: what it signs has its name, which must be written in the same way.
pub fn facts(file: &Path, certificate: &Certificate) -> Result<Facts, CaError> {
    let body = certificate.tbs_certificate();
    let mut attributes = body.subject().iter_rdn().flat_map(|part| part.iter());
    let name = match (attributes.next(), attributes.next()) {
        (Some(only), None) if only.oid == CN => utf8(&only.value),
        _ => None,
    };
    let foreign = || CaError::Foreign { file: file.to_owned() };
    Ok(Facts {
        name: name.ok_or_else(foreign)?,
        validity: certificate::validity(certificate),
        public_key: body.subject_public_key_info().subject_public_key.raw_bytes().to_vec(),
    })
}

fn utf8(value: &AttributeValue) -> Option<String> {
    value.decode_as::<Utf8StringRef<'_>>().ok().map(|text| text.as_str().to_owned())
}

impl Authority {
    /// Puts certificate and key together.
    ///
    /// # Errors
    /// When the key is no key, or another certificate's.
    pub fn new(facts: Facts, key_file: &Path, key: &str) -> Result<Self, CaError> {
        let mismatch = || CaError::Key { file: key_file.to_owned() };
        let key = KeyPair::from_pem(key).map_err(|_unreadable| mismatch())?;
        if key.public_key_raw() != facts.public_key {
            return Err(mismatch());
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished(&facts.name);
        params.key_usages = usages();
        let issuer = Issuer::new(params, key);
        Ok(Self { issuer, name: facts.name, not_after: facts.validity.1 })
    }

    /// Makes the certificate of an entry, with a new key.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn sign(&self, entry: &Entry) -> Result<Signed, CaError> {
        let mut params =
            params(entry.name.as_str(), entry.serial, (entry.not_before, entry.not_after));
        params.subject_alt_names = alternative_names(entry)?;
        // ECDSA keys sign; they encipher nothing. Source: RFC 8446 §4.4.2.2.
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = entry.request.purposes.iter().copied().map(usage).collect();
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(CaError::signing)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(CaError::signing)?;
        Ok(Signed { pem: certificate.pem(), key: key.serialize_pem() })
    }

    /// Makes the revocation list of an index.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn revocation_list(&self, index: &Index) -> Result<String, CaError> {
        let list = &index.revocation_list;
        let params = CertificateRevocationListParams {
            this_update: time(list.this_update),
            next_update: time(list.next_update),
            crl_number: SerialNumber::from(list.number),
            issuing_distribution_point: None,
            revoked_certs: index.certificates.iter().filter_map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.issuer).map_err(CaError::signing)?;
        list.pem().map_err(CaError::signing)
    }
}

fn params(name: &str, serial: Serial, validity: (Timestamp, Timestamp)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished(name);
    params.serial_number = Some(SerialNumber::from_slice(serial.as_bytes()));
    params.not_before = time(validity.0);
    params.not_after = time(validity.1);
    params
}

fn distinguished(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn usages() -> Vec<KeyUsagePurpose> {
    vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign]
}

fn usage(purpose: Purpose) -> ExtendedKeyUsagePurpose {
    match purpose {
        Purpose::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Purpose::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }
}

fn alternative_names(entry: &Entry) -> Result<Vec<SanType>, CaError> {
    let ascii = |text: &String| Ia5String::try_from(text.as_str()).map_err(CaError::signing);
    let request = &entry.request;
    let dns = request.dns.iter().map(|name| ascii(name).map(SanType::DnsName));
    let ips = request.ips.iter().map(|ip| Ok(SanType::IpAddress(*ip)));
    let uris = request.uris.iter().map(|uri| ascii(uri).map(SanType::URI));
    dns.chain(ips).chain(uris).collect()
}

fn revoked(entry: &Entry) -> Option<RevokedCertParams> {
    let revoked = entry.revoked?;
    Some(RevokedCertParams {
        serial_number: SerialNumber::from_slice(entry.serial.as_bytes()),
        revocation_time: time(revoked.at),
        reason_code: reason(revoked.reason),
        invalidity_date: None,
    })
}

/// RFC 5280 §5.3.1: what is unspecified should not be said.
fn reason(reason: Reason) -> Option<RevocationReason> {
    match reason {
        Reason::Unspecified => None,
        Reason::KeyCompromise => Some(RevocationReason::KeyCompromise),
        Reason::AffiliationChanged => Some(RevocationReason::AffiliationChanged),
        Reason::Superseded => Some(RevocationReason::Superseded),
        Reason::CessationOfOperation => Some(RevocationReason::CessationOfOperation),
        Reason::PrivilegeWithdrawn => Some(RevocationReason::PrivilegeWithdrawn),
    }
}

/// As rcgen has times; what it cannot have is in no index.
fn time(timestamp: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(timestamp.as_second()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
