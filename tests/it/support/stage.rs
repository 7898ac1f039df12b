//! An app that tells back what it was told, and fails in every way that an app can.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use serde_json::json;

use super::app::{Recorded, read_request};
use super::client::HANG;
use super::proxy::free_address;

/// What the app does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Answers at once, with what it was told.
    Well,
    /// Holds the answer back until it is in another mode.
    Silent,
    /// Sends half of a header and closes.
    HalfHeader,
    /// Sends a header and half of a body and closes.
    HalfBody,
}

/// The app; what it serves ends when it is stopped, and it stays for as long as the process lives otherwise.
pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    mode: Mode,
    is_down: bool,
    /// How many requests are held back now, and how many were in all.
    holding: usize,
    held: usize,
    connections: HashMap<u16, TcpStream>,
    /// Targets that arrived, while they are asked for.
    arrived: Option<HashSet<String>>,
}

impl Stage {
    pub(crate) fn start() -> Self {
        let stage = Self {
            address: free_address(),
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    mode: Mode::Well,
                    is_down: true,
                    holding: 0,
                    held: 0,
                    connections: HashMap::new(),
                    arrived: None,
                }),
                changed: Condvar::new(),
            }),
            listening: Mutex::default(),
        };
        stage.start_again();
        stage
    }

    /// Listens at its address, after a [stop](Self::stop).
    pub(crate) fn start_again(&self) {
        let started = Instant::now();
        // Somebody's process may have the port for a moment.
        let listener = loop {
            match TcpListener::bind(self.address) {
                Ok(listener) => break listener,
                Err(error) => assert!(started.elapsed() < HANG, "{error}"),
            }
            thread::yield_now();
        };
        self.shared.state.lock().unwrap().is_down = false;
        let shared = self.shared.clone();
        *self.listening.lock().unwrap() = Some(thread::spawn(move || shared.listen(&listener)));
    }

    /// Goes away as a process that is killed does: nobody listens, and every connection ends.
    pub(crate) fn stop(&self) {
        self.shared.state.lock().unwrap().is_down = true;
        // Ends the wait for a connection.
        let _ = TcpStream::connect(self.address);
        let listening = self.listening.lock().unwrap().take();
        listening.unwrap().join().unwrap();
        let mut state = self.shared.state.lock().unwrap();
        for (_, stream) in state.connections.drain() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.shared.state.lock().unwrap().mode = mode;
        self.shared.changed.notify_all();
    }

    /// How many requests were held back so far.
    pub(crate) fn held(&self) -> usize {
        self.shared.state.lock().unwrap().held
    }

    /// Waits until so many requests are held back at the same time.
    pub(crate) fn wait_until_holding(&self, count: usize) {
        let state = self.shared.state.lock().unwrap();
        let is_less = |state: &mut State| state.holding < count;
        drop(self.shared.changed.wait_while(state, is_less).unwrap());
    }

    /// Notes from now on what arrives.
    pub(crate) fn note(&self) {
        self.shared.state.lock().unwrap().arrived = Some(HashSet::new());
    }

    /// The targets that arrived since.
    pub(crate) fn arrived(&self) -> HashSet<String> {
        let mut state = self.shared.state.lock().unwrap();
        state.arrived.take().unwrap_or_default()
    }
}

impl Shared {
    fn listen(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming().flatten() {
            let port = stream.peer_addr().map_or(0, |peer| peer.port());
            let mut state = self.state.lock().unwrap();
            if state.is_down {
                return;
            }
            state.connections.insert(port, stream.try_clone().unwrap());
            let shared = self.clone();
            // A small stack: there may be a thousand of them.
            let thread = thread::Builder::new().stack_size(256 << 10);
            let serving = thread.spawn(move || shared.serve(stream, port));
            drop(serving.unwrap());
        }
    }

    fn serve(&self, mut stream: TcpStream, port: u16) {
        let mut buffer = Vec::new();
        while let Some(request) = read_request(&mut stream, &mut buffer) {
            if !self.answer(&request, &mut stream) {
                break;
            }
        }
        self.state.lock().unwrap().connections.remove(&port);
    }

    fn answer(&self, request: &Recorded, stream: &mut TcpStream) -> bool {
        let answer = echo(request);
        let half = match self.mode(request) {
            Mode::Well | Mode::Silent => return stream.write_all(answer.as_bytes()).is_ok(),
            Mode::HalfHeader => &answer[..20],
            Mode::HalfBody => &answer[..answer.len() - 10],
        };
        let _ = stream.write_all(half.as_bytes());
        false
    }

    /// The mode in which a request is answered, once it is to be.
    fn mode(&self, request: &Recorded) -> Mode {
        let mut state = self.state.lock().unwrap();
        if let Some(arrived) = &mut state.arrived {
            arrived.insert(request.target.clone());
        }
        if state.mode != Mode::Silent {
            return state.mode;
        }
        state.holding += 1;
        state.held += 1;
        self.changed.notify_all();
        let is_silent = |state: &mut State| state.mode == Mode::Silent;
        let mut state = self.changed.wait_while(state, is_silent).unwrap();
        state.holding -= 1;
        state.mode
    }
}

fn echo(request: &Recorded) -> String {
    let body = json!({
        "target": request.target,
        "user": request.header("X-Chat-UserID"),
        "sig": request.header("X-Chat-UserSig"),
        "body": String::from_utf8_lossy(&request.body),
    })
    .to_string();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
