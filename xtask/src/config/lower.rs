//! Every rule and default that needs more than one value: raw in, model or all mistakes out.
//!
//! Pure: which files exist is asked through [`Workspace`]. Each section destructures its raw struct without `..`, so that a
//! new key cannot be forgotten.

mod bundles;
mod codesign;
mod gpg;
mod names;
mod targets;

use super::formats;
use super::model::{
    Alerts, Algorithm, Config, Configuration, Listener, Metrics, Packages, Panel, Product, Scrape,
    Secret, Service, Signing,
};
use super::raw;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use strict_toml::{Diagnostic, Duration, Invalid, Spanned, suggest};

/// What the rules ask of the workspace; paths are relative to its root.
pub trait Workspace {
    /// Whether there is a file.
    fn is_file(&self, path: &str) -> bool;
    /// Whether there is a folder.
    fn is_folder(&self, path: &str) -> bool;
    /// The names in the folder of a path, for "did you mean".
    fn siblings(&self, path: &str) -> Vec<String>;
    /// The cargo packages and the names of their binaries.
    fn packages(&self) -> BTreeMap<String, Vec<String>>;
}

/// Applies every rule and default. With mistakes, all of them, none left out because of another, what comes out is of
/// the right types and no more.
pub fn lower(raw: &raw::Release, workspace: &dyn Workspace) -> (Config, Vec<Diagnostic>) {
    let mut rules = Rules { workspace, mistakes: Vec::new() };
    let config = rules.release(raw);
    // A bundle is looked at once for every target that makes it.
    let mut mistakes: Vec<Diagnostic> = Vec::new();
    for mistake in rules.mistakes {
        if !mistakes.contains(&mistake) {
            mistakes.push(mistake);
        }
    }
    (config, mistakes)
}

/// What the names of files are made of.
#[derive(Clone, Copy)]
struct Names<'a> {
    product: &'a Product,
    service: &'a Service,
    configuration: &'a Configuration,
}

/// The mistakes found so far. A rule that fails notes it and goes on with a value of the right type.
struct Rules<'a> {
    workspace: &'a dyn Workspace,
    mistakes: Vec<Diagnostic>,
}

pub use codesign::FILE;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

impl Rules<'_> {
    fn release(&mut self, raw: &raw::Release) -> Config {
        let raw::Release {
            schema_version: _,
            templates,
            product,
            service,
            configuration,
            listeners,
            metrics,
            scrape,
            alerts,
            dashboard,
            targets,
            bundles,
            packages,
            checksums,
            signing,
            codesign,
        } = raw;
        if !self.workspace.is_folder(templates) {
            self.mistakes.push(missing("folder", templates, self.workspace));
        }
        let product = self.product(product);
        let service = self.service(service, &product);
        let packages = self.packages(packages.as_ref(), bundles);
        let listeners = self.listeners(listeners);
        let configuration = self.configuration(configuration, &listeners);
        let names = Names { product: &product, service: &service, configuration: &configuration };
        let metrics = self.metrics(metrics, &listeners);
        Config {
            templates: templates.get().clone(),
            scrape: self.scrape(scrape, &product, metrics.listener),
            metrics,
            listeners,
            alerts: self.alerts(alerts),
            panels: dashboard.panels.iter().map(|panel| self.panel(panel)).collect(),
            targets: self.targets(targets, bundles, &names),
            packages,
            algorithms: algorithms(checksums),
            signing: self.signing(signing.as_ref()),
            codesign: self.codesign(codesign.as_ref(), targets),
            service,
            configuration,
            product,
        }
    }

    fn product(&mut self, raw: &raw::Product) -> Product {
        let raw::Product {
            name,
            package,
            binary,
            display_name,
            publisher,
            description,
            homepage,
            license_file,
            icon,
            channel,
        } = raw;
        self.file(license_file);
        if let Some(icon) = icon {
            self.file(icon);
        }
        let package = package.as_ref().unwrap_or(name);
        let binary = binary.as_ref().unwrap_or(package);
        self.binary(package, binary);
        Product {
            name: name.get().clone(),
            package: package.get().clone(),
            binary: binary.get().clone(),
            display_name: display_name.get().clone(),
            publisher: publisher.get().clone(),
            description: description.get().clone(),
            homepage: homepage.get().clone(),
            license_file: license_file.get().clone(),
            icon: icon.as_ref().map(|icon| icon.get().clone()),
            channel: channel.get().clone(),
        }
    }

    fn binary(&mut self, package: &Spanned<String>, binary: &Spanned<String>) {
        let packages = self.workspace.packages();
        match packages.get(package.get()) {
            None => self.mistakes.push(unknown("cargo package", package, packages.keys())),
            Some(binaries) if !binaries.contains(binary) => {
                self.mistakes.push(unknown("binary of that package", binary, binaries.iter()));
            }
            Some(_) => {}
        }
    }

    fn service(&mut self, raw: &raw::Service, product: &Product) -> Service {
        let raw::Service {
            name,
            arguments,
            check,
            health,
            restart,
            restart_delay,
            start_timeout,
            stop_timeout,
            windows,
            linux,
        } = raw;
        let raw::ServiceWindows { account, start, firewall } = windows;
        let raw::ServiceLinux { user, readiness, reload, watchdog } = linux;
        for argument in arguments.iter().chain(check).chain(health) {
            self.argument(argument);
        }
        let texts = |arguments: &[Spanned<String>]| {
            arguments.iter().map(|argument| argument.get().clone()).collect()
        };
        let name = name.as_ref().map_or_else(|| product.name.clone(), |name| name.get().clone());
        let user = user
            .as_ref()
            .map_or_else(|| name.chars().take(31).collect(), |user| user.get().clone());
        Service {
            name,
            user,
            arguments: texts(arguments),
            check: texts(check),
            health: texts(health),
            restart: *restart,
            restart_delay: self.duration("service.restart-delay", restart_delay, SECOND..=HOUR),
            start_timeout: self.duration("service.start-timeout", start_timeout, SECOND..=HOUR),
            stop_timeout: self.duration(
                "service.stop-timeout",
                stop_timeout,
                Duration::from_secs(2)..=HOUR,
            ),
            account: *account,
            start: *start,
            firewall: *firewall,
            readiness: *readiness,
            reload: *reload,
            watchdog: watchdog.as_ref().map(|watchdog| self.watchdog(watchdog, *readiness)),
        }
    }

    /// Only a program that talks to systemd can tell it that it is well.
    fn watchdog(
        &mut self,
        watchdog: &Spanned<Duration>,
        readiness: raw::Readiness,
    ) -> std::time::Duration {
        if readiness != raw::Readiness::Notify {
            self.mistakes.push(
                Diagnostic::error("service.linux.watchdog needs readiness = \"notify\"")
                    .at(watchdog.span(), "nobody would tell systemd in time")
                    .help("set service.linux.readiness to \"notify\" if the program says WATCHDOG=1, or leave this out"),
            );
        }
        self.duration("service.linux.watchdog", watchdog, SECOND..=HOUR)
    }

    /// `{config}` is the only placeholder there is; another one would reach the program as it stands.
    fn argument(&mut self, argument: &Spanned<String>) {
        if let Some(c) = argument.chars().find(|c| c.is_control()) {
            let message = format!("argument has the control character U+{:04X}", u32::from(c));
            self.mistakes.push(
                Diagnostic::error(message).at(argument.span(), "not possible on a command line"),
            );
        }
        let rest = argument.replace("{config}", "");
        if let Some(start) = rest.find('{')
            && let Some(end) = rest[start..].find('}')
        {
            let placeholder = &rest[start..=start + end];
            let diagnostic = Diagnostic::error(format!("unknown placeholder `{placeholder}`"))
                .at(argument.span(), "in this argument")
                .help("did you mean `{config}`? It is the only one, and stands for the path of the configuration file");
            self.mistakes.push(diagnostic);
        }
    }

    fn configuration(
        &mut self,
        raw: &raw::Configuration,
        listeners: &BTreeMap<String, Listener>,
    ) -> Configuration {
        let raw::Configuration { template, file_name, port_listener } = raw;
        self.file(template);
        if let Some(listener) = port_listener
            && !listeners.contains_key(listener.get())
        {
            self.mistakes.push(unknown("listener", listener, listeners.keys()));
        }
        Configuration {
            template: template.get().clone(),
            file_name: file_name.get().clone(),
            port_listener: port_listener.as_ref().map(|listener| listener.get().clone()),
        }
    }

    /// Packages say more of a product than archives do.
    fn packages(
        &mut self,
        raw: Option<&raw::Packages>,
        bundles: &BTreeMap<Spanned<String>, raw::Bundle>,
    ) -> Option<Packages> {
        let package = bundles.iter().find(|(_, bundle)| bundle.format.get().is_package());
        if let (None, Some((name, bundle))) = (raw, package) {
            self.mistakes.push(
                Diagnostic::error(format!("bundle `{name}` is a package and needs `[packages]`"))
                    .at(bundle.format.span(), "a package")
                    .help("add `[packages]` with `contact`, `license` and `details`"),
            );
        }
        let raw::Packages { contact, license, details, section, gpg } = raw?;
        Some(Packages {
            contact: contact.get().clone(),
            license: license.get().clone(),
            details: details.get().clone(),
            section: section.get().clone(),
            gpg: gpg.as_ref().map(|gpg| self.gpg(gpg, bundles)),
        })
    }

    fn listeners(
        &mut self,
        raw: &BTreeMap<Spanned<String>, raw::Listener>,
    ) -> BTreeMap<String, Listener> {
        let mut seen: Vec<(&Spanned<String>, &raw::Listener)> = Vec::new();
        for (name, listener) in raw {
            self.valid(name, formats::identifier);
            let collides = |(_, other): &&(_, &raw::Listener)| {
                listener.port.get() == other.port.get()
                    && overlap(*listener.address.get(), *other.address.get())
            };
            if let Some((other_name, other)) = seen.iter().find(collides) {
                let message = format!(
                    "listeners `{other_name}` and `{name}` use the same port {}",
                    listener.port
                );
                self.mistakes.push(
                    Diagnostic::error(message)
                        .at(listener.port.span(), "used twice")
                        .related(other.port.span(), "first used here"),
                );
            }
            seen.push((name, listener));
        }
        raw.iter()
            .map(|(name, raw::Listener { address, port })| {
                (name.get().clone(), Listener { address: *address.get(), port: *port.get() })
            })
            .collect()
    }

    fn metrics(&mut self, raw: &raw::Metrics, listeners: &BTreeMap<String, Listener>) -> Metrics {
        let raw::Metrics { listener, path, ready_path, families } = raw;
        let raw::Families {
            start_time,
            requests,
            request_duration,
            certificate_not_after,
            upstream_healthy,
        } = families;
        if !listeners.contains_key(listener.get()) {
            self.mistakes.push(unknown("listener", listener, listeners.keys()));
        }
        if path == ready_path {
            self.mistakes.push(
                Diagnostic::error(format!("metrics.path and metrics.ready-path are both `{path}`"))
                    .at(ready_path.span(), "the same path"),
            );
        }
        Metrics {
            listener: listeners
                .get(listener.get())
                .copied()
                .unwrap_or(Listener { address: IpAddr::from([127, 0, 0, 1]), port: 1 }),
            path: path.get().clone(),
            ready_path: ready_path.get().clone(),
            start_time: start_time.get().clone(),
            requests: requests.get().clone(),
            request_duration: request_duration.get().clone(),
            certificate_not_after: certificate_not_after.get().clone(),
            upstream_healthy: upstream_healthy.as_ref().map(|name| name.get().clone()),
        }
    }

    fn scrape(&mut self, raw: &raw::Scrape, product: &Product, listener: Listener) -> Scrape {
        let raw::Scrape { job, hosts, interval, timeout, labels } = raw;
        for (index, host) in hosts.iter().enumerate() {
            self.valid(host, formats::host);
            if let Some(first) = hosts[..index].iter().find(|first| *first == host) {
                self.mistakes.push(
                    Diagnostic::error(format!("host `{host}` is listed twice"))
                        .at(host.span(), "again")
                        .related(first.span(), "first here"),
                );
            }
        }
        for name in labels.keys() {
            self.valid(name, formats::target_label);
        }
        if timeout > interval {
            let message =
                format!("scrape.timeout is {timeout}, longer than scrape.interval, {interval}");
            self.mistakes.push(
                Diagnostic::error(message)
                    .at(timeout.span(), "too long")
                    .related(interval.span(), "the interval")
                    .help("Prometheus refuses a timeout longer than the interval"),
            );
        }
        Scrape {
            job: job.as_ref().map_or_else(|| product.name.clone(), |job| job.get().clone()),
            targets: hosts.iter().map(|host| authority(host, listener.port)).collect(),
            interval: self.duration("scrape.interval", interval, SECOND..=HOUR),
            timeout: self.duration("scrape.timeout", timeout, Duration::from_millis(100)..=HOUR),
            labels: labels
                .iter()
                .map(|(name, value)| (name.get().clone(), value.get().clone()))
                .collect(),
        }
    }

    fn panel(&mut self, raw: &raw::Panel) -> Panel {
        let raw::Panel { title, metric, show, labels, unit } = raw;
        for (index, label) in labels.iter().enumerate() {
            self.valid(label, formats::label_name);
            if let Some(first) = labels[..index].iter().find(|first| *first == label) {
                self.mistakes.push(
                    Diagnostic::error(format!("label `{label}` is listed twice"))
                        .at(label.span(), "again")
                        .related(first.span(), "first here"),
                );
            }
        }
        Panel {
            title: title.get().clone(),
            metric: metric.get().clone(),
            show: *show,
            labels: labels.iter().map(|label| label.get().clone()).collect(),
            unit: *unit,
        }
    }

    fn alerts(&mut self, raw: &raw::Alerts) -> Alerts {
        let raw::Alerts {
            down_for,
            restarts_max,
            restarts_window,
            error_ratio_max,
            latency_p99_max,
            degraded_for,
            certificate_expires_within,
        } = raw;
        let minute = Duration::from_secs(60);
        Alerts {
            down_for: self.duration("alerts.down-for", down_for, SECOND..=YEAR),
            restarts_max: *restarts_max.get(),
            restarts_window: self.duration(
                "alerts.restarts-window",
                restarts_window,
                minute..=YEAR,
            ),
            error_ratio_max: *error_ratio_max.get(),
            latency_p99_max: self.duration(
                "alerts.latency-p99-max",
                latency_p99_max,
                Duration::from_millis(1)..=HOUR,
            ),
            degraded_for: self.duration("alerts.degraded-for", degraded_for, SECOND..=YEAR),
            certificate_expires_within: self.duration(
                "alerts.certificate-expires-within",
                certificate_expires_within,
                HOUR..=YEAR,
            ),
        }
    }

    fn signing(&mut self, raw: Option<&raw::Signing>) -> Signing {
        let Some(raw::Signing { public_key, secret_key, password }) = raw else {
            return Signing::Development;
        };
        self.file(public_key);
        for secret in std::iter::once(secret_key).chain(password) {
            self.secret(secret);
        }
        Signing::Key {
            public_key: public_key.get().clone(),
            secret_key: Secret::from(secret_key),
            password: password.as_ref().map(Secret::from),
        }
    }

    fn secret(&mut self, secret: &raw::Secret) {
        match secret {
            raw::Secret::Environment(name) => self.valid(name, formats::environment_variable),
            raw::Secret::File(text) | raw::Secret::Prompt(text) => {
                self.valid(text, formats::filled_line);
            }
        }
    }

    fn file(&mut self, path: &Spanned<String>) {
        if !self.workspace.is_file(path) {
            self.mistakes.push(missing("file", path, self.workspace));
        }
    }

    /// A list item or a map key, which the schema cannot give a format.
    fn valid(&mut self, text: &Spanned<String>, check: fn(&str) -> Result<(), Invalid>) {
        if let Err(invalid) = check(text) {
            let diagnostic = Diagnostic::error(invalid.reason).at(text.span(), "not allowed here");
            self.mistakes.push(match invalid.help {
                Some(help) => diagnostic.help(help),
                None => diagnostic,
            });
        }
    }

    fn duration(
        &mut self,
        key: &str,
        value: &Spanned<Duration>,
        range: RangeInclusive<Duration>,
    ) -> std::time::Duration {
        if !range.contains(value.get()) {
            let message = format!("{key} is {value}, out of range");
            self.mistakes.push(
                Diagnostic::error(message).at(value.span(), "out of range").help(format!(
                    "from \"{}\" to \"{}\"",
                    range.start(),
                    range.end()
                )),
            );
        }
        value.to_std()
    }
}

fn missing(what: &str, path: &Spanned<String>, workspace: &dyn Workspace) -> Diagnostic {
    let siblings = workspace.siblings(path);
    let name = path.rsplit('/').next().unwrap_or(path);
    let diagnostic = Diagnostic::error(format!("{what} `{path}` does not exist"))
        .at(path.span(), format!("no such {what}"));
    match suggest(name, siblings.iter().map(String::as_str)) {
        Some(sibling) => diagnostic
            .help(format!("did you mean `{}{sibling}`?", &path[..path.len() - name.len()])),
        None => diagnostic.help("paths are relative to the workspace root"),
    }
}

/// A reference to something that was not declared.
fn unknown<'a>(
    what: &str,
    name: &Spanned<String>,
    declared: impl Iterator<Item = &'a String> + Clone,
) -> Diagnostic {
    let diagnostic = Diagnostic::error(format!("unknown {what} `{name}`"))
        .at(name.span(), format!("no such {what} is declared"));
    let diagnostic = match suggest(name, declared.clone().map(String::as_str)) {
        Some(close) => diagnostic.help(format!("did you mean `{close}`?")),
        None => diagnostic,
    };
    let all: Vec<_> = declared.map(|name| format!("`{name}`")).collect();
    diagnostic.help(format!("declared: {}", all.join(", ")))
}

/// Whether two sockets of the same port would collide: the same address, or one of them is "any".
fn overlap(a: IpAddr, b: IpAddr) -> bool {
    a == b || a.is_unspecified() || b.is_unspecified()
}

/// `host:port` with an IPv6 address in brackets (RFC 3986 section 3.2.2).
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// SHA-256 is always there, because `verify` and every downloader can rely on it.
fn algorithms(raw: &raw::Checksums) -> Vec<Algorithm> {
    let raw::Checksums { algorithms } = raw;
    let mut algorithms: Vec<_> =
        algorithms.iter().map(|algorithm| *algorithm.get()).chain([Algorithm::Sha256]).collect();
    algorithms.sort_unstable();
    algorithms.dedup();
    algorithms
}
