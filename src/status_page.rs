//! The status page: the last quarter of an hour of the process at a glance, for people.
//!
//! What it shows is read from the metrics: no user, path, token or address of a client is in them, and only the names that are
//! listed here are taken over. It holds a bounded past and hands out a bounded number of streams. It knows no sockets: whoever
//! serves it says when to look at the metrics, and asks each stream for what is new.

mod families;
mod guard;
mod sample;
mod standing;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use parking_lot::Mutex;
use prometheus::proto::MetricFamily;

use crate::page::Page;
use families::Families;
pub use guard::{Stranger, admit};
use sample::Sample;
use standing::Standing;
pub use standing::{KeySetStanding, Readiness};

/// The page with its past.
pub struct StatusPage {
    page: Page,
    past: Mutex<Past>,
    /// One clone for each open stream, and this one.
    streams: Arc<()>,
}

/// One reader of the page, who is told the past first and then what is new.
pub struct Stream {
    page: Arc<StatusPage>,
    /// The number of the last sample that was told.
    told: u64,
    _place: Arc<()>,
}

/// What the metrics do not tell.
pub struct Beside {
    /// The moment, in Unix milliseconds.
    pub at_ms: u64,
    /// Whether the process takes requests.
    pub readiness: Readiness,
    /// How the key sets of issuers stand.
    pub key_sets: Vec<KeySetStanding>,
}

#[derive(Default)]
struct Past {
    /// How many samples there ever were; the last one has this number.
    count: u64,
    /// Oldest first, as JSON.
    samples: VecDeque<Arc<str>>,
    standing: Option<Arc<str>>,
}

impl StatusPage {
    /// A page without a past.
    pub fn new() -> Self {
        Self {
            page: Page::new(HTML),
            past: Mutex::default(),
            streams: Arc::new(()),
        }
    }

    /// The page itself. It asks for its stream at `status/events`, beside where it is.
    pub fn answer(&self) -> Response<Bytes> {
        self.page.answer()
    }

    /// Takes a sample of the metrics in; the oldest goes when there are too many.
    pub fn record(&self, families: &[MetricFamily], beside: Beside) {
        let families = Families::new(families);
        let sample = text(&Sample::of(&families, beside.at_ms));
        let standing = text(&Standing::of(&families, beside));
        let mut past = self.past.lock();
        past.count += 1;
        past.samples.push_back(sample);
        if past.samples.len() > MAX_SAMPLES {
            past.samples.pop_front();
        }
        past.standing = Some(standing);
    }

    /// A stream for one more reader, unless there are [`MAX_STREAMS`].
    pub fn open(self: &Arc<Self>) -> Option<Stream> {
        let place = Arc::clone(&self.streams);
        // Beside the page's own. Two that come at once may both be turned away, and none is let in beyond the limit.
        (Arc::strong_count(&self.streams) - 1 <= MAX_STREAMS).then(|| Stream {
            page: Arc::clone(self),
            told: 0,
            _place: place,
        })
    }

    /// How many streams are open.
    pub fn open_streams(&self) -> usize {
        Arc::strong_count(&self.streams) - 1
    }
}

impl Default for StatusPage {
    fn default() -> Self {
        Self::new()
    }
}

impl Stream {
    /// The event that says what is new; nothing when nothing is.
    pub fn next_event(&mut self) -> Option<Bytes> {
        let past = self.page.past.lock();
        let standing = past.standing.as_ref()?;
        let new = usize::try_from(past.count - self.told).unwrap_or(usize::MAX);
        if new == 0 {
            return None;
        }
        let known = past.samples.len().saturating_sub(new);
        let samples: Vec<&str> = past
            .samples
            .iter()
            .skip(known)
            .map(|sample| &**sample)
            .collect();
        self.told = past.count;
        let samples = samples.join(",");
        Some(format!("data: {{\"samples\":[{samples}],\"standing\":{standing}}}\n\n").into())
    }
}

/// How long to wait before the next look at the metrics, after one that took so long: seconds, and in a process with so many
/// series that a look is work, as long as keeps that below a hundredth of one core.
pub fn pause_after(took: Duration) -> Duration {
    took.saturating_mul(100).clamp(PAUSE, MAX_PAUSE)
}

/// Whether a request is for the page or its stream.
pub fn is_for<B>(request: &Request<B>) -> bool {
    [PATH, EVENTS_PATH].contains(&request.uri().path())
}

/// As JSON on one line. Numbers, lists and text always have a form.
fn text(value: &impl serde::Serialize) -> Arc<str> {
    let text = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    Arc::from(text)
}

/// Where the page is.
pub const PATH: &str = "/status";
/// Where its stream is.
pub const EVENTS_PATH: &str = "/status/events";
/// How many readers there may be; each holds a connection.
pub const MAX_STREAMS: usize = 8;
/// A quarter of an hour.
const MAX_SAMPLES: usize = 180;
const PAUSE: Duration = Duration::from_secs(5);
const MAX_PAUSE: Duration = Duration::from_secs(60);
const HTML: &str = include_str!("status_page/page.html");

#[cfg(test)]
mod tests;
