//! What a plan promises, whatever is declared: shown on a foreign declaration and on our own.
//!
//! `UPDATE_GOLDEN=1 cargo test -p xtask stage` writes the printed plans anew.

use super::*;
use crate::config;
use crate::config::model::{Codesign, CodesignKey, File, Format, Gpg, Secret, Signer};
use crate::manifest::ArtifactKind;
use crate::plan::{Action, Stage};
use crate::render::documents;
use crate::render::tests::fixture::{self, Everything};
use crate::report;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use strict_toml::Source;

const WINDOWS: &str = "x86_64-pc-windows-msvc";
const LINUX: &str = "x86_64-unknown-linux-musl";
const ARM: &str = "aarch64-unknown-linux-musl";

fn own_declaration() -> Config {
    let text = std::fs::read_to_string(fixture::root().join(config::PATH)).unwrap();
    config::parse(&Source::new(config::PATH, text), &Everything)
        .unwrap_or_else(|report| panic!("{report}"))
}

/// Facts of a machine on which everything can be built.
fn facts() -> Facts {
    let mut facts = fixture::facts();
    facts.toolchain.targets = [WINDOWS, LINUX, ARM].map(str::to_owned).into();
    facts
}

fn planned(config: &Config, facts: &Facts, selection: &Selection) -> Result<Plan, PlanError> {
    let documents = documents(config, facts, &fixture::templates(config))
        .unwrap_or_else(|reports| panic!("{}", reports[0]));
    plan(config, facts, &documents, selection)
}

/// The foreign declaration, with a key that signs its Windows programs.
fn code_signed() -> Config {
    let key = CodesignKey::Pkcs12(Secret::Environment("CODESIGN_PKCS12".to_owned()));
    let password = Some(Secret::Environment("CODESIGN_PASSWORD".to_owned()));
    let codesign = Codesign {
        required: true,
        timestamp_url: None,
        authorities: Some("packaging/codesign-ca.pem".to_owned()),
        timestamp_authorities: None,
        signer: Signer::Osslsigncode { key, password },
    };
    Config { codesign: Some(codesign), ..fixture::config() }
}

/// The same, with a key that signs its packages as well.
fn packages_signed() -> Config {
    let mut config = code_signed();
    let packages = config.packages.as_mut().expect("the fixture has packages");
    packages.gpg = Some(Gpg {
        required: true,
        public_key: "packaging/packages.asc".to_owned(),
        secret_key: Some(Secret::Environment("GPG_KEY".to_owned())),
        password: Some(Secret::Environment("GPG_PASSWORD".to_owned())),
    });
    config
}

fn stub() -> Selection {
    Selection { stub: true, ..Selection::default() }
}

fn only(triple: &str) -> Selection {
    Selection { targets: vec![triple.to_owned()], ..Selection::default() }
}

/// Plans of each kind.
fn plans() -> Vec<Plan> {
    let configs = [fixture::config(), own_declaration(), code_signed(), packages_signed()];
    let selections = [Selection::default(), stub(), only(WINDOWS), only(LINUX)];
    let plan = |config, selection| planned(config, &facts(), selection).unwrap();
    configs
        .iter()
        .flat_map(|config| selections.iter().map(move |selection| plan(config, selection)))
        .collect()
}

/// The printed plan without the sizes of texts, which say nothing about steps.
#[track_caller]
fn check_golden(config: &Config, selection: &Selection, name: &str) {
    let plan = planned(config, &facts(), selection).unwrap();
    let lines = report::plan(&plan);
    let line =
        |line: &str| match line.strip_suffix(" bytes)").and_then(|line| line.rsplit_once(" (")) {
            Some((text, _)) => format!("{text}\n"),
            None => format!("{line}\n"),
        };
    let printed: String = lines.lines().map(line).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/stage/tests").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &printed).unwrap();
    }
    let golden = std::fs::read_to_string(&file).unwrap_or_default().replace("\r\n", "\n");
    assert_eq!(printed, golden, "{}", file.display());
}

#[test]
fn a_plan_prints_one_line_a_step() {
    check_golden(&fixture::config(), &Selection::default(), "release.txt");
    check_golden(&fixture::config(), &stub(), "stub.txt");
    check_golden(&code_signed(), &only(WINDOWS), "code-signed.txt");
    check_golden(&packages_signed(), &only(LINUX), "packages-signed.txt");
}

#[test]
fn the_same_declaration_and_facts_make_the_same_plan() {
    for (one, other) in plans().into_iter().zip(plans()) {
        assert_eq!(one, other);
    }
}

#[test]
fn what_a_step_reads_is_in_the_workspace_or_was_written_before() {
    for plan in plans() {
        let mut written = BTreeSet::new();
        for step in &plan.steps {
            for input in &step.inputs {
                let known = matches!(input, Location::Workspace(_)) || written.contains(input);
                assert!(known, "{} reads {input}, which no earlier step writes", step.id);
            }
            written.extend(&step.outputs);
        }
    }
}

#[test]
fn what_an_action_reads_is_among_the_inputs_of_its_step() {
    for plan in plans() {
        for step in &plan.steps {
            let read: Vec<_> = match &step.action {
                Action::Makensis { payload, .. } => {
                    payload.iter().map(|member| &member.source).collect()
                }
                Action::Archive { members, deflated, .. } => {
                    let streams = deflated.iter().flat_map(|it| [&it.source, &it.stream]);
                    members.iter().map(|member| &member.source).chain(streams).collect()
                }
                Action::Codesign(codesign) => vec![&codesign.unsigned],
                Action::SignRpm { unsigned: signed, .. }
                | Action::SignIndex { index: signed, .. } => vec![signed],
                Action::Manifest(head) => {
                    let members = head.contents.iter().flat_map(|contents| &contents.members);
                    let files = head.contents.iter().map(|contents| &contents.file);
                    let unsigned = head.code_signed.iter().map(|it| &it.unsigned);
                    members.map(|member| &member.source).chain(files).chain(unsigned).collect()
                }
                Action::Inspect(inspect) => vec![&inspect.program, &inspect.symbols],
                Action::SplitSymbols { program, .. } => vec![program],
                Action::Support { .. }
                | Action::Cargo(_)
                | Action::Stub
                | Action::Write { .. }
                | Action::Compress
                | Action::Deflate
                | Action::IndexDebs
                | Action::Checksum { .. }
                | Action::Sign { .. }
                | Action::Verify
                | Action::Publish => Vec::new(),
            };
            for file in read {
                assert!(step.inputs.contains(file), "{} reads {file}", step.id);
            }
        }
    }
}

#[test]
fn no_two_steps_have_one_id_or_write_one_file() {
    for plan in plans() {
        let ids: BTreeSet<_> = plan.steps.iter().map(|step| &step.id).collect();
        assert_eq!(ids.len(), plan.steps.len());
        let mut writers = BTreeMap::new();
        for step in &plan.steps {
            for output in &step.outputs {
                let other = writers.insert(output, &step.id);
                assert_eq!(other, None, "{output} is written by {} as well", step.id);
            }
        }
    }
}

#[test]
fn the_release_folder_gets_the_artifacts_and_nothing_else() {
    for plan in plans() {
        let outputs = plan.steps.iter().flat_map(|step| &step.outputs);
        let released: Vec<_> =
            outputs.filter(|output| matches!(output, Location::Release(_))).collect();
        let written: BTreeSet<_> = released.iter().map(|output| output.base_name()).collect();
        assert_eq!(written.len(), released.len());
        let artifacts: BTreeSet<_> =
            plan.artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
        assert_eq!(artifacts.len(), plan.artifacts.len());
        assert_eq!(written, artifacts);
    }
}

#[test]
fn stages_come_in_order_and_the_release_is_verified_before_it_is_published() {
    for plan in plans() {
        assert!(plan.steps.is_sorted_by_key(|step| step.stage));
        let last: Vec<_> = plan.steps.iter().rev().take(2).map(|step| step.stage).collect();
        assert_eq!(last, [Stage::Publish, Stage::Verify]);
    }
}

#[test]
fn the_manifest_has_the_members_that_are_packed() {
    for plan in plans() {
        let mut packed = BTreeMap::new();
        let mut stated = BTreeMap::new();
        for step in &plan.steps {
            match &step.action {
                Action::Archive { members, .. } => {
                    packed.insert(step.outputs[0].base_name(), members);
                }
                Action::Manifest(head) => {
                    let archives = head.contents.iter().filter(|contents| {
                        !matches!(
                            contents.artifact.kind,
                            ArtifactKind::Installer | ArtifactKind::Index
                        )
                    });
                    stated.extend(
                        archives
                            .map(|contents| (contents.artifact.name.as_str(), &contents.members)),
                    );
                }
                Action::Support { .. }
                | Action::Cargo(_)
                | Action::Stub
                | Action::Inspect(_)
                | Action::SplitSymbols { .. }
                | Action::Codesign(_)
                | Action::Write { .. }
                | Action::Makensis { .. }
                | Action::Compress
                | Action::Deflate
                | Action::SignRpm { .. }
                | Action::IndexDebs
                | Action::SignIndex { .. }
                | Action::Checksum { .. }
                | Action::Sign { .. }
                | Action::Verify
                | Action::Publish => {}
            }
        }
        assert_eq!(packed, stated);
    }
}

/// The name of an archive and the stream that it is joined with.
fn held(step: &Step) -> Option<(String, Location)> {
    let Action::Archive { deflated: Some(it), .. } = &step.action else { return None };
    Some((step.outputs[0].base_name().to_owned(), it.stream.clone()))
}

#[test]
fn a_program_is_compressed_once_for_all_archives_that_can_hold_its_stream() {
    let plan = planned(&code_signed(), &facts(), &Selection::default()).unwrap();
    let made = plan.steps.iter().filter(|step| matches!(step.action, Action::Deflate));
    let made: Vec<_> = made.flat_map(|step| &step.outputs).collect();
    let held: BTreeMap<_, _> = plan.steps.iter().filter_map(held).collect();
    let stream = Location::Work(format!("deflated/{LINUX}/acmed.deflate"));
    assert_eq!(made, [&stream]);
    let names = ["deb", "oci.tar", "rpm", "tar.gz"]
        .map(|format| (format!("acme-gate-1.2.0-rc.1-{LINUX}.{format}"), stream.clone()));
    assert_eq!(held, BTreeMap::from(names));
}

#[test]
fn a_program_that_one_archive_holds_is_compressed_there() {
    let mut config = fixture::config();
    for target in &mut config.targets {
        target.bundles.retain(|bundle| !bundle.format.is_package());
    }
    let plan = planned(&config, &facts(), &Selection::default()).unwrap();
    assert!(plan.steps.iter().all(|step| step.action != Action::Deflate && held(step).is_none()));
}

#[test]
fn every_bundle_carries_the_signed_program_and_signing_reads_the_authorities() {
    let plan = planned(&code_signed(), &facts(), &Selection::default()).unwrap();
    let authorities = Location::Workspace("packaging/codesign-ca.pem".to_owned());
    let mut signed = 0;
    for step in &plan.steps {
        let signs = matches!(
            &step.action,
            Action::Codesign(_) | Action::Makensis { uninstaller: Some(_), .. }
        );
        assert_eq!(step.inputs.contains(&authorities), signs, "{}", step.id);
        signed += usize::from(signs);
        let unsigned = Location::Work(format!("build/{WINDOWS}/acmed.exe"));
        let reads_unsigned = step.inputs.contains(&unsigned);
        let may = matches!(step.stage, Stage::Inspect | Stage::Codesign | Stage::Manifest);
        assert!(may || !reads_unsigned, "{}", step.id);
    }
    assert_eq!(signed, 3);
}

#[test]
fn another_option_of_signing_makes_another_step_and_a_linux_program_is_never_signed() {
    let actions = |config: &Config, triple| {
        let plan = planned(config, &facts(), &only(triple)).unwrap();
        let steps = plan.steps.into_iter();
        steps
            .filter(|step| matches!(step.action, Action::Codesign(_)))
            .map(|step| serde_json::to_string(&step.action).unwrap())
            .collect::<Vec<_>>()
    };
    let mut other = code_signed();
    other.codesign.as_mut().unwrap().timestamp_url = Some("http://t.example".to_owned());
    assert_ne!(actions(&code_signed(), WINDOWS), actions(&other, WINDOWS));
    assert_eq!(actions(&code_signed(), WINDOWS).len(), 2);
    assert_eq!(actions(&code_signed(), LINUX).len(), 0);
}

#[test]
fn no_compiler_sees_the_variables_with_secrets() {
    let plan = planned(&packages_signed(), &facts(), &Selection::default()).unwrap();
    let mut seen = 0;
    for step in &plan.steps {
        if let Action::Cargo(build) = &step.action {
            let removed = |name: &str| build.removed.iter().any(|removed| removed == name);
            assert!(removed("CODESIGN_PKCS12") && removed("CODESIGN_PASSWORD"), "{}", step.id);
            assert!(removed("GPG_KEY") && removed("GPG_PASSWORD"), "{}", step.id);
            seen += 1;
        }
    }
    assert_eq!(seen, 2);
}

#[test]
fn one_target_takes_only_its_own_steps() {
    let whole = planned(&own_declaration(), &facts(), &Selection::default()).unwrap();
    for triple in [WINDOWS, LINUX, ARM] {
        let part = planned(&own_declaration(), &facts(), &only(triple)).unwrap();
        let foreign = |target: &Option<String>| target.as_ref().is_some_and(|it| it != triple);
        assert!(part.steps.iter().all(|step| !foreign(&step.target)));
        assert!(part.artifacts.iter().all(|artifact| !foreign(&artifact.target)));
        let expected: Vec<_> =
            whole.artifacts.iter().filter(|artifact| !foreign(&artifact.target)).collect();
        assert_eq!(part.artifacts.iter().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_target_that_is_not_declared_is_refused_with_the_nearest() {
    let error =
        |triple| planned(&fixture::config(), &facts(), &only(triple)).unwrap_err().to_string();
    assert_eq!(
        error("x86_64-pc-windows-mvsc"),
        "target `x86_64-pc-windows-mvsc` is not declared (did you mean `x86_64-pc-windows-msvc`?); \
         declared: x86_64-pc-windows-msvc, x86_64-unknown-linux-musl"
    );
    assert_eq!(
        error("sparc"),
        "target `sparc` is not declared; declared: x86_64-pc-windows-msvc, x86_64-unknown-linux-musl"
    );
}

/// A declaration whose targets are optional and need a C compiler, if `c_compiler`.
fn optional(c_compiler: bool) -> Config {
    let mut config = fixture::config();
    for target in &mut config.targets {
        target.required = target.triple == WINDOWS;
        target.c_compiler = c_compiler;
    }
    config
}

#[test]
fn an_optional_target_that_cannot_be_built_is_skipped_with_the_reason() {
    let skipped = |config: &Config, facts: &Facts, selection: &Selection| {
        let plan = planned(config, facts, selection).unwrap();
        assert!(plan.steps.iter().all(|step| step.target.as_deref() != Some(LINUX)));
        assert!(plan.steps.iter().any(|step| step.target.as_deref() == Some(WINDOWS)));
        let reason = |skip: Skipped| (skip.target, skip.reason);
        plan.skipped.into_iter().map(reason).collect::<Vec<_>>()
    };
    let mut without_library = facts();
    without_library.toolchain.targets.remove(LINUX);
    assert_eq!(
        skipped(&optional(false), &without_library, &Selection::default()),
        [(
            LINUX.to_owned(),
            format!("its standard library is not installed (rustup target add {LINUX})")
        )]
    );
    let missing = vec!["clang".to_owned(), "C headers".to_owned()];
    let without_headers = Selection {
        without_c: BTreeMap::from([(LINUX.to_owned(), missing)]),
        ..Selection::default()
    };
    assert_eq!(
        skipped(&optional(true), &facts(), &without_headers),
        [(
            LINUX.to_owned(),
            "its dependencies contain C code, and these are missing: clang, C headers (see `cargo xtask doctor`)"
                .to_owned()
        )]
    );
    assert_eq!(planned(&optional(false), &facts(), &without_headers).unwrap().skipped, []);
}

#[test]
fn a_target_that_is_required_or_named_or_a_stand_in_is_never_skipped() {
    let mut bare = facts();
    bare.toolchain.targets.clear();
    let skips =
        |config: &Config, selection: &Selection| planned(config, &bare, selection).unwrap().skipped;
    assert_eq!(skips(&fixture::config(), &Selection::default()), []);
    assert_eq!(skips(&optional(true), &only(LINUX)), []);
    assert_eq!(skips(&optional(true), &stub()), []);
}

#[test]
fn a_release_of_nothing_is_refused() {
    let mut config = optional(false);
    config.targets.retain(|target| target.triple == LINUX);
    let mut bare = facts();
    bare.toolchain.targets.clear();
    let error = planned(&config, &bare, &Selection::default()).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "no declared target can be built here: {LINUX}: its standard library is not installed (rustup target add {LINUX})"
        )
    );
}

#[test]
fn a_time_that_no_archive_can_hold_is_refused() {
    let at = |epoch| planned(&fixture::config(), &Facts { epoch, ..facts() }, &stub());
    at(EPOCH_MAX).unwrap();
    let error = at(EPOCH_MAX + 1).unwrap_err().to_string();
    assert!(error.contains("is beyond 2107"), "{error}");
}

#[test]
fn a_file_that_would_hide_another_in_its_bundle_is_refused() {
    let refused = |format, path: &str| {
        let mut config = fixture::config();
        let bundles = config.targets.iter_mut().flat_map(|target| &mut target.bundles);
        let bundle = bundles.into_iter().find(|bundle| bundle.format == format).unwrap();
        bundle.files.push(File {
            source: "COPYING".to_owned(),
            path: path.to_owned(),
            executable: false,
        });
        planned(&config, &facts(), &stub()).err().map(|error| error.to_string())
    };
    let told = |bundle: &str, path: &str| {
        Some(format!(
            "acme-gate-1.2.0-rc.1-{bundle} would hold `{path}` twice; give the file another `path` in packaging/release.toml"
        ))
    };
    let setup = format!("{WINDOWS}-setup.exe");
    assert_eq!(refused(Format::Nsis, "gate.toml"), told(&setup, "gate.toml"));
    assert_eq!(refused(Format::Nsis, "Gate.TOML"), told(&setup, "Gate.TOML"));
    assert_eq!(refused(Format::Nsis, "acme-gate.nsi"), told(&setup, "acme-gate.nsi"));
    assert_eq!(refused(Format::Nsis, "another.toml"), None);
    let folder = format!("acme-gate-1.2.0-rc.1-{LINUX}");
    let archive = format!("{LINUX}.tar.gz");
    assert_eq!(
        refused(Format::TarGz, "install.sh"),
        told(&archive, &format!("{folder}/install.sh"))
    );
    assert_eq!(refused(Format::TarGz, "Install.sh"), None);
}
