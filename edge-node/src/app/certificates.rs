//! Looking whether the files of TLS changed, beside the event loop, and reading them again.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior};

use crate::config::Config;
use crate::gateway::{self, Material};
use crate::tls::{Stamp, TlsError};

/// How often files are looked at: who renews a certificate does so days before it expires.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The files of TLS that are in force.
pub struct Certificates {
    material: Material,
    /// What the files looked like when they were last read, or could not be; none until the first
    /// look, which comes right after they were read.
    seen: Option<Vec<Stamp>>,
    ticks: Interval,
    looking: Option<JoinHandle<Look>>,
}

/// What a look found: how the files are now, and what is in them if that is news.
type Look = (Vec<Stamp>, Option<Result<Material, TlsError>>);

impl Certificates {
    /// Those that were just read; must be called inside the runtime.
    pub fn new(material: Material) -> Self {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { material, seen: None, ticks, looking: None }
    }

    /// What is in force.
    pub fn material(&self) -> &Material {
        &self.material
    }

    /// Puts others in force, that were just read.
    pub fn set(&mut self, material: Material) {
        self.material = material;
        // Of another config, perhaps.
        self.looking = None;
        self.seen = None;
    }

    /// Waits until the files of `config` changed; then what is in them. Nothing is lost where this
    /// is given up.
    pub async fn looked(&mut self, config: &Config) -> Result<Material, TlsError> {
        if self.material.is_empty() {
            return std::future::pending().await;
        }
        loop {
            if self.looking.is_none() {
                self.ticks.tick().await;
                self.looking = Some(self.look(config));
            }
            let Some(looking) = &mut self.looking else { continue };
            let looked = looking.await;
            self.looking = None;
            // A look that panicked is tried again.
            let Ok((seen, news)) = looked else { continue };
            self.seen = Some(seen);
            if let Some(news) = news {
                return news;
            }
        }
    }

    fn look(&self, config: &Config) -> JoinHandle<Look> {
        let (config, material, seen) = (config.clone(), self.material.clone(), self.seen.clone());
        tokio::task::spawn_blocking(move || {
            let now = gateway::look(&config);
            let news = match seen {
                Some(seen) if seen == now => None,
                Some(_) => Some(Material::read(&config, &material)),
                // What was read may have changed since: only what did is read again.
                None => match Material::read(&config, &material) {
                    Ok(read) if read.is_same(&material) => None,
                    read => Some(read),
                },
            };
            (now, news)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ::tests::certificates::Authority;

    use super::*;

    fn config(folder: &Path) -> Config {
        let text =
            "[listeners.data.tls]\ncertificates = [{ chain = 'site.pem', key = 'site.key' }]";
        let source = strict_toml::Source::new("test.toml", text);
        crate::config::parse(&source, folder).unwrap()
    }

    /// What is read in the end: a look may come while files are written.
    async fn renewed(certificates: &mut Certificates, config: &Config) -> Material {
        loop {
            if let Ok(material) = certificates.looked(config).await {
                return material;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn files_are_read_again_when_they_changed_and_a_fault_is_told_once() {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("site"));
        let issue = || authority.server(&["a.example"]).write(folder.path(), "site");
        let (chain, _key) = issue();
        let config = config(folder.path());
        let first = Material::read(&config, &Material::default()).unwrap();
        let mut certificates = Certificates::new(first.clone());
        let quiet = LOOK_EVERY * 10;
        let nothing = tokio::time::timeout(quiet, certificates.looked(&config)).await;
        assert!(nothing.is_err(), "nothing changed");

        issue();
        let second = renewed(&mut certificates, &config).await;
        assert!(!second.is_same(&first));
        certificates.set(second.clone());

        std::fs::write(&chain, "no certificate").unwrap();
        assert!(certificates.looked(&config).await.is_err());
        let nothing = tokio::time::timeout(quiet, certificates.looked(&config)).await;
        assert!(nothing.is_err(), "it is told once");

        issue();
        assert!(!renewed(&mut certificates, &config).await.is_same(&second));
    }
}
