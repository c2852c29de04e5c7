//! The gateway on real sockets: what reaches an upstream, and what comes back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;
use crate::build_info;

mod answers;
mod balance;
mod blame;
mod edits;
mod files;
mod forward;
mod http2;
mod limits;
mod rig;
mod secure;
mod streams;
mod tunnels;
