//! Static files as clients get them.

use std::fs;

use tempfile::TempDir;

use super::rig::*;

/// A folder with files to serve, and one beside it that nobody may read.
struct Site {
    folder: TempDir,
    rig: Rig,
}

impl Site {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("www");
        fs::create_dir_all(root.join("docs")).unwrap();
        fs::write(root.join("a.txt"), "0123456789").unwrap();
        fs::write(root.join("docs/start.html"), "<p>docs").unwrap();
        fs::write(root.join(".env"), "secret").unwrap();
        fs::write(folder.path().join("secret.txt"), "secret").unwrap();
        let files = format!("files = {{ root = '{}', index = 'start.html' }}", root.display());
        let rig = Rig::start(&format!(
            "[routes.site]\npath = {{ prefix = '/site' }}\n{files}\n\
             response-headers = {{ set = {{ cache-control = 'max-age=3600' }} }}\n\
             [routes.bare]\nhosts = ['bare.example']\n{files}"
        ));
        Self { folder, rig }
    }

    /// What comes for a request and its headers, and for a request behind it on the same connection, which only one who
    /// knows where the first answer ends can read.
    async fn ask(&self, request: &str, headers: &str) -> String {
        let next = "GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let both = format!("{request} HTTP/1.1\r\nhost: x\r\n{headers}\r\n{next}");
        let answers = self.rig.exchange(&both).await;
        let (first, _) = answers.split_once("HTTP/1.1 404 Not Found\r\n").unwrap();
        first.to_owned()
    }
}

/// Checks the status of an answer, these lines of its head, and its body.
#[track_caller]
fn check(answer: &str, status: u16, lines: &[&str], body: &str) {
    let (head, rest) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    for line in lines {
        assert!(head.lines().any(|found| found == *line), "{line:?}: {answer}");
    }
    assert_eq!(rest, body, "{answer}");
}

#[tokio::test]
async fn a_file_is_sent_whole_in_part_by_its_head_alone_or_not_again() {
    let site = Site::start();
    let whole = site.ask("GET /site/a.txt", "").await;
    let head = ["content-length: 10", "accept-ranges: bytes", "cache-control: max-age=3600"];
    check(&whole, 200, &head, "0123456789");
    check(&site.ask("HEAD /site/a.txt", "").await, 200, &head, "");
    let part = site.ask("GET /site/a.txt", "range: bytes=2-4\r\n").await;
    check(&part, 206, &["content-length: 3", "content-range: bytes 2-4/10"], "234");
    let tag = whole.lines().find(|line| line.starts_with("etag: ")).unwrap();
    let known = format!("if-none-match: {}\r\n", &tag["etag: ".len()..]);
    check(&site.ask("GET /site/a.txt", &known).await, 304, &[tag], "");
    let beyond = site.ask("GET /site/a.txt", "range: bytes=10-\r\n").await;
    assert!(beyond.starts_with("HTTP/1.1 416 "), "{beyond}");
    let post = site.ask("POST /site/a.txt", "content-length: 0\r\n").await;
    assert!(post.starts_with("HTTP/1.1 405 "), "{post}");
}

#[tokio::test]
async fn a_folder_is_answered_by_its_index_once_its_path_has_a_slash() {
    let site = Site::start();
    let html = "content-type: text/html; charset=utf-8";
    check(&site.ask("GET /site/docs/", "").await, 200, &[html], "<p>docs");
    let elsewhere = site.ask("GET /site/docs?q", "").await;
    check(&elsewhere, 308, &["location: /site/docs/?q"], "");
}

#[tokio::test]
async fn no_path_and_no_link_leads_out_of_the_folder() {
    let site = Site::start();
    #[cfg(unix)]
    {
        let root = site.folder.path().join("www");
        std::os::unix::fs::symlink("../secret.txt", root.join("link.txt")).unwrap();
        std::os::unix::fs::symlink("..", root.join("up")).unwrap();
    }
    assert!(site.folder.path().join("secret.txt").exists());
    for (host, path, status) in [
        ("x", "/site/../secret.txt", 404),
        ("x", "/site/%2e%2e/secret.txt", 404),
        ("x", "/site/..%2fsecret.txt", 400),
        ("x", "/site/..%5csecret.txt", 400),
        ("x", "/site/docs/../../../secret.txt", 400),
        ("x", "/site/link.txt", 404),
        ("x", "/site/up/secret.txt", 404),
        ("x", "/site/.env", 404),
        ("bare.example", "/../secret.txt", 400),
        ("bare.example", "/%2e%2e/secret.txt", 400),
        ("bare.example", "//secret.txt", 404),
    ] {
        let get = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{CLOSE}\r\n");
        let answer = site.rig.exchange(&get).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        assert!(!answer.ends_with("secret"), "{path}: {answer}");
    }
}
