//! Rules about `[packages.gpg]`: something to sign, and a key that can be read.

use super::Rules;
use crate::config::model::{Gpg, Secret};
use crate::config::raw;
use std::collections::BTreeMap;
use strict_toml::{Diagnostic, Spanned};

impl Rules<'_> {
    pub(super) fn gpg(
        &mut self,
        raw: &Spanned<raw::Gpg>,
        bundles: &BTreeMap<Spanned<String>, raw::Bundle>,
    ) -> Gpg {
        let raw::Gpg { required, public_key, secret_key, password } = raw.get();
        let is_signed = |bundle: &raw::Bundle| bundle.format.get().has_package_manager();
        if !bundles.values().any(is_signed) {
            self.mistakes.push(
                Diagnostic::error(
                    "no bundle is a Debian or RPM package, and only these are signed",
                )
                .at(raw.span(), "nothing to sign"),
            );
        }
        self.file(public_key);
        for secret in secret_key.iter().chain(password) {
            self.secret(secret);
        }
        if let Some(raw::Secret::Prompt(question)) = secret_key {
            self.mistakes.push(
                Diagnostic::error("an OpenPGP key cannot be typed")
                    .at(question.span(), "a question")
                    .help("refer to a `file` or an `environment` variable"),
            );
        }
        if let (None, Some(password)) = (secret_key, password) {
            let (raw::Secret::Environment(place)
            | raw::Secret::File(place)
            | raw::Secret::Prompt(place)) = password;
            self.mistakes.push(
                Diagnostic::error("a password of a key that gpg knows by itself")
                    .at(place.span(), "not used")
                    .help("set `secret-key`, or remove it: gpg's agent asks"),
            );
        }
        Gpg {
            required: *required,
            public_key: public_key.get().clone(),
            secret_key: secret_key.as_ref().map(Secret::from),
            password: password.as_ref().map(Secret::from),
        }
    }
}
