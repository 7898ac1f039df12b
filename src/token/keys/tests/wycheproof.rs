//! The signatures of Project Wycheproof, which are made to slip through: each verifies exactly if it is valid.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::*;

#[test]
fn j15_every_signature_of_wycheproof_gets_its_verdict() {
    let (mut algorithm, mut keys) = (None, None);
    let mut counts = Vec::new();
    for line in VECTORS.lines() {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["set", name, _] => {
                algorithm = Some(Algorithm::parse(name).unwrap());
                counts.push((name, 0, 0));
            }
            ["key", der] => keys = Some(key_of(der, algorithm.unwrap())),
            [id, verdict, message, signature] => {
                let key = keys.as_ref().unwrap().find(algorithm.unwrap(), None);
                let verifies = key.unwrap().verifies(&bytes(message), &bytes(signature));
                let (name, good, bad) = counts.last_mut().unwrap();
                // Once: an RSA signature without a part that may be left out. It counts as invalid here.
                assert_eq!(verifies, verdict == "valid", "{name} {id}");
                *if verifies { good } else { bad } += 1;
            }
            _ => panic!("{line}"),
        }
    }
    let expected = [
        ("ES256", 173, 89),
        ("ES384", 193, 87),
        ("EdDSA", 88, 63),
        ("PS256", 63, 45),
        ("RS256", 9, 250),
    ];
    assert_eq!(counts, expected);
}

fn key_of(der: &str, algorithm: Algorithm) -> KeySet {
    let der = STANDARD.decode(der).unwrap();
    let pem = pem::encode(&pem::Pem::new("PUBLIC KEY", der));
    KeySet::from_pem(pem.as_bytes(), &[algorithm]).unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    STANDARD_NO_PAD.decode(text.trim_matches('-')).unwrap()
}

const VECTORS: &str = include_str!("../../../../tests/vectors/wycheproof.txt");
