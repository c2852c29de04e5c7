//! Probes of real servers on loopback, with short times.

mod kinds;
mod lives;
mod server;

use std::future::Future;

use super::*;

/// How long a test waits for what must come, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until something is so.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let mut looks = time::interval(Duration::from_millis(2));
    let looking = async {
        while !is_so() {
            looks.tick().await;
        }
    };
    in_time(what, looking).await;
}

/// Waits for what must come.
async fn in_time<T>(what: &str, coming: impl Future<Output = T>) -> T {
    let come = time::timeout(PATIENCE, coming).await;
    come.unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain for {what}"))
}

/// Settings of a pool of one upstream, probed so.
fn settings(address: config::UpstreamAddress, kind: ProbeKind) -> config::Pool {
    let mut settings = crate::upstream::pool::tests::probed(1);
    settings.upstreams[0].address = address;
    if let Some(probe) = &mut settings.probe {
        probe.kind = kind;
        probe.timeout = PATIENCE;
    }
    settings
}

/// What a task probes in the only upstream of a pool.
fn target(settings: &config::Pool, tls: Option<Arc<ClientConfig>>) -> Target {
    let pool = Pool::new(settings, None);
    let upstream = Arc::clone(&pool.upstreams()[0]);
    let probe = settings.probe.clone().expect("these pools are probed");
    Target { pool, upstream, probe, tls }
}

#[test]
fn jitter_moves_an_interval_both_ways_by_at_most_its_share() {
    let settings = crate::upstream::pool::tests::probed(1);
    let probe = settings.probe.unwrap();
    assert_eq!(jittered(&probe, 0.0), Duration::from_secs(9));
    assert_eq!(jittered(&probe, 0.5), Duration::from_secs(10));
    assert_eq!(jittered(&probe, 1.0), Duration::from_secs(11));
    let none = config::Probe { jitter_percent: 0, ..probe };
    assert_eq!(jittered(&none, 0.9), Duration::from_secs(10));
}
