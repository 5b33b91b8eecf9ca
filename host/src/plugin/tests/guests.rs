//! Components for the tests. Each is a core module in text form, written to the canonical ABI by hand, with the type of
//! its world embedded: the host makes a component of it, as it does for operators.

use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// How a validator for the tests behaves, as bodies of its functions. The default one has moods; see `MOODS`.
pub struct Validator {
    pub describe: &'static str,
    pub init: &'static str,
    pub configure: &'static str,
    pub version: &'static str,
    pub bytes_of_padding: usize,
}

impl Default for Validator {
    fn default() -> Self {
        Self { describe: MANIFEST, init: OK, configure: OK, version: "1.0.0", bytes_of_padding: 0 }
    }
}

pub const OK: &str = "(i32.store (i32.const 128) (i32.const 0)) (i32.const 128)";
pub const NO: &str = "(i32.store (i32.const 128) (i32.const 1)) (i32.store (i32.const 132) (i32.const 528))
    (i32.store (i32.const 136) (i32.const 2)) (i32.const 128)";
pub const LOOP: &str = "(loop $ever (br $ever)) (unreachable)";
pub const TRAP: &str = "(unreachable)";
/// `result<_, list<problem>>` with one problem: code "no", message "no".
pub const REFUSE: &str = "(i32.store (i32.const 128) (i32.const 1)) (i32.store (i32.const 132) (i32.const 160))
    (i32.store (i32.const 136) (i32.const 1)) (i32.store (i32.const 160) (i32.const 528))
    (i32.store (i32.const 164) (i32.const 2)) (i32.store (i32.const 168) (i32.const 528))
    (i32.store (i32.const 172) (i32.const 2)) (i32.store (i32.const 176) (i32.const 0)) (i32.const 128)";
/// The name is at 512, the version at 520, "no" at 528, good JSON at 540, bad JSON at 560.
pub const MANIFEST: &str = "(i32.store (i32.const 256) (i32.const 512)) (i32.store (i32.const 260) (i32.const 4))
    (i32.store (i32.const 264) (i32.const 520)) (i32.store (i32.const 268) (i32.const 5)) (i32.const 256)";

/// What `validate` does with a batch of so many events; with any other number it accepts all.
pub mod moods {
    pub const TRAPS: usize = 3;
    pub const LOOPS: usize = 4;
    pub const EATS_MEMORY: usize = 5;
    pub const FORGETS_ALL: usize = 6;
    pub const REPLACES_BADLY: usize = 7;
    pub const REPLACES: usize = 8;
    pub const CHATTERS: usize = 9;
    pub const POINTS_OUTSIDE: usize = 10;
    pub const REJECTS: usize = 11;
    pub const FILLS_MEMORY_FOREVER: usize = 12;
}

const FRAME: &str = r#"
    (memory (export "memory") 32)
    (global $bump (mut i32) (i32.const 65536))
    (data (i32.const 512) "mood\00\00\00\00")
    (data (i32.const 528) "no")
    (data (i32.const 540) "{\"a\":1}")
    (data (i32.const 560) "{nope")
    (data (i32.const 576) "POST")
    (data (i32.const 584) "sent")
    (func $alloc (param $size i32) (result i32) (local $at i32)
        (if (i32.gt_u (i32.add (global.get $bump) (local.get $size)) (i32.const 2000000))
            (then (global.set $bump (i32.const 65536))))
        (local.set $at (global.get $bump))
        (global.set $bump (i32.and (i32.add (i32.add (global.get $bump) (local.get $size)) (i32.const 15)) (i32.const -16)))
        (local.get $at))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (call $alloc (local.get 3)))
"#;

/// Builds a validator as a core module with its type inside.
pub fn validator(v: &Validator) -> Vec<u8> {
    let padding = "x".repeat(v.bytes_of_padding);
    let Validator { describe, init, configure, version, .. } = v;
    let text = format!(
        r#"(module
        (import "weir:plugin/log@1.0.0" "write" (func $write (param i32 i32 i32 i32 i32)))
        {FRAME}
        (data (i32.const 520) "{version}")
        (@custom "padding" "{padding}")
        (global $spoilt (mut i32) (i32.const 0))
        (global $calls (mut i32) (i32.const 0))
        (func (export "weir:plugin/lifecycle@1.0.0#describe") (result i32) {describe})
        (func (export "weir:plugin/lifecycle@1.0.0#init") (param i32 i32) (result i32) {init})
        (func (export "weir:plugin/validating@1.0.0#configure") (param i32 i32 i32 i32) (result i32) {configure})
        (func $verdicts (param $len i32) (param $kind i32) (param $inner i32) (param $ptr i32) (param $n i32) (result i32)
            (local $i i32) (local $out i32) (local $v i32)
            (local.set $out (call $alloc (i32.mul (local.get $len) (i32.const 16))))
            (block $done (loop $next
                (br_if $done (i32.ge_u (local.get $i) (local.get $len)))
                (local.set $v (i32.add (local.get $out) (i32.mul (local.get $i) (i32.const 16))))
                (i32.store (local.get $v) (local.get $kind))
                (i32.store offset=4 (local.get $v) (local.get $inner))
                (i32.store offset=8 (local.get $v) (local.get $ptr))
                (i32.store offset=12 (local.get $v) (local.get $n))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br $next)))
            (i32.store (i32.const 64) (local.get $out))
            (i32.store (i32.const 68) (local.get $len))
            (i32.const 64))
        (func (export "weir:plugin/validating@1.0.0#validate") (param $ptr i32) (param $len i32) (result i32)
            (local $i i32)
            ;; An instance that has served its time, or once went wrong, must never be asked again.
            (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (if (i32.gt_u (global.get $calls) (i32.const 10000)) (then (unreachable)))
            (if (global.get $spoilt) (then (unreachable)))
            (if (i32.eq (local.get $len) (i32.const 3)) (then (global.set $spoilt (i32.const 1)) (unreachable)))
            (if (i32.eq (local.get $len) (i32.const 4)) (then (global.set $spoilt (i32.const 1)) (loop $ever (br $ever))))
            (if (i32.eq (local.get $len) (i32.const 5)) (then (global.set $spoilt (i32.const 1))
                (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)))
            (if (i32.eq (local.get $len) (i32.const 6)) (then (global.set $spoilt (i32.const 1))
                (return (call $verdicts (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))))
            (if (i32.eq (local.get $len) (i32.const 7)) (then (global.set $spoilt (i32.const 1))
                (return (call $verdicts (local.get $len) (i32.const 1) (i32.const 0) (i32.const 560) (i32.const 5)))))
            (if (i32.eq (local.get $len) (i32.const 8))
                (then (return (call $verdicts (local.get $len) (i32.const 1) (i32.const 0) (i32.const 540) (i32.const 7)))))
            (if (i32.eq (local.get $len) (i32.const 9)) (then (loop $again
                (call $write (i32.const 2) (i32.const 512) (i32.const 4) (i32.const 0) (i32.const 0))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $i) (i32.const 1000))))))
            (if (i32.eq (local.get $len) (i32.const 10)) (then (global.set $spoilt (i32.const 1))
                (return (call $verdicts (local.get $len) (i32.const 1) (i32.const 0) (i32.const -16) (i32.const 64)))))
            (if (i32.eq (local.get $len) (i32.const 11)) (then (drop (call $refuse))
                (return (call $verdicts (local.get $len) (i32.const 2) (i32.const 160) (i32.const 1) (i32.const 0)))))
            (if (i32.eq (local.get $len) (i32.const 12)) (then (global.set $spoilt (i32.const 1))
                (loop $ever (memory.fill (i32.const 65536) (i32.const 7) (i32.const 1900000)) (br $ever))))
            (call $verdicts (local.get $len) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
        (func $refuse (result i32) {REFUSE})
        )"#
    );
    embed(&text, "validator", "world validator { import log; export lifecycle; export validating; }")
}

/// A sink that posts one request to its config (a URL) and tells how it went: accepts all on an answer, calls the first
/// event poison when the request was refused or failed. With two events it traps, with three it loops.
pub fn sink() -> Vec<u8> {
    let text = format!(
        r#"(module
        (import "weir:plugin/http@1.0.0" "send"
            (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
        {FRAME}
        (data (i32.const 520) "1.0.0")
        (data (i32.const 592) "*")
        (func (export "weir:plugin/lifecycle@1.0.0#describe") (result i32)
            ;; one wish: http to any host with any method
            (i32.store8 (i32.const 320) (i32.const 0))
            (i32.store (i32.const 324) (i32.const 592)) (i32.store (i32.const 328) (i32.const 1))
            (i32.store (i32.const 304) (i32.const 320)) (i32.store (i32.const 308) (i32.const 1))
            {MANIFEST})
        (func (export "weir:plugin/lifecycle@1.0.0#init") (param i32 i32) (result i32) {OK})
        (func (export "weir:plugin/sinking@1.0.0#check") (param $id i32) (param $idn i32) (param $c i32) (param $cn i32)
            (result i32)
            (if (i32.eqz (local.get $cn)) (then
                (i32.store (i32.const 128) (i32.const 1))
                ;; a list of one problem
                (i32.store (i32.const 132) (i32.const 160)) (i32.store (i32.const 136) (i32.const 1))
                (i32.store (i32.const 160) (i32.const 528)) (i32.store (i32.const 164) (i32.const 2))
                (i32.store (i32.const 168) (i32.const 528)) (i32.store (i32.const 172) (i32.const 2))
                (i32.store (i32.const 176) (i32.const 0)) (return (i32.const 128))))
            {OK})
        (func (export "weir:plugin/sinking@1.0.0#deliver")
            (param $id i32) (param $idn i32) (param $c i32) (param $cn i32) (param $b i32) (param $n i32) (result i32)
            (if (i32.eq (local.get $n) (i32.const 2)) (then (unreachable)))
            (if (i32.eq (local.get $n) (i32.const 3)) (then (loop $ever (br $ever))))
            (call $send (i32.const 576) (i32.const 4) (local.get $c) (local.get $cn) (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 640))
            (i32.store (i32.const 704) (local.get $n))
            (i32.store (i32.const 712) (i32.const 0))
            (if (i32.load8_u (i32.const 640)) (then
                (i32.store (i32.const 704) (i32.const 0))
                (i32.store (i32.const 712) (i32.const 2))
                (i32.store (i32.const 720) (i32.const 528)) (i32.store (i32.const 724) (i32.const 2))
                (i32.store (i32.const 728) (i32.load (i32.const 656))) (i32.store (i32.const 732) (i32.load (i32.const 660)))
                (i32.store (i32.const 736) (i32.const 0))))
            (i32.const 704))
        )"#
    );
    embed(&text, "sink", "world sink { import log; import http; import clock; export lifecycle; export sinking; }")
}

/// A validator that accepts every event, and refuses commands whose name begins with an `s`: code "no", message "no".
pub fn guard() -> Vec<u8> {
    let text = format!(
        r#"(module
        {FRAME}
        (data (i32.const 520) "1.0.0")
        (func (export "weir:plugin/lifecycle@1.0.0#describe") (result i32) {MANIFEST})
        (func (export "weir:plugin/lifecycle@1.0.0#init") (param i32 i32) (result i32) {OK})
        (func (export "weir:plugin/validating@1.0.0#configure") (param i32 i32 i32 i32) (result i32) {OK})
        (func (export "weir:plugin/validating@1.0.0#validate") (param $ptr i32) (param $len i32) (result i32)
            (local $out i32)
            (local.set $out (call $alloc (i32.mul (local.get $len) (i32.const 16))))
            (memory.fill (local.get $out) (i32.const 0) (i32.mul (local.get $len) (i32.const 16)))
            (i32.store (i32.const 64) (local.get $out))
            (i32.store (i32.const 68) (local.get $len))
            (i32.const 64))
        ;; The state has 16 bytes; behind it the command begins, with its id and then its name.
        (func (export "weir:plugin/guarding@1.0.0#guard") (param $at i32) (result i32)
            (if (i32.eq (i32.load8_u (i32.load offset=24 (local.get $at))) (i32.const 115))
                (then (return (call $refuse))))
            {OK})
        (func $refuse (result i32) {REFUSE})
        )"#
    );
    let world = "world guards { import log; export lifecycle; export validating; export guarding; }";
    embed(&text, "guards", world)
}

/// A core module whose only content is the type of some world: enough for everything that looks at names.
pub fn of_world(name: &str, world: &str, functions: &str) -> Vec<u8> {
    embed(&format!("(module {FRAME} {functions})"), name, world)
}

/// The same with an import before all else, where a module must have it.
pub fn with_import(name: &str, world: &str, import: &str, functions: &str) -> Vec<u8> {
    embed(&format!("(module {import} {FRAME} {functions})"), name, world)
}

/// The functions of a sink and of a validator at once, for a component of two kinds.
pub const BOTH: &str = r#"
    (func (export "weir:plugin/lifecycle@1.0.0#describe") (result i32) (unreachable))
    (func (export "weir:plugin/lifecycle@1.0.0#init") (param i32 i32) (result i32) (unreachable))
    (func (export "weir:plugin/validating@1.0.0#configure") (param i32 i32 i32 i32) (result i32) (unreachable))
    (func (export "weir:plugin/validating@1.0.0#validate") (param i32 i32) (result i32) (unreachable))
    (func (export "weir:plugin/sinking@1.0.0#check") (param i32 i32 i32 i32) (result i32) (unreachable))
    (func (export "weir:plugin/sinking@1.0.0#deliver") (param i32 i32 i32 i32 i32 i32) (result i32) (unreachable))
"#;

/// Assembles text and puts the type of its world inside. The contract is the one in wit/, whatever it says today.
fn embed(text: &str, name: &str, world: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).expect("the guest's text");
    let mut resolve = Resolve::default();
    resolve.push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit")).expect("the contract");
    let interfaces =
        ["log", "http", "clock", "view", "lifecycle", "validating", "guarding", "sinking", "upcasting", "deciding"];
    let world = interfaces.iter().fold(world.to_owned(), |world, interface| {
        world.replace(&format!(" {interface};"), &format!(" weir:plugin/{interface}@1.0.0;"))
    });
    let package = resolve.push_source("guest.wit", &format!("package test:guest;\n{world}")).expect("the world");
    let world = resolve.select_world(&[package], Some(name)).expect("its name");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("an embedded type");
    module
}
