//! The shape of a line, its bounds, and what happens when nobody reads.

use std::io::Write;
use std::sync::mpsc;
use std::sync::{Condvar, Mutex};

use proptest::prelude::*;
use serde_json::Value;

use super::line::LINE_BYTES_MAX;
use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

/// A sink into memory, shared with the test.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines written by `speak`.
fn lines(level: Level, speak: impl FnOnce(&Logs)) -> Vec<Value> {
    let memory = Memory::default();
    let (logs, writer) = start(level, Box::new(Stream::new(memory.clone()))).unwrap();
    speak(&logs);
    writer.close(PATIENCE);
    let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Logs for tests of other rooms, which look at other things: written to nowhere.
pub(crate) fn silent() -> Logs {
    start(Level::Fatal, Box::new(Stream::new(io::sink()))).unwrap().0
}

/// Logs for tests of other rooms, each line sent to the test as it is written.
pub(crate) fn heard() -> (Logs, mpsc::Receiver<Value>) {
    struct Speaker(mpsc::Sender<Value>);
    impl Write for Speaker {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                let _ = self.0.send(serde_json::from_slice(line)?);
            }
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (sender, receiver) = mpsc::channel();
    (start(Level::Trace, Box::new(Stream::new(Speaker(sender)))).unwrap().0, receiver)
}

#[test]
fn a_line_has_the_four_keys_first_and_the_context_behind() {
    let memory = Memory::default();
    let (logs, writer) = start(Level::Info, Box::new(Stream::new(memory.clone()))).unwrap();
    logs.record(Level::Warn, "app", "it's \"odd\"")
        .field("address", "[::1]:8080")
        .value("seconds", 1.5)
        .emit();
    writer.close(PATIENCE);
    let line = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
    let (timestamp, rest) = line.split_once("\",").unwrap();
    assert_eq!(
        rest,
        "\"level\":\"WARN\",\"source\":\"app\",\"message\":\"it's \\\"odd\\\"\",\
         \"address\":\"[::1]:8080\",\"seconds\":1.5}\n"
    );
    let timestamp = timestamp.strip_prefix("{\"timestamp\":\"").unwrap();
    let shape: String =
        timestamp.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000000Z");
    assert!(timestamp.parse::<jiff::Timestamp>().is_ok());
}

#[test]
fn lines_below_the_level_are_not_written() {
    let written = lines(Level::Warn, |logs| {
        for level in Level::ALL {
            logs.record(level, "test", "m").emit();
        }
    });
    let written: Vec<&str> = written.iter().map(|line| line["level"].as_str().unwrap()).collect();
    assert_eq!(written, ["WARN", "ERROR", "FATAL"]);
}

#[test]
fn the_level_changes_at_run_time_for_every_clone() {
    let written = lines(Level::Warn, |logs| {
        let clone = logs.clone();
        for level in Level::ALL {
            clone.set_level(level);
            assert_eq!(logs.level(), level);
            for level in Level::ALL {
                logs.record(level, "test", "m").emit();
            }
        }
    });
    let written: Vec<&str> = written.iter().map(|line| line["level"].as_str().unwrap()).collect();
    let words = Level::ALL.map(Level::as_str);
    let expected: Vec<&str> = (0..6).flat_map(|least| &words[least..]).copied().collect();
    assert_eq!(written, expected);
}

#[test]
fn a_level_is_known_by_its_word() {
    for level in Level::ALL {
        assert_eq!(Level::of_word(level.as_str()), Some(level));
        assert_eq!(Level::of_word(&level.as_str().to_lowercase()), Some(level));
        let in_config = serde_json::to_value(level).unwrap();
        assert_eq!(in_config.as_str().and_then(Level::of_word), Some(level));
    }
    assert_eq!(Level::of_word("loud"), None);
}

#[test]
fn what_does_not_fit_is_left_out_and_said() {
    let written = lines(Level::Info, |logs| {
        logs.record(Level::Info, "test", "ü".repeat(LINE_BYTES_MAX))
            .field("long", "x".repeat(LINE_BYTES_MAX))
            .field("short", "y")
            .emit();
    });
    assert_eq!(written[0]["truncated"], true);
    assert_eq!(written[0]["short"], "y");
    assert_eq!(written[0]["long"], Value::Null);
    assert!(written[0]["message"].as_str().unwrap().starts_with("üüü"));
}

/// A pipe that nobody reads until it is opened.
struct Pipe {
    gate: Arc<(Mutex<bool>, Condvar)>,
    reached: mpsc::Sender<()>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.reached.send(());
        let (open, changed) = &*self.gate;
        drop(changed.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_pipe_blocks_nobody_and_each_dropped_line_is_counted() {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let (reached, at_the_pipe) = mpsc::channel();
    let (logs, writer) =
        start(Level::Info, Box::new(Stream::new(Pipe { gate: gate.clone(), reached }))).unwrap();
    logs.record(Level::Info, "test", "the line the writer is stuck with").emit();
    at_the_pipe.recv_timeout(PATIENCE).unwrap();
    for _ in 0..BOUNDS.entries {
        logs.record(Level::Info, "test", "fits").emit();
    }
    assert_eq!(logs.dropped().get(), 0);
    for _ in 0..7 {
        logs.record(Level::Info, "test", "too many").emit();
    }
    assert_eq!(logs.dropped().get(), 7);

    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    writer.close(PATIENCE);
    assert_eq!(logs.dropped().get(), 7);
}

#[test]
fn closing_does_not_wait_longer_than_its_patience() {
    let (reached, at_the_pipe) = mpsc::channel();
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let (logs, writer) = start(Level::Info, Box::new(Stream::new(Pipe { gate, reached }))).unwrap();
    logs.record(Level::Info, "test", "stuck").emit();
    at_the_pipe.recv_timeout(PATIENCE).unwrap();
    writer.close(Duration::from_millis(1));
    logs.record(Level::Info, "test", "after the end").emit();
    assert_eq!(logs.dropped().get(), 1);
}

#[test]
fn a_failing_sink_is_counted() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (logs, writer) = start(Level::Info, Box::new(Stream::new(Full))).unwrap();
    logs.record(Level::Info, "test", "lost").emit();
    writer.close(PATIENCE);
    assert_eq!(logs.dropped().get(), 1);
}

#[test]
fn a_line_that_was_half_written_does_not_swallow_the_next() {
    /// Takes half of the first line, then fails twice.
    struct Filling {
        memory: Memory,
        calls: usize,
    }
    impl Write for Filling {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            match self.calls {
                1 => self.memory.write(&bytes[..bytes.len() / 2]),
                2 | 3 => Err(io::ErrorKind::StorageFull.into()),
                _ => self.memory.write(bytes),
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let memory = Memory::default();
    let sink = Filling { memory: memory.clone(), calls: 0 };
    let (logs, writer) = start(Level::Info, Box::new(Stream::new(sink))).unwrap();
    for message in ["half", "not at all", "whole", "after"] {
        logs.record(Level::Info, "test", message).emit();
    }
    writer.close(PATIENCE);
    let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<_> = text.lines().map(serde_json::from_str::<Value>).collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[0].is_err(), "{text}");
    for (line, message) in lines[1..].iter().zip(["whole", "log lines were dropped", "after"]) {
        assert_eq!(line.as_ref().unwrap()["message"], message, "{text}");
    }
    assert_eq!(lines[2].as_ref().unwrap()["lines"], 2, "{text}");
    assert_eq!(logs.dropped().get(), 2);
}

#[test]
fn the_journal_gets_the_priority_before_each_line() {
    let memory = Memory::default();
    let (logs, writer) = start(Level::Trace, Box::new(Stream::to_journal(memory.clone()))).unwrap();
    for level in Level::ALL {
        logs.record(level, "test", "m").emit();
    }
    writer.close(PATIENCE);
    let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
    for (line, level) in text.lines().zip(Level::ALL) {
        let json = line.strip_prefix(&format!("<{}>", journal::priority(level))).unwrap();
        assert_eq!(serde_json::from_str::<Value>(json).unwrap()["level"], level.as_str());
    }
    assert_eq!(text.lines().count(), 6);
}

#[test]
fn lines_go_elsewhere_from_the_one_after_the_change() {
    let (before, after) = (Memory::default(), Memory::default());
    let (logs, writer) = start(Level::Info, Box::new(Stream::new(before.clone()))).unwrap();
    logs.record(Level::Info, "test", "1").emit();
    logs.redirect(Box::new(Stream::new(after.clone())));
    logs.record(Level::Info, "test", "2").emit();
    writer.close(PATIENCE);
    for (memory, message) in [(before, "1"), (after, "2")] {
        let line: Value = serde_json::from_slice(&memory.0.lock().unwrap()).unwrap();
        assert_eq!(line["message"], message);
    }
}

#[test]
fn a_rotation_that_fails_is_counted_and_told_in_the_file_that_grows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edge.log");
    // A folder cannot be replaced by a file.
    std::fs::create_dir_all(folder.path().join("edge.log.1/in the way")).unwrap();
    let rotation = Rotation { bytes_max: 200, age_max: None, keep: 1 };
    let log =
        crate::config::Log { file: Some(path.clone()), rotation, ..crate::config::defaults().log };
    let (logs, writer) = start(Level::Info, open(&log).unwrap()).unwrap();
    for number in 0..9 {
        logs.record(Level::Info, "test", "m").value("number", number).emit();
    }
    writer.close(PATIENCE);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<u64> = lines.iter().filter_map(|line| line["number"].as_u64()).collect();
    assert_eq!(numbers, (0..9).collect::<Vec<_>>());
    let told =
        lines.iter().filter(|line| line["message"] == "log file cannot be rotated and grows");
    assert_eq!(told.count(), 1, "{text}");
    // One a second: a machine that stalls may see more.
    assert!(logs.counters().rotations_failed.get() >= 1);
    assert_eq!(logs.dropped().get(), 0);
}

#[test]
fn a_log_file_that_cannot_be_opened_is_named() {
    let path = std::path::Path::new("missing").join("edge.log");
    let log = crate::config::Log { file: Some(path.clone()), ..crate::config::defaults().log };
    let Err(error) = open(&log) else { panic!("it was opened") };
    assert_eq!(error.source.kind(), io::ErrorKind::NotFound);
    assert_eq!(error.to_string(), format!("log file {}: {}", path.display(), error.source));
}

proptest! {
    #[test]
    fn any_text_makes_one_valid_line(message in ".*", value in ".*") {
        let written = lines(Level::Info, |logs| {
            logs.record(Level::Info, "test", &message).field("value", &value).emit();
        });
        prop_assert_eq!(written.len(), 1);
        prop_assert_eq!(written[0]["message"].as_str(), Some(message.as_str()));
        prop_assert_eq!(written[0]["value"].as_str(), Some(value.as_str()));
    }
}
