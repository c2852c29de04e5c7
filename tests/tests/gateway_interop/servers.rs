//! nginx and Caddy as upstreams.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use tests::certificates::Authority;
use tests::gateway::Gateway;
use tests::process::Background;
use tests::raw::Client;
use tests::{http, needs, wait};

use super::{PATIENCE, free_port, noise, run};

const NGINX: &str = r#"
daemon off;
pid FOLDER/nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy; fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi; scgi_temp_path FOLDER/scgi;
  default_type application/octet-stream;
  client_max_body_size 0;
  server {
    listen 127.0.0.1:PORT;
    listen unix:FOLDER/plain.sock;
    root FOLDER/www;
    location /upload/ { dav_methods PUT DELETE; }
    location /none { return 204; }
    location /zip/ { gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any; alias FOLDER/www/; }
  }
  server { listen unix:FOLDER/http2.sock http2; root FOLDER/www; }
  server {
    listen unix:FOLDER/tls.sock ssl;
    ssl_certificate FOLDER/app.pem; ssl_certificate_key FOLDER/app.key;
    ssl_client_certificate FOLDER/ca.pem; ssl_verify_client on;
    root FOLDER/www;
    location /who { return 200 $ssl_client_s_dn; }
  }
}
"#;

const CADDY: &str = r"
{
  admin off
  auto_https off
  servers {
    protocols h1 h2c
  }
}
http://127.0.0.1:PORT {
  root * FOLDER/www
  respond /none 204
  encode gzip
  file_server
}
";

/// A server, and a gateway before it.
struct Behind {
    gateway: Gateway,
    _server: Background,
    folder: TempDir,
}

impl Behind {
    fn nginx() -> Self {
        let routes = [("http1", "plain"), ("http2", "http2")].map(|(protocol, socket)| {
            format!(
                "[pools.{socket}]\nprotocol = '{protocol}'\nupstreams = [{{ address = 'unix:FOLDER/{socket}.sock' }}]\n\
                 [routes.{socket}]\nhosts = ['{socket}']\nforward = {{ pool = '{socket}' }}\n"
            )
        });
        let tls = "[pools.tls]\nupstreams = [{ address = 'unix:FOLDER/tls.sock' }]\n\
                   tls = { authorities = 'FOLDER/ca.pem', server-name = 'app.local', certificate = { chain = 'FOLDER/edge.pem', key = 'FOLDER/edge.key' } }\n\
                   [routes.tls]\nhosts = ['tls']\nforward = { pool = 'tls' }\n";
        Self::start("nginx", NGINX, &(routes.concat() + tls), |file| {
            let mut command = Command::new("nginx");
            command.arg("-e").arg("stderr").arg("-c").arg(file);
            command
        })
    }

    fn caddy() -> Self {
        let http2 = "[pools.http2]\nprotocol = 'http2'\nupstreams = [{ address = '127.0.0.1:PORT' }]\n\
                     [routes.http2]\nhosts = ['http2']\nforward = { pool = 'http2', host = 'upstream' }\n";
        Self::start("caddy", CADDY, http2, |file| {
            let mut command = Command::new("caddy");
            command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
            command
        })
    }

    fn start(name: &str, config: &str, tables: &str, command: impl Fn(&Path) -> Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let fill = |text: &str| {
            let path = folder.path().to_str().unwrap();
            text.replace("FOLDER", path).replace("PORT", &port.to_string())
        };
        site(folder.path());
        let file = folder.path().join(name);
        fs::write(&file, fill(config)).unwrap();
        let log = folder.path().join("log");
        let mut command = command(&file);
        command.env("HOME", folder.path()).env("XDG_DATA_HOME", folder.path());
        let server = Background::start(&mut command, &log);
        let address = ([127, 0, 0, 1], port).into();
        let is_up = wait::within(PATIENCE, || http::get(address, "/hello").ok());
        assert!(is_up.is_some(), "{}", fs::read_to_string(&log).unwrap());
        let all = "[pools.up]\nupstreams = [{ address = '127.0.0.1:PORT' }]\n[routes.all]\nforward = { pool = 'up', host = 'upstream' }\n";
        let gateway = Gateway::start(&fill(&format!("{all}{tables}")));
        Self { gateway, _server: server, folder }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.gateway.data())
    }

    fn curl(&self, arguments: &[&str]) -> String {
        let common = ["-sS", "--fail-with-body", "--path-as-is"];
        run("curl", &[&common[..], arguments].concat()).success()
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// What any server does with files.
    #[track_caller]
    fn serves_files(&self, host: &str) {
        let host = format!("host: {host}");
        let output = self.file("output");
        self.curl(&["-H", &host, "-o", &output, &self.url("/large")]);
        assert!(fs::read(&output).unwrap() == noise(5 << 20), "another file came");
        assert_eq!(self.curl(&["-H", &host, &self.url("/hello")]), "hello, world\n");
        assert_eq!(self.curl(&["-H", &host, "-r", "7-11", &self.url("/hello")]), "world");
        let head = self.curl(&["-H", &host, "-I", &self.url("/hello")]).to_lowercase();
        assert!(head.contains("content-length: 13\r\n"), "{head}");
        let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
        let condition = format!("if-none-match: {tag}");
        let same = self.curl(&[
            "-H",
            &host,
            "-H",
            &condition,
            "-w",
            "%{response_code}",
            &self.url("/hello"),
        ]);
        assert_eq!(same, "304");
        let none = ["-sS", "-o", "/dev/null", "-w", "%{response_code}", "-H", &host];
        assert_eq!(run("curl", &[&none[..], &[&self.url("/nowhere")]].concat()).success(), "404");
    }

    /// All kinds of answers one after the other on one connection of the client.
    #[track_caller]
    fn keeps_a_connection(&self) {
        let mut client = Client::connect(self.gateway.data());
        for (request, status, body) in [
            ("GET /hello", 200, "hello, world\n"),
            ("HEAD /hello", 200, ""),
            ("GET /none", 204, ""),
            ("GET /nowhere", 404, "?"),
            ("GET /hello", 200, "hello, world\n"),
        ] {
            client.send(format!("{request} HTTP/1.1\r\nhost: edge\r\n\r\n").as_bytes());
            let is_head = request.starts_with("HEAD ");
            let answer = if is_head { client.answer_to_head() } else { client.answer() }.unwrap();
            assert_eq!(answer.status(), status, "{request}");
            assert!(body == "?" || answer.text() == body, "{request}: {}", answer.text());
        }
    }
}

/// Files to serve, and certificates of an authority.
fn site(folder: &Path) {
    fs::create_dir_all(folder.join("www/upload")).unwrap();
    fs::write(folder.join("www/hello"), "hello, world\n").unwrap();
    fs::write(folder.join("www/large"), noise(5 << 20)).unwrap();
    fs::write(folder.join("www/text.txt"), "0123456789\n".repeat(10_000)).unwrap();
    // nginx gives its work to a user who may not enter a folder that is somebody's own.
    for entry in [folder.to_path_buf(), folder.join("www"), folder.join("www/upload")] {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(entry, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let authority = Authority::new("site");
    authority.write(folder, "ca");
    authority.server(&["app.local"]).write(folder, "app");
    authority.client(&["edge.local"]).write(folder, "edge");
}

#[test]
fn nginx_serves_files_by_tcp_by_a_unix_socket_and_by_http_2() {
    needs!(Tool("nginx"), Tool("curl"));
    let behind = Behind::nginx();
    for host in ["edge", "plain", "http2"] {
        behind.serves_files(host);
    }
    behind.keeps_a_connection();
    // Made while it is sent, so in chunks.
    let text = behind.curl(&["--compressed", &behind.url("/zip/text.txt")]);
    assert_eq!(text, "0123456789\n".repeat(10_000));
}

#[test]
fn nginx_takes_large_bodies_however_they_are_sent() {
    needs!(Tool("nginx"), Tool("curl"));
    let behind = Behind::nginx();
    let large = behind.file("www/large");
    for (number, options) in [
        &["-H", "Expect: 100-continue"][..],
        &["-H", "Expect:"],
        &["-H", "Transfer-Encoding: chunked"],
        &["--http2-prior-knowledge"],
    ]
    .into_iter()
    .enumerate()
    {
        let url = behind.url(&format!("/upload/{number}"));
        behind.curl(&[options, &["-T", &large, &url]].concat());
        let stored = fs::read(behind.file(&format!("www/upload/{number}"))).unwrap();
        assert!(stored == noise(5 << 20), "{options:?}: another file was stored");
    }
    behind.curl(&["-X", "DELETE", &behind.url("/upload/0")]);
    assert!(!Path::new(&behind.file("www/upload/0")).exists());
}

#[test]
fn nginx_knows_the_gateway_by_its_certificate() {
    needs!(Tool("nginx"), Tool("curl"));
    let behind = Behind::nginx();
    assert_eq!(behind.curl(&["-H", "host: tls", &behind.url("/who")]), "CN=client");
    behind.serves_files("tls");
}

#[test]
fn caddy_serves_files_by_http_1_and_2() {
    needs!(Tool("caddy"), Tool("curl"));
    let behind = Behind::caddy();
    for host in ["edge", "http2"] {
        behind.serves_files(host);
    }
    behind.keeps_a_connection();
    let text = behind.curl(&["--compressed", &behind.url("/text.txt")]);
    assert_eq!(text, "0123456789\n".repeat(10_000));
}
