//! Round trips through `flate2` as this program links it: on the stand-in for zlib-ng in `.vendor`.

use std::io::{Read, Write};

use flate2::read::{GzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Empty, tiny, text, runs, noise, and more than a window.
fn samples() -> Vec<Vec<u8>> {
    let mut state = 1_u32;
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    vec![
        Vec::new(),
        b"a".to_vec(),
        br#"{"TLS.ver":"2.0","TLS.identifier":"27149"}"#.to_vec(),
        vec![0; 100_000],
        (0..200_000).map(|_| noise()).collect(),
        b"abcdefghij".repeat(20_000),
    ]
}

#[test]
fn zlib_and_gzip_round_trip_at_every_level() {
    for sample in samples() {
        for level in (0..=9).map(Compression::new) {
            let mut zlib = ZlibEncoder::new(Vec::new(), level);
            zlib.write_all(&sample).unwrap();
            let mut inflated = Vec::new();
            let compressed = zlib.finish().unwrap();
            ZlibDecoder::new(&compressed[..])
                .read_to_end(&mut inflated)
                .unwrap();
            assert_eq!(inflated, sample, "zlib level {}", level.level());

            let mut gzip = GzEncoder::new(Vec::new(), level);
            gzip.write_all(&sample).unwrap();
            let mut inflated = Vec::new();
            let compressed = gzip.finish().unwrap();
            GzDecoder::new(&compressed[..])
                .read_to_end(&mut inflated)
                .unwrap();
            assert_eq!(inflated, sample, "gzip level {}", level.level());
        }
    }
}

#[test]
fn a_reset_compressor_gives_what_a_new_one_gives() {
    let mut reused = Compress::new(Compression::default(), true);
    for sample in samples() {
        reused.reset();
        let mut fresh = Compress::new(Compression::default(), true);
        assert_eq!(deflate(&mut reused, &sample), deflate(&mut fresh, &sample));
    }
}

#[test]
fn a_damaged_stream_is_an_error() {
    let mut compressed = deflate(
        &mut Compress::new(Compression::default(), true),
        b"hello hello",
    );
    let last = compressed.len() - 1;
    compressed[last] ^= 1;
    let mut output = Vec::with_capacity(100);
    let result =
        Decompress::new(true).decompress_vec(&compressed, &mut output, FlushDecompress::Finish);
    assert!(result.is_err());
    compressed[last] ^= 1;
    output.clear();
    let result =
        Decompress::new(true).decompress_vec(&compressed, &mut output, FlushDecompress::Finish);
    assert_eq!(result.unwrap(), Status::StreamEnd);
    assert_eq!(output, b"hello hello");
}

fn deflate(compress: &mut Compress, input: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(input.len() * 2 + 100);
    let status = compress.compress_vec(input, &mut output, FlushCompress::Finish);
    assert_eq!(status.unwrap(), Status::StreamEnd);
    output
}
