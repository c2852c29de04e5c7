//! Bodies on their way: of answers to clients, with the account that is closed at their end, and
//! of requests to upstreams, with the limits that a listener and a route set.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::client::Lease;
use super::connection::Streams;
use super::connection::pulse::Pulse;
use super::exchange::Exchange;
use super::files::FileBody;
use super::head;
use crate::upstream::Try;

/// Bytes of an answer that an HTTP/2 client must make room for at a time, so that one on a slow line is known to read.
const PIECE_MAX: usize = 16 * 1024;

/// The body of an answer.
pub struct Answer {
    content: Content,
    /// What is left of a frame of it that is handed over in pieces.
    rest: Bytes,
    /// Closed when the answer is complete, or given up.
    exchange: Option<Box<Exchange>>,
}

/// What a body is made of.
pub enum Content {
    /// Bytes that are there; none once they were taken.
    Full(Bytes),
    /// What an upstream sends.
    Passed(Passed),
    /// What a file holds.
    File(FileBody),
}

/// A body that an upstream sends, and the connection it comes on.
pub struct Passed {
    incoming: Incoming,
    lease: Option<Lease>,
    _attempt: Try,
    stall: Stall,
    is_complete: bool,
}

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("{0}")]
    Peer(#[from] hyper::Error),
    #[error("nothing came for too long")]
    Stalled,
    #[error("body is larger than allowed")]
    TooLarge,
    #[error("body comes too slowly")]
    TooSlow,
    #[error("body is sent elsewhere")]
    TakenBack,
    #[error("{0}")]
    Read(#[from] std::io::Error),
}

/// The time that a request and its answer may stand still, both of them; no timer is set while they do not.
pub struct Stall {
    /// How long nothing may come.
    pub limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    traffic: Traffic,
}

/// When bytes of a request's body or of its answer passed last; none if the request has no body, so that there is but
/// one direction.
#[derive(Clone, Debug, Default)]
pub struct Traffic(Option<Rc<Cell<Instant>>>);

impl Traffic {
    /// That of a request with a body.
    pub fn begin() -> Self {
        Self(Some(Rc::new(Cell::new(Instant::now()))))
    }

    /// Something passed.
    fn passed(&self) {
        if let Some(last) = &self.0 {
            last.set(Instant::now());
        }
    }

    /// When `limit` is over, if that is later than now.
    fn patience(&self, limit: Duration) -> Option<Instant> {
        let until = self.0.as_ref()?.get() + limit;
        (until > Instant::now()).then_some(until)
    }
}

impl Stall {
    /// Nothing has stood still so far.
    pub fn new(limit: Duration, traffic: Traffic) -> Self {
        Self { limit, sleep: None, traffic }
    }

    /// Something came.
    fn moved(&mut self) {
        self.sleep = None;
        self.traffic.passed();
    }

    /// Nothing came; ready once that took too long, and nothing went the other way either.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        loop {
            ready!(sleep.as_mut().poll(context));
            let Some(until) = self.traffic.patience(limit) else { return Poll::Ready(()) };
            sleep.as_mut().reset(until);
        }
    }
}

impl Answer {
    /// A body, at the end of which the account of its request is closed.
    pub fn new(content: Content, exchange: Box<Exchange>) -> Self {
        let answer = Self { content, rest: Bytes::new(), exchange: Some(exchange) };
        if let Some(streams) = answer.streams() {
            streams.wait();
        }
        answer
    }

    /// No body, in the place of which something else has the account.
    pub fn empty() -> Self {
        Self { content: Content::Full(Bytes::new()), rest: Bytes::new(), exchange: None }
    }

    /// The streams of its connection, if that is HTTP/2: what was handed over waits until the client has room for it,
    /// and only then is more asked for.
    fn streams(&self) -> Option<&Streams> {
        self.exchange.as_ref()?.streams()
    }

    fn poll_content(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(match &mut self.content {
            Content::Full(bytes) if bytes.is_empty() => None,
            Content::Full(bytes) => Some(Ok(Frame::data(std::mem::take(bytes)))),
            Content::Passed(passed) => ready!(passed.poll_frame(context)),
            Content::File(body) => ready!(Pin::new(body).poll_frame(context))
                .map(|frame| frame.map_err(BodyError::from)),
        })
    }

    /// A frame for an HTTP/2 client: none larger than a piece.
    fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.rest.is_empty() {
            match ready!(self.poll_content(context)).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(trailers))) => return Poll::Ready(Some(Ok(trailers))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let piece = self.rest.split_to(self.rest.len().min(PIECE_MAX));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match self.streams() {
            Some(streams) => {
                streams.go_on();
                ready!(self.poll_piece(context))
            }
            None => ready!(self.poll_content(context)),
        };
        if let (Some(exchange), Some(Ok(frame))) = (&mut self.exchange, &frame) {
            exchange.sent(frame.data_ref().map_or(0, bytes::Buf::remaining));
        }
        if let (Some(streams), true) = (self.streams(), frame.is_some()) {
            streams.wait();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
            && match &self.content {
                Content::Full(bytes) => bytes.is_empty(),
                Content::Passed(passed) => passed.incoming.is_end_stream(),
                Content::File(body) => body.is_end_stream(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        // Asked for before anything was taken out of it, so that there is no rest.
        match &self.content {
            Content::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Passed(passed) => passed.incoming.size_hint(),
            Content::File(body) => body.size_hint(),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(streams) = self.streams() {
            streams.go_on();
        }
    }
}

impl Passed {
    /// A body that comes on the connection of `lease`, which is given back at its end.
    pub fn new(incoming: Incoming, lease: Lease, attempt: Try, stall: Stall) -> Self {
        Self { incoming, lease: Some(lease), _attempt: attempt, stall, is_complete: false }
    }

    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(context) else {
            ready!(self.stall.poll(context));
            return Poll::Ready(Some(Err(BodyError::Stalled)));
        };
        self.stall.moved();
        self.is_complete = frame.is_none();
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)))
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        let is_complete = self.is_complete || self.incoming.is_end_stream();
        if let (Some(lease), true) = (self.lease.take(), is_complete) {
            lease.give_back();
        }
    }
}

/// The body of a request on its way to an upstream.
pub struct Outbound(Option<Shared>);

/// A client's body, as who may have to send it again holds it.
pub struct Original(Shared);

/// None once it was taken back.
type Shared = Rc<RefCell<Option<Sending>>>;

struct Sending {
    incoming: Incoming,
    limits: BodyLimits,
    /// True once anything was taken out of it, and once all of it was.
    has_begun: bool,
    has_ended: bool,
    bytes: u64,
    /// How long the client was waited for.
    waited: Duration,
    waiting_since: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Told to who answers the client.
    refusal: Option<Refusal>,
    origin: Origin,
    traffic: Traffic,
}

/// Where a client's body comes from: told once all of it came.
pub struct Origin {
    pub pulse: Arc<Pulse>,
    /// The number of its request.
    pub number: u32,
}

/// Why a client's body was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is larger than allowed.
    TooLarge,
    /// It comes more slowly than allowed, or not at all.
    TooSlow,
    /// It broke off, or is not as its framing says.
    Broken,
}

/// What a client's body may be.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    pub bytes_max: Option<u64>,
    pub rate_min: Option<u64>,
    /// How long a client may take before its rate counts.
    pub grace: Duration,
    /// How long nothing may come.
    pub stall: Duration,
}

impl Outbound {
    /// No body.
    pub fn empty() -> Self {
        Self(None)
    }
}

impl Original {
    /// A client's body.
    pub fn new(incoming: Incoming, limits: BodyLimits, origin: Origin) -> Self {
        Self(Rc::new(RefCell::new(Some(Sending {
            incoming,
            limits,
            has_begun: false,
            has_ended: false,
            bytes: 0,
            waited: Duration::ZERO,
            waiting_since: None,
            sleep: None,
            refusal: None,
            origin,
            traffic: Traffic::begin(),
        }))))
    }

    /// What is sent of it.
    pub fn outbound(&self) -> Outbound {
        Outbound(Some(Rc::clone(&self.0)))
    }

    /// Why it was refused, if it was.
    pub fn refusal(&self) -> Option<Refusal> {
        self.0.borrow().as_ref()?.refusal
    }

    /// True while more of it is waited for.
    pub fn is_waited_for(&self) -> bool {
        self.0.borrow().as_ref().is_some_and(|sending| sending.waiting_since.is_some())
    }

    /// What passes of it, as long as there is more to come.
    pub fn traffic(&self) -> Traffic {
        let sending = self.0.borrow();
        let open = sending.as_ref().filter(|sending| !sending.has_ended);
        open.map(|sending| sending.traffic.clone()).unwrap_or_default()
    }

    /// Takes it back from who was to send it, if all of it is still there.
    pub fn take_back(self) -> Option<Self> {
        let sending = self.0.take().filter(|sending| !sending.has_begun)?;
        Some(Self(Rc::new(RefCell::new(Some(sending)))))
    }
}

impl Sending {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(mut frame) = Pin::new(&mut self.incoming).poll_frame(context) else {
            return self.wait(context);
        };
        self.has_begun = true;
        self.traffic.passed();
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
            self.sleep = None;
        }
        match &frame {
            // The client's doing, for which no upstream may answer.
            Some(Err(_)) => self.refusal = Some(Refusal::Broken),
            Some(Ok(_)) if !self.incoming.is_end_stream() => {}
            Some(Ok(_)) | None => {
                self.has_ended = true;
                self.origin.pulse.end_body(self.origin.number);
            }
        }
        if let Some(Ok(frame)) = &mut frame {
            if let Some(trailers) = frame.trailers_mut() {
                head::scrub_trailers(trailers);
            }
            self.bytes += frame.data_ref().map_or(0, Bytes::remaining) as u64;
            if self.limits.bytes_max.is_some_and(|max| self.bytes > max) {
                self.refusal = Some(Refusal::TooLarge);
                return Poll::Ready(Some(Err(BodyError::TooLarge)));
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)))
    }

    /// Waits for the client, as long as its rate allows; time that the upstream takes does not
    /// count.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.sleep.is_none() {
            self.waiting_since = Some(Instant::now());
            let patience = self.patience();
            self.sleep = Some(Box::pin(tokio::time::sleep(patience)));
        }
        while let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(context));
            let Some(until) = self.more_patience() else { break };
            self.sleep = Some(Box::pin(tokio::time::sleep_until(until)));
        }
        self.refusal = Some(Refusal::TooSlow);
        Poll::Ready(Some(Err(BodyError::TooSlow)))
    }

    fn patience(&self) -> Duration {
        self.rate_patience().min(self.limits.stall)
    }

    /// How long the client may take with the next bytes by its rate.
    fn rate_patience(&self) -> Duration {
        let Some(rate) = self.limits.rate_min else { return Duration::MAX };
        let earned = Duration::from_secs_f64(self.bytes as f64 / rate.max(1) as f64);
        (self.limits.grace + earned).saturating_sub(self.waited)
    }

    /// Until when the client is waited for longer, as its answer goes on meanwhile; not beyond what its rate allows.
    fn more_patience(&self) -> Option<Instant> {
        let now = Instant::now();
        let until = self.traffic.patience(self.limits.stall)?;
        let by_rate = self.rate_patience().checked_sub(now - self.waiting_since?)?;
        let until = now.checked_add(by_rate).map_or(until, |latest| until.min(latest));
        (until > now).then_some(until)
    }
}

impl Body for Outbound {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(shared) = &self.0 else { return Poll::Ready(None) };
        match &mut *shared.borrow_mut() {
            Some(sending) => sending.poll_frame(context),
            None => Poll::Ready(Some(Err(BodyError::TakenBack))),
        }
    }

    fn is_end_stream(&self) -> bool {
        let Some(shared) = &self.0 else { return true };
        shared.borrow().as_ref().is_some_and(|sending| sending.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let Some(shared) = &self.0 else { return SizeHint::with_exact(0) };
        shared.borrow().as_ref().map(|sending| sending.incoming.size_hint()).unwrap_or_default()
    }
}
