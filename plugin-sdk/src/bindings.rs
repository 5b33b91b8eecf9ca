//! The code that wit-bindgen generates from `wit/`: the only unsafe code of the SDK, and the only place that names the
//! contract's version. Nothing here is public API: the other modules re-export or wrap it.
//!
//! The worlds here are not those of `wit/worlds.wit` but their parts: what all kinds import (`shared`), what all kinds
//! export (`life`), and what one kind alone exports. A component's type is the union of the parts that it uses. Whole
//! worlds would each define the exports of `lifecycle`, and the macros for them would clash in one crate.
#![allow(unsafe_code, missing_docs, clippy::all)]

pub mod shared {
    wit_bindgen::generate!({
        inline: r#"
            package weir:sdk;
            world shared {
                import weir:plugin/types@1.0.0;
                import weir:plugin/log@1.0.0;
                import weir:plugin/view@1.0.0;
                import weir:plugin/http@1.0.0;
                import weir:plugin/clock@1.0.0;
            }
        "#,
        path: "../wit",
        generate_all,
        generate_unused_types: true,
        additional_derives: [PartialEq],
    });
}

pub mod life {
    wit_bindgen::generate!({
        inline: "package weir:sdk; world life { export weir:plugin/lifecycle@1.0.0; }",
        path: "../wit",
        generate_all,
        additional_derives: [PartialEq],
        pub_export_macro: true,
    });
}

pub mod validator {
    wit_bindgen::generate!({
        inline: "package weir:sdk; world validator { export weir:plugin/validating@1.0.0; }",
        path: "../wit",
        with: { "weir:plugin/types@1.0.0": crate::bindings::shared::weir::plugin::types },
        additional_derives: [PartialEq],
        pub_export_macro: true,
    });
}

pub mod guards {
    wit_bindgen::generate!({
        inline: "package weir:sdk; world guards { export weir:plugin/guarding@1.0.0; }",
        path: "../wit",
        with: { "weir:plugin/types@1.0.0": crate::bindings::shared::weir::plugin::types },
        additional_derives: [PartialEq],
        pub_export_macro: true,
    });
}

pub mod sink {
    wit_bindgen::generate!({
        inline: "package weir:sdk; world sink { export weir:plugin/sinking@1.0.0; }",
        path: "../wit",
        with: { "weir:plugin/types@1.0.0": crate::bindings::shared::weir::plugin::types },
        additional_derives: [PartialEq],
        pub_export_macro: true,
    });
}

pub mod upcaster {
    wit_bindgen::generate!({
        inline: "package weir:sdk; world upcaster { export weir:plugin/upcasting@1.0.0; }",
        path: "../wit",
        with: { "weir:plugin/types@1.0.0": crate::bindings::shared::weir::plugin::types },
        additional_derives: [PartialEq],
        pub_export_macro: true,
    });
}

pub mod decider {
    wit_bindgen::generate!({
        inline: "package weir:sdk; world decider { export weir:plugin/deciding@1.0.0; }",
        path: "../wit",
        with: { "weir:plugin/types@1.0.0": crate::bindings::shared::weir::plugin::types },
        additional_derives: [PartialEq],
        pub_export_macro: true,
    });
}

pub mod projection {
    wit_bindgen::generate!({
        inline: "package weir:sdk; world projection { export weir:plugin/projecting@1.0.0; }",
        path: "../wit",
        with: { "weir:plugin/types@1.0.0": crate::bindings::shared::weir::plugin::types },
        additional_derives: [PartialEq],
        pub_export_macro: true,
    });
}

pub mod queries {
    wit_bindgen::generate!({
        inline: "package weir:sdk; world queries { export weir:plugin/querying@1.0.0; }",
        path: "../wit",
        with: { "weir:plugin/types@1.0.0": crate::bindings::shared::weir::plugin::types },
        additional_derives: [PartialEq],
        pub_export_macro: true,
    });
}

pub mod process_manager {
    wit_bindgen::generate!({
        inline: "package weir:sdk; world process-manager { export weir:plugin/processing@1.0.0; }",
        path: "../wit",
        with: { "weir:plugin/types@1.0.0": crate::bindings::shared::weir::plugin::types },
        additional_derives: [PartialEq],
        pub_export_macro: true,
    });
}
