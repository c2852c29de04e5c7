//! The connections of a worker: each stands in the room with a control by which it is told to end,
//! when its listener goes away or when it did nothing for too long.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::pulse::{Overdue, Patience, Pulse};
use super::streams::Streams;
use crate::gateway::snapshot::{HEAD_TIME, Listening, UNREAD};
use crate::listener::{Departure, Stage};

/// The connections of a worker.
#[derive(Default)]
pub struct Room {
    controls: RefCell<Vec<Rc<Control>>>,
    /// The listeners that have connections here, so that each is followed once.
    followed: RefCell<Vec<Arc<Departure>>>,
    /// Woken by the first that enters.
    entered: Notify,
    /// Connections that gave up what they held since [`Room::take_given_up`].
    given_up: Cell<usize>,
}

/// By which a connection is told to end.
pub struct Control {
    listening: Arc<Listening>,
    departure: Arc<Departure>,
    pulse: Arc<Pulse>,
    patience: Patience,
    /// Those of HTTP/2.
    pub streams: Streams,
    order: Cell<Order>,
    waker: RefCell<Option<Waker>>,
    index: Cell<usize>,
}

/// What a connection is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Nothing.
    Stay,
    /// To give up its buffers.
    Rest,
    /// To end when it is idle.
    End,
    /// To take its leave, if it is none that is idle at times.
    Close,
    /// To end now.
    Cut,
}

/// A place in the room, left when dropped.
pub struct Standing {
    room: Rc<Room>,
    control: Rc<Control>,
}

impl Room {
    /// Waits until there is a connection.
    pub async fn until_used(&self) {
        while self.controls.borrow().is_empty() {
            self.entered.notified().await;
        }
    }

    /// Takes in a connection of a listener.
    pub fn enter(
        self: &Rc<Self>,
        listening: &Arc<Listening>,
        departure: &Arc<Departure>,
        pulse: &Arc<Pulse>,
        patience: Patience,
    ) -> Standing {
        self.follow(departure);
        let mut controls = self.controls.borrow_mut();
        let order = match *departure.stages().borrow() {
            // The kernel let it in before that: it is answered, which ends it.
            Stage::Ending => Order::Stay,
            stage @ (Stage::Open | Stage::Closing | Stage::Cut) => Order::of(stage),
        };
        let control = Rc::new(Control {
            listening: Arc::clone(listening),
            departure: Arc::clone(departure),
            pulse: Arc::clone(pulse),
            patience,
            streams: Streams::default(),
            order: Cell::new(order),
            waker: RefCell::new(None),
            index: Cell::new(controls.len()),
        });
        controls.push(Rc::clone(&control));
        if controls.len() == 1 {
            self.entered.notify_one();
        }
        Standing { room: Rc::clone(self), control }
    }

    /// A connection gave up what it held.
    pub fn gave_up(&self) {
        self.given_up.set(self.given_up.get() + 1);
    }

    /// True if so many connections gave up what they held; the count then begins anew.
    pub fn take_given_up(&self, least: usize) -> bool {
        let is_enough = self.given_up.get() >= least;
        if is_enough {
            self.given_up.set(0);
        }
        is_enough
    }

    /// Ends the connections that did nothing for too long, and streams that are read too slowly.
    pub fn end_overdue(&self, now: Instant) {
        for control in &*self.controls.borrow() {
            let refused = &control.listening.refused;
            for _ in 0..control.streams.cut_overdue(control.patience.write, now) {
                refused.count(UNREAD);
            }
            match control.pulse.overdue(control.patience, now) {
                // A request that comes in this moment is still answered.
                Some(Overdue::Idle) => _ = control.tell(Order::End),
                Some(Overdue::Unread) if control.tell(Order::Cut) => refused.count(UNREAD),
                Some(Overdue::Head) if control.tell(Order::Cut) => refused.count(HEAD_TIME),
                Some(Overdue::Rest) => {
                    control.streams.rest();
                    control.tell(Order::Rest);
                }
                Some(Overdue::Head | Overdue::Unread) | None => {}
            }
        }
    }

    /// Passes on the stages of a listener's departure, as long as the worker lives.
    fn follow(self: &Rc<Self>, departure: &Arc<Departure>) {
        let mut followed = self.followed.borrow_mut();
        if followed.iter().any(|known| Arc::ptr_eq(known, departure)) {
            return;
        }
        let mut stages = departure.stages();
        // What it stands at is for who enters to heed.
        if *stages.borrow_and_update() == Stage::Cut {
            return;
        }
        followed.push(Arc::clone(departure));
        let (room, departure) = (Rc::downgrade(self), Arc::clone(departure));
        tokio::task::spawn_local(async move {
            while stages.changed().await.is_ok() {
                let stage = *stages.borrow_and_update();
                let Some(room) = room.upgrade() else { return };
                room.pass_on(&departure, stage);
                if stage == Stage::Cut {
                    room.followed.borrow_mut().retain(|known| !Arc::ptr_eq(known, &departure));
                    return;
                }
            }
        });
    }

    fn pass_on(&self, departure: &Arc<Departure>, stage: Stage) {
        for control in &*self.controls.borrow() {
            if Arc::ptr_eq(&control.departure, departure) {
                control.tell(Order::of(stage));
            }
        }
    }
}

impl Order {
    fn of(stage: Stage) -> Self {
        match stage {
            Stage::Open => Self::Stay,
            Stage::Ending => Self::End,
            Stage::Closing => Self::Close,
            Stage::Cut => Self::Cut,
        }
    }
}

impl Control {
    /// What the connection was told; `waker` is woken when that changes.
    pub fn order(&self, waker: &Waker) -> Order {
        let mut known = self.waker.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
        self.order.get()
    }

    /// The connection works again.
    pub fn rested(&self) {
        if self.order.get() == Order::Rest {
            self.order.set(Order::Stay);
        }
    }

    /// Tells the connection something, unless it was told that or more; true if it was not.
    fn tell(&self, order: Order) -> bool {
        let is_more = order > self.order.get();
        if is_more {
            self.order.set(order);
            if let Some(waker) = &*self.waker.borrow() {
                waker.wake_by_ref();
            }
        }
        is_more
    }
}

impl Standing {
    /// The connection's control.
    pub fn control(&self) -> &Control {
        &self.control
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let mut controls = self.room.controls.borrow_mut();
        let index = self.control.index.get();
        self.room.gave_up();
        controls.swap_remove(index);
        if let Some(moved) = controls.get(index) {
            moved.index.set(index);
        }
    }
}
