//! Which upstream of a pool gets a request, by weight and by hash.

use super::rig::*;
use super::*;

/// Upstreams that answer each with its own letter.
async fn lettered<const COUNT: usize>() -> [SocketAddr; COUNT] {
    let mut addresses = Vec::new();
    for letter in ('a'..).take(COUNT) {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{letter}");
        addresses.push(Upstream::start(&[&answer]).await.address);
    }
    addresses.try_into().unwrap()
}

/// Who answers requests that come one after the other on one connection, each with a header.
async fn answering(rig: &Rig, headers: &[String]) -> String {
    let get = |header: &String| format!("GET / HTTP/1.1\r\nhost: x\r\n{header}\r\n");
    let mut requests: String = headers.iter().map(get).collect();
    requests.insert_str(requests.len() - 2, CLOSE);
    let answers = rig.exchange(&requests).await;
    // The body and the next head stand together.
    let bodies = answers.split("\r\n\r\n").skip(1);
    let letters: String = bodies.filter_map(|body| body.chars().next()).collect();
    assert_eq!(letters.len(), headers.len(), "{answers}");
    letters
}

#[tokio::test]
async fn in_turn_an_upstream_gets_its_weights_share_to_the_request() {
    let [light, heavy] = lettered().await;
    let rig = Rig::start(&format!(
        "[pools.up]\nupstreams = [{{ address = '{light}' }}, {{ address = '{heavy}', weight = 3 }}]\n\
         [routes.all]\nforward = {{ pool = 'up' }}"
    ));
    let letters = answering(&rig, &vec![String::new(); 400]).await;
    let [light, heavy] = ['a', 'b'].map(|letter| letters.matches(letter).count());
    assert_eq!((light, heavy), (100, 300), "{letters}");
    // None waits for the whole round.
    assert!(!letters.contains("bbbbbb"), "{letters}");
}

/// Checks that by this way to balance requests with the same header go to the same upstream, and those with others to
/// all of them; without the header, to one.
async fn check_kept_together(balance: &str, header: impl Fn(usize) -> String) {
    let upstreams: [SocketAddr; 4] = lettered().await;
    let pool = pool(&upstreams, &format!("balance = {{ consistent-hash = {balance} }}"));
    let text = format!("{pool}[routes.all]\nforward = {{ pool = 'up' }}");
    let rig = Rig::with_listener("trusted-proxies = ['127.0.0.1']", &text);
    let headers: Vec<_> = (0..100).map(header).collect();
    let letters = answering(&rig, &headers).await;
    for letter in 'a'..='d' {
        assert!(letters.contains(letter), "{balance} {letter}: {letters}");
    }
    assert_eq!(answering(&rig, &headers).await, letters, "{balance}");
    let without = answering(&rig, &vec![String::new(); 20]).await;
    assert_eq!(without.matches(&without[..1]).count(), 20, "{balance}: {without}");
}

#[tokio::test]
async fn requests_of_one_header_or_one_client_go_to_one_upstream_and_others_to_others() {
    check_kept_together("{ header = 'x-user' }", |user| format!("x-user: {user}\r\n")).await;
    let client = |number| format!("x-forwarded-for: 10.0.0.{number}\r\n");
    check_kept_together("'client-address'", client).await;
    // The header is missing.
    check_kept_together("{ header = 'x-user' }", client).await;
}
