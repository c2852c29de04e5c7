//! The configuration file of the service: its view and the escaping of TOML (<https://toml.io/en/v1.0.0>).
//!
//! Rendered for each target, because a Windows service has no stdout to log to.

use super::engine::{self, Escape, Language, Refusal};
use super::{Group, Job, Templates, view};
use crate::config::model::{Config, System, Target, Text};
use minijinja::Value;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use strict_toml::{Diagnostic, Report, Source};

/// The filters of the configuration template.
pub(super) const FILTERS: &[(&str, Escape)] =
    &[("toml", toml), ("toml_key", toml_key), ("toml_comment", toml_comment)];

/// What the template that the declaration names sees.
#[derive(Serialize)]
struct ConfigurationView {
    product: ProductView,
    /// The sockets, by name.
    listeners: BTreeMap<String, ListenerView>,
    /// How long requests in flight may take once the service was asked to stop, `"25s"`.
    drain_timeout: String,
    /// How long the service manager waits for a stop, `"30s"`.
    stop_timeout: String,
    /// `windows` or `linux`.
    system: System,
    /// The log file, relative to the folder of the configuration; empty where stdout is read.
    log_file: String,
}

#[derive(Serialize)]
struct ProductView {
    name: String,
    display_name: String,
    /// Base name of the program.
    program: String,
    homepage: String,
}

#[derive(Serialize)]
struct ListenerView {
    address: String,
    port: u16,
}

/// The configuration of every target.
pub(super) fn jobs(config: &Config) -> Vec<Job> {
    config.targets.iter().map(|target| job(config, target)).collect()
}

fn job(config: &Config, target: &Target) -> Job {
    let name = &config.configuration.file_name;
    Job {
        template: config.configuration.template.clone(),
        language: Language::Toml,
        view: view(&configuration_view(config, target)),
        group: Group::Configuration,
        text: Some(Text::Configuration),
        target: Some(target.triple.clone()),
        path: format!("configuration/{}/{name}", target.triple),
        name: name.clone(),
        executable: false,
    }
}

/// Where in a configuration a port stands, in bytes; a length of 0 is nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct PortPlace {
    /// The line, counted from 0.
    line: usize,
    /// Where in that line it begins, counted from 0.
    column: usize,
    /// How many digits it has.
    pub(super) length: usize,
}

/// Where in a target's configuration the port of the declared listener stands, so that an installer can write another
/// one there; nowhere if no listener is declared for that.
///
/// # Errors
/// A mistake of the template, or one that does not write the port exactly once.
pub(super) fn port_place(
    config: &Config,
    target: &Target,
    templates: &Templates,
) -> Result<PortPlace, Report> {
    let Some(name) = &config.configuration.port_listener else {
        return Ok(PortPlace::default());
    };
    let rendered = |port: Option<u16>| {
        let mut config = config.clone();
        let listener = config.listeners.get_mut(name);
        if let (Some(listener), Some(port)) = (listener, port) {
            listener.port = port;
        }
        let job = job(&config, target);
        engine::render(job.language, &job.template, templates, &job.view)
    };
    // Two ports of the same length that differ in each digit.
    let [first, second] = [rendered(Some(33333))?, rendered(Some(44444))?];
    let length = config.listeners.get(name).map_or(0, |listener| listener.port.to_string().len());
    let start = first.bytes().zip(second.bytes()).position(|(a, b)| a != b);
    let place = start.filter(|start| {
        let [before, after] = [first.get(..*start), first.get(start + 5..)];
        let again = before.zip(after).map(|(before, after)| format!("{before}44444{after}"));
        again.as_ref() == Some(&second)
    });
    let place = place.map(|start| {
        let before = &first[..start];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        PortPlace { line: before.matches('\n').count(), column: start - line_start, length }
    });
    place.ok_or_else(|| {
        let template = &config.configuration.template;
        let text = templates.text(template).unwrap_or_default();
        let message = format!("the port of listener `{name}` is not written exactly once");
        let mistake = Diagnostic::error(message).note(
            "configuration.port-listener lets the installer's /PORT= write another one in its place",
        );
        Report::new(Source::new(template, text), vec![mistake])
    })
}

/// The log file of the service, relative to the folder of its configuration; none where stdout is read.
pub(super) fn log_file(config: &Config, system: System) -> Option<String> {
    match system {
        System::Windows => Some(format!("logs/{}.log", config.product.binary)),
        System::Linux => None,
    }
}

fn configuration_view(config: &Config, target: &Target) -> ConfigurationView {
    let product = &config.product;
    let listeners = config.listeners.iter().map(|(name, listener)| {
        (name.clone(), ListenerView { address: listener.address.to_string(), port: listener.port })
    });
    ConfigurationView {
        product: ProductView {
            name: product.name.clone(),
            display_name: product.display_name.clone(),
            program: product.program(target.system),
            homepage: product.homepage.clone(),
        },
        listeners: listeners.collect(),
        drain_timeout: duration(drain_timeout(config.service.stop_timeout)),
        stop_timeout: duration(config.service.stop_timeout),
        system: target.system,
        log_file: log_file(config, target.system).unwrap_or_default(),
    }
}

/// The stop timeout less a sixth, and at most 5 s: what comes before and after the drain takes time as well.
fn drain_timeout(stop_timeout: Duration) -> Duration {
    stop_timeout - (stop_timeout / 6).min(Duration::from_secs(5))
}

/// A duration as configuration files write it: whole seconds, else milliseconds.
fn duration(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis()),
    }
}

/// A basic string.
fn toml(value: &Value) -> Result<String, Refusal> {
    Ok(format!("\"{}\"", value.to_string().chars().map(escape).collect::<String>()))
}

/// A key: bare where it can be.
fn toml_key(value: &Value) -> Result<String, Refusal> {
    let key = value.to_string();
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(bare) { Ok(key) } else { toml(value) }
}

/// Text in a comment up to the end of the line, in which TOML allows no control character.
fn toml_comment(value: &Value) -> Result<String, Refusal> {
    Ok(value.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
}

fn escape(c: char) -> String {
    match c {
        '"' => "\\\"".to_owned(),
        '\\' => r"\\".to_owned(),
        '\n' => r"\n".to_owned(),
        '\r' => r"\r".to_owned(),
        '\t' => r"\t".to_owned(),
        _ if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        _ => c.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_port_of_a_listener_is_found_where_it_is_written_once() {
        let mut config = crate::render::tests::fixture::config();
        let target = config.targets_of(System::Windows).next().expect("a target").clone();
        let mut check = |template: &str, listener: Option<&str>| {
            config.configuration.port_listener = listener.map(str::to_owned);
            let path = config.configuration.template.clone();
            port_place(&config, &target, &Templates::new([(path, template.to_owned())]))
        };
        let template = "# 443\n\n[é]\nüx = {{ listeners.web.port }} # 443\n";
        let place = PortPlace { line: 3, column: 6, length: 3 };
        assert_eq!(check(template, Some("web")), Ok(place));
        assert_eq!(check(template, None), Ok(PortPlace::default()));
        for template in ["port = 443\n", "{{ listeners.web.port }}, {{ listeners.web.port }}"] {
            let report = check(template, Some("web")).unwrap_err().to_string();
            assert!(
                report.contains("port of listener `web` is not written exactly once"),
                "{report}"
            );
        }
    }

    #[test]
    fn a_drain_leaves_time_to_stop() {
        let drain = |seconds| duration(drain_timeout(Duration::from_secs(seconds)));
        assert_eq!(drain(30), "25s");
        assert_eq!(drain(10), "8333ms");
        assert_eq!(drain(600), "595s");
    }

    proptest! {
        #[test]
        fn toml_reads_back_the_string(text in any::<String>(), key in any::<String>()) {
            let written = format!(
                "# {}\n{} = {}\n",
                toml_comment(&Value::from(text.clone())).unwrap_or_default(),
                toml_key(&Value::from(key.clone())).unwrap_or_default(),
                toml(&Value::from(text.clone())).unwrap_or_default(),
            );
            let read: toml::Table = written.parse().expect("valid TOML");
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(read.get(&key).and_then(toml::Value::as_str), Some(text.as_str()));
        }
    }
}
