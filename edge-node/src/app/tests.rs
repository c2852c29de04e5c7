//! The service on real sockets: ready, draining, drained, cut. Certificates that are exchanged: `renewal`.

use std::net::SocketAddr;
use std::sync::mpsc::Receiver;

use axum::Router;
use axum::routing::get;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;
use crate::host::{Announce, Status};
use crate::observe::logs::tests::heard;

mod renewal;

const PATIENCE: Duration = Duration::from_secs(10);

/// A host that counts what it is told.
struct Counting(mpsc::UnboundedSender<Status>);

impl Announce for Counting {
    fn announce(&mut self, status: Status) -> std::io::Result<()> {
        let _ = self.0.send(status);
        Ok(())
    }
}

/// A handler that answers when the test lets it.
#[derive(Clone, Default)]
struct Slow {
    reached: Arc<Notify>,
    answer: Arc<Notify>,
}

impl Slow {
    /// Serves it; gives the keys by which the gateway forwards `/slow` to it.
    async fn serve(self) -> String {
        let handler = async move || {
            self.reached.notify_one();
            self.answer.notified().await;
            "at last\n"
        };
        let routes = Router::new().route("/slow", get(handler));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        format!(
            "routes.slow = {{ path = {{ exact = '/slow' }}, forward = {{ pool = 'slow' }} }}\n\
             pools.slow.upstreams = [{{ address = '{address}' }}]\n"
        )
    }
}

/// A running service and the test's hands on it.
struct Rig {
    data: SocketAddr,
    admin: SocketAddr,
    asks: mpsc::Sender<Ask>,
    told: mpsc::UnboundedReceiver<Status>,
    slow: Slow,
    logs: Receiver<Value>,
    running: JoinHandle<Exit>,
    folder: tempfile::TempDir,
    /// The keys by which requests reach `slow`.
    routes: String,
}

impl Rig {
    async fn start(shutdown: &str) -> Self {
        let tables = format!("shutdown = {{ {shutdown} }}\n");
        Self::start_in(tempfile::tempdir().unwrap(), &tables).await
    }

    /// A service whose config is in this folder, with more keys.
    async fn start_in(folder: tempfile::TempDir, tables: &str) -> Self {
        let slow = Slow::default();
        let routes = slow.clone().serve().await;
        let text = format!(
            "listeners.data.address = '127.0.0.1'\nlisteners.data.port = 0\n\
             listeners.admin.port = 0\n{tables}{routes}"
        );
        let path = folder.path().join("edge-node.toml");
        std::fs::write(&path, text).unwrap();
        let config = crate::config::load(&path).unwrap();
        let (speaker, told) = mpsc::unbounded_channel();
        let mut herald = Herald::new(Box::new(Counting(speaker)));
        let (line, logs) = heard();
        let material = Material::read(&config, &Material::default()).unwrap();
        let app = App::build(&path, &config, &material, herald.watch(), &line).unwrap();
        let (data, admin) = (app.data[0].address(), app.admin.address());
        let (asks, receiver) = mpsc::channel(8);
        let running = tokio::spawn(async move { app.run(receiver, &mut herald, None).await });
        Self { data, admin, asks, told, slow, logs, running, folder, routes }
    }

    /// Waits until the host is told this phase; gives its checkpoint.
    async fn until(&mut self, phase: Phase) -> u32 {
        loop {
            let status = within(self.told.recv()).await.unwrap();
            if status.phase == phase {
                return status.checkpoint;
            }
        }
    }

    async fn stop(&self) {
        self.ask(Ask::Stop(Stop::Manager)).await;
    }

    async fn ask(&self, ask: Ask) {
        self.asks.send(ask).await.unwrap();
    }

    /// Writes the config file: `text`, and how `slow` is reached.
    fn write(&self, text: &str) {
        let text = format!("{text}{}", self.routes);
        std::fs::write(self.folder.path().join("edge-node.toml"), text).unwrap();
    }

    /// Writes the config file and asks over the admin listener for a reload; the whole answer.
    async fn reload(&self, text: &str) -> String {
        self.write(text);
        within(send(self.admin, "POST", "/v1/reload")).await
    }

    /// A request that is in flight: its handler has been reached.
    async fn in_flight(&self) -> JoinHandle<String> {
        let answer = tokio::spawn(exchange(self.data, "/slow"));
        within(self.slow.reached.notified()).await;
        answer
    }

    fn logged(&self, message: &str) -> Value {
        loop {
            let line = self.logs.recv_timeout(PATIENCE).unwrap();
            if line["message"] == message {
                return line;
            }
        }
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens before the deadline")
}

/// The whole answer to a GET, read to the end of the connection; empty if it was refused.
async fn exchange(address: SocketAddr, path: &str) -> String {
    send(address, "GET", path).await
}

async fn send(address: SocketAddr, method: &str, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(address).await else { return String::new() };
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

#[tokio::test]
async fn it_is_ready_once_the_host_is_told_and_stops_clean_when_asked() {
    let mut rig = Rig::start("unready-wait = '0s', drain-timeout = '10s'").await;
    rig.until(Phase::Serving).await;
    assert!(within(exchange(rig.admin, "/readyz")).await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(rig.logged("listening")["listener"], "data");
    rig.stop().await;
    assert_eq!(within(&mut rig.running).await.unwrap(), Exit::Clean);
    assert_eq!(rig.logged("draining")["asked-by"], "manager-stop");
    assert_eq!(within(exchange(rig.data, "/slow")).await, "", "the port is closed");
    assert_eq!(within(exchange(rig.admin, "/livez")).await, "", "the port is closed");
}

#[tokio::test]
async fn a_pause_is_not_ready_but_live_and_ends_when_asked() {
    let mut rig = Rig::start("unready-wait = '0s'").await;
    rig.until(Phase::Serving).await;
    rig.ask(Ask::Pause).await;
    assert_eq!(rig.until(Phase::Paused).await, 0);
    let readyz = within(exchange(rig.admin, "/readyz")).await;
    assert!(readyz.starts_with("HTTP/1.1 503 "), "{readyz}");
    assert!(readyz.ends_with("\r\n\r\nnot ready: paused\n"), "{readyz}");
    assert!(within(exchange(rig.admin, "/livez")).await.starts_with("HTTP/1.1 200 "));
    rig.ask(Ask::Resume).await;
    assert_eq!(rig.until(Phase::Serving).await, 0);
    assert!(within(exchange(rig.admin, "/readyz")).await.starts_with("HTTP/1.1 200 "));
    rig.ask(Ask::Pause).await;
    rig.stop().await;
    assert_eq!(within(&mut rig.running).await.unwrap(), Exit::Clean, "a paused one stops too");
}

#[tokio::test]
async fn while_it_waits_unready_it_says_so_and_still_takes_requests() {
    let mut rig = Rig::start("unready-wait = '5m'").await;
    rig.until(Phase::Serving).await;
    rig.stop().await;
    rig.until(Phase::Draining).await;
    let answer = within(exchange(rig.admin, "/readyz")).await;
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nnot ready: draining\n"), "{answer}");
    let answer = rig.in_flight().await;
    rig.slow.answer.notify_one();
    assert!(within(answer).await.unwrap().ends_with("at last\n"));
    rig.running.abort();
}

#[tokio::test]
async fn a_request_in_flight_is_answered_while_draining_and_its_connection_closed() {
    let mut rig = Rig::start("unready-wait = '0s', drain-timeout = '10m'").await;
    rig.until(Phase::Serving).await;
    let mut stream = TcpStream::connect(rig.data).await.unwrap();
    // Keep-alive: closing is the service's own wish.
    stream.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    within(rig.slow.reached.notified()).await;
    rig.stop().await;
    rig.until(Phase::Draining).await;
    // The drain has reached the listener when nobody is let in any more.
    within(async {
        while TcpStream::connect(rig.data).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let readyz = within(exchange(rig.admin, "/readyz")).await;
    assert!(readyz.starts_with("HTTP/1.1 503 "), "{readyz}");
    assert!(!rig.running.is_finished());

    rig.slow.answer.notify_one();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(answer.ends_with("at last\n"), "{answer}");
    assert_eq!(within(&mut rig.running).await.unwrap(), Exit::Clean);
    assert!(rig.logged("drained")["seconds"].is_f64());
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_drain() {
    let mut rig = Rig::start("unready-wait = '0s', drain-timeout = '10m'").await;
    rig.until(Phase::Serving).await;
    let mut silent = TcpStream::connect(rig.data).await.unwrap();
    rig.stop().await;
    assert_eq!(within(&mut rig.running).await.unwrap(), Exit::Clean);
    let mut rest = Vec::new();
    let _ = within(silent.read_to_end(&mut rest)).await;
    assert!(rest.is_empty());
}

#[tokio::test]
async fn requests_that_outlast_the_drain_timeout_are_cut_and_counted() {
    let mut rig = Rig::start("unready-wait = '0s', drain-timeout = '50ms'").await;
    rig.until(Phase::Serving).await;
    let _first = rig.in_flight().await;
    let _second = rig.in_flight().await;
    rig.stop().await;
    assert_eq!(within(&mut rig.running).await.unwrap(), Exit::Clean);
    assert_eq!(rig.logged("drain timeout passed, connections are cut")["connections"], 2);
}

#[tokio::test]
async fn a_second_request_to_stop_ends_at_once() {
    let mut rig = Rig::start("unready-wait = '0s', drain-timeout = '10m'").await;
    rig.until(Phase::Serving).await;
    let _never_answered = rig.in_flight().await;
    rig.stop().await;
    rig.until(Phase::Draining).await;
    assert!(!rig.running.is_finished());
    rig.stop().await;
    assert_eq!(within(&mut rig.running).await.unwrap(), Exit::Forced);
}

#[tokio::test]
async fn the_host_sees_progress_each_second_of_a_drain() {
    let mut rig = Rig::start("unready-wait = '5m'").await;
    rig.until(Phase::Serving).await;
    tokio::time::pause();
    rig.stop().await;
    assert_eq!(rig.until(Phase::Draining).await, 1);
    for checkpoint in 2..=5 {
        let before = Instant::now();
        assert_eq!(rig.until(Phase::Draining).await, checkpoint);
        let milliseconds = before.elapsed().as_millis();
        assert!((990..=1010).contains(&milliseconds), "{milliseconds} ms");
    }
    rig.running.abort();
}

/// The config that a rig starts with, but for what is given.
fn config(data_port: u16, rest: &str) -> String {
    format!(
        "listeners.data = {{ address = '127.0.0.1', port = {data_port} }}\n\
         listeners.admin.port = 0\nshutdown = {{ unready-wait = '0s' }}\n{rest}"
    )
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn a_reload_moves_the_data_listener_and_answers_what_was_asked_of_the_old_one() {
    let mut rig = Rig::start("unready-wait = '0s'").await;
    rig.until(Phase::Serving).await;
    let in_flight = rig.in_flight().await;
    let port = free_port();
    let answer = rig.reload(&config(port, "")).await;
    assert!(answer.ends_with("\r\n\r\nreloaded, changed: listeners.data\n"), "{answer}");
    // Both are up while the old one drains: it takes nobody new.
    let new = SocketAddr::from(([127, 0, 0, 1], port));
    let on_new = tokio::spawn(exchange(new, "/slow"));
    within(rig.slow.reached.notified()).await;
    TcpListener::bind(rig.data).await.expect("the old address is free");
    rig.slow.answer.notify_one();
    rig.slow.answer.notify_one();
    let old_answer = within(in_flight).await.unwrap();
    assert!(old_answer.contains("\r\nconnection: close\r\n"), "{old_answer}");
    rig.slow.answer.notify_one();
    for answer in [old_answer, within(on_new).await.unwrap()] {
        assert!(answer.ends_with("at last\n"), "{answer}");
    }
    rig.stop().await;
    assert_eq!(within(&mut rig.running).await.unwrap(), Exit::Clean);
}

#[tokio::test]
async fn former_listeners_that_nobody_uses_do_not_hold_up_further_moves() {
    // Far longer than the test: whoever waits for it in vain fails.
    let mut rig = Rig::start("unready-wait = '60s'").await;
    rig.until(Phase::Serving).await;
    let ports = [free_port(), free_port()];
    for turn in 0..20 {
        let text = config(ports[turn % 2], "").replace("'0s'", "'60s'");
        let answer = rig.reload(&text).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "turn {turn}: {answer}");
    }
}

#[tokio::test]
async fn a_reload_moves_the_admin_listener_that_asked_for_it() {
    let mut rig = Rig::start("unready-wait = '0s'").await;
    rig.until(Phase::Serving).await;
    let port = free_port();
    let text = config(0, "").replace("admin.port = 0", &format!("admin.port = {port}"));
    let answer = rig.reload(&text).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let new = SocketAddr::from(([127, 0, 0, 1], port));
    assert!(within(exchange(new, "/readyz")).await.ends_with("\r\n\r\nready\n"));
}

#[tokio::test]
async fn a_bad_config_is_refused_with_its_diagnostics_and_changes_nothing() {
    let mut rig = Rig::start("unready-wait = '0s'").await;
    rig.until(Phase::Serving).await;
    let port = free_port();
    let answer = rig.reload(&config(port, "log.level = 'loud'\n")).await;
    assert!(answer.starts_with("HTTP/1.1 422 "), "{answer}");
    assert!(answer.contains("edge-node.toml:4:13"), "{answer}");
    let logged = rig.logged("config refused, the old one goes on");
    assert_eq!(logged["level"], "ERROR");
    assert!(logged["diagnostics"].as_str().unwrap().contains("edge-node.toml:4:13"), "{logged}");
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    let answer = rig.in_flight().await;
    rig.slow.answer.notify_one();
    assert!(within(answer).await.unwrap().ends_with("at last\n"));
    let metrics = within(exchange(rig.admin, "/metrics")).await;
    assert!(metrics.contains("\nedge_node_config_last_reload_successful 0\n"), "{metrics}");
}

#[tokio::test]
async fn a_reload_of_which_one_listener_cannot_be_bound_changes_nothing() {
    let mut rig = Rig::start("unready-wait = '0s'").await;
    rig.until(Phase::Serving).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (free, taken) = (free_port(), taken.local_addr().unwrap().port());
    let text = config(free, "").replace("admin.port = 0", &format!("admin.port = {taken}"));
    let answer = rig.reload(&text).await;
    assert!(answer.starts_with("HTTP/1.1 422 "), "{answer}");
    assert!(answer.contains(&format!("another program has port {taken}")), "{answer}");
    assert!(TcpStream::connect(("127.0.0.1", free)).await.is_err(), "the data listener moved");
    assert!(within(exchange(rig.admin, "/readyz")).await.ends_with("\r\n\r\nready\n"));
    let own = rig.data.port();
    let text = config(0, "").replace("admin.port = 0", &format!("admin.port = {own}"));
    let answer = rig.reload(&text).await;
    assert!(answer.contains(&format!("port {own} is in use by this service itself")), "{answer}");
}

#[tokio::test]
async fn a_reload_asked_for_by_the_host_is_told_to_it_and_sets_limits_level_and_timings() {
    let mut rig = Rig::start("unready-wait = '0s'").await;
    rig.until(Phase::Serving).await;
    rig.write(&config(0, "log.level = 'debug'\nlisteners.data.connections-max = 1\n").replace(
        "listeners.data = { address = '127.0.0.1', port = 0 }\n",
        "listeners.data.address = '127.0.0.1'\nlisteners.data.port = 0\n",
    ));
    rig.ask(Ask::Reload).await;
    let told = within(rig.told.recv()).await.unwrap();
    assert!(told.is_reloading && told.phase == Phase::Serving, "{told:?}");
    let told = within(rig.told.recv()).await.unwrap();
    assert!(!told.is_reloading && told.phase == Phase::Serving, "{told:?}");
    assert_eq!(rig.logged("config reloaded")["changed"][0], "listeners.data");
    let _only_slot = rig.in_flight().await;
    let waiting = tokio::spawn(exchange(rig.data, "/slow"));
    within(async {
        while !exchange(rig.admin, "/metrics")
            .await
            .contains("cap_reached_total{listener=\"data\"} 1\n")
        {}
    })
    .await;
    assert!(!waiting.is_finished());
    rig.running.abort();
}

#[tokio::test]
async fn a_reload_while_paused_leaves_it_paused() {
    let mut rig = Rig::start("unready-wait = '0s'").await;
    rig.until(Phase::Serving).await;
    rig.ask(Ask::Pause).await;
    rig.until(Phase::Paused).await;
    let answer = rig.reload(&config(0, "")).await;
    assert!(answer.ends_with("reloaded, changed: nothing\n"), "{answer}");
    assert_eq!(rig.until(Phase::Paused).await, 0);
}

#[tokio::test]
async fn a_connection_that_the_kernel_took_before_the_drain_is_answered() {
    let mut rig = Rig::start("unready-wait = '0s', drain-timeout = '10m'").await;
    rig.until(Phase::Serving).await;
    // Connected and sent without giving the service its turn.
    let early: Vec<_> = (0..64)
        .map(|_| {
            use std::io::Write as _;
            let mut stream = std::net::TcpStream::connect(rig.data).unwrap();
            stream.write_all(b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            stream
        })
        .collect();
    rig.asks.try_send(Ask::Stop(Stop::Manager)).unwrap();
    assert_eq!(within(&mut rig.running).await.unwrap(), Exit::Clean);
    for mut stream in early {
        use std::io::Read as _;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer:?}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_port_in_use_names_the_listener_the_address_and_a_way_out() {
    let rig = Rig::start("").await;
    let text = format!("listeners.data = {{ address = '127.0.0.1', port = {} }}", rig.data.port());
    let source = strict_toml::Source::new("test.toml", text);
    let config = crate::config::parse(&source, std::path::Path::new("")).unwrap();
    let herald = Herald::new(Box::new(Counting(mpsc::unbounded_channel().0)));
    let (material, logs) = (Material::default(), heard().0);
    let built = App::build(Path::new(""), &config, &material, herald.watch(), &logs);
    let Err(Failure::Bind(error)) = built else { panic!("it bound") };
    let port = rig.data.port();
    assert_eq!(error.source.kind(), std::io::ErrorKind::AddrInUse);
    assert_eq!(
        error.to_string(),
        format!("listener `data` cannot bind 127.0.0.1:{port}: {}", error.source)
    );
    assert_eq!(
        error.help(),
        format!(
            "another program has port {port}: stop it, or set another `port` under [listeners.data]"
        )
    );
}
