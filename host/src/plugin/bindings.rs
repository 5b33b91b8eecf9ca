//! Rust's view of the WIT contract, generated. One world of the host's own holds every interface that is called now:
//! its exports are loaded one interface at a time, so that one set of types serves all kinds.
#![allow(missing_docs)]

wasmtime::component::bindgen!({
    path: "../wit",
    inline: "
        package weir:host;
        world everything {
            import weir:plugin/log@0.1.0;
            import weir:plugin/http@0.1.0;
            import weir:plugin/clock@0.1.0;
            import weir:plugin/view@0.1.0;
            export weir:plugin/lifecycle@0.1.0;
            export weir:plugin/validating@0.1.0;
            export weir:plugin/guarding@0.1.0;
            export weir:plugin/upcasting@0.1.0;
            export weir:plugin/deciding@0.1.0;
            export weir:plugin/projecting@0.1.0;
            export weir:plugin/querying@0.1.0;
            export weir:plugin/processing@0.1.0;
            export weir:plugin/sinking@0.1.0;
        }
    ",
    world: "weir:host/everything",
    imports: {
        "weir:plugin/http.send": async,
        "weir:plugin/http.send-all": async,
        // A view that may not be written, or has no room, ends the call.
        "weir:plugin/view.get": trappable,
        "weir:plugin/view.get-many": trappable,
        "weir:plugin/view.put": trappable,
        "weir:plugin/view.put-many": trappable,
        "weir:plugin/view.delete": trappable,
        "weir:plugin/view.scan": trappable,
    },
    exports: { default: async },
    // Texts go into the guest's memory straight from the event, without a copy of them in ours.
    ownership: Borrowing { duplicate_if_necessary: true },
});
