//! Setups of versions that nobody released: the declaration of this workspace with another version, and perhaps another
//! fault, around the program of the release under test.

#![expect(clippy::disallowed_methods, reason = "a compiler is run as users run it")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tests::release::Release;
use tests::{process, tools};
use xtask::archive;
use xtask::config::model::{Config, Format, Target};
use xtask::facts::Facts;
use xtask::render::nsis::{self, PayloadFile, PayloadSource};
use xtask::render::{Document, Templates, documents};

pub const TARGET: &str = "x86_64-pc-windows-msvc";

/// What setups are made of, and where.
pub struct Workshop {
    config: Config,
    facts: Facts,
    program: Vec<u8>,
    folder: TempDir,
}

impl Workshop {
    pub fn new() -> Self {
        let surroundings = xtask::facts::gather(tools::workspace()).unwrap();
        let text =
            std::fs::read_to_string(tools::workspace().join("packaging/release.toml")).unwrap();
        let source = strict_toml::Source::new("packaging/release.toml", text);
        let config = xtask::config::parse(&source, &surroundings)
            .unwrap_or_else(|report| panic!("{report}"));
        let facts = surroundings.facts(&config.product.package);
        let folder = tempfile::tempdir().unwrap();
        Self { program: program(), config, facts, folder }
    }

    /// The setup of a version as declared.
    #[track_caller]
    pub fn setup(&self, version: &str) -> PathBuf {
        self.setup_with(version, |_| {})
    }

    /// The setup of a version whose declaration was changed.
    #[track_caller]
    pub fn setup_with(&self, version: &str, change: impl FnOnce(&mut Config)) -> PathBuf {
        let (mut config, mut facts) = (self.config.clone(), self.facts.clone());
        change(&mut config);
        facts.version = version.parse().unwrap();
        let target = config.targets.iter().find(|target| target.triple == TARGET).unwrap();
        let folder = self.folder.path().join(version);
        std::fs::create_dir(&folder).unwrap();
        self.lay(&folder, version, &config, &facts, target);
        let mut command = Command::new("makensis");
        command.args(["-NOCONFIG", "-V2", "-WX", "-INPUTCHARSET", "UTF8"]);
        command.arg(nsis::script_name(&config)).current_dir(&folder);
        process::run(&mut command, Duration::from_secs(120)).success();
        let setup = folder.join(nsis::installer_name(&config, &facts, target));
        assert!(setup.is_file(), "makensis can fail and exit with 0");
        setup
    }

    /// The setup of a version whose service ends at once, as it looks for a configuration that is not there.
    #[track_caller]
    pub fn setup_that_ends(&self, version: &str) -> PathBuf {
        self.setup_with(version, |config| {
            config.service.arguments =
                ["run", "--config", "{config}.missing"].map(Into::into).into();
        })
    }

    /// The setup of a version whose service runs and is never ready, which is waited for as long as this.
    #[track_caller]
    pub fn setup_never_ready(&self, version: &str, start_timeout: Duration) -> PathBuf {
        self.setup_with(version, |config| {
            config.service.health = ["health", "--address", "127.0.0.1:1"].map(Into::into).into();
            config.service.start_timeout = start_timeout;
        })
    }

    /// Lays the script and what it packs into a folder.
    fn lay(&self, folder: &Path, version: &str, config: &Config, facts: &Facts, target: &Target) {
        let templates = Templates::load(tools::workspace(), config)
            .unwrap_or_else(|reports| panic!("{}", reports[0]));
        let documents =
            documents(config, facts, &templates).unwrap_or_else(|reports| panic!("{}", reports[0]));
        let text = |name: &str| -> &Document {
            documents
                .iter()
                .find(|document| document.serves(TARGET) && document.name == name)
                .unwrap()
        };
        for PayloadFile { source, name, .. } in nsis::payload(config, target).unwrap() {
            let bytes = match source {
                // What follows a program in its file is not loaded: the versions differ, and all run.
                PayloadSource::Program => [&self.program, version.as_bytes()].concat(),
                PayloadSource::Configuration => text(&name).contents.clone().into_bytes(),
                PayloadSource::File(path) => std::fs::read(tools::workspace().join(path)).unwrap(),
            };
            std::fs::write(folder.join(name), bytes).unwrap();
        }
        let script = nsis::script_name(config);
        std::fs::write(folder.join(&script), &text(&script).contents).unwrap();
    }
}

/// The program of the release under test.
fn program() -> Vec<u8> {
    let bytes = std::fs::read(Release::built().artifact(&format!("{TARGET}.zip"))).unwrap();
    let members = archive::members(Format::Zip, &bytes).unwrap();
    members.into_iter().find(|member| member.path.ends_with(".exe")).unwrap().contents
}
