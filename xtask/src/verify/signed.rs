//! Signatures and what is signed with them: key, product, version, channel, file name.

use super::{Finding, KeyOrigin, Options, Snapshot};
use crate::manifest::{FILE_NAME, Manifest, SignedBy};
use crate::signature::{self, SUFFIX, SignatureError, TrustedComment};

/// The hash of a commit that is not known, as [`crate::facts`] has it outside a repository.
const UNKNOWN_COMMIT: &str = "unknown";

/// Checks that the trusted key signed a file, and returns what else it signed. Where the manifest is known, the
/// signature must be of the release that it describes.
pub(super) fn signature(
    snapshot: &Snapshot,
    name: &str,
    manifest: Option<&Manifest>,
    options: &Options,
) -> Result<TrustedComment, Vec<Finding>> {
    let signature_name = format!("{name}{SUFFIX}");
    let bytes = present(snapshot, name).map_err(|finding| vec![finding])?;
    let minisig = present(snapshot, &signature_name).map_err(|finding| vec![finding])?;
    let signed = signature::verify(&options.trusted.key, bytes, minisig);
    let (Ok(stated) | Err(SignatureError::OtherBytes { comment: stated })) = &signed else {
        return signed.map_err(|error| vec![blame(&signature_name, &error)]);
    };
    let misplaced = misplaced(name, &signature_name, stated, manifest);
    match signed {
        _ if !misplaced.is_empty() => Err(misplaced),
        Ok(comment) => Ok(comment),
        Err(_) => Err(vec![changed(name, &signature_name, stated)]),
    }
}

/// Checks the signature that a package has of its own. The manifest already vouches for the package: where its bytes are
/// those that the manifest lists, and are given, a signature of other bytes is what is wrong.
pub(super) fn package(
    snapshot: &Snapshot,
    name: &str,
    listed: Option<&[u8]>,
    manifest: Option<&Manifest>,
    options: &Options,
) -> Vec<Finding> {
    let signature_name = format!("{name}{SUFFIX}");
    let key = &options.trusted.key;
    let signed = match (present(snapshot, &signature_name), listed) {
        (Err(finding), _) => return vec![finding],
        (Ok(minisig), Some(bytes)) => signature::verify(key, bytes, minisig),
        (Ok(minisig), None) => signature::statement(key, minisig),
    };
    match &signed {
        Ok(stated) => misplaced(name, &signature_name, stated, manifest),
        Err(error @ SignatureError::OtherBytes { comment }) => {
            let misplaced = misplaced(name, &signature_name, comment, manifest);
            if misplaced.is_empty() { vec![blame(&signature_name, error)] } else { misplaced }
        }
        Err(error) => vec![blame(&signature_name, error)],
    }
}

/// What a signature that is whole says of another file, or of another release.
fn misplaced(
    name: &str,
    signature_name: &str,
    stated: &TrustedComment,
    manifest: Option<&Manifest>,
) -> Vec<Finding> {
    let mut misplaced = Vec::new();
    if stated.file != name {
        let finding = Finding::new(signature_name, "was made for another file");
        misplaced.push(finding.expected(name, &stated.file));
    }
    misplaced.extend(
        manifest.into_iter().flat_map(|manifest| comment(signature_name, stated, manifest)),
    );
    misplaced
}

/// The bytes of a file without which nothing can be said.
pub(super) fn present<'a>(snapshot: &'a Snapshot, name: &str) -> Result<&'a [u8], Finding> {
    snapshot.bytes(name).ok_or_else(|| absent(snapshot, name))
}

/// Why a file's bytes are not there.
pub(super) fn absent(snapshot: &Snapshot, name: &str) -> Finding {
    match snapshot.files.get(name) {
        Some(super::Found::Other(kind)) => {
            Finding::new(name, format!("is {kind}")).expected("a regular file", kind)
        }
        Some(super::Found::File(_) | super::Found::Unread { .. }) | None => {
            Finding::new(name, "is missing")
                .hint(format!("download {name} from where the other files came from"))
        }
    }
}

/// The signature is whole, and of a file of this name; so it is the file that is not as it was.
fn changed(name: &str, signature_name: &str, stated: &TrustedComment) -> Finding {
    let TrustedComment { product, version, channel, .. } = stated;
    let problem = format!(
        "was changed: {signature_name} is the signature of other bytes ({product} {version}, channel {channel})"
    );
    Finding::new(name, problem).hint(format!("download {name} again"))
}

/// What is wrong with a signature file.
fn blame(signature_name: &str, error: &SignatureError) -> Finding {
    let finding = Finding::new(signature_name, error);
    if let SignatureError::OtherKey { trusted, found, development } = error {
        return finding.expected(trusted, found).hint(if *development {
            "it names a development key: this is not a published release"
        } else {
            "use the key of the publisher, or do not trust this release"
        });
    }
    finding.hint(format!("download {signature_name} again"))
}

/// Checks that a trusted comment says the same as the manifest.
pub(super) fn comment(
    signature_name: &str,
    comment: &TrustedComment,
    manifest: &Manifest,
) -> Vec<Finding> {
    let kind = |development| if development { "development" } else { "release" };
    let signed_by = kind(manifest.signed_by == SignedBy::Development);
    let pairs = [
        ("product", manifest.product.as_str(), comment.product.as_str()),
        ("version", &manifest.version, &comment.version),
        ("channel", &manifest.channel, &comment.channel),
        ("kind of key", signed_by, kind(comment.development)),
    ];
    let different = pairs.into_iter().filter(|(_, expected, found)| expected != found);
    different
        .map(|(what, expected, found)| {
            Finding::new(signature_name, format!("was made for another {what}"))
                .expected(expected, found)
        })
        .collect()
}

/// Checks that the manifest is of the release that is asked for.
pub(super) fn expectations(manifest: &Manifest, options: &Options) -> Vec<Finding> {
    let pairs = [
        ("product", &options.expected_product, &manifest.product),
        ("version", &options.expected_version, &manifest.version),
        ("channel", &options.expected_channel, &manifest.channel),
    ];
    let mut findings = Vec::new();
    for (what, expected, found) in pairs {
        if let Some(expected) = expected.as_ref().filter(|expected| *expected != found) {
            let finding = Finding::new(FILE_NAME, format!("is of another {what} than expected"));
            findings.push(
                finding
                    .expected(expected, found)
                    .hint("this may be an older release, served as a new one"),
            );
        }
    }
    findings.extend(refusals(manifest, options));
    findings
}

/// What the manifest itself says against the release, where that is to be refused.
fn refusals(manifest: &Manifest, options: &Options) -> Vec<Finding> {
    let development = manifest.signed_by == SignedBy::Development
        || options.trusted.origin == KeyOrigin::Development;
    let unknown = manifest.commit.hash == UNKNOWN_COMMIT;
    let refused = [
        (
            options.refuse_development && development,
            "was signed by a development key, which proves nothing",
        ),
        (
            options.refuse_stub && manifest.stub,
            "is of stand-ins: the programs in the release are empty",
        ),
        (
            options.refuse_dirty && unknown,
            "is of an unknown commit: nobody can tell what was built",
        ),
        (
            options.refuse_dirty && manifest.commit.dirty && !unknown,
            "was made from files that differ from the commit it names",
        ),
    ];
    let refused = refused.into_iter().filter(|(refused, _)| *refused);
    refused
        .map(|(_, problem)| {
            Finding::new(FILE_NAME, problem).hint("this is not a release to be published")
        })
        .collect()
}
