//! What the tests of the commands share: components in text form, and files to hold them.

use tempfile::TempDir;

use super::component::{BenchArgs, ComponentArgs};

/// The same guests as in the plugin room's own tests.
pub use crate::plugin::tests::guests;

/// A component and its side-car in a directory of their own, with a cache beside them.
pub fn write(name: &str, bytes: &[u8], sidecar: Option<&str>) -> (TempDir, ComponentArgs) {
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join(format!("{name}.wasm"));
    std::fs::write(&file, bytes).expect("a file");
    if let Some(sidecar) = sidecar {
        std::fs::write(file.with_extension("toml"), sidecar).expect("a file");
    }
    let bench = BenchArgs { cache: Some(dir.path().join("cache")), ..BenchArgs::default() };
    (dir, ComponentArgs { file, sidecar: None, bench })
}

const LIFE: &str = r#"
    (data (i32.const 520) "1.0.0")
    (func (export "weir:plugin/lifecycle@1.0.0#describe") (result i32) (i32.store (i32.const 256) (i32.const 512))
        (i32.store (i32.const 260) (i32.const 4)) (i32.store (i32.const 264) (i32.const 520))
        (i32.store (i32.const 268) (i32.const 5)) (i32.const 256))
    (func (export "weir:plugin/lifecycle@1.0.0#init") (param i32 i32) (result i32)
        (i32.store (i32.const 128) (i32.const 0)) (i32.const 128))
"#;

/// An upcaster that gives back what it was given.
pub fn upcaster() -> Vec<u8> {
    let functions = r#"(func (export "weir:plugin/upcasting@1.0.0#upcast") (param i32 i32) (result i32)
        (i32.store (i32.const 128) (i32.const 0)) (i32.store (i32.const 132) (local.get 0))
        (i32.store (i32.const 136) (local.get 1)) (i32.const 128))"#;
    let world = "world upcaster { import log; export lifecycle; export upcasting; }";
    guests::of_world("upcaster", world, &format!("{LIFE}{functions}"))
}

/// A projection that puts `{"a":1}` under the key `no`, and answers every query with that.
pub fn projection() -> Vec<u8> {
    let import = r#"(import "weir:plugin/view@1.0.0" "put" (func $put (param i32 i32 i32 i32 i32)))"#;
    let functions = r#"
        (func (export "weir:plugin/projecting@1.0.0#apply") (param i32 i32) (result i32)
            (call $put (i32.const 528) (i32.const 2) (i32.const 0) (i32.const 540) (i32.const 7))
            (i32.store (i32.const 128) (i32.const 0)) (i32.const 128))
        (func (export "weir:plugin/querying@1.0.0#query") (param i32 i32 i32 i32) (result i32)
            (i32.store (i32.const 128) (i32.const 0)) (i32.store (i32.const 132) (i32.const 540))
            (i32.store (i32.const 136) (i32.const 7)) (i32.const 128))"#;
    let world = "world projection { import log; import view; export lifecycle; export weir:plugin/projecting@1.0.0; \
                 export weir:plugin/querying@1.0.0; }";
    guests::with_import("projection", world, import, &format!("{LIFE}{functions}"))
}

/// A decider whose state is always `{"a":1}`: the command `no` is a conflict, any other gives one event `sent`.
pub fn decider() -> Vec<u8> {
    let functions = r#"
        (func (export "weir:plugin/deciding@1.0.0#evolve") (param i32 i32 i32 i32 i32 i32) (result i32)
            (i32.store (i32.const 128) (i32.const 0)) (i32.store (i32.const 132) (i32.const 1))
            (i32.store (i32.const 136) (i32.const 0)) (i32.store (i32.const 140) (i32.const 540))
            (i32.store (i32.const 144) (i32.const 7)) (i32.const 128))
        (func (export "weir:plugin/deciding@1.0.0#decide") (param $in i32) (result i32)
            (if (i32.eq (i32.load offset=28 (local.get $in)) (i32.const 2)) (then
                (i32.store (i32.const 128) (i32.const 1)) (i32.store (i32.const 132) (i32.const 1))
                (i32.store (i32.const 136) (i32.const 528)) (i32.store (i32.const 140) (i32.const 2))
                (i32.store (i32.const 144) (i32.const 528)) (i32.store (i32.const 148) (i32.const 2))
                (i32.store (i32.const 152) (i32.const 0)) (return (i32.const 128))))
            (i32.store (i32.const 768) (i32.load offset=32 (local.get $in)))
            (i32.store (i32.const 772) (i32.load offset=36 (local.get $in)))
            (i32.store (i32.const 788) (i32.const 584)) (i32.store (i32.const 792) (i32.const 4))
            (i32.store (i32.const 800) (i32.const 540)) (i32.store (i32.const 804) (i32.const 7))
            (i32.store (i32.const 128) (i32.const 0)) (i32.store (i32.const 132) (i32.const 768))
            (i32.store (i32.const 136) (i32.const 1)) (i32.const 128))"#;
    let world = "world decider { import log; export lifecycle; export deciding; }";
    guests::of_world("decider", world, &format!("{LIFE}{functions}"))
}

/// A process manager that cancels the timer `no` whenever it is asked.
pub fn process_manager() -> Vec<u8> {
    let body = r#"(result i32)
        (i32.store (i32.const 768) (i32.const 3)) (i32.store (i32.const 776) (i32.const 528))
        (i32.store (i32.const 780) (i32.const 2)) (i32.store (i32.const 128) (i32.const 0))
        (i32.store (i32.const 132) (i32.const 768)) (i32.store (i32.const 136) (i32.const 1)) (i32.const 128))"#;
    let functions = format!(
        r#"{LIFE}(func (export "weir:plugin/processing@1.0.0#react") (param i32 i32) {body}
        (func (export "weir:plugin/processing@1.0.0#on-timer") (param i32 i32) {body}
        (func (export "weir:plugin/processing@1.0.0#on-refused") (param i32) {body}"#
    );
    let world = "world process-manager { import log; import view; export lifecycle; \
                 export weir:plugin/processing@1.0.0; }";
    guests::of_world("process-manager", world, &functions)
}
