//! Which files are taken for plugins, and what is said of those that are not.

use super::guests::{self, BOTH};
use crate::plugin::inspect::{Form, componentise, form, is_spoken, shape};
use crate::plugin::{Kind, LoadError, OnTrap, Sidecar};

fn component(module: &[u8]) -> Vec<u8> {
    componentise(module).expect("a component")
}

#[test]
fn the_kind_follows_from_the_exports() {
    let validator = guests::validator(&guests::Validator::default());
    assert_eq!(form("x", &validator).expect("a form"), Form::ModuleWithType);
    let validator = component(&validator);
    assert_eq!(form("x", &validator).expect("a form"), Form::Component);
    assert_eq!(shape(&validator).expect("a kind").kind, Kind::Validator);
    assert_eq!(shape(&component(&guests::sink())).expect("a kind").kind, Kind::Sink);
}

#[test]
fn a_component_of_two_kinds_is_refused() {
    let both = guests::of_world("both", "world both { export lifecycle; export validating; export sinking; }", BOTH);
    let error = shape(&component(&both)).expect_err("two kinds");
    assert_eq!(error.to_string(), "is of several kinds at once (validating, sinking); make one component of each");
}

#[test]
fn a_pure_kind_may_not_reach_out() {
    let http = r#"(import "weir:plugin/http@1.0.0" "send"
        (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#;
    let functions = BOTH.lines().filter(|line| !line.contains("sinking")).collect::<Vec<_>>().join("\n");
    // Imports stand before everything else in a module.
    let text = "world bad { import http; export lifecycle; export validating; }";
    let guest = guests::with_import("bad", text, http, &functions);
    let error = shape(&component(&guest)).expect_err("an import that is not allowed");
    assert!(error.to_string().contains("only a sink reaches the network"), "{error}");
}

#[test]
fn a_component_without_a_plugin_interface_is_refused() {
    let none = guests::of_world("none", "world none { }", "");
    assert!(matches!(shape(&component(&none)), Err(LoadError::NoKind { .. })));
    let no_lifecycle = guests::of_world("half", "world half { export sinking; }", BOTH);
    assert!(matches!(shape(&component(&no_lifecycle)), Err(LoadError::NoLifecycle)));
}

#[test]
fn another_version_of_the_contract_is_named() {
    let text = r#"(component (instance $i) (export "weir:plugin/validating@9.0.0" (instance $i)))"#;
    let error = shape(&wat::parse_str(text).expect("a component")).expect_err("another version");
    assert!(error.to_string().contains("weir:plugin/validating@9.0.0"), "{error}");
    assert!(error.to_string().contains("weir:plugin@1.0.0"), "{error}");
}

/// Every component that was built against a release of the contract loads for ever; one from the future may want what is not there.
#[test]
fn older_releases_of_the_contract_are_spoken_and_newer_ones_and_others_are_not() {
    let spoken = |version, ours| is_spoken(version, ours);
    for older in ["1.0.0", "1.0.9", "1.1.0", "1.2.0", "1.2.7"] {
        assert!(spoken(older, "1.2.3"), "{older}");
    }
    for other in ["1.3.0", "2.0.0", "0.1.0", "1.2.0-rc.1", "1.2", "", "one"] {
        assert!(!spoken(other, "1.2.3"), "{other}");
    }
}

#[test]
fn an_unknown_import_is_named() {
    let text = r#"(component (import "acme:db/sql@1.0.0" (instance)) (instance $i)
        (export "weir:plugin/validating@1.0.0" (instance $i)) (export "weir:plugin/lifecycle@1.0.0" (instance $i)))"#;
    let error = shape(&wat::parse_str(text).expect("a component")).expect_err("an unknown import");
    assert_eq!(error.to_string(), "imports acme:db/sql@1.0.0, which this server does not offer");
}

#[test]
fn what_is_no_component_is_told_apart() {
    assert!(matches!(form("x", b""), Err(LoadError::Empty)));
    let text = form("x", b"#!/bin/sh\necho").expect_err("a script").to_string();
    assert!(text.contains("is no WebAssembly") && text.contains("#!/bin/sh"), "{text}");
    let core = wat::parse_str("(module (func (export \"f\")))").expect("a module");
    let text = form("rules", &core).expect_err("a plain module").to_string();
    assert!(text.contains("wasm-tools component new") && text.contains("rules.wasm"), "{text}");
    let whole = component(&guests::sink());
    for cut in [9, 100, whole.len() / 2, whole.len() - 1] {
        let error = shape(&whole[..cut]).expect_err("a part of a file");
        assert!(matches!(error, LoadError::Damaged(_) | LoadError::NoKind { .. }), "{cut}: {error}");
    }
}

#[test]
fn a_side_car_says_where_it_is_wrong() {
    let wrong = |text: &str| Sidecar::parse("rules.toml", text).expect_err(text).to_string();
    let text = wrong("enabled = true\n\n[limits]\nfule_per_call = 1\n");
    assert!(text.contains("rules.toml, line 4: unknown field `fule_per_call`"), "{text}");
    assert!(wrong("enabled = \"yes\"").contains("line 1"));
    assert!(wrong("digest = \"md5:1\"").contains("64 hex digits"));
    assert!(wrong("[limits]\ncall_timeout_ms = 0").contains("limits.call_timeout_ms must be more than 0"));
    assert!(wrong("[grants]\nhttp = [{ host = \"https://a.com/\" }]").contains("must be a host name"));
    assert!(wrong("[grants]\nhttp = [{ hosts = \"a.com\" }]").contains("unknown field `hosts`"));
    let sidecar = Sidecar::parse("rules.toml", "on_trap = \"accept\"\n[config]\nmax = 3\n").expect("a side-car");
    assert_eq!(sidecar.on_trap, Some(OnTrap::Accept));
    assert_eq!(sidecar.config_json().expect("JSON"), r#"{"max":3}"#);
    assert!(Sidecar::parse("rules.toml", "").expect("an empty one").enabled);
}
