//! `plan` prints what `dist` does: every artifact, every member of every bundle with its mode, every text.
//!
//! Shown on our own declaration, in a target folder of its own, with stand-ins for the programs.

#![expect(clippy::disallowed_methods, reason = "real programs are what is tested")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tempfile::TempDir;
use tests::workspace::{Tree, Workspace, tree};
use tests::{declared, needs, process, release};
use xtask::archive::{self, Member};
use xtask::checksum;
use xtask::config::model::{Algorithm, Format};

const LIMIT: Duration = Duration::from_secs(300);

/// Our own declaration, planned and made.
struct Made {
    plan: Value,
    release: Tree,
    _folder: TempDir,
}

/// `cargo xtask` on our own declaration, in a target folder of its own.
fn xtask(target: &Path, arguments: &[&str]) -> Command {
    let mut command = release::xtask();
    command.args(arguments).env("CARGO_TARGET_DIR", target);
    command
}

impl Made {
    fn new(selection: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let run = |arguments: &[&str]| {
            let arguments = [arguments, &["--stub-build"], selection].concat();
            process::run(&mut xtask(folder.path(), &arguments), LIMIT).success()
        };
        let plan = serde_json::from_str(&run(&["plan", "--format", "json"])).unwrap();
        run(&["dist", "--out", out.to_str().unwrap()]);
        Self { plan, release: tree(&out), _folder: folder }
    }

    fn manifest(&self) -> Value {
        serde_json::from_slice(&self.release["release.json"]).unwrap()
    }

    /// The planned steps that do `action`, each with its first output and what it says about the action.
    fn steps(&self, action: &str) -> Vec<(String, &Value)> {
        let steps = self.plan["steps"].as_array().unwrap().iter();
        let wanted = steps.filter_map(|step| {
            let details = step["action"].get(action)?;
            let (_, output) = step["outputs"][0].as_object()?.iter().next()?;
            Some((output.as_str()?.to_owned(), details))
        });
        wanted.collect()
    }

    /// What the manifest says is inside an artifact: path to mode, size and digests.
    fn stated(&self, artifact: &str) -> BTreeMap<String, (String, u64, Value)> {
        let manifest = self.manifest();
        let artifacts = manifest["artifacts"].as_array().unwrap();
        let artifact = artifacts.iter().find(|it| it["name"] == artifact).unwrap();
        let file = |file: &Value| {
            let [path, mode] = ["path", "mode"].map(|key| file[key].as_str().unwrap().to_owned());
            (path, (mode, file["size"].as_u64().unwrap(), file["digests"].clone()))
        };
        artifact["files"].as_array().unwrap().iter().map(file).collect()
    }
}

/// Path and octal mode of each member of a planned archive or installer.
fn planned_members(members: &Value) -> BTreeMap<String, String> {
    let member = |member: &Value| {
        let mode = format!("{:04o}", member["mode"].as_u64().unwrap());
        (member["path"].as_str().unwrap().to_owned(), mode)
    };
    members.as_array().unwrap().iter().map(member).collect()
}

fn packed(name: &str, bytes: &[u8]) -> Vec<Member> {
    archive::members(Format::of(name).unwrap(), bytes).unwrap()
}

fn digests(bytes: &[u8]) -> Value {
    let algorithms = [Algorithm::Sha256, Algorithm::Sha512];
    serde_json::to_value(checksum::digests(&algorithms, bytes)).unwrap()
}

/// Every file of the release, as the plan has it.
#[track_caller]
fn same_artifacts(made: &Made) {
    let artifacts = made.plan["artifacts"].as_array().unwrap();
    let planned: BTreeSet<&str> =
        artifacts.iter().map(|artifact| artifact["name"].as_str().unwrap()).collect();
    assert_eq!(planned.len(), artifacts.len());
    assert_eq!(planned, made.release.keys().map(String::as_str).collect());
}

/// Everything inside every archive.
#[track_caller]
fn same_members(made: &Made) -> usize {
    let archives = made.steps("archive");
    for (name, archive) in &archives {
        let members = packed(name, &made.release[name]);
        let found: BTreeMap<_, _> = members
            .iter()
            .map(|member| (member.path.clone(), format!("{:04o}", member.mode)))
            .collect();
        assert_eq!(found, planned_members(&archive["members"]), "{name}");
        let found: BTreeMap<_, _> = members
            .iter()
            .map(|member| {
                let size = member.contents.len() as u64;
                let mode = format!("{:04o}", member.mode);
                (member.path.clone(), (mode, size, digests(&member.contents)))
            })
            .collect();
        assert_eq!(found, made.stated(name), "{name}");
    }
    archives.len()
}

#[test]
fn the_release_is_what_was_planned() {
    needs!(Tool("makensis"));
    let made = Made::new(&[]);
    same_artifacts(&made);
    // Symbols for each target, every bundle that is no installer, and the Prometheus configuration.
    let declaration = declared::declaration();
    let targets = declaration["targets"].as_table().unwrap().keys();
    let packed = targets.map(|triple| 1 + packed_bundles(triple)).sum::<usize>();
    assert_eq!(same_members(&made), packed + 1);
    texts_are_the_planned_ones(&made);
    installers_carry_what_was_planned(&made);
    the_manifest_lists_the_files(&made);
}

/// How many bundles of a target are packed by the toolkit itself.
fn packed_bundles(triple: &str) -> usize {
    let declaration = declared::declaration();
    let format = |name: &toml::Value| {
        declaration["bundles"][name.as_str().unwrap()]["format"].as_str().unwrap() != "nsis"
    };
    let bundles = declaration["targets"][triple]["bundles"].as_array().unwrap();
    bundles.iter().filter(|name| format(name)).count()
}

/// What the planned compressions read, by what they write.
fn compressed(made: &Made) -> BTreeMap<String, String> {
    let work = |location: &Value| location["work"].as_str().unwrap().to_owned();
    let steps = made.plan["steps"].as_array().unwrap().iter();
    let steps = steps.filter(|step| step["action"] == "compress");
    steps.map(|step| (work(&step["outputs"][0]), work(&step["inputs"][0]))).collect()
}

fn unzipped(bytes: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("text.gz"), bytes).unwrap();
    let mut command = Command::new("gzip");
    command.args(["--decompress", "text.gz"]).current_dir(folder.path());
    process::run(&mut command, LIMIT).success();
    std::fs::read(folder.path().join("text")).unwrap()
}

/// A text in a bundle has the very contents that the plan holds.
fn texts_are_the_planned_ones(made: &Made) {
    let texts: BTreeMap<_, _> = made.steps("write").into_iter().collect();
    let (mut found, compressed) = (BTreeSet::new(), compressed(made));
    for (name, archive) in made.steps("archive") {
        let members: BTreeMap<_, _> = packed(&name, &made.release[&name])
            .into_iter()
            .map(|member| (member.path, member.contents))
            .collect();
        for member in archive["members"].as_array().unwrap() {
            let Some(source) = member["source"]["work"].as_str() else { continue };
            let mut contents = members[member["path"].as_str().unwrap()].clone();
            let text = compressed.get(source).map(String::as_str);
            if text.is_some() {
                contents = unzipped(&contents);
            }
            let source = text.unwrap_or(source);
            let Some(text) = texts.get(source) else { continue };
            assert_eq!(text["contents"].as_str().unwrap().as_bytes(), contents, "{source}");
            found.insert(source.to_owned());
        }
    }
    assert_eq!(found, texts.into_keys().collect(), "a planned text is in no archive");
}

/// An installer is not opened here (the Windows tests run it): its list in `release.json`, what the plan lays before
/// the compiler, and the `File` lines of the script it compiles are the same files.
fn installers_carry_what_was_planned(made: &Made) {
    let installers = made.steps("makensis");
    let declaration = declared::declaration();
    let is_installer = |name: &Value| {
        declaration["bundles"][name.as_str().unwrap()]["format"].as_str() == Some("nsis")
    };
    let is_installer = |name: &toml::Value| is_installer(&Value::from(name.as_str().unwrap()));
    let declared = declaration["targets"].as_table().unwrap().values();
    let declared = declared.flat_map(|target| target["bundles"].as_array().unwrap());
    assert_eq!(installers.len(), declared.filter(|name| is_installer(name)).count());
    let texts: BTreeMap<_, _> = made.steps("write").into_iter().collect();
    for (name, installer) in installers {
        let payload = planned_members(&installer["payload"]);
        let stated: BTreeMap<_, _> =
            made.stated(&name).into_iter().map(|(path, (mode, ..))| (path, mode)).collect();
        let script = installer["script"].as_str().unwrap();
        for (path, mode) in &stated {
            assert_eq!(payload.get(path), Some(mode), "{path}");
        }
        let source = installer["payload"].as_array().unwrap().iter();
        let source = source.filter(|member| member["path"] == script).collect::<Vec<_>>();
        let [source] = source[..] else { panic!("{script} is not in the payload once") };
        let text = texts[source["source"]["work"].as_str().unwrap()]["contents"].as_str().unwrap();
        let laid = text.lines().filter_map(|line| line.trim().strip_prefix("File "));
        let laid: BTreeSet<_> =
            laid.map(|line| line.trim_end_matches('"').rsplit('"').next().unwrap()).collect();
        assert_eq!(laid, stated.keys().map(String::as_str).collect(), "{script}");
    }
}

/// `release.json` lists every file beside itself, the checksum files and the signatures, and nothing else.
fn the_manifest_lists_the_files(made: &Made) {
    let manifest = made.manifest();
    let mut listed = BTreeSet::new();
    for artifact in manifest["artifacts"].as_array().unwrap() {
        let name = artifact["name"].as_str().unwrap();
        let bytes = &made.release[name];
        assert_eq!(artifact["size"], bytes.len(), "{name}");
        assert_eq!(artifact["digests"], digests(bytes), "{name}");
        assert!(listed.insert(name), "{name} twice");
    }
    let beside = |name: &&str| {
        !name.ends_with(".minisig") && !name.ends_with("SUMS") && *name != "release.json"
    };
    assert_eq!(listed, made.release.keys().map(String::as_str).filter(beside).collect());
}

#[test]
fn one_target_is_released_as_it_was_planned() {
    needs!(Tool("makensis"));
    let declaration = declared::declaration();
    for triple in declaration["targets"].as_table().unwrap().keys() {
        let made = Made::new(&["--target", triple]);
        same_artifacts(&made);
        assert_eq!(same_members(&made), 2 + packed_bundles(triple), "{triple}");
        for artifact in made.plan["artifacts"].as_array().unwrap() {
            assert!(artifact["target"].is_null() || artifact["target"] == **triple, "{artifact}");
        }
    }
}

/// Time and length of every file below a folder.
fn states(folder: &Path) -> BTreeMap<String, (SystemTime, usize)> {
    let state = |(name, bytes): (String, Vec<u8>)| {
        let modified = std::fs::metadata(folder.join(&name)).unwrap().modified().unwrap();
        (name, (modified, bytes.len()))
    };
    tree(folder).into_iter().map(state).collect()
}

#[test]
fn planning_touches_nothing_and_says_the_same_each_time() {
    needs!(Tool("git"));
    let workspace = Workspace::field_probe();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=Nobody", "-c", "user.email=nobody@probe.example"]);
        command.args(arguments).current_dir(workspace.root());
        process::run(&mut command, LIMIT).success()
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message", "All there is"]);
    // A file that was touched but not changed would make git refresh its index, which is a write.
    let touched = std::fs::File::options().append(true).open(workspace.path("COPYING")).unwrap();
    touched.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    let before = states(workspace.root());
    let plan = |format| workspace.xtask(["plan", "--stub-build", "--format", format]).success();
    for format in ["text", "json"] {
        assert_eq!(plan(format), plan(format));
    }
    assert_eq!(states(workspace.root()), before);
    assert!(!workspace.path("target").exists());
    let planned: Value = serde_json::from_str(&plan("json")).unwrap();
    let heads = planned["steps"].as_array().unwrap().iter();
    let heads: Vec<_> = heads.filter_map(|step| step["action"].get("manifest")).collect();
    assert_eq!(heads[0]["commit"]["hash"], git(&["rev-parse", "HEAD"]).trim());
    assert_eq!(heads[0]["commit"]["dirty"], false);
}

/// Nothing is planned that the printed text does not show.
#[test]
fn the_printed_plan_has_a_line_for_every_step_and_artifact() {
    let workspace = Workspace::field_probe();
    let text = workspace.xtask(["plan", "--stub-build"]).success();
    let json = workspace.xtask(["plan", "--stub-build", "--format", "json"]).success();
    let plan: Value = serde_json::from_str(&json).unwrap();
    let section = |name: &str| -> Vec<&str> {
        let lines = text.lines().skip_while(|line| *line != name).skip(1);
        lines.take_while(|line| line.starts_with("  ")).map(str::trim).collect()
    };
    let count = |key: &str| plan[key].as_array().unwrap().len();
    assert_eq!(section("steps").len(), count("steps"));
    let names = plan["artifacts"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|artifact| artifact["name"].as_str().unwrap()).collect();
    assert_eq!(section("artifacts"), names);
    let stages =
        plan["steps"].as_array().unwrap().iter().map(|step| step["stage"].as_str().unwrap());
    let printed = section("steps").into_iter().map(|line| line.split(' ').next().unwrap());
    assert!(stages.eq(printed));
}
