//! What can be typed: clap types only.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Makes, checks and verifies the release that packaging/release.toml declares.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, propagate_version = true, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Start with:
  cargo xtask dist --install-tools   make the release in target/dist
  cargo xtask test --install-tools   run the whole test suite

Exit codes:
  0  done
  1  a step, a check or a verification failed
  2  the command line is wrong
  3  packaging/release.toml or a template is wrong
  4  a tool is missing (cargo xtask doctor says which)

stdout is data, stderr is for people.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build the release: programs, installers, archives, checksums, signatures
    ///
    /// Reads packaging/release.toml, runs the plan that `cargo xtask plan` prints, reads the result back as a
    /// downloader would, and only then puts it in the place of the previous release.
    Dist(Dist),
    /// Print every step and artifact of the release, touching nothing
    Plan(PlanArgs),
    /// Write the rendered texts to a folder, or compare with it
    ///
    /// For review, or to keep them under version control: `--check` exits with 1 and prints a diff where the files
    /// there differ.
    Render(Render),
    /// Check the declaration and every rendered text, with the real tools where they are installed
    Check(Check),
    /// Say which tools are needed, which are there, and what installs the others
    Doctor(Doctor),
    /// Make a minisign key pair whose secret key is encrypted with a password
    Keygen(Keygen),
    /// Check a release folder or one of its files, offline
    ///
    /// Signatures, every digest, the manifest, names, version and channel. Says exactly what is wrong.
    ///
    /// A whole older release is intact: that it is not the one you meant is noticed only with --expect-version, or by
    /// the version in the name of its folder (v1.2.3, NAME-1.2.3) or of the file.
    Verify(Verify),
    /// Build twice, in two folders under different conditions, and compare every byte
    Repro(Repro),
    /// Print a JSON Schema
    Schema(Schema),
    /// Measure, and print ratios and figures
    Bench(Bench),
    /// Write the generated parts of the documentation, or compare with them
    Docs(Docs),
    /// Run the whole test suite: formatting, lints, tests, end-to-end tests
    Test(Test),
}

impl Command {
    /// How the command was asked to print its data.
    pub fn format(&self) -> OutputFormat {
        match self {
            Self::Dist(arguments) => arguments.format,
            Self::Plan(arguments) => arguments.format,
            Self::Check(arguments) => arguments.format,
            Self::Doctor(arguments) => arguments.format,
            Self::Verify(arguments) => arguments.format,
            Self::Repro(arguments) => arguments.format,
            Self::Render(_)
            | Self::Keygen(_)
            | Self::Schema(_)
            | Self::Bench(_)
            | Self::Docs(_)
            | Self::Test(_) => OutputFormat::Text,
        }
    }
}

/// How to print data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Which part of the declaration is meant.
#[derive(Clone, Debug, Default, Args)]
pub struct SelectionArgs {
    /// Build only for this target triple; may be repeated
    #[arg(long = "target", value_name = "TRIPLE")]
    pub targets: Vec<String>,
    /// Use empty stand-ins for the programs, to exercise all packaging
    #[arg(long)]
    pub stub_build: bool,
    /// Sign with the development key although another is declared; the release says so and proves nothing
    #[arg(long)]
    pub development_key: bool,
}

/// `dist`.
#[derive(Debug, Args)]
pub struct Dist {
    /// What to build.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// First install what `doctor` finds missing, after printing the exact commands
    #[arg(long)]
    pub install_tools: bool,
    /// Folder of the release [default: target/dist]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Steps to run side by side [default: number of processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// How to print the artifacts
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}

/// `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// What to plan.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}

/// The texts that can be rendered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RenderGroup {
    /// Every text
    #[default]
    All,
    /// The configuration of the service
    Configuration,
    /// NSIS installer scripts
    Nsis,
    /// systemd units and shell scripts
    Systemd,
    /// Control files of Linux packages
    Package,
    /// Prometheus configuration, alerting rules and their tests
    Prometheus,
}

/// `render`.
#[derive(Debug, Args)]
pub struct Render {
    /// Which texts
    #[arg(value_enum, default_value_t)]
    pub group: RenderGroup,
    /// Folder to write to [default: target/render]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write nothing; exit with 1 and print a diff where the files there differ
    #[arg(long)]
    pub check: bool,
}

/// `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// How to print the findings
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Install what is missing, after printing the exact commands
    #[arg(long)]
    pub install_tools: bool,
    /// How to print the findings
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}

/// `keygen`.
#[derive(Debug, Args)]
pub struct Keygen {
    /// File for the secret key; the public key is written beside it, ending in `.pub`
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Read the password from this environment variable instead of the terminal
    #[arg(long, value_name = "NAME")]
    pub password_environment: Option<String>,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Release folder, or one file of it with release.json and release.json.minisig beside it [default: target/dist]
    #[arg(value_name = "DIR|FILE")]
    pub subject: Option<PathBuf>,
    /// The minisign public key, as a file or as its base64 text [default: the declared key, else the development key]
    #[arg(long, value_name = "FILE|KEY")]
    pub public_key: Option<String>,
    /// Refuse any other version; without it, a whole older release is accepted
    #[arg(long, value_name = "VERSION")]
    pub expect_version: Option<String>,
    /// Refuse any other channel
    #[arg(long, value_name = "CHANNEL")]
    pub expect_channel: Option<String>,
    /// Refuse development keys, stand-ins and dirty or unknown commits
    #[arg(long)]
    pub release_only: bool,
    /// The release.json of a single file, where it does not lie beside it; its signature lies beside it
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// How to print the findings
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}

/// `repro`.
#[derive(Debug, Args)]
pub struct Repro {
    /// What to build.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// How to print the findings
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}

/// The schemas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// packaging/release.toml
    #[default]
    Declaration,
    /// release.json
    Manifest,
}

/// `schema`.
#[derive(Debug, Args)]
pub struct Schema {
    /// Of which file
    #[arg(value_enum, default_value_t)]
    pub of: SchemaOf,
}

/// What can be measured.
#[derive(Debug, Subcommand)]
pub enum BenchOf {
    /// Planning, packaging, sizes, a cold build of xtask, start of the service [default]
    Dist,
    /// The gateway beside nginx, HAProxy and Caddy: rates, latencies, CPU time, memory
    Gateway(GatewayArgs),
}

/// `bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// What to measure.
    #[command(subcommand)]
    pub of: Option<BenchOf>,
    /// Write the figures to docs/benchmarks.md as well
    #[arg(long, global = true)]
    pub write: bool,
}

/// `bench gateway`.
#[derive(Debug, Args)]
pub struct GatewayArgs {
    /// Once and for a second each: for trying it, the figures say little
    #[arg(long)]
    pub quick: bool,
    /// Only this kind of traffic; may be repeated
    #[arg(long = "row", value_name = "NAME", value_parser = rows())]
    pub rows: Vec<String>,
    /// Only this proxy (nginx, haproxy, caddy or the product's name); may be repeated
    #[arg(long = "proxy", value_name = "NAME")]
    pub proxies: Vec<String>,
    /// The product's program, instead of building it as `dist` does
    #[arg(long, value_name = "FILE")]
    pub program: Option<PathBuf>,
    /// Build nothing and measure in this network as it is; the command asks itself for this once it is in one of its own
    #[arg(long, requires = "program")]
    pub inside: bool,
}

fn rows() -> clap::builder::PossibleValuesParser {
    crate::bench::gateway::ROWS.map(|row| row.name).into()
}

/// `docs`.
#[derive(Debug, Args)]
pub struct Docs {
    /// Write nothing; exit with 1 and print a diff where the pages differ
    #[arg(long)]
    pub check: bool,
}

/// `test`.
#[derive(Debug, Args)]
pub struct Test {
    /// First install what is missing; a tool that is then still missing is a failure, not a skip
    #[arg(long)]
    pub install_tools: bool,
}
