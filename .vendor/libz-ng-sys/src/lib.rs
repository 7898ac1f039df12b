//! flate2's C-backend surface over zlib-rs.
#![allow(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    clippy::missing_safety_doc
)]
use libz_rs_sys as rs;
use std::os::raw::{c_char, c_int, c_uint, c_ulong, c_void};

pub type uInt = c_uint;
pub type uLong = c_ulong;
pub type Bytef = u8;
pub type voidpf = *mut c_void;
pub type alloc_func = unsafe extern "C" fn(voidpf, uInt, uInt) -> voidpf;
pub type free_func = unsafe extern "C" fn(voidpf, voidpf);
pub enum internal_state {}

#[repr(C)]
#[derive(Copy, Clone)]
pub struct z_stream {
    pub next_in: *mut Bytef,
    pub avail_in: uInt,
    pub total_in: c_ulong,
    pub next_out: *mut Bytef,
    pub avail_out: uInt,
    pub total_out: c_ulong,
    pub msg: *mut c_char,
    pub state: *mut internal_state,
    pub zalloc: alloc_func,
    pub zfree: free_func,
    pub opaque: voidpf,
    pub data_type: c_int,
    pub adler: c_ulong,
    pub reserved: uLong,
}
pub type z_streamp = *mut z_stream;
const _: () = assert!(core::mem::size_of::<z_stream>() == core::mem::size_of::<rs::z_stream>());
const _: () = assert!(core::mem::align_of::<z_stream>() == core::mem::align_of::<rs::z_stream>());

pub const Z_NO_FLUSH: c_int = 0;
pub const Z_PARTIAL_FLUSH: c_int = 1;
pub const Z_SYNC_FLUSH: c_int = 2;
pub const Z_FULL_FLUSH: c_int = 3;
pub const Z_FINISH: c_int = 4;
pub const Z_BLOCK: c_int = 5;
pub const Z_OK: c_int = 0;
pub const Z_STREAM_END: c_int = 1;
pub const Z_NEED_DICT: c_int = 2;
pub const Z_STREAM_ERROR: c_int = -2;
pub const Z_DATA_ERROR: c_int = -3;
pub const Z_MEM_ERROR: c_int = -4;
pub const Z_BUF_ERROR: c_int = -5;
pub const Z_DEFAULT_STRATEGY: c_int = 0;
pub const Z_DEFLATED: c_int = 8;

pub unsafe extern "C" fn zlibVersion() -> *const c_char {
    rs::zlibVersion()
}
pub unsafe extern "C" fn deflate(s: z_streamp, f: c_int) -> c_int {
    rs::deflate(s.cast(), f)
}
pub unsafe extern "C" fn deflateEnd(s: z_streamp) -> c_int {
    rs::deflateEnd(s.cast())
}
pub unsafe extern "C" fn deflateReset(s: z_streamp) -> c_int {
    rs::deflateReset(s.cast())
}
pub unsafe extern "C" fn deflateParams(s: z_streamp, l: c_int, st: c_int) -> c_int {
    rs::deflateParams(s.cast(), l, st)
}
pub unsafe extern "C" fn deflateSetDictionary(s: z_streamp, d: *const Bytef, n: uInt) -> c_int {
    rs::deflateSetDictionary(s.cast(), d, n)
}
pub unsafe extern "C" fn inflateSetDictionary(s: z_streamp, d: *const Bytef, n: uInt) -> c_int {
    rs::inflateSetDictionary(s.cast(), d, n)
}
pub unsafe extern "C" fn inflate(s: z_streamp, f: c_int) -> c_int {
    rs::inflate(s.cast(), f)
}
pub unsafe extern "C" fn inflateEnd(s: z_streamp) -> c_int {
    rs::inflateEnd(s.cast())
}
pub unsafe extern "C" fn inflateReset(s: z_streamp) -> c_int {
    rs::inflateReset(s.cast())
}
pub unsafe extern "C" fn inflateReset2(s: z_streamp, w: c_int) -> c_int {
    rs::inflateReset2(s.cast(), w)
}
pub unsafe extern "C" fn deflateInit2_(
    s: z_streamp,
    level: c_int,
    method: c_int,
    wbits: c_int,
    mem: c_int,
    strat: c_int,
    ver: *const c_char,
    size: c_int,
) -> c_int {
    rs::deflateInit2_(s.cast(), level, method, wbits, mem, strat, ver, size)
}
pub unsafe extern "C" fn inflateInit2_(
    s: z_streamp,
    wbits: c_int,
    ver: *const c_char,
    size: c_int,
) -> c_int {
    rs::inflateInit2_(s.cast(), wbits, ver, size)
}
