//! Which part of the server a function belongs to: the table of one publish, layer by layer. A function counts for the first
//! crate in its name that is not Rust's own: `drop_in_place<weir::model::…>` is the model's.

use std::collections::BTreeMap;

use super::dump::{Counts, Function};

/// A layer, and the crates in it.
const CRATES: &[(&str, &[&str])] = &[
    ("HTTP (hyper, axum, tower)", &["hyper", "axum", "tower", "http", "httparse", "matchit", "mime", "httpdate"]),
    ("tokio (tasks, sockets)", &["tokio", "mio", "futures", "parking"]),
    ("JSON (serde)", &["serde", "itoa", "ryu", "zmij"]),
    ("wasmtime (into the guest and out)", &["wasmtime", "cranelift"]),
    (SHA256, &["sha2", "digest", "block"]),
    ("checksum (crc32fast)", &["crc32fast"]),
    ("index (redb)", &["redb"]),
];

/// Valgrind's processor has no instructions for SHA-256, so it counts the rounds in software: about ten times what runs on
/// a processor that has them. A figure of its own, or it would hide what else changes.
pub const SHA256: &str = "SHA-256 (rounds in software)";

const GUEST: &str = "the guest";
const ALLOCATOR: &str = "allocator (mimalloc)";
const COPYING: &str = "copying and comparing bytes (libc)";
const LIBC: &str = "other libc";
const STD: &str = "Rust's own (core, alloc, std)";
const OTHER: &str = "other crates";

/// Instructions by layer.
pub fn layers(counts: &Counts) -> BTreeMap<String, u64> {
    let mut layers = BTreeMap::new();
    for (function, count) in counts {
        *layers.entry(layer(function)).or_default() += count;
    }
    layers
}

fn layer(Function { object, name }: &Function) -> String {
    // Compiled code of plugins is in memory only.
    if object == "???" {
        return GUEST.to_owned();
    }
    match path(name) {
        Some(("weir", room)) => format!("weir::{room}"),
        Some((krate, _)) => of_crate(krate).to_owned(),
        None => of_plain(object, name).to_owned(),
    }
}

fn of_crate(krate: &str) -> &'static str {
    let family = krate.split('_').next().unwrap_or(krate);
    let known = CRATES.iter().find(|(_, crates)| crates.contains(&krate) || crates.contains(&family));
    known.map_or(OTHER, |(layer, _)| layer)
}

/// A function without a crate of others in its name.
fn of_plain(object: &str, name: &str) -> &'static str {
    let libc = object.contains("/libc.") || object.contains("/ld-linux") || object.contains("/libm.");
    let name = name.trim_start_matches('_');
    match name {
        _ if name.starts_with("mi_") => ALLOCATOR,
        _ if name.starts_with("rust_") || name.starts_with("rdl_") || name.starts_with("rg_") => ALLOCATOR,
        _ if libc && (name.starts_with("mem") || name.starts_with("str")) => COPYING,
        _ if libc => LIBC,
        _ if name.contains("::") => STD,
        _ => OTHER,
    }
}

/// The first crate in a name that is not Rust's own, and the module in it.
fn path(name: &str) -> Option<(&str, &str)> {
    let word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut rest = name;
    // Ends, as each turn shortens what is left.
    while let Some(start) = rest.find(word) {
        let from = &rest[start..];
        let end = from.find(|letter| !word(letter) && letter != ':').unwrap_or(from.len());
        let (whole, after) = from.split_at(end);
        let mut parts = whole.split("::");
        if let (Some(krate), Some(module)) = (parts.next(), parts.next())
            && !krate.is_empty()
            && !matches!(krate, "core" | "alloc" | "std")
        {
            return Some((krate, module));
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_of_the_first_crate_that_is_not_rusts_own() {
        let binary = "/target/release/weir";
        let cases = [
            ("<weir::storage::redb::log::RedbLog as weir::storage::EventLog>::append::{{closure}}", "weir::storage"),
            ("core::ptr::drop_in_place<weir::model::event::NewEvent>", "weir::model"),
            ("<F as axum::handler::Handler<(M,T1,T2),S>>::call::{{closure}}'2", "HTTP (hyper, axum, tower)"),
            ("hyper_util::rt::tokio::TokioIo<T>::poll", "HTTP (hyper, axum, tower)"),
            ("serde_json::de::Deserializer<R>::ignore_value", "JSON (serde)"),
            ("sha2::sha256::soft::unroll::compress", SHA256),
            ("core::str::converts::from_utf8", STD),
            ("<alloc::vec::Vec<T,A> as core::ops::Drop>::drop", STD),
            ("_mi_page_malloc", ALLOCATOR),
            ("unheard_of::x", OTHER),
        ];
        for (name, expected) in cases {
            assert_eq!(layer(&Function { object: binary.into(), name: name.into() }), expected, "{name}");
        }
        for (object, name, expected) in [
            ("/lib/x86_64-linux-gnu/libc.so.6", "__memcpy_avx_unaligned_erms", COPYING),
            ("/lib/x86_64-linux-gnu/libc.so.6", "pthread_mutex_lock", LIBC),
            ("???", "0x0000000006f12360", GUEST),
        ] {
            assert_eq!(layer(&Function { object: object.into(), name: name.into() }), expected, "{name}");
        }
    }
}
