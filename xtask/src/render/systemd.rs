//! What a Linux host needs: unit, `sysusers.d`, `tmpfiles.d` and the two scripts; their views.
//!
//! Source of the keys: systemd.unit(5), systemd.service(5), systemd.exec(5), sysusers.d(5), tmpfiles.d(5). Escaping is
//! in [`escape`] and, for the scripts, in [`super::shell`].

mod escape;

pub(super) use escape::FILTERS;

use super::engine::Language;
use super::{Group, Job, view};
use crate::config::model::{Config, LinuxPaths, Readiness, Reload, Restart, System, Text};
use crate::facts::Facts;
use serde::Serialize;

/// The templates of this group, below the templates folder.
pub(super) const TEMPLATES: &[&str] = &[UNIT, SYSUSERS, TMPFILES, INSTALL, UNINSTALL];

const UNIT: &str = "systemd/service.service.j2";
const SYSUSERS: &str = "systemd/sysusers.conf.j2";
const TMPFILES: &str = "systemd/tmpfiles.conf.j2";
const INSTALL: &str = "systemd/install.sh.j2";
const UNINSTALL: &str = "systemd/uninstall.sh.j2";

/// Ports below this need a capability (capabilities(7), `CAP_NET_BIND_SERVICE`).
const UNPRIVILEGED_PORT_MIN: u16 = 1024;

/// What `service.service.j2` sees.
#[derive(Serialize)]
struct UnitView {
    display_name: String,
    description: String,
    homepage: String,
    /// The program, absolute.
    program: String,
    /// Its arguments, the configuration file filled in.
    arguments: Vec<String>,
    /// `Type=`.
    readiness: &'static str,
    /// `Restart=`.
    restart: &'static str,
    restart_delay_ms: u128,
    start_timeout_ms: u128,
    stop_timeout_ms: u128,
    /// `WatchdogSec=`, where somebody watches.
    watchdog_ms: Option<u128>,
    /// `SIGHUP` asks it to read its configuration again.
    reloads: bool,
    user: String,
    /// Name of the folder below `/etc`, `/var/lib` and `/var/log`.
    folder: String,
    /// A listener has a port below 1024.
    privileged_port: bool,
}

/// What `sysusers.conf.j2` and `tmpfiles.conf.j2` see.
#[derive(Serialize)]
struct AccountView {
    display_name: String,
    user: String,
    config_folder: String,
    config: String,
    state: String,
}

/// What `install.sh.j2` and `uninstall.sh.j2` see.
#[derive(Serialize)]
struct ScriptView {
    name: String,
    display_name: String,
    version: String,
    unit: String,
    user: String,
    /// A systemd that knows `Type=notify-reload` is told to use it.
    notify_reload: bool,
    /// Base names beside the script.
    source: Sources,
    /// Where the files go, absolute.
    path: Paths,
}

#[derive(Serialize)]
struct Sources {
    program: String,
    config: String,
    unit: String,
    sysusers: String,
    tmpfiles: String,
    uninstall: &'static str,
}

#[derive(Serialize)]
struct Paths {
    program: String,
    config_folder: String,
    config: String,
    state: String,
    logs: String,
    unit: String,
    sysusers: String,
    tmpfiles: String,
    /// What says `Type=notify-reload`.
    drop_in: String,
    /// What the uninstaller needs: itself, the configuration as shipped, whether the user was made here.
    share: String,
}

/// The documents of a Linux host; the same for every machine.
pub(super) fn jobs(config: &Config, facts: &Facts) -> Vec<Job> {
    let names = sources(config);
    let scripts = view(&script_view(config, facts));
    let account = view(&account_view(config));
    let unit = view(&unit_view(config, LinuxPaths::of(config)));
    let job = |template: &str, language, text, name: &str, view| Job {
        template: format!("{}/{template}", config.templates),
        language,
        view,
        group: Group::Systemd,
        text: Some(text),
        target: None,
        path: format!("systemd/{name}"),
        name: name.to_owned(),
        executable: language == Language::Shell,
    };
    vec![
        job(UNIT, Language::Systemd, Text::ServiceUnit, &names.unit, unit),
        job(SYSUSERS, Language::Systemd, Text::Sysusers, &names.sysusers, account.clone()),
        job(TMPFILES, Language::Systemd, Text::Tmpfiles, &names.tmpfiles, account),
        job(INSTALL, Language::Shell, Text::InstallScript, "install.sh", scripts.clone()),
        job(UNINSTALL, Language::Shell, Text::UninstallScript, names.uninstall, scripts),
    ]
}

/// The unit as packages hold it: of the program where they lay it. `path` is the document's.
pub(super) fn packaged_unit(config: &Config, path: &str) -> Job {
    Job {
        template: format!("{}/{UNIT}", config.templates),
        language: Language::Systemd,
        view: view(&unit_view(config, LinuxPaths::packaged(config))),
        group: Group::Systemd,
        text: None,
        target: None,
        path: path.to_owned(),
        name: sources(config).unit,
        executable: false,
    }
}

fn unit_view(config: &Config, paths: LinuxPaths) -> UnitView {
    let service = &config.service;
    let argument = |argument: &String| argument.replace("{config}", &paths.config);
    UnitView {
        display_name: config.product.display_name.clone(),
        description: config.product.description.clone(),
        homepage: config.product.homepage.clone(),
        arguments: service.arguments.iter().map(argument).collect(),
        program: paths.program,
        readiness: readiness(service.readiness),
        restart: match service.restart {
            Restart::Never => "no",
            Restart::OnFailure => "on-failure",
            Restart::Always => "always",
        },
        restart_delay_ms: service.restart_delay.as_millis(),
        start_timeout_ms: service.start_timeout.as_millis(),
        stop_timeout_ms: service.stop_timeout.as_millis(),
        watchdog_ms: service.watchdog.map(|watchdog| watchdog.as_millis()),
        reloads: service.reload == Reload::Hangup,
        user: service.user.clone(),
        folder: config.product.name.clone(),
        privileged_port: config.listeners.values().any(|l| l.port < UNPRIVILEGED_PORT_MIN),
    }
}

fn readiness(readiness: Readiness) -> &'static str {
    match readiness {
        Readiness::Notify => "notify",
        Readiness::Exec => "exec",
    }
}

fn account_view(config: &Config) -> AccountView {
    let paths = LinuxPaths::of(config);
    AccountView {
        display_name: config.product.display_name.clone(),
        user: config.service.user.clone(),
        config_folder: paths.config_folder,
        config: paths.config,
        state: paths.state,
    }
}

fn script_view(config: &Config, facts: &Facts) -> ScriptView {
    let LinuxPaths { program, config_folder, config: file, state, logs, unit, sysusers, tmpfiles } =
        LinuxPaths::of(config);
    let share = format!("/usr/local/share/{}", config.product.name);
    ScriptView {
        name: config.product.name.clone(),
        display_name: config.product.display_name.clone(),
        version: facts.version.to_string(),
        unit: format!("{}.service", config.service.name),
        user: config.service.user.clone(),
        notify_reload: config.service.readiness == Readiness::Notify
            && config.service.reload == Reload::Hangup,
        source: sources(config),
        path: Paths {
            program,
            config_folder,
            config: file,
            state,
            logs,
            drop_in: format!("{unit}.d/50-notify-reload.conf"),
            unit,
            sysusers,
            tmpfiles,
            share,
        },
    }
}

/// The names the files have in a bundle.
fn sources(config: &Config) -> Sources {
    let name = &config.product.name;
    Sources {
        program: config.product.program(System::Linux),
        config: config.configuration.file_name.clone(),
        unit: format!("{}.service", config.service.name),
        sysusers: format!("{name}.sysusers.conf"),
        tmpfiles: format!("{name}.tmpfiles.conf"),
        uninstall: "uninstall.sh",
    }
}
