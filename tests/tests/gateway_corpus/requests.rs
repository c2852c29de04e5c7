//! HTTP/1.1 requests. Sources: RFC 9110, RFC 9112, RFC 3986, and the CVEs that are named.

mod framing;
mod heads;
mod passage;
mod targets;

const A: &[&str] = &["GET /a HTTP/1.1 | host: edge"];
const POST: &[&str] = &["POST /a HTTP/1.1 | content-length: 5 | host: edge | hello"];
const CHUNKED: &[&str] = &["POST /a HTTP/1.1 | host: edge | transfer-encoding: chunked | hello"];
const NONE: &[&str] = &[];

macro_rules! get {
    ($($headers:literal),*) => { concat!("GET /a HTTP/1.1\r\nhost: edge\r\n", $($headers, "\r\n",)* "\r\n") };
}

macro_rules! post {
    ([$($headers:literal),*], $body:literal) => {
        concat!("POST /a HTTP/1.1\r\nhost: edge\r\n", $($headers, "\r\n",)* "\r\n", $body)
    };
}

use get;
use post;
