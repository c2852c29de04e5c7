//! The self-probe behind the service manager's watchdog: a thread of its own asks the service as
//! a client would, and only an answer lets the manager be told that all is well.
//!
//! An answer of a listener proves that the event loop turns, that the listener accepts and that
//! HTTP is spoken. A listener of which every slot is taken cannot be asked and is busy, not dead:
//! restarting it would help whoever took the slots. Who is told and how often it wants to hear is
//! the host's business.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::host::Watchdog;
use crate::listener::Slots;
use crate::observe::logs::{Level, Logs};
use crate::probe::{self, Fault, Own};

/// A listener that must answer.
#[derive(Clone)]
pub struct Target {
    /// Its name in the config.
    pub listener: Arc<str>,
    /// The address bound.
    pub address: SocketAddr,
    /// Method and target of the request.
    pub request: &'static str,
    /// Its slots.
    pub slots: Arc<Slots>,
}

/// What a self-probe stands on.
pub struct Probed {
    /// The event loops: the main one and those of the workers.
    pub events: Vec<Handle>,
    /// The listeners, as they are at the moment.
    pub targets: watch::Receiver<Vec<Target>>,
    /// Where the probe notes which connection is its own.
    pub own: Own,
}

/// The thread; ends soon after this is dropped.
pub struct Probing {
    _stop: mpsc::Sender<()>,
}

/// Starts the thread.
///
/// # Errors
/// When the system refuses a thread.
pub fn start(watchdog: Watchdog, probed: Probed, logs: Logs) -> io::Result<Probing> {
    let (stop, stopped) = mpsc::channel();
    thread::Builder::new()
        .name("self-probe".to_owned())
        .stack_size(128 * 1024)
        .spawn(move || probe_until(&stopped, watchdog, &probed, &logs))?;
    Ok(Probing { _stop: stop })
}

fn probe_until(stopped: &mpsc::Receiver<()>, mut watchdog: Watchdog, probed: &Probed, logs: &Logs) {
    // Half the interval, so that one probe may fail; a quarter of that for each question, so that
    // all of them fit.
    let period = watchdog.interval / 2;
    let timeout = period / 4;
    let mut was_well = true;
    loop {
        let found = probed.probe(timeout);
        if let Err(fault) = &found {
            logs.record(Level::Error, "watchdog", "self-probe failed, the watchdog is not told")
                .field("fault", fault)
                .emit();
        } else if let Err(error) = (watchdog.pet)() {
            logs.record(Level::Warn, "watchdog", "the watchdog could not be told")
                .field("error", error)
                .emit();
        } else if !was_well {
            logs.record(Level::Info, "watchdog", "self-probe succeeds again").emit();
        }
        was_well = found.is_ok();
        let rest = if was_well { period } else { timeout };
        if stopped.recv_timeout(rest) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

impl Probed {
    /// Asks everything once.
    ///
    /// # Errors
    /// What did not answer within `timeout`, in words.
    fn probe(&self, timeout: Duration) -> Result<(), String> {
        self.turn(timeout)?;
        let targets = self.targets.borrow().clone();
        for Target { listener, address, request, slots } in targets {
            if slots.are_taken() {
                continue;
            }
            let answer = probe::ask_from(&self.own, probe::reachable(address), request, timeout);
            match answer {
                Ok(_any_status) => {}
                // The address is gone from the machine: a restart would not bring it back, and
                // the other listener may serve.
                Err(Fault::Connect(error)) if error.kind() == ErrorKind::AddrNotAvailable => {}
                // The last slot was taken meanwhile, or the listener has just moved.
                Err(_) if slots.are_taken() || !self.still_has(address) => {}
                Err(fault) => return Err(format!("listener `{listener}` at {address}: {fault}")),
            }
        }
        Ok(())
    }

    /// Lets each event loop do something.
    fn turn(&self, timeout: Duration) -> Result<(), String> {
        let (turned, turns) = mpsc::sync_channel(self.events.len());
        for (index, events) in self.events.iter().enumerate() {
            let turned = turned.clone();
            events.spawn(async move {
                // Nobody waits any more if it took too long.
                let _ = turned.try_send(index);
            });
        }
        drop(turned);
        let deadline = Instant::now() + timeout;
        let mut stuck: Vec<_> = (0..self.events.len()).collect();
        while let [first, ..] = stuck[..] {
            match turns.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(turned) => stuck.retain(|index| *index != turned),
                Err(_elapsed) if first == 0 => {
                    return Err("the event loop does not turn".to_owned());
                }
                Err(_elapsed) => {
                    return Err(format!("the event loop of worker {} does not turn", first - 1));
                }
            }
        }
        Ok(())
    }

    fn still_has(&self, address: SocketAddr) -> bool {
        self.targets.borrow().iter().any(|target| target.address == address)
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use prometheus_client::metrics::counter::Counter;

    use super::*;
    use crate::listener::routed::Routed;
    use crate::listener::{self, Serving};
    use crate::observe::exposition::Exposition;
    use crate::observe::logs::tests::heard;
    use crate::observe::metrics::Metrics;

    const SOON: Duration = Duration::from_secs(10);

    /// A listener on an event loop of its own thread, and what probes it.
    struct Rig {
        probed: Probed,
        serving: Serving,
        metrics: Metrics,
        _end: tokio::sync::oneshot::Sender<()>,
    }

    fn rig(keys: &str) -> Rig {
        let text = format!(
            "[listeners.data]\naddress = '127.0.0.1'\nport = 0\n{keys}\n[listeners.admin]\nport = 0"
        );
        let source = strict_toml::Source::new("test.toml", text);
        let config = crate::config::parse(&source, std::path::Path::new("")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let events = runtime.handle().clone();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let metrics = Metrics::new(Counter::default());
        let own = Own::default();
        let serving = {
            let _inside = runtime.enter();
            let bound = listener::bind("data", &config.listeners.data[0].listener).unwrap();
            let (_, limits) = watch::channel(config.listeners.data[0].listener.clone());
            let routed = Routed::new(bound.name(), Router::new(), limits, &heard().0);
            bound.serve(routed, &metrics.http(), &own, &heard().0)
        };
        thread::spawn(move || runtime.block_on(ended));
        let target = serving.target("OPTIONS *");
        let targets = watch::Sender::new(vec![target]).subscribe();
        Rig { probed: Probed { events: vec![events], targets, own }, serving, metrics, _end: end }
    }

    #[test]
    fn a_listener_that_answers_is_well_and_the_probe_is_no_traffic() {
        let rig = rig("");
        rig.probed.probe(SOON).unwrap();
        let text = rig.metrics.expose(Exposition::Classic);
        assert!(!text.contains("http_requests_total{"), "{text}");
        assert!(text.contains("edge_node_connections{listener=\"data\"} 0\n"), "{text}");
    }

    #[test]
    fn an_event_loop_that_is_blocked_is_found() {
        let rig = rig("");
        let (unblock, blocked) = mpsc::channel::<()>();
        rig.probed.events[0].spawn(async move {
            let _ = blocked.recv();
        });
        let fault = rig.probed.probe(Duration::from_millis(50)).unwrap_err();
        assert_eq!(fault, "the event loop does not turn");
        drop(unblock);
        rig.probed.probe(SOON).unwrap();
    }

    #[test]
    fn of_several_event_loops_the_one_that_is_blocked_is_named() {
        let (mut main, worker) = (rig(""), rig(""));
        main.probed.events.extend(worker.probed.events.clone());
        main.probed.probe(SOON).unwrap();
        let (unblock, blocked) = mpsc::channel::<()>();
        main.probed.events[1].spawn(async move {
            let _ = blocked.recv();
        });
        let fault = main.probed.probe(Duration::from_millis(50)).unwrap_err();
        assert_eq!(fault, "the event loop of worker 0 does not turn");
        drop(unblock);
        main.probed.probe(SOON).unwrap();
    }

    #[test]
    fn a_listener_that_does_not_answer_is_named() {
        let rig = rig("");
        let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = deaf.local_addr().unwrap();
        let targets = vec![Target { address, ..rig.serving.target("OPTIONS *") }];
        let probed = Probed { targets: watch::Sender::new(targets).subscribe(), ..rig.probed };
        let fault = probed.probe(Duration::from_millis(50)).unwrap_err();
        assert_eq!(fault, format!("listener `data` at {address}: no answer: timed out"));
    }

    #[test]
    fn an_address_that_is_gone_from_the_machine_is_no_reason_to_restart() {
        let rig = rig("");
        // Reserved for documentation, so no machine has it.
        let address = "192.0.2.1:80".parse().unwrap();
        let targets = vec![Target { address, ..rig.serving.target("OPTIONS *") }];
        let probed = Probed { targets: watch::Sender::new(targets).subscribe(), ..rig.probed };
        probed.probe(SOON).unwrap();
    }

    #[test]
    fn a_listener_of_which_every_slot_is_taken_is_busy_and_not_dead() {
        let rig = rig("connections-max = 1");
        let target = rig.serving.target("OPTIONS *");
        let _client = std::net::TcpStream::connect(target.address).unwrap();
        let deadline = Instant::now() + SOON;
        while !target.slots.are_taken() {
            assert!(Instant::now() < deadline);
            thread::yield_now();
        }
        rig.probed.probe(SOON).unwrap();
    }

    #[test]
    fn the_watchdog_is_told_at_half_its_interval_and_only_while_the_probe_succeeds() {
        let rig = rig("");
        let (told, tellings) = mpsc::channel();
        let watchdog = Watchdog {
            interval: Duration::from_millis(400),
            pet: Box::new(move || {
                let _ = told.send(Instant::now());
                Ok(())
            }),
        };
        let (logs, lines) = heard();
        let events = rig.probed.events[0].clone();
        let probing = start(watchdog, rig.probed, logs).unwrap();
        let first = tellings.recv_timeout(SOON).unwrap();
        let second = tellings.recv_timeout(SOON).unwrap();
        assert!(second - first >= Duration::from_millis(200), "{:?}", second - first);
        let (unblock, blocked) = mpsc::channel::<()>();
        events.spawn(async move {
            let _ = blocked.recv();
        });
        let line = lines.recv_timeout(SOON).unwrap();
        assert_eq!(line["fault"], "the event loop does not turn");
        let before = Instant::now();
        while tellings.try_recv().is_ok() {}
        drop(unblock);
        assert!(tellings.recv_timeout(SOON).unwrap() >= before);
        drop(probing);
        let deadline = Instant::now() + SOON;
        while tellings.recv_timeout(SOON).is_ok() {
            assert!(Instant::now() < deadline, "the thread does not end");
        }
    }
}
