//! What a route makes of headers and paths on their way.

use super::rig::*;

/// The lines of a head that begin with one of these names, in order.
fn lines<'a>(head: &'a str, names: &[&str]) -> Vec<&'a str> {
    let head = head.split("\r\n\r\n").next().unwrap();
    let is_named = |line: &&str| names.iter().any(|name| line.starts_with(&format!("{name}: ")));
    let mut lines: Vec<_> = head.lines().filter(is_named).collect();
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn an_upstream_hears_the_headers_of_a_request_as_its_route_edits_them() {
    let mut upstream = Upstream::start(&[OK]).await;
    let edits = "[routes.all.request-headers]\nremove = ['x-secret', 'x-forwarded-port']\n\
                 set = { x-mode = 'new', x-forwarded-for = 'hidden' }\nadd = { x-site = '7' }";
    let rig = Rig::forwarding(upstream.address, edits);
    let get = "GET / HTTP/1.1\r\nhost: x\r\nx-secret: 1\r\nx-mode: old\r\nx-mode: older\r\nx-site: 1\r\n\
               connection: close\r\n\r\n";
    assert!(rig.exchange(get).await.ends_with("yes"));
    let heard = upstream.next().await;
    let names = ["x-secret", "x-mode", "x-site", "x-forwarded-for", "x-forwarded-port"];
    assert_eq!(
        lines(&heard, &names),
        ["x-forwarded-for: hidden", "x-mode: new", "x-site: 1", "x-site: 7"]
    );
}

#[tokio::test]
async fn a_client_hears_the_headers_of_an_answer_as_its_route_edits_them() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nserver: secret\r\nx-mode: old\r\nx-mode: older\r\n\
                  x-site: 1\r\n\r\nyes";
    let upstream = Upstream::start(&[answer]).await;
    let edits = "[routes.all.response-headers]\nremove = ['server']\n\
                 set = { x-mode = 'new' }\nadd = { x-site = '7' }";
    let rig = Rig::forwarding(upstream.address, edits);
    let answer = rig.exchange(GET).await;
    assert!(answer.ends_with("yes"), "{answer}");
    let names = ["server", "x-mode", "x-site"];
    assert_eq!(lines(&answer, &names), ["x-mode: new", "x-site: 1", "x-site: 7"]);
}

#[tokio::test]
async fn an_upstream_hears_the_path_that_its_route_makes_and_the_query_as_it_was() {
    let mut upstream = Upstream::start(&[OK]).await;
    let pool = pool(&[upstream.address], "");
    let rig = Rig::start(&format!(
        "{pool}[routes.users]\npath = {{ template = '/users/{{id}}/files/{{rest...}}' }}\n\
         forward = {{ pool = 'up', path = {{ template = '/f/{{id}}/of/{{rest...}}' }} }}\n\
         [routes.api]\npath = {{ prefix = '/api' }}\n\
         forward = {{ pool = 'up', path = {{ prefix = '/' }} }}\n\
         [routes.shop]\npath = {{ prefix = '/shop' }}\n\
         forward = {{ pool = 'up', path = {{ prefix = '/v2/shop' }} }}"
    ));
    for (asked, heard) in [
        ("/users/7/files/a/b%20c?q=/users/%41", "/f/7/of/a/b%20c?q=/users/%41"),
        ("/users/%41/files/x/../y", "/f/A/of/y"),
        ("/api/x?y", "/x?y"),
        ("/api", "/"),
        ("/shop/", "/v2/shop/"),
    ] {
        let get = format!("GET {asked} HTTP/1.1\r\nhost: x\r\n{CLOSE}\r\n");
        assert!(rig.exchange(&get).await.ends_with("yes"), "{asked}");
        let request = upstream.next().await;
        assert!(request.starts_with(&format!("GET {heard} HTTP/1.1\r\n")), "{asked}: {request}");
    }
}
