//! A secret is in the memory of the process only as far as it is in use: the key as the two states of its HMAC (RFC 2104),
//! until another one takes its place.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};

use sha2::block_api::compress256;

use crate::support::proxy::CHAT_KEY;
use crate::support::tokens::{SECRET, authorization, now, session, sign_with};
use crate::support::{App, Proxy, foreign, get};

/// How often each of `secrets` stands in the memory of the process; `None` where the system does not let us look.
fn count(proxy: &Proxy, secrets: &[&[u8]]) -> Option<Vec<usize>> {
    let maps = fs::read_to_string(format!("/proc/{}/maps", proxy.id())).ok()?;
    let mut memory = File::open(format!("/proc/{}/mem", proxy.id())).ok()?;
    let mut found = vec![0; secrets.len()];
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|place| u64::from_str_radix(place, 16).unwrap());
        memory.seek(SeekFrom::Start(start)).unwrap();
        let mut region = Vec::new();
        // A region may be gone by now.
        let _ = memory.by_ref().take(end - start).read_to_end(&mut region);
        for (secret, found) in secrets.iter().zip(&mut found) {
            *found += memchr::memmem::find_iter(&region, secret).count();
        }
    }
    Some(found)
}

/// What signs with `key`: the state of SHA-256 after the key's inner and outer block, as it lies in memory.
fn signing_states(key: &str) -> [Vec<u8>; 2] {
    [0x36, 0x5c].map(|pad| {
        let mut block = [pad; 64];
        for (byte, letter) in block.iter_mut().zip(key.bytes()) {
            *byte ^= letter;
        }
        let mut state = INITIAL;
        compress256(&mut state, &[block]);
        state.iter().flat_map(|word| word.to_ne_bytes()).collect()
    })
}

#[test]
fn a_reload_wipes_the_secrets_that_it_replaces() {
    let app = App::start();
    let routes = "default_access = \"session\"\n[runtime]\nreload_on_change = false\n";
    let proxy = Proxy::in_front_of(&app, routes);
    let token = authorization(&session("42"));
    assert_eq!(get(proxy.address, "/_chat/usersig", &token).status, 200);
    let [inner, outer] = signing_states(CHAT_KEY);
    let old: [&[u8]; 4] = [&inner, &outer, CHAT_KEY.as_bytes(), SECRET.as_bytes()];
    let Some(found) = count(&proxy, &old) else {
        let test = "a_reload_wipes_the_secrets_that_it_replaces";
        foreign::say_skipped(test, "the memory of another process cannot be read here");
        return;
    };
    assert!(found[0] > 0 && found[1] > 0, "{found:?}");
    assert_eq!(found[2..], [0, 0], "a secret is kept as it was read");

    let (new_key, new_secret) = (
        "5e7e".repeat(16),
        "a session secret that comes second, of 32 bytes and more",
    );
    proxy.write("chat-key", &new_key);
    proxy.write("session-secret", new_secret);
    proxy.signal("HUP");
    proxy.wait_for_metric("config_generation", 2);
    let token = sign_with(
        new_secret,
        &serde_json::json!({ "sub": "42", "exp": now() + 600 }),
    );
    let token = authorization(&token);
    assert_eq!(get(proxy.address, "/_chat/usersig", &token).status, 200);
    let [inner, _] = signing_states(&new_key);
    assert!(count(&proxy, &[&inner]).unwrap()[0] > 0);
    // They go with the last task that still has them.
    let are_gone = |_| count(&proxy, &old).unwrap() == [0; 4];
    assert!((0..100).any(are_gone), "{:?}", count(&proxy, &old));
}

/// The state that SHA-256 begins with (FIPS 180-4, 5.3.3).
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];
