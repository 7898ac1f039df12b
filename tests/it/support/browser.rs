//! A real browser, headless Chromium, driven over its own protocol (Chrome DevTools Protocol, through two pipes).
//!
//! It notes what its windows ask for and what they complain about. Everything waits for a condition; the limit only turns a hang
//! into a failure.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::foreign;

/// A running browser; it ends when the value is dropped.
pub(crate) struct Browser {
    child: Child,
    commands: Option<ChildStdin>,
    messages: Receiver<Value>,
    events: Vec<Value>,
    last_id: u64,
    _profile: TempDir,
}

/// One of its windows.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    session: String,
}

/// How a window looks at a page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) name: &'static str,
    pub(crate) scheme: &'static str,
    pub(crate) width: u32,
}

/// On a desk by day and by night, and on a telephone.
pub(crate) const LOOKS: [Look; 3] = [
    Look {
        name: "light",
        scheme: "light",
        width: 1280,
    },
    Look {
        name: "dark",
        scheme: "dark",
        width: 1280,
    },
    Look {
        name: "narrow",
        scheme: "light",
        width: 360,
    },
];

impl Browser {
    /// None where there is no browser, which is said.
    pub(crate) fn start(test: &str) -> Option<Self> {
        if !foreign::has(test, &["chromium"]) {
            return None;
        }
        let profile = TempDir::new().unwrap();
        // The protocol is spoken on the file descriptors 3 and 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null"])
            .arg("sh")
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let commands = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = mpsc::channel();
        thread::spawn(move || {
            let mut message = Vec::new();
            while output
                .read_until(0, &mut message)
                .is_ok_and(|read| read > 0)
            {
                message.pop();
                let told = serde_json::from_slice(&message).unwrap();
                if sender.send(told).is_err() {
                    return;
                }
                message.clear();
            }
        });
        Some(Self {
            child,
            commands,
            messages,
            events: Vec::new(),
            last_id: 0,
            _profile: profile,
        })
    }

    /// A new window on this page.
    pub(crate) fn open(&mut self, url: &str) -> Window {
        let blank = json!({ "url": "about:blank", "newWindow": true });
        let target = self.call(None, "Target.createTarget", blank)["targetId"].clone();
        let attach = json!({ "targetId": target, "flatten": true });
        let attached = self.call(None, "Target.attachToTarget", attach);
        let session = attached["sessionId"].as_str().unwrap().to_owned();
        let window = Window { session };
        // Before the page is there, so that nothing is missed.
        for domain in ["Runtime", "Log", "Network", "Page"] {
            self.tell(&window, &format!("{domain}.enable"), json!({}));
        }
        self.tell(&window, "Page.navigate", json!({ "url": url }));
        window
    }

    /// What an expression comes to in a window.
    pub(crate) fn run(&mut self, window: &Window, expression: &str) -> Value {
        let value = self.try_run(window, expression);
        value.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// The same; an error is the browser's own, as where the page goes while it is asked.
    fn try_run(&mut self, window: &Window, expression: &str) -> Result<Value, Value> {
        let parameters =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.try_call(Some(&window.session), "Runtime.evaluate", parameters)?;
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        Ok(answer["result"]["value"].take())
    }

    /// Waits until an expression is true in a window.
    pub(crate) fn wait_for(&mut self, window: &Window, expression: &str) {
        // A page that is still loading may lack what the expression names.
        let guarded =
            format!("(() => {{ try {{ return !!({expression}) }} catch {{ return false }} }})()");
        let started = Instant::now();
        while self.try_run(window, &guarded) != Ok(json!(true)) {
            if started.elapsed() > HANG {
                let text = self.try_run(window, "document.body.innerText");
                panic!("never {expression}: {text:?}\n{:?}", self.complaints());
            }
            thread::park_timeout(POLL);
        }
    }

    /// Waits until an element is there and holds this text.
    pub(crate) fn wait_for_text(&mut self, window: &Window, selector: &str, text: &str) {
        let (selector, text) = (json!(selector), json!(text));
        self.wait_for(
            window,
            &format!("document.querySelector({selector}).innerText.includes({text})"),
        );
    }

    /// The text of an element.
    pub(crate) fn text(&mut self, window: &Window, selector: &str) -> String {
        let selector = json!(selector);
        let text = self.run(
            window,
            &format!("document.querySelector({selector}).innerText"),
        );
        text.as_str().unwrap().to_owned()
    }

    /// Clicks an element.
    pub(crate) fn click(&mut self, window: &Window, selector: &str) {
        let selector = json!(selector);
        self.run(
            window,
            &format!("document.querySelector({selector}).click()"),
        );
    }

    /// Looks at a page in this way and keeps a picture of all of it under the name; it must fit the window's width.
    pub(crate) fn photograph(&mut self, window: &Window, look: Look, name: &str) -> PathBuf {
        let features = json!([{ "name": "prefers-color-scheme", "value": look.scheme }]);
        let media = json!({ "features": features });
        self.tell(window, "Emulation.setEmulatedMedia", media);
        let metrics =
            json!({ "width": look.width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.tell(window, "Emulation.setDeviceMetricsOverride", metrics);
        self.wait_for(window, &format!("innerWidth === {}", look.width));
        let too_wide = self.run(window, "document.documentElement.scrollWidth > innerWidth");
        assert_eq!(too_wide, json!(false), "{name} {look:?} is too wide");
        let whole = json!({ "format": "png", "captureBeyondViewport": true });
        let picture = self.tell(window, "Page.captureScreenshot", whole);
        let bytes = STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{name}-{}.png", look.name));
        fs::write(&file, bytes).unwrap();
        file
    }

    /// The background of a page, as the browser paints it.
    pub(crate) fn background(&mut self, window: &Window) -> Value {
        self.run(window, "getComputedStyle(document.body).backgroundColor")
    }

    /// Waits until a window complains with this text.
    pub(crate) fn wait_for_complaint(&mut self, text: &str) {
        let started = Instant::now();
        while !self.complaints().join("\n").contains(text) {
            assert!(started.elapsed() < HANG, "{:?}", self.complaints());
            thread::park_timeout(POLL);
        }
    }

    /// What the windows complained about so far, in the console and of scripts.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        self.drain();
        let complaints = self.events.iter().filter_map(|event| {
            let parameters = &event["params"];
            match event["method"].as_str()? {
                "Runtime.exceptionThrown" => Some(parameters["exceptionDetails"].to_string()),
                "Runtime.consoleAPICalled" => Some(parameters["args"].to_string()),
                "Log.entryAdded" => {
                    let entry = &parameters["entry"];
                    let text = entry["text"].as_str()?;
                    Some(format!(
                        "{text} {}",
                        entry["url"].as_str().unwrap_or_default()
                    ))
                }
                _ => None,
            }
        });
        complaints.collect()
    }

    /// The address of everything that the windows asked for so far.
    pub(crate) fn requested(&mut self) -> Vec<String> {
        self.drain();
        let requests = self
            .events
            .iter()
            .filter(|event| event["method"] == "Network.requestWillBeSent");
        requests
            .map(|event| {
                event["params"]["request"]["url"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    }

    /// Fails when a window asked for anything that does not start with this.
    pub(crate) fn assert_asked_only(&mut self, origin: &str) {
        let requested = self.requested();
        assert!(!requested.is_empty());
        for url in requested {
            assert!(
                url.starts_with(origin) || url.starts_with("data:"),
                "{url} is elsewhere"
            );
        }
    }

    fn tell(&mut self, window: &Window, method: &str, parameters: Value) -> Value {
        self.call(Some(&window.session), method, parameters)
    }

    fn call(&mut self, session: Option<&str>, method: &str, parameters: Value) -> Value {
        let answer = self.try_call(session, method, parameters);
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn try_call(
        &mut self,
        session: Option<&str>,
        method: &str,
        parameters: Value,
    ) -> Result<Value, Value> {
        self.last_id += 1;
        let mut command = json!({ "id": self.last_id, "method": method, "params": parameters });
        if let Some(session) = session {
            command["sessionId"] = session.into();
        }
        let commands = self.commands.as_mut().unwrap();
        commands
            .write_all(format!("{command}\0").as_bytes())
            .unwrap();
        commands.flush().unwrap();
        loop {
            let mut message = self
                .messages
                .recv_timeout(HANG)
                .unwrap_or_else(|error| panic!("{method}: {error}"));
            if message["id"] == self.last_id {
                return match message["error"].take() {
                    Value::Null => Ok(message["result"].take()),
                    error => Err(error),
                };
            }
            self.events.push(message);
        }
    }

    fn drain(&mut self) {
        self.events.extend(self.messages.try_iter());
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends when nobody can command it any more.
        drop(self.commands.take());
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::park_timeout(POLL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
];
/// A browser on a busy machine takes its time over a picture.
const HANG: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(10);
