//! The configuration file of the service: its view and the escaping of TOML (<https://toml.io/en/v1.0.0>).
//!
//! Rendered for each target, because a Windows service has no stdout to log to.

use super::engine::{Escape, Language, Refusal};
use super::{Group, Job, view};
use crate::config::model::{Config, System, Target, Text};
use minijinja::Value;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

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
    let name = &config.configuration.file_name;
    let job = |target: &Target| Job {
        template: config.configuration.template.clone(),
        language: Language::Toml,
        view: view(&configuration_view(config, target)),
        group: Group::Configuration,
        text: Some(Text::Configuration),
        target: Some(target.triple.clone()),
        path: format!("configuration/{}/{name}", target.triple),
        name: name.clone(),
        executable: false,
    };
    config.targets.iter().map(job).collect()
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
