//! Rules about `[codesign]`: one signer, one key, and something that a signature is checked against.

use super::{Rules, formats};
use crate::config::model::{Codesign, CodesignKey, Secret, Signer, StoreCertificate};
use crate::config::raw;
use crate::toolchain;
use std::collections::BTreeMap;
use std::ops::Range;
use strict_toml::{Diagnostic, Spanned};

/// What `command` has the path of the file for.
pub const FILE: &str = "{file}";

impl Rules<'_> {
    pub(super) fn codesign(
        &mut self,
        raw: Option<&Spanned<raw::Codesign>>,
        targets: &BTreeMap<Spanned<String>, raw::Target>,
    ) -> Option<Codesign> {
        let (raw, span) = (raw?.get(), raw?.span());
        let raw::Codesign {
            required,
            timestamp_url,
            authorities,
            timestamp_authorities,
            osslsigncode: _,
            signtool: _,
            command: _,
            command_variables: _,
        } = raw;
        let is_windows = |triple: &str| {
            toolchain::Target::parse(triple).is_ok_and(toolchain::Target::is_windows)
        };
        if !targets.keys().any(|triple| is_windows(triple)) {
            self.mistakes.push(
                Diagnostic::error(
                    "no target is for Windows, and only its programs are code-signed",
                )
                .at(span.clone(), "nothing to sign"),
            );
        }
        for file in [authorities, timestamp_authorities].into_iter().flatten() {
            self.file(file);
        }
        if let (None, Some(file)) = (timestamp_url, timestamp_authorities) {
            self.mistakes.push(
                Diagnostic::error("authorities of a time stamp that nobody sets")
                    .at(file.span(), "not used")
                    .help("set `timestamp-url`, or remove it"),
            );
        }
        let signer = self.signer(raw, &span)?;
        if authorities.is_none() && !matches!(signer, Signer::Signtool { .. }) {
            self.mistakes.push(
                Diagnostic::error("there is nothing to check a signature against")
                    .at(span, "no `authorities`")
                    .help("set `authorities` to a PEM file with the certificate of the authority"),
            );
        } else if let (None, Some(_), Some(file)) =
            (authorities, timestamp_url, timestamp_authorities)
        {
            self.mistakes.push(
                Diagnostic::error("authorities of a time stamp that only Windows judges")
                    .at(file.span(), "not used without `authorities`")
                    .help("set `authorities`, so that `osslsigncode` judges, or remove it"),
            );
        }
        let text = |value: &Option<Spanned<String>>| value.as_ref().map(|text| text.get().clone());
        Some(Codesign {
            required: *required,
            timestamp_url: text(timestamp_url),
            authorities: text(authorities),
            timestamp_authorities: text(timestamp_authorities),
            signer,
        })
    }

    /// The one that is declared.
    fn signer(&mut self, raw: &raw::Codesign, span: &Range<usize>) -> Option<Signer> {
        let raw::Codesign { osslsigncode, signtool, command, command_variables, .. } = raw;
        let declared: Vec<(&str, Range<usize>)> = [
            osslsigncode.as_ref().map(|it| ("osslsigncode", it.span())),
            signtool.as_ref().map(|it| ("signtool", it.span())),
            command.as_ref().map(|it| ("command", it.span())),
        ]
        .into_iter()
        .flatten()
        .collect();
        match &declared[..] {
            [] => self.mistakes.push(
                Diagnostic::error("code signing is declared, but nothing that signs")
                    .at(span.clone(), "by what?")
                    .help("add `[codesign.osslsigncode]`, `[codesign.signtool]` or `command`"),
            ),
            [_] => {}
            [(first, place), (second, again), ..] => self.mistakes.push(
                Diagnostic::error(format!("both `{first}` and `{second}` are to sign"))
                    .at(again.clone(), "one too many")
                    .related(place.clone(), "first here")
                    .help("keep one of `osslsigncode`, `signtool` and `command`"),
            ),
        }
        if let (None, Some(variable)) = (command, command_variables.first()) {
            self.mistakes.push(
                Diagnostic::error("variables of a command that is not declared")
                    .at(variable.span(), "not used")
                    .help("set `command`, or remove `command-variables`"),
            );
        }
        if let Some(raw) = osslsigncode {
            return self.osslsigncode(raw.get(), &raw.span());
        }
        if let Some(raw) = signtool {
            return self.signtool(raw.get(), &raw.span());
        }
        let words = command.as_ref()?;
        self.command(words);
        for variable in command_variables {
            self.valid(variable, formats::environment_variable);
        }
        let texts = |all: &[Spanned<String>]| all.iter().map(|text| text.get().clone()).collect();
        Some(Signer::Command { words: texts(words.get()), variables: texts(command_variables) })
    }

    fn osslsigncode(&mut self, raw: &raw::Osslsigncode, span: &Range<usize>) -> Option<Signer> {
        let raw::Osslsigncode {
            pkcs12,
            password,
            pkcs11_module,
            pkcs11_engine,
            pkcs11_key,
            certificates,
        } = raw;
        for secret in pkcs12.iter().chain(password) {
            self.secret(secret);
        }
        if let Some(certificates) = certificates {
            self.file(certificates);
        }
        let of_token = [pkcs11_module, pkcs11_engine, pkcs11_key, certificates];
        let of_token: Vec<_> = of_token.into_iter().flatten().collect();
        let key = match (pkcs12, &of_token[..]) {
            (Some(secret), []) => self.pkcs12(secret),
            (Some(_), [first, ..]) => {
                self.mistakes.push(
                    Diagnostic::error("a PKCS#12 file and a key in a token")
                        .at(first.span(), "of a token")
                        .help("keep `pkcs12`, or `pkcs11-module`, `pkcs11-key` and `certificates`"),
                );
                None
            }
            (None, []) => {
                self.mistakes.push(
                    Diagnostic::error("osslsigncode has no key")
                        .at(span.clone(), "which key?")
                        .help("set `pkcs12`, for example `pkcs12 = { environment = \"CODESIGN_PKCS12\" }`")
                        .help("or `pkcs11-module`, `pkcs11-key` and `certificates`"),
                );
                None
            }
            (None, [_, ..]) => {
                let (module, key, certificates) = (
                    self.of_token("pkcs11-module", pkcs11_module.as_ref(), span),
                    self.of_token("pkcs11-key", pkcs11_key.as_ref(), span),
                    self.of_token("certificates", certificates.as_ref(), span),
                );
                let engine = pkcs11_engine.as_ref().map(|engine| engine.get().clone());
                Some(CodesignKey::Pkcs11 {
                    module: module?,
                    engine,
                    key: key?,
                    certificates: certificates?,
                })
            }
        };
        Some(Signer::Osslsigncode { key: key?, password: password.as_ref().map(Secret::from) })
    }

    fn pkcs12(&mut self, raw: &raw::Secret) -> Option<CodesignKey> {
        match raw {
            raw::Secret::Environment(_) | raw::Secret::File(_) => {
                Some(CodesignKey::Pkcs12(Secret::from(raw)))
            }
            raw::Secret::Prompt(question) => {
                self.mistakes.push(
                    Diagnostic::error("a PKCS#12 file cannot be typed")
                        .at(question.span(), "a question")
                        .help("refer to a `file` or an `environment` variable"),
                );
                None
            }
        }
    }

    fn of_token(
        &mut self,
        key: &str,
        value: Option<&Spanned<String>>,
        span: &Range<usize>,
    ) -> Option<String> {
        if value.is_none() {
            self.mistakes.push(
                Diagnostic::error(format!("a key in a token needs `{key}`"))
                    .at(span.clone(), "in this table"),
            );
        }
        value.map(|value| value.get().clone())
    }

    fn signtool(&mut self, raw: &raw::Signtool, span: &Range<usize>) -> Option<Signer> {
        let raw::Signtool { thumbprint, subject, machine_store } = raw;
        let certificate = match (thumbprint, subject) {
            (Some(thumbprint), None) => StoreCertificate::Thumbprint(thumbprint.get().clone()),
            (None, Some(subject)) => StoreCertificate::Subject(subject.get().clone()),
            (found, _) => {
                let place = found.as_ref().map_or_else(|| span.clone(), Spanned::span);
                self.mistakes.push(
                    Diagnostic::error("signtool takes one certificate")
                        .at(place, "which one?")
                        .help("set either `thumbprint` or `subject`"),
                );
                return None;
            }
        };
        Some(Signer::Signtool { certificate, machine_store: *machine_store })
    }

    /// `{file}` is the only placeholder there is, and without it nothing would be signed.
    fn command(&mut self, words: &Spanned<Vec<Spanned<String>>>) {
        for word in words.get() {
            self.valid(word, formats::filled_line);
            let rest = word.replace(FILE, "");
            if let Some(start) = rest.find('{')
                && let Some(end) = rest[start..].find('}')
            {
                let placeholder = &rest[start..=start + end];
                self.mistakes.push(
                    Diagnostic::error(format!("unknown placeholder `{placeholder}`"))
                        .at(word.span(), "in this argument")
                        .help(format!("did you mean `{FILE}`? It is the only one, and stands for the path of the file to sign")),
                );
            }
        }
        let is_named = words.get().iter().skip(1).any(|word| word.contains(FILE));
        if !is_named {
            self.mistakes.push(
                Diagnostic::error("the command is not told which file to sign")
                    .at(words.span(), format!("no argument has `{FILE}`"))
                    .help(format!("for example `command = [\"sign\", \"{FILE}\"]`")),
            );
        }
    }
}
