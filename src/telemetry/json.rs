//! Events as JSON lines: `timestamp`, `level`, the event's own fields in their order, `target`.
//!
//! The same lines as the subscriber's own JSON format writes, for a fraction of its cost: there is one for each request.

use std::cell::RefCell;
use std::fmt::{self, Debug, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes an event as one line.
pub(super) struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        LINE.with_borrow_mut(|line| {
            line.clear();
            write_event(line, SystemTime::now(), event)?;
            writer.write_str(line)
        })
    }
}

fn write_event(line: &mut String, now: SystemTime, event: &Event<'_>) -> fmt::Result {
    line.push_str("{\"timestamp\":\"");
    write_time(line, now.duration_since(UNIX_EPOCH).unwrap_or_default())?;
    line.push_str("\",\"level\":\"");
    line.push_str(event.metadata().level().as_str());
    line.push('"');
    let mut fields = Fields {
        line,
        result: Ok(()),
    };
    event.record(&mut fields);
    fields.result?;
    line.push_str(",\"target\":\"");
    line.push_str(event.metadata().target());
    line.push_str("\"}\n");
    Ok(())
}

/// RFC 3339 in UTC with microseconds. The part that changes once a second is kept.
fn write_time(line: &mut String, since_epoch: Duration) -> fmt::Result {
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != since_epoch.as_secs() || text.is_empty() {
            *second = since_epoch.as_secs();
            let moment = UNIX_EPOCH + Duration::from_secs(*second);
            text.clear();
            write!(text, "{}", humantime::format_rfc3339_seconds(moment))?;
            text.pop();
        }
        line.push_str(text);
        write!(line, ".{:06}Z", since_epoch.subsec_micros())
    })
}

struct Fields<'a> {
    line: &'a mut String,
    result: fmt::Result,
}

impl Fields<'_> {
    fn name(&mut self, field: &Field) {
        self.line.push_str(",\"");
        self.line.push_str(field.name());
        self.line.push_str("\":");
    }

    fn plain(&mut self, field: &Field, value: impl fmt::Display) {
        self.name(field);
        if let Err(error) = write!(self.line, "{value}") {
            self.result = Err(error);
        }
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        write_string(self.line, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.name(field);
        self.line.push('"');
        let start = self.line.len();
        if let Err(error) = write!(self.line, "{value:?}") {
            self.result = Err(error);
        }
        if self.line.bytes().skip(start).any(needs_escape) {
            let text = self.line.split_off(start);
            escape(self.line, &text);
        }
        self.line.push('"');
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.plain(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        match value.is_finite() {
            true => self.plain(field, format_args!("{value:?}")),
            false => self.plain(field, "null"),
        }
    }
}

fn write_string(line: &mut String, text: &str) {
    line.push('"');
    // All bytes at once: without an early end the compiler looks at many together.
    let is_plain = text
        .bytes()
        .fold(true, |is_plain, byte| is_plain & !needs_escape(byte));
    match is_plain {
        true => line.push_str(text),
        false => escape(line, text),
    }
    line.push('"');
}

/// RFC 8259 section 7, and what some readers take for the end of a line or a command of their terminal.
fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\' || byte >= 0x7f
}

fn escape(line: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '"' | '\\' => line.extend(['\\', character]),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
                // Writing into a string does not fail.
                let _ = write!(line, "\\u{:04x}", u32::from(character));
            }
            _ => line.push(character),
        }
    }
}

thread_local! {
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What both formats make of the same events, without the timestamps.
    fn lines(log: impl Fn()) -> [Vec<Value>; 2] {
        let (ours, theirs) = (Written::default(), Written::default());
        let (out, other) = (ours.clone(), theirs.clone());
        let own = tracing_subscriber::fmt::layer()
            .event_format(JsonLine)
            .with_writer(move || out.clone());
        let usual = tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_writer(move || other.clone());
        let both = tracing_subscriber::registry().with(own).with(usual);
        tracing::subscriber::with_default(both, log);
        [ours, theirs].map(|written| {
            let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
            let without_time = |line: &str| {
                let mut line: Value = serde_json::from_str(line).unwrap();
                let time = line["timestamp"].take();
                let time = time.as_str().unwrap();
                assert!(humantime::parse_rfc3339(time).is_ok(), "{time}");
                line
            };
            text.lines().map(without_time).collect()
        })
    }

    #[test]
    fn a_line_says_the_same_as_the_subscribers_own_format() {
        let odd =
            "tab\t quote\" back\\slash line\nend nul\0 del\u{7f} c1\u{85} ls\u{2028} é漢\u{1f600}";
        let [ours, theirs] = lines(|| {
            tracing::info!(target: "usersig_proxy::access", text = odd, shown = %odd, debug = ?odd, "request");
            tracing::warn!(
                number = 7,
                negative = -7_i64,
                big = u64::MAX,
                yes = true,
                "numbers"
            );
            tracing::error!(
                exact = 1.5,
                whole = 2.0,
                small = 0.123,
                tiny = 1e-9,
                none = None::<&str>
            );
            tracing::info!(not = f64::NAN, some = Some("x"), "{} {}", "formatted", 3);
        });
        assert_eq!(ours.len(), 4);
        assert_eq!(ours, theirs);
        assert_eq!(ours[0]["text"], json!(odd));
        assert_eq!(ours[0]["target"], "usersig_proxy::access");
    }

    #[test]
    fn no_text_of_a_client_ends_a_line_or_reaches_a_terminal() {
        let mut line = String::new();
        write_string(&mut line, "a\nb\r\u{1b}[2Jc\u{85}\u{2028}");
        assert!(
            line.chars().all(|c| !c.is_control() && c != '\u{2028}'),
            "{line}"
        );
        assert_eq!(
            serde_json::from_str::<String>(&line).unwrap(),
            "a\nb\r\u{1b}[2Jc\u{85}\u{2028}"
        );
    }

    #[test]
    fn times_are_in_utc_with_microseconds() {
        for (since_epoch, expected) in [
            (Duration::ZERO, "1970-01-01T00:00:00.000000Z"),
            (
                Duration::new(1_800_000_000, 7_000),
                "2027-01-15T08:00:00.000007Z",
            ),
            (
                Duration::new(1_800_000_000, 999_999_999),
                "2027-01-15T08:00:00.999999Z",
            ),
            (
                Duration::new(1_800_000_001, 0),
                "2027-01-15T08:00:01.000000Z",
            ),
        ] {
            let mut line = String::new();
            write_time(&mut line, since_epoch).unwrap();
            assert_eq!(line, expected);
        }
    }
}
