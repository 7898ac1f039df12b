//! Log lines on their way out: gathered for a moment, so that a busy proxy does not enter the kernel for each.
//!
//! A line of severity WARN or worse, or of the audit, takes all before it along and goes at once; others go within [`PATIENCE`], or when
//! [`ENOUGH`] have come together. Whoever writes a line waits while [`TOO_MUCH`] is on its way: a reader that stops
//! reading slows the proxy down, as it would without the gathering, and nothing is lost. Only what kills the process on the
//! spot takes the last moment's lines with it. Lines are written in order and never torn, but for one that a full disk takes
//! in part; what it does not take is lost, and the first lines that it takes again say how many there were.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use memchr::memchr_iter;
use parking_lot::{Condvar, Mutex};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::AUDIT_TARGET;

/// Gathers lines for one output. A clone shares them.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

struct Shared {
    /// Whether lines wait for others at all.
    gathers: bool,
    waiting: Mutex<Vec<u8>>,
    /// Something came into an empty buffer.
    begun: Condvar,
    /// What came together was taken.
    taken: Condvar,
    /// Whoever writes holds it from before the lines are taken, so that none overtakes another.
    output: Mutex<Output>,
}

struct Output {
    writer: Box<dyn Write + Send>,
    /// Given back for the next lines.
    spare: Vec<u8>,
    /// How many lines could not be written since the last ones that could.
    lost: usize,
    /// A line was written in part.
    is_torn: bool,
}

impl Output {
    /// Writes lines; how many were lost before them, when these are the first again. A disk that is full takes a part of
    /// what it is given: what comes next starts on a line of its own.
    fn write(&mut self, lines: &[u8]) -> Option<usize> {
        if lines.is_empty() {
            return None;
        }
        let mended = match self.is_torn {
            true => write_part(&mut self.writer, b"\n") == 1,
            false => true,
        };
        let written = match mended {
            true => write_part(&mut self.writer, lines),
            false => 0,
        };
        let (done, rest) = lines.split_at(written);
        if mended {
            self.is_torn = !rest.is_empty() && !done.is_empty() && !done.ends_with(b"\n");
        }
        if rest.is_empty() {
            return Some(std::mem::take(&mut self.lost)).filter(|lost| *lost > 0);
        }
        self.lost += memchr_iter(b'\n', rest).count();
        None
    }
}

/// How much could be written. The rest has nowhere to go.
fn write_part(writer: &mut impl Write, bytes: &[u8]) -> usize {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match writer.write(rest) {
            Ok(0) => break,
            Ok(length) => written += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    // It holds nothing back.
    let _ = writer.flush();
    written.min(bytes.len())
}

/// Takes the text of one event.
pub(super) struct Line<'a> {
    lines: &'a Lines,
    is_urgent: bool,
}

impl Lines {
    /// Takes lines for `writer`, and starts the thread that writes them; with `gathers` off, each goes at once.
    pub(super) fn new(writer: impl Write + Send + 'static, gathers: bool) -> io::Result<Self> {
        let lines = Self(Arc::new(Shared {
            gathers,
            waiting: Mutex::default(),
            begun: Condvar::new(),
            taken: Condvar::new(),
            output: Mutex::new(Output {
                writer: Box::new(writer),
                spare: Vec::new(),
                lost: 0,
                is_torn: false,
            }),
        }));
        let background = lines.clone();
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || background.write_in_turn())?;
        Ok(lines)
    }

    /// Writes everything that came so far, and says when lines were lost before.
    pub(super) fn flush(&self) {
        let mut output = self.0.output.lock();
        let spare = std::mem::take(&mut output.spare);
        let mut ready = std::mem::replace(&mut *self.0.waiting.lock(), spare);
        self.0.taken.notify_all();
        let lost = output.write(&ready);
        ready.clear();
        output.spare = ready;
        drop(output);
        if let Some(lines) = lost {
            tracing::warn!(
                lines,
                "log lines were lost, because they could not be written"
            );
        }
    }

    fn add(&self, text: &[u8]) -> usize {
        let mut waiting = self.0.waiting.lock();
        while waiting.len() >= TOO_MUCH {
            self.0.taken.wait(&mut waiting);
        }
        if waiting.is_empty() {
            self.0.begun.notify_one();
        }
        waiting.extend_from_slice(text);
        waiting.len()
    }

    fn write_in_turn(&self) -> ! {
        loop {
            let mut waiting = self.0.waiting.lock();
            while waiting.is_empty() {
                self.0.begun.wait(&mut waiting);
            }
            drop(waiting);
            thread::sleep(PATIENCE);
            self.flush();
        }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let waiting = self.lines.add(text);
        if self.is_urgent || waiting >= ENOUGH {
            self.lines.flush();
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lines.flush();
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            lines: self,
            is_urgent: true,
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        Line {
            lines: self,
            is_urgent: !self.0.gathers
                || *metadata.level() <= Level::WARN
                || metadata.target() == AUDIT_TARGET,
        }
    }
}

const PATIENCE: Duration = Duration::from_millis(50);
const ENOUGH: usize = 32 << 10;
const TOO_MUCH: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Sends what is written, each write as one text.
    struct Sent(Sender<Vec<u8>>);

    impl Write for Sent {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(text.to_vec());
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines() -> (Lines, Receiver<Vec<u8>>) {
        let (sender, written) = channel();
        (Lines::new(Sent(sender), true).unwrap(), written)
    }

    fn write(lines: &Lines, is_urgent: bool, text: &str) {
        let mut line = Line { lines, is_urgent };
        line.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn lines_go_by_themselves_in_order_and_whole() {
        let (lines, written) = lines();
        let mut expected = Vec::new();
        for number in 0..5000 {
            let line = format!("line {number}\n");
            write(&lines, false, &line);
            expected.extend_from_slice(line.as_bytes());
        }
        let mut seen = Vec::new();
        while seen.len() < expected.len() {
            let text = written.recv().unwrap();
            assert!(text.ends_with(b"\n"));
            seen.extend(text);
        }
        assert!(seen == expected);
    }

    #[test]
    fn an_urgent_line_takes_all_before_it_along_at_once() {
        let (lines, written) = lines();
        write(&lines, false, "first\n");
        write(&lines, true, "second\n");
        let mut seen = Vec::new();
        while let Ok(text) = written.try_recv() {
            seen.extend(text);
        }
        assert_eq!(seen, b"first\nsecond\n");
    }

    #[test]
    fn many_lines_go_before_their_time() {
        let (lines, written) = lines();
        write(&lines, false, &"x".repeat(ENOUGH));
        assert_eq!(written.try_recv().map(|text| text.len()), Ok(ENOUGH));
    }

    /// Takes so many bytes, and then nothing until it is emptied.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(usize, Vec<u8>)>>);

    impl Write for Disk {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let (room, written) = &mut *self.0.lock();
            let taken = text.get(..*room).unwrap_or(text);
            if taken.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            *room -= taken.len();
            written.extend_from_slice(taken);
            Ok(taken.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn after_a_full_disk_lines_are_whole_and_those_lost_are_counted() {
        for (case, room, kept) in [
            ("nothing fits", 0, ""),
            ("half a line", 8, "first\nse\n"),
            ("a line without its end", 12, "first\nsecond\n"),
            ("whole lines", 13, "first\nsecond\n"),
        ] {
            let disk = Disk::default();
            disk.0.lock().0 = room;
            let mut output = Output {
                writer: Box::new(disk.clone()),
                spare: Vec::new(),
                lost: 0,
                is_torn: false,
            };
            assert_eq!(output.write(b"first\nsecond\nthird\n"), None, "{case}");
            assert_eq!(output.write(b"fourth\n"), None, "{case}");
            assert_eq!(output.write(b""), None, "{case}");
            disk.0.lock().0 = 100;
            let lost = match room {
                0 => 4,
                13 => 2,
                12 => 3,
                _ => 3,
            };
            assert_eq!(output.write(b"fifth\n"), Some(lost), "{case}");
            assert_eq!(output.write(b"sixth\n"), None, "{case}");
            let written = String::from_utf8(disk.0.lock().1.clone()).unwrap();
            assert_eq!(written, format!("{kept}fifth\nsixth\n"), "{case}");
        }
    }

    #[test]
    fn several_threads_tear_no_line_and_lose_none() {
        let (lines, written) = lines();
        thread::scope(|scope| {
            for name in ["a", "b", "c", "d"] {
                let lines = &lines;
                scope.spawn(move || {
                    for number in 0..2000 {
                        write(lines, number % 100 == 0, &format!("{name} {number}\n"));
                    }
                });
            }
        });
        lines.flush();
        let seen: Vec<u8> = written.try_iter().flatten().collect();
        let text = String::from_utf8(seen).unwrap();
        for name in ["a", "b", "c", "d"] {
            let own = text.lines().filter_map(|line| line.strip_prefix(name));
            let numbers = own.map(|number| number.trim().parse::<u32>().unwrap());
            assert!(numbers.eq(0..2000), "{name}");
        }
    }
}
