//! What is reported, seen by a reporter that remembers it.

use std::sync::mpsc;
use std::sync::{Condvar, Mutex};

use super::*;
use crate::observe::logs::{self, Stream};

const PATIENCE: Duration = Duration::from_secs(10);

/// Sends each entry to the test.
struct Reported(mpsc::Sender<Entry>);

impl Reporter for Reported {
    fn report(&mut self, entry: &Entry) -> io::Result<()> {
        self.0.send(entry.clone()).map_err(io::Error::other)
    }
}

fn reported() -> (EventLog, mpsc::Receiver<Entry>) {
    let (sender, receiver) = mpsc::channel();
    (EventLog::start(Box::new(Reported(sender))).unwrap(), receiver)
}

#[test]
fn every_id_is_one_that_the_message_file_has_and_none_comes_twice() {
    let codes = EventId::ALL.map(EventId::code);
    assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
    assert!(codes.iter().all(|code| (1..=1000).contains(code)), "{codes:?}");
}

#[test]
fn the_table_has_a_row_for_each_kind() {
    let table = markdown_table();
    assert_eq!(table.lines().count(), 2 + EventId::ALL.len());
    let row = "| 22 | Error | 2 (Config) | The service did not start: its config cannot be read or has mistakes. |";
    assert!(table.lines().any(|line| line == row), "{table}");
}

#[test]
fn of_log_lines_the_events_warnings_and_errors_are_reported_whatever_the_log_level() {
    let (events, entries) = reported();
    let (logs, _writer) = logs::start(Level::Fatal, Box::new(Stream::new(io::sink()))).unwrap();
    let logs = logs.with_events(Some(events.clone()));
    for level in Level::ALL {
        logs.record(level, "test", level.as_str()).field("key", "value").value("n", 1).emit();
    }
    logs.event(EventId::Reloaded, "test", "reloaded").emit();
    events.close(PATIENCE);
    drop((logs, events));
    let entries: Vec<_> = entries.iter().map(|entry| (entry.id, entry.text)).collect();
    let context = "\nsource: test\nkey: value\nn: 1\n";
    assert_eq!(
        entries,
        [
            (EventId::Warning, format!("WARN\n{context}")),
            (EventId::Error, format!("ERROR\n{context}")),
            (EventId::Reloaded, "reloaded\n\nsource: test\n".to_owned()),
        ]
    );
}

#[test]
fn an_event_is_a_log_line_too() {
    let (logs, lines) = crate::observe::logs::tests::heard();
    logs.event(EventId::Forced, "app", "stopped").field("exit", "forced").emit();
    let line = lines.recv_timeout(PATIENCE).unwrap();
    assert_eq!((&line["level"], &line["message"]), (&"WARN".into(), &"stopped".into()));
}

#[test]
fn what_is_too_much_is_counted_and_told() {
    let (events, entries) = reported();
    for _ in 0..100 {
        let Some(entry) = events.begin(EventId::Warning, "storm") else { continue };
        events.take(entry);
    }
    events.close(PATIENCE);
    let suppressed = events.suppressed().get();
    assert!(suppressed > 50, "{suppressed}");
    drop(events);
    let entries: Vec<_> = entries.iter().collect();
    let last = entries.last().unwrap();
    assert_eq!(last.id, EventId::Suppressed);
    assert_eq!(last.text, format!("entries left out: {suppressed}\n"));
    assert_eq!(entries.len() as u64 - 1 + suppressed, 100);
}

#[test]
fn an_event_log_that_hangs_or_refuses_holds_up_nobody() {
    /// Hangs at the first entry until the gate opens, then refuses all.
    struct Stuck(Arc<(Mutex<bool>, Condvar)>);
    impl Reporter for Stuck {
        fn report(&mut self, _entry: &Entry) -> io::Result<()> {
            let (open, changed) = &*self.0;
            drop(changed.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
            Err(io::ErrorKind::Other.into())
        }
    }
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let events = EventLog::start(Box::new(Stuck(gate.clone()))).unwrap();
    for _ in 0..2 {
        events.report(EventId::Serving, "serving");
    }
    events.close(Duration::from_millis(1));
    events.report(EventId::Stopped, "after the end");
    assert_eq!(events.suppressed().get(), 1);
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    events.close(PATIENCE);
    assert_eq!(events.suppressed().get(), 3);
}
