//! The container image as one file: a tar of an OCI image layout (OCI Image Format Specification 1.1, "Image Layout"),
//! with one image of one layer.
//!
//! The member `config.json` is the image's configuration as [`crate::render`] wrote it, with an empty list of
//! `diff_ids`; what lies below `rootfs/` is the layer. Digests, sizes, manifest and index follow from them.

use super::gzip::Tape;
use super::{ArchiveError, Entry, Member, gzip, sorted, ustar};
use crate::checksum;
use crate::config::model::Algorithm;
use serde_json::{Value, json};

/// Name of the member with the configuration.
const CONFIG: &str = "config.json";
/// Folder of the files of the image.
const ROOT: &str = "rootfs/";
/// Where the configuration names its layers, before they are known.
const NO_LAYERS: &str = "\"diff_ids\": []";
const BLOBS: &str = "blobs/sha256/";
const INDEX: &str = "index.json";
const LAYOUT: &str = "oci-layout";
const LAYOUT_TEXT: &[u8] = b"{\"imageLayoutVersion\":\"1.0.0\"}";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// Packs an image; see [`super::pack`].
///
/// # Errors
///
/// As [`super::pack`]; an image without a configuration, or with files outside `rootfs/`.
pub fn pack(entries: &[Entry<'_>], epoch: u64) -> Result<Vec<u8>, ArchiveError> {
    let (config, layer) = parts(entries, epoch)?;
    assemble(config, &layer.bytes, &layer.gzip()?, epoch)
}

/// The configuration and the uncompressed layer.
fn parts<'a>(entries: &[Entry<'a>], epoch: u64) -> Result<(&'a str, Tape<'a>), ArchiveError> {
    let (mut config, mut files) = (None, Vec::new());
    for entry in sorted(entries)? {
        match entry.path.strip_prefix(ROOT) {
            Some(path) => files.push(Entry { path, ..entry }),
            None if entry.path == CONFIG && entry.mode == 0o644 => {
                config = Some(str::from_utf8(entry.contents).map_err(ArchiveError::malformed)?);
            }
            None => {
                let problem = format!("{:?} is no file of an image", entry.path);
                return Err(ArchiveError::malformed(problem));
            }
        }
    }
    let config = config.ok_or_else(|| ArchiveError::malformed("it has no config.json"))?;
    Ok((config, ustar::tree(&files, "", epoch)?))
}

/// The layout around a layer that is compressed already.
fn assemble(
    config: &str,
    layer: &[u8],
    compressed: &[u8],
    epoch: u64,
) -> Result<Vec<u8>, ArchiveError> {
    if config.matches(NO_LAYERS).count() != 1 {
        return Err(ArchiveError::malformed("its configuration has no empty list of layers"));
    }
    let layers = format!("\"diff_ids\": [\"{}\"]", digest(layer));
    let config = config.replace(NO_LAYERS, &layers);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": descriptor(CONFIG_TYPE, config.as_bytes()),
        "layers": [descriptor(LAYER_TYPE, compressed)],
    })
    .to_string();
    let mut image = descriptor(MANIFEST_TYPE, manifest.as_bytes());
    image["annotations"] = json!({ "org.opencontainers.image.ref.name": name(&config)? });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [image] });
    let index = index.to_string();
    let blobs =
        [config.as_bytes(), manifest.as_bytes(), compressed].map(|bytes| (blob(bytes), bytes));
    let mut files: Vec<_> = blobs.iter().map(|(path, bytes)| file(path, bytes)).collect();
    files.extend([file(INDEX, index.as_bytes()), file(LAYOUT, LAYOUT_TEXT)]);
    Ok(ustar::tree(&sorted(&files)?, "", epoch)?.bytes)
}

fn file<'a>(path: &'a str, contents: &'a [u8]) -> Entry<'a> {
    Entry::new(path, 0o644, contents)
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", checksum::digest(Algorithm::Sha256, bytes))
}

/// Path of a blob in the layout.
fn blob(bytes: &[u8]) -> String {
    format!("{BLOBS}{}", checksum::digest(Algorithm::Sha256, bytes))
}

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": kind, "digest": digest(bytes), "size": bytes.len() })
}

/// The name under which the image is loaded, by its labels. A tag cannot hold a plus.
fn name(config: &str) -> Result<String, ArchiveError> {
    let config: Value = serde_json::from_str(config).map_err(ArchiveError::malformed)?;
    let label = |name: &str| {
        let label = config["config"]["Labels"][format!("org.opencontainers.image.{name}")].as_str();
        label.ok_or_else(|| ArchiveError::malformed(format!("its image has no label {name}")))
    };
    Ok(format!("{}:{}", label("ref.name")?, label("version")?.replace('+', "_")))
}

/// Reads the members, sorted.
///
/// That nothing but them is in it is shown by packing them again around the layer as it was found.
pub(super) fn members(bytes: &[u8], max: u64) -> Result<Vec<Member>, ArchiveError> {
    let (files, epoch) = ustar::read(bytes)?;
    let index = json_file(&files, INDEX)?;
    let manifest = json_file(&files, &blob_path(&index["manifests"][0])?)?;
    let compressed = found(&files, &blob_path(&manifest["layers"][0])?)?;
    let config = found(&files, &blob_path(&manifest["config"])?)?;
    let layer = gzip::gunzip(compressed, max)?;
    let config = str::from_utf8(config).map_err(ArchiveError::malformed)?;
    let config = config.replace(&format!("\"diff_ids\": [\"{}\"]", digest(&layer)), NO_LAYERS);
    let mut members =
        vec![Member { path: CONFIG.to_owned(), mode: 0o644, contents: config.into() }];
    members.extend(ustar::read(&layer)?.0.into_iter().map(|mut member| {
        member.path.insert_str(0, ROOT);
        member
    }));
    let entries: Vec<_> = members.iter().map(Member::as_entry).collect();
    let (config, again) = parts(&entries, epoch)?;
    if again.bytes != layer || assemble(config, &layer, compressed, epoch)? != bytes {
        return Err(ArchiveError::malformed(
            "it has owners, times, blobs or bytes that are never packed",
        ));
    }
    Ok(members)
}

fn found<'a>(files: &'a [Member], path: &str) -> Result<&'a [u8], ArchiveError> {
    let file = files.iter().find(|file| file.path == path);
    file.map(|file| file.contents.as_slice())
        .ok_or_else(|| ArchiveError::malformed(format!("it has no {path}")))
}

fn json_file(files: &[Member], path: &str) -> Result<Value, ArchiveError> {
    serde_json::from_slice(found(files, path)?).map_err(ArchiveError::malformed)
}

/// Path of the blob that a descriptor names.
fn blob_path(descriptor: &Value) -> Result<String, ArchiveError> {
    let digest = descriptor["digest"].as_str().and_then(|digest| digest.strip_prefix("sha256:"));
    digest
        .map(|digest| format!("{BLOBS}{digest}"))
        .ok_or_else(|| ArchiveError::malformed("a descriptor in it names no blob"))
}
