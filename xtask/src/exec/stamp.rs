//! Remembers what each step made from what, so that a step whose inputs and action did not change is not run again.
//!
//! A stamp is a file per step in the work folder. It holds a key, the digest of the action and of every input, and the
//! digest of every output. A step is fresh when the key is the same and the outputs still have those digests.

use super::files::{self, FileError};
use crate::checksum;
use crate::config::model::Algorithm;
use crate::plan::{Location, Roots, Step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// The stamps of a work folder.
#[derive(Debug)]
pub struct Stamps<'a> {
    roots: &'a Roots,
    identity: String,
    digests: Mutex<BTreeMap<PathBuf, (SystemTime, u64, String)>>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    key: String,
    outputs: BTreeMap<String, String>,
}

/// Where the stamps are.
pub fn folder(roots: &Roots) -> PathBuf {
    roots.work.join("stamps")
}

impl<'a> Stamps<'a> {
    /// `identity` is mixed into every key: whatever decides about bytes and is neither action nor input, such as the
    /// versions of the tools.
    pub fn new(roots: &'a Roots, identity: String) -> Self {
        Self { roots, identity, digests: Mutex::default() }
    }

    /// Whether the step's outputs are what it would make now.
    ///
    /// # Errors
    /// An input cannot be read.
    pub fn is_fresh(&self, step: &Step) -> Result<bool, FileError> {
        let Ok(text) = fs::read(self.path(step)) else { return Ok(false) };
        let Ok(stamp) = serde_json::from_slice::<Stamp>(&text) else { return Ok(false) };
        if stamp.key != self.key(step)? {
            return Ok(false);
        }
        Ok(self.outputs(step).is_ok_and(|outputs| outputs == stamp.outputs))
    }

    /// Remembers what a step has just made.
    ///
    /// # Errors
    /// A file of the step cannot be read, or the stamp cannot be written.
    pub fn remember(&self, step: &Step) -> Result<(), FileError> {
        let stamp = Stamp { key: self.key(step)?, outputs: self.outputs(step)? };
        let text = serde_json::to_vec(&stamp).expect("a stamp is made of strings");
        files::write(&self.path(step), &text, 0o644)
    }

    fn path(&self, step: &Step) -> PathBuf {
        folder(self.roots).join(step.id.replace('/', "+"))
    }

    fn key(&self, step: &Step) -> Result<String, FileError> {
        let action = serde_json::to_string(&step.action).expect("an action is plain data");
        let mut text = format!("{}\n{action}\n", self.identity);
        for input in &step.inputs {
            text += &format!("{input} {}\n", self.digest(input)?);
        }
        Ok(checksum::digest(Algorithm::Sha256, text.as_bytes()))
    }

    fn outputs(&self, step: &Step) -> Result<BTreeMap<String, String>, FileError> {
        step.outputs.iter().map(|output| Ok((output.to_string(), self.digest(output)?))).collect()
    }

    /// The digest of a file, computed once for each state of it.
    fn digest(&self, location: &Location) -> Result<String, FileError> {
        let path = location.resolve(self.roots);
        let metadata = fs::metadata(&path).map_err(files::at("cannot read", &path))?;
        let state = (metadata.modified().map_err(files::at("cannot read", &path))?, metadata.len());
        let known = self.digests.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
        if let Some((modified, length, digest)) = known
            && (modified, length) == state
        {
            return Ok(digest);
        }
        let digest = checksum::digest(Algorithm::Sha256, &files::read(&path)?);
        let entry = (state.0, state.1, digest.clone());
        self.digests.lock().unwrap_or_else(PoisonError::into_inner).insert(path, entry);
        Ok(digest)
    }
}

#[cfg(test)]
mod tests;
