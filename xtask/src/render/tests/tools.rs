//! The real tools on every document: of a plain declaration, and of one full of hostile texts.

use super::fixture;
use crate::config::model::{Compression, Config, LinuxPaths};
use crate::render::{Document, Group, documents, nsis};
use crate::stock_tools::run;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Most bytes of a bmp-less icon: a header and one pixel (the ICO format, one 1×1 image of 32 bits).
const ICON: &[u8] = &[
    0, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1, 0, 32, 0, 48, 0, 0, 0, 22, 0, 0, 0, // directory
    40, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 32, 0, 0, 0, 0, 0, 8, 0, 0, 0, // header
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, //
    0, 0, 0, 255, 0, 0, 0, 0, // pixel, mask
];

/// Texts that mean something in at least one of the languages.
const HOSTILE: &str = "a\"b'c`d $HOME ${NSISDIR} $%PATH% $\\n $$ %h 100% {{ $x }} {% if %} {# \\ \
    : [ { & * ! | > # ; // ü 😀 \u{2028} -x line\nbreak\ttab \\";

/// The documents of a declaration, in a folder.
struct Rendered {
    folder: TempDir,
    config: Config,
    documents: Vec<Document>,
}

impl Rendered {
    fn of(config: Config) -> Self {
        let templates = fixture::templates(&fixture::config());
        let documents = documents(&config, &fixture::facts(), &templates)
            .unwrap_or_else(|reports| panic!("{}", reports[0]));
        let rendered = Self { folder: tempfile::tempdir().unwrap(), config, documents };
        for document in &rendered.documents {
            rendered.write(&document.path, document.contents.as_bytes());
        }
        rendered
    }

    fn write(&self, path: &str, contents: &[u8]) -> PathBuf {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, contents).unwrap();
        path
    }

    /// Runs a tool in a folder of the documents; it has to be content.
    #[track_caller]
    fn run(&self, folder: &str, program: &str, arguments: &[&str]) -> Option<String> {
        let answer = run(&self.folder.path().join(folder), program, arguments, "")?;
        assert!(answer.success, "{program} {arguments:?}: {}", answer.text);
        Some(answer.text)
    }
}

fn plain() -> Rendered {
    Rendered::of(fixture::config())
}

fn hostile() -> Rendered {
    let mut config = fixture::config();
    for text in [
        &mut config.product.display_name,
        &mut config.product.publisher,
        &mut config.product.description,
        &mut config.product.homepage,
        &mut config.scrape.job,
    ] {
        *text = HOSTILE.to_owned();
    }
    config.service.arguments.push(HOSTILE.to_owned());
    config.scrape.labels.values_mut().for_each(|value| *value = HOSTILE.to_owned());
    Rendered::of(config)
}

#[test]
fn promtool_accepts_every_prometheus_file_and_the_rules_pass_their_tests() {
    for rendered in [plain(), hostile()] {
        let folder = "prometheus";
        for arguments in [
            ["check", "config", "prometheus.yml"],
            ["check", "config", "scrape_configs/acme-gate.yml"],
            ["check", "rules", "rules/acme-gate.rules.yml"],
            ["test", "rules", "tests/acme-gate.rules.test.yml"],
        ] {
            rendered.run(folder, "promtool", &arguments);
        }
    }
}

#[test]
fn rule_tests_hold_for_thresholds_at_the_edges() {
    use std::time::Duration;
    for (ratio, seconds, restarts) in [(0.0, 1, 1), (0.333, 90, 7), (1.0, 86_400, 100)] {
        let mut config = fixture::config();
        let alerts = &mut config.alerts;
        alerts.error_ratio_max = ratio;
        alerts.down_for = Duration::from_secs(seconds);
        alerts.degraded_for = Duration::from_secs(seconds);
        alerts.latency_p99_max = Duration::from_millis(seconds);
        alerts.restarts_max = restarts;
        alerts.restarts_window = Duration::from_secs(60 * seconds);
        alerts.certificate_expires_within = Duration::from_secs(3600 * seconds);
        config.scrape.interval = Duration::from_secs(60 + seconds / 60);
        let arguments = ["test", "rules", "tests/acme-gate.rules.test.yml"];
        Rendered::of(config).run("prometheus", "promtool", &arguments);
    }
}

#[test]
fn systemd_accepts_the_unit_and_it_is_well_confined() {
    for mut rendered in [plain(), hostile()] {
        for (ports, most) in [(None, "18"), (Some(8080), "17")] {
            if let Some(port) = ports {
                for listener in rendered.config.listeners.values_mut() {
                    listener.port = port;
                }
            }
            let rendered = Rendered::of(rendered.config.clone());
            // The program has to exist for `verify`; the unit is otherwise as shipped.
            let program = LinuxPaths::of(&rendered.config).program;
            let unit =
                rendered.documents.iter().find(|d| d.path == "systemd/acme.service").unwrap();
            let unit = unit.contents.replace(&program, "/bin/true");
            rendered.write("systemd/acme.service", unit.as_bytes());
            let threshold = format!("--threshold={most}");
            let verify = ["verify", "--man=no", "./acme.service"];
            let security = ["security", "--offline=true", &threshold, "./acme.service"];
            for arguments in [verify.as_slice(), security.as_slice()] {
                rendered.run("systemd", "systemd-analyze", arguments);
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn sysusers_makes_exactly_the_declared_user() {
    for rendered in [plain(), hostile()] {
        let root = rendered.write("root/etc/sysusers.d/acme-gate.conf", b"");
        std::fs::copy(rendered.folder.path().join("systemd/acme-gate.sysusers.conf"), &root)
            .unwrap();
        let Some(_) = rendered.run("root", "systemd-sysusers", &["--root=."]) else { return };
        let users =
            std::fs::read_to_string(rendered.folder.path().join("root/etc/passwd")).unwrap();
        let fields: Vec<&str> = users.trim_end_matches('\n').split(':').collect();
        assert_eq!(fields.len(), 7, "{users}");
        let shown = rendered.config.product.display_name.replace(':', " ");
        let shown: String = shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        assert_eq!((fields[0], fields[4], fields[5]), ("gate", &*shown, "/var/lib/acme-gate"));
    }
}

#[test]
fn a_shell_reads_back_the_texts() {
    for rendered in [plain(), hostile()] {
        for script in ["install.sh", "uninstall.sh"] {
            let Some(help) = rendered.run("systemd", "sh", &[script, "--help"]) else { return };
            assert!(help.contains(&rendered.config.product.display_name), "{help}");
        }
    }
}

/// The plain declaration with its installer compressed otherwise.
fn compressed(compression: Compression) -> Rendered {
    let mut config = fixture::config();
    for bundle in config.targets.iter_mut().flat_map(|target| &mut target.bundles) {
        bundle.compression = compression;
    }
    Rendered::of(config)
}

#[test]
fn the_script_names_the_declared_compressor() {
    let all = [Compression::Lzma, Compression::Bzip2, Compression::Zlib];
    for (compression, name) in all.into_iter().zip(["lzma", "bzip2", "zlib"]) {
        let rendered = compressed(compression);
        let mut scripts = rendered.documents.iter().filter(|it| it.group == Group::Nsis);
        let script = &scripts.next().expect("the fixture has an installer").contents;
        let stub = format!("/FileExists \"${{NSISDIR}}/Stubs/{name}_solid-amd64-unicode\"");
        for line in [stub, format!("SetCompressor /SOLID {name}\n")] {
            assert!(script.contains(&line), "{line}");
        }
    }
}

#[test]
fn makensis_compiles_the_installer_without_a_warning() {
    for rendered in
        [plain(), hostile(), compressed(Compression::Bzip2), compressed(Compression::Zlib)]
    {
        let target = &rendered.config.targets[0];
        let folder = format!("nsis/{}", target.triple);
        for file in nsis::payload(&rendered.config, target).unwrap() {
            let contents = if file.name.ends_with(".ico") { ICON } else { b"contents" };
            rendered.write(&format!("{folder}/{}", file.name), contents);
        }
        let script = nsis::script_name(&rendered.config);
        let arguments = ["-NOCONFIG", "-WX", "-V2", "-INPUTCHARSET", "UTF8", &script];
        if rendered.run(&folder, "makensis", &arguments).is_none() {
            return;
        }
        let installer = nsis::installer_name(&rendered.config, &fixture::facts(), target);
        let installer = rendered.folder.path().join(&folder).join(installer);
        assert!(installer.metadata().unwrap().len() > 50_000, "makensis can fail and exit 0");
    }
}

#[test]
fn every_template_of_the_repository_is_rendered() {
    let config = fixture::config();
    let known: BTreeSet<PathBuf> =
        fixture::templates(&config).iter().map(|(path, _)| fixture::root().join(path)).collect();
    let mut found = BTreeSet::new();
    collect(&fixture::root().join("templates"), &mut found);
    let beside: BTreeSet<&PathBuf> = found.difference(&known).collect();
    assert!(beside.is_empty(), "{beside:?}");
}

fn collect(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            found.insert(path);
        }
    }
}
