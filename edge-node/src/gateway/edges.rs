//! What the fuzz targets reach beside the public modules: whatever else reads bytes from outside. Nothing but them rests
//! on it.

pub use super::connection::stream::{Version, spoken};
pub use super::files::condition::{Conditions, Selected, Validators};
pub use super::files::place::{Place, find, relative};
pub use super::forwarded::{Via, Way, client_address, request_id, tells_of_the_way};
pub use super::proxy::{strip, strip_request};
pub use super::retry::grpc_timeout;
pub use super::tunnel::frames::{Frames, GOING_AWAY};
pub use super::tunnel::websocket;
