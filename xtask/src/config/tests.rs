//! Declarations in, diagnostics out; and the declaration of this very workspace.

mod every_key;
mod signing;

use super::*;
use crate::config::raw::{Compression, Format};
use std::collections::BTreeMap;

/// The declaration that this workspace releases itself by.
const OURS: &str = include_str!("../../../packaging/release.toml");

/// A declaration that uses every key there is, but for those that exclude one another.
const EVERY_KEY: &str = include_str!("every-key.toml");

/// A workspace in which the files exist that the declaration names, and no others.
struct Fake;

const FILES: [&str; 7] = [
    "LICENSE",
    "packaging/windows/edge-node.ico",
    "packaging/edge-node.toml.j2",
    "packaging/minisign.pub",
    "packaging/codesign-ca.pem",
    "packaging/packages.asc",
    "packaging/README.txt",
];

impl Workspace for Fake {
    fn is_file(&self, path: &str) -> bool {
        FILES.contains(&path)
    }

    fn is_folder(&self, path: &str) -> bool {
        path == "templates"
    }

    fn siblings(&self, path: &str) -> Vec<String> {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let inside =
            |file: &&&str| file.rsplit_once('/').map_or("", |(folder, _)| folder) == folder;
        FILES
            .iter()
            .chain(&["templates"])
            .filter(inside)
            .map(|file| file.rsplit('/').next().unwrap().to_owned())
            .collect()
    }

    fn packages(&self) -> BTreeMap<String, Vec<String>> {
        BTreeMap::from([
            ("edge-node".to_owned(), vec!["edge-node".to_owned()]),
            ("tests".to_owned(), Vec::new()),
        ])
    }
}

fn read(text: &str) -> Result<model::Config, Report> {
    parse(&Source::new("release.toml", text), &Fake).map_err(|refused| refused.report)
}

/// Replaces a part of our declaration and compares the messages of all mistakes.
#[track_caller]
fn check(from: &str, to: &str, expected: &[&str]) {
    assert!(OURS.contains(from), "the declaration has no `{from}`");
    let report = read(&OURS.replacen(from, to, 1)).expect_err("the declaration has a mistake");
    let found: Vec<_> =
        report.diagnostics().iter().map(|mistake| mistake.message.as_str()).collect();
    assert_eq!(found, expected);
}

#[test]
fn our_declaration_has_no_mistake() {
    let config = read(OURS).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(config.scrape.targets, ["127.0.0.1:9464"]);
    assert_eq!(config.targets.len(), 3);
    assert_eq!(config.signing, model::Signing::Development);
}

#[test]
fn a_diagnostic_shows_file_line_caret_and_what_was_meant() {
    let report = read(&EVERY_KEY.replacen("\nlistener = \"admin\"", "\nlistener = \"admn\"", 1))
        .unwrap_err();
    let expected = "\
error: unknown listener `admn`
  --> release.toml:48:12
   |
48 | listener = \"admn\"
   |            ^^^^^^ no such listener is declared
   |
   = help: did you mean `admin`?
   = help: declared: `admin`";
    assert_eq!(report.to_string().trim(), expected);
}

#[test]
fn all_mistakes_are_reported_in_one_run() {
    let text = OURS
        .replacen("port = 8080", "port = 9464", 1)
        .replacen("license-file = \"LICENSE\"", "license-file = \"LICENCE\"", 1)
        .replacen("timeout = \"10s\"", "timeout = \"20s\"", 1);
    let report = read(&text).unwrap_err();
    assert_eq!(report.diagnostics().len(), 3, "{report}");
}

#[test]
fn a_mistake_that_the_schema_sees_hides_no_other_and_brings_no_false_one() {
    let text = OURS
        .replacen("license-file = \"LICENSE\"", "license-file = \"LICENCE\"\nvendor = 1", 1)
        .replacen("restart-delay = \"5s\"", "restart-delay = 5", 1)
        .replacen("port = 8080", "port = 9464", 1)
        .replacen("listener = \"admin\"", "listener = \"admn\"", 1)
        .replacen("installer-size-max", "instaler-size-max", 1)
        .replacen("format = \"tar.gz\"", "format = \"tar\"", 1);
    let report = read(&text).unwrap_err();
    let found: Vec<_> =
        report.diagnostics().iter().map(|mistake| mistake.message.as_str()).collect();
    assert_eq!(
        found,
        [
            "file `LICENCE` does not exist",
            "unknown key `vendor` in `[product]`",
            "`service.restart-delay` must be a duration, not an integer",
            "listeners `admin` and `data` use the same port 9464",
            "unknown listener `admn`",
            "unknown key `instaler-size-max` in `[targets.x86_64-pc-windows-msvc]`",
            "unknown value `tar` for `bundles.linux-tar.format`",
        ]
    );
}

#[test]
fn a_mistake_of_the_schema_alone_stays_alone() {
    for (from, to) in [
        ("name = \"edge-node\"", "name = \"Edge Node\""),
        ("listener = \"admin\"", "listener = 5"),
        ("port = 9464", "port = \"9464\""),
        ("[listeners.admin]", "[listener.admin]"),
        ("format = \"nsis\"", "format = \"msi\""),
        ("installer-size-max = \"4MB\"", "installer-size-max = 4"),
        ("installer-size-max", "largest-installer"),
        ("bundles = [\"windows-zip\", \"windows-setup\"]", "bundles = [\"windows-zip\", 1]"),
        ("bundles = [\"windows-zip\", \"windows-setup\"]", "bundles = []"),
        ("bundles = [\"windows-zip\", \"windows-setup\"]", "archives = []"),
        ("interval = \"15s\"", "interval = 15"),
        ("interval = \"15s\"", "interval = \"15\""),
        ("\"install-script\"", "\"instal-script\""),
        ("\"sysusers\"", "7"),
    ] {
        let report = read(&OURS.replacen(from, to, 1)).unwrap_err();
        let found = report.diagnostics();
        // Of an unknown key like no other it is not known which one is missing.
        let is_missing =
            |mistake: &&strict_toml::Diagnostic| mistake.message.starts_with("missing key");
        let others = found.iter().filter(|mistake| !is_missing(mistake)).count();
        assert!(others == 1 && found.len() <= 2, "{to}: {report}");
    }
}

#[test]
fn a_missing_file_is_a_mistake_with_a_suggestion() {
    check("\"LICENSE\"\nicon", "\"LICENCE\"\nicon", &["file `LICENCE` does not exist"]);
    check(
        "packaging/edge-node.toml.j2",
        "packaging/edge-nod.toml.j2",
        &["file `packaging/edge-nod.toml.j2` does not exist"],
    );
}

#[test]
fn a_package_must_be_in_the_workspace_and_have_the_binary() {
    check("name = \"edge-node\"", "name = \"edge-nod\"", &["unknown cargo package `edge-nod`"]);
    check("name = \"edge-node\"", "name = \"tests\"", &["unknown binary of that package `tests`"]);
}

#[test]
fn listeners_on_the_same_port_collide() {
    check("port = 8080", "port = 9464", &["listeners `admin` and `data` use the same port 9464"]);
}

#[test]
fn a_listener_on_another_address_between_two_does_not_hide_that_they_collide() {
    let with = |addresses: [&str; 3]| {
        let tables = ["one", "other", "two"].iter().zip(addresses).map(|(name, address)| {
            format!("[listeners.{name}]\naddress = \"{address}\"\nport = 80\n")
        });
        read(&format!("{OURS}\n{}", tables.collect::<String>()))
    };
    let report = with(["127.0.0.1", "127.0.0.2", "127.0.0.1"]).unwrap_err();
    let found: Vec<_> = report.diagnostics().iter().map(|mistake| &*mistake.message).collect();
    assert_eq!(found, ["listeners `one` and `two` use the same port 80"]);
    assert!(with(["127.0.0.1", "127.0.0.2", "127.0.0.3"]).is_ok());
}

#[test]
fn the_metrics_listener_must_be_declared() {
    check("listener = \"admin\"", "listener = \"other\"", &["unknown listener `other`"]);
}

#[test]
fn a_scrape_host_has_no_port_and_is_listed_once() {
    check("[\"127.0.0.1\"]", "[\"127.0.0.1:9464\"]", &["`127.0.0.1:9464` is not a host"]);
    check("[\"127.0.0.1\"]", "[\"a\", \"a\"]", &["host `a` is listed twice"]);
}

#[test]
fn a_scrape_may_not_take_longer_than_the_interval() {
    check(
        "timeout = \"10s\"",
        "timeout = \"16s\"",
        &["scrape.timeout is 16s, longer than scrape.interval, 15s"],
    );
}

#[test]
fn durations_have_ranges() {
    check(
        "restart-delay = \"5s\"",
        "restart-delay = \"2h\"",
        &["service.restart-delay is 2h, out of range"],
    );
    check(
        "stop-timeout = \"30s\"",
        "stop-timeout = \"1s\"",
        &["service.stop-timeout is 1s, out of range"],
    );
}

#[test]
fn a_watchdog_needs_somebody_who_tells_it() {
    check(
        "readiness = \"notify\"",
        "readiness = \"exec\"",
        &["service.linux.watchdog needs readiness = \"notify\""],
    );
    check(
        "watchdog = \"30s\"",
        "watchdog = \"10ms\"",
        &["service.linux.watchdog is 10ms, out of range"],
    );
}

#[test]
fn an_unknown_placeholder_is_refused() {
    check("\"{config}\"", "\"{confg}\"", &["unknown placeholder `{confg}`"]);
}

#[test]
fn a_target_must_be_one_that_can_be_built() {
    check(
        "[targets.x86_64-pc-windows-msvc]",
        "[targets.x86_64-pc-windows-mscv]",
        &["unknown target `x86_64-pc-windows-mscv`"],
    );
}

#[test]
fn a_linker_must_fit_its_target_and_xwin_its_versions() {
    let linux = "[targets.x86_64-unknown-linux-musl]";
    check(
        linux,
        &format!("{linux}\nlinker = \"xwin\""),
        &[
            "this linker does not make programs for `x86_64-unknown-linux-musl`",
            "the xwin linker needs pinned versions",
        ],
    );
    check(
        linux,
        &format!("{linux}\nxwin-sdk-version = \"1\""),
        &["an xwin version without the xwin linker"],
    );
}

#[test]
fn a_bundle_reference_must_be_declared_and_used() {
    check(
        "bundles = [\"windows-zip\", \"windows-setup\"]",
        "bundles = [\"windows-zip\", \"windows-stup\"]",
        &[
            "target `x86_64-pc-windows-msvc` has an installer size but no installer",
            "unknown bundle `windows-stup`",
            "bundle `windows-setup` is declared, but no target makes it",
        ],
    );
}

#[test]
fn an_installer_is_for_windows_and_has_a_size() {
    check(
        "installer-size-max = \"4MB\"\n",
        "",
        &["target `x86_64-pc-windows-msvc` has an installer but no `installer-size-max`"],
    );
}

#[test]
fn a_path_is_in_a_bundle_once() {
    check(
        "path = \"LICENSE.txt\" }, {",
        "path = \"edge-node.exe\" }, {",
        &["`edge-node.exe` is in the bundle twice"],
    );
}

#[test]
fn a_path_is_not_that_of_a_text_or_of_what_the_installer_lays_down() {
    let zip = "path = \"LICENSE.txt\" }, {";
    for taken in ["Edge-Node.TOML", "edge-node.nsi", "EDGE-NODE.EXE", "edge-node.scrape.yml"] {
        let twice = format!("`{taken}` is in the bundle twice");
        check(zip, &format!("path = \"{taken}\" }}, {{"), &[&twice]);
    }
    let setup = "path = \"LICENSE.txt\" }]\n\n[bundles.linux-tar]";
    for taken in [
        "edge-node.toml",
        "Edge-node.ico",
        "edge-node.nsi",
        "Uninstall.exe",
        "edge-node.toml.shipped",
    ] {
        let twice = format!("`{taken}` is in the bundle twice");
        check(setup, &setup.replace("LICENSE.txt", taken), &[&twice]);
    }
    let both = "`edge-node.toml/a` is a file and a folder in the bundle";
    check(zip, "path = \"edge-node.toml/a\" }, {", &[both]);
}

#[test]
fn a_path_is_one_that_windows_can_hold() {
    let zip = "path = \"LICENSE.txt\" }, {";
    check(zip, "path = \"a/nul.txt\" }, {", &["`nul.txt` is a device of Windows"]);
    check(zip, "path = \"a./b\" }, {", &["`a.` ends with a dot or a space, which Windows drops"]);
    check(zip, "path = \"a*\" }, {", &["`a*` has a character that Windows refuses"]);
    let long = format!("path = \"{}\" }}, {{", "x".repeat(141));
    check(zip, &long, &["the path has 141 bytes, more than 140"]);
}

#[test]
fn a_text_that_would_not_be_there_or_not_work_is_refused() {
    check(
        "installer-size-max = \"4MB\"\nbundles = [\"windows-zip\", \"windows-setup\"]",
        "bundles = [\"windows-zip\"]",
        &[
            "there is no installer script for this target",
            "bundle `windows-setup` is declared, but no target makes it",
        ],
    );
    check(
        "\"service-unit\", \"sysusers\", ",
        "",
        &["the installing script lacks what it installs"],
    );
}

#[test]
fn an_icon_is_needed_for_an_installer_only() {
    let icon = "icon = \"packaging/windows/edge-node.ico\"\n";
    check(icon, "", &["bundle `windows-setup` is an installer and needs an icon"]);
    let text = OURS.replacen(icon, "", 1).replacen("installer-size-max = \"4MB\"\n", "", 1);
    let setup = text.find("[bundles.windows-setup]").unwrap();
    let tar = text.find("[bundles.linux-tar]").unwrap();
    let text = format!("{}{}", &text[..setup], &text[tar..])
        .replacen(", \"windows-setup\"", "", 1)
        .replacen(" \"nsis-script\",", "", 1);
    read(&text).unwrap_or_else(|report| panic!("{report}"));
}

#[test]
fn only_an_installer_is_compressed_in_a_way_of_choice() {
    check(
        "[bundles.linux-deb]\n",
        "[bundles.linux-deb]\ncompression = \"zlib\"\n",
        &["bundle `linux-deb` is no installer"],
    );
    let unknown = "unknown value `bzip` for `bundles.windows-setup.compression`";
    check("compression = \"bzip2\"", "compression = \"bzip\"", &[unknown]);
    let lzma = OURS.replacen("compression = \"bzip2\"\n", "", 1);
    for (text, expected) in [(OURS, Compression::Bzip2), (&lzma, Compression::Lzma)] {
        let config = read(text).unwrap_or_else(|report| panic!("{report}"));
        let mut bundles = config.targets.iter().flat_map(|target| &target.bundles);
        let setup = bundles.find(|bundle| bundle.format == Format::Nsis);
        assert_eq!(setup.map(|setup| setup.compression), Some(expected));
    }
}

#[test]
fn a_package_is_for_linux_and_holds_no_text_of_choice() {
    let deb = "[bundles.linux-deb]\nformat = \"deb\"\n";
    check(
        deb,
        &format!("{deb}texts = [\"configuration\"]\n"),
        &["this text does not belong in this bundle"],
    );
    check(
        deb,
        &format!("{deb}files = [{{ source = \"LICENSE\", path = \"copyright\" }}]\n"),
        &["`copyright` is in the bundle twice"],
    );
    check(
        "\"windows-setup\"]",
        "\"windows-setup\", \"linux-rpm\"]",
        &["bundle `linux-rpm` is a package for Linux"],
    );
}

#[test]
fn what_packages_say_is_needed_for_packages_only() {
    let start = OURS.find("[packages]").unwrap();
    let end = OURS.find("[checksums]").unwrap();
    let section = &OURS[start..end];
    check(section, "", &["bundle `linux-deb` is a package and needs `[packages]`"]);
    let bundles = OURS.find("[bundles.linux-deb]").unwrap();
    let text = format!("{}{}", &OURS[..bundles], &OURS[end..])
        .replace(", \"linux-deb\", \"linux-rpm\", \"linux-image\"", "");
    read(&text).unwrap_or_else(|report| panic!("{report}"));
    check(
        "@users.noreply",
        "users.noreply",
        &["`packages.contact`: `edge-nodeusers.noreply.github.com` is not an e-mail address"],
    );
}

#[test]
fn values_that_cannot_be_meant_are_refused() {
    check("size-max = \"8MB\"", "size-max = \"0B\"", &["a size of 0 bytes allows nothing"]);
    check(
        "labels = { service",
        "labels = { job",
        &["label `job` is set by Prometheus, the metrics or the alerting rules"],
    );
    check(
        "labels = [\"listener\", \"reason\"]",
        "labels = [\"le vel\", \"reason\", \"reason\"]",
        &["`le vel` is not a label name", "label `reason` is listed twice"],
    );
    let windows = "[targets.x86_64-pc-windows-msvc]\n";
    check(
        windows,
        &format!("{windows}dlls = [\"a.dll\", \"foo\", \"A.dll\", \"a.dll\"]\n"),
        &[
            "`foo` is not the name of a DLL",
            "DLL `A.dll` is listed twice",
            "duplicate entry \"a.dll\" in `targets.x86_64-pc-windows-msvc.dlls`",
        ],
    );
    for (secret, message) in [
        ("environment = \"\"", "`` is not the name of an environment variable"),
        ("file = \"\"", "the text is empty"),
        ("prompt = \"\"", "the text is empty"),
    ] {
        let signing = format!(
            "[signing]\npublic-key = \"packaging/minisign.pub\"\nsecret-key = {{ {secret} }}\n\n[checksums]"
        );
        check("[checksums]", &signing, &[message]);
    }
}

#[test]
fn a_text_belongs_to_one_system() {
    check("\"nsis-script\"", "\"service-unit\"", &["this text does not belong in this bundle"]);
}
