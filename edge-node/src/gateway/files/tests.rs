//! Whole answers from a folder.

use std::fs;

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt as _;

use super::*;

struct Site {
    folder: tempfile::TempDir,
    settings: Files,
    pattern: PathPattern,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("docs/empty")).unwrap();
        fs::write(folder.path().join("index.html"), "<p>hi").unwrap();
        fs::write(folder.path().join("docs/index.html"), "<p>docs").unwrap();
        fs::write(folder.path().join("a b.txt"), "0123456789").unwrap();
        fs::write(folder.path().join(".env"), "secret").unwrap();
        fs::create_dir(folder.path().join(".well-known")).unwrap();
        fs::write(folder.path().join(".well-known/security.txt"), "mail us").unwrap();
        let settings = Files { root: folder.path().to_owned(), index: "index.html".into() };
        Self { folder, settings, pattern: PathPattern::Prefix("".into()) }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Response<FileBody>, Fault> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let query = Some("q=1");
        let pattern = &self.pattern;
        serve(&self.settings, Asked { method: &method, path, query, headers: &headers, pattern })
            .await
    }

    async fn get(&self, path: &str) -> Result<(u16, Bytes), Fault> {
        let response = self.ask(Method::GET, path, &[]).await?;
        let status = response.status().as_u16();
        Ok((status, response.into_body().collect().await.unwrap().to_bytes()))
    }
}

#[tokio::test]
async fn files_and_the_index_of_folders_are_sent() {
    let site = Site::new();
    assert_eq!(site.get("/").await, Ok((200, "<p>hi".into())));
    assert_eq!(site.get("/docs/").await, Ok((200, "<p>docs".into())));
    assert_eq!(site.get("/a%20b.txt").await, Ok((200, "0123456789".into())));
    assert_eq!(site.get("/.well-known/security.txt").await, Ok((200, "mail us".into())));
    for path in ["/missing", "/docs/empty/", "/.env", "/a%20b.txt/", "/a%20b.txt/x"] {
        assert_eq!(site.get(path).await, Err(Fault::NoFile), "{path}");
    }
}

#[tokio::test]
async fn of_a_prefix_what_follows_it_is_looked_for() {
    let mut site = Site::new();
    site.pattern = PathPattern::Prefix("/site".into());
    assert_eq!(site.get("/site/docs/").await, Ok((200, "<p>docs".into())));
    let response = site.ask(Method::GET, "/site", &[]).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["location"]),
        (308, &"/site/?q=1".parse().unwrap())
    );
    site.pattern = PathPattern::Exact("/docs/index.html".into());
    assert_eq!(site.get("/docs/index.html").await, Ok((200, "<p>docs".into())));
}

#[tokio::test]
async fn a_folder_without_its_slash_is_elsewhere() {
    let response = Site::new().ask(Method::GET, "/docs", &[]).await.unwrap();
    assert_eq!(response.status(), 308);
    assert_eq!(response.headers()["location"], "/docs/?q=1");
}

#[tokio::test]
async fn head_is_told_what_get_would_be_and_other_methods_are_refused() {
    let site = Site::new();
    let get = site.ask(Method::GET, "/a%20b.txt", &[]).await.unwrap();
    let head = site.ask(Method::HEAD, "/a%20b.txt", &[("range", "bytes=0-1")]).await.unwrap();
    assert_eq!((head.status(), head.headers()), (get.status(), get.headers()));
    assert_eq!(head.headers()["content-length"], "10");
    assert_eq!(head.headers()["content-type"], "text/plain; charset=utf-8");
    assert!(head.body().is_end_stream());
    let refused = site.ask(Method::POST, "/", &[]).await.map(|_response| ());
    assert_eq!(refused, Err(Fault::Method(vec![Method::GET, Method::HEAD])));
}

#[tokio::test]
async fn a_part_and_an_unchanged_file_are_told_as_such() {
    let site = Site::new();
    let part = site.ask(Method::GET, "/a%20b.txt", &[("range", "bytes=2-4")]).await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], "bytes 2-4/10");
    assert_eq!(part.headers()["content-length"], "3");
    let tag = part.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(part.into_body().collect().await.unwrap().to_bytes(), "234");
    let same = site.ask(Method::GET, "/a%20b.txt", &[("if-none-match", &tag)]).await.unwrap();
    assert_eq!((same.status().as_u16(), &same.headers()["etag"]), (304, &tag.parse().unwrap()));
    assert!(same.body().is_end_stream() && !same.headers().contains_key("content-length"));
    let outside = site.ask(Method::GET, "/a%20b.txt", &[("range", "bytes=10-")]).await;
    assert_eq!(outside.map(|_response| ()), Err(Fault::Range(10)));
}

#[tokio::test]
async fn a_long_file_comes_in_chunks_and_whole() {
    let site = Site::new();
    let text: Vec<u8> = (0..200_000_u32).map(|at| at.to_le_bytes()[0]).collect();
    fs::write(site.folder.path().join("long.bin"), &text).unwrap();
    let mut body =
        site.ask(Method::GET, "/long.bin", &[("range", "bytes=1-")]).await.unwrap().into_body();
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let chunk = frame.unwrap().into_data().unwrap();
        assert!(chunk.len() <= 32 * 1024);
        read.extend_from_slice(&chunk);
        assert_eq!(body.size_hint().exact(), Some((text.len() - 1 - read.len()) as u64));
    }
    assert_eq!(read, text[1..]);
}

#[tokio::test]
async fn a_file_that_becomes_shorter_breaks_the_body() {
    let site = Site::new();
    let path = site.folder.path().join("long.bin");
    fs::write(&path, vec![0; 100_000]).unwrap();
    let response = site.ask(Method::GET, "/long.bin", &[]).await.unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(40_000).unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}
