//! Rust's view of the WIT contract, generated. One world of the host's own holds every interface that is called now:
//! its exports are loaded one interface at a time, so that one set of types serves all kinds.
#![allow(missing_docs)]

/// The values that cross the border, generated apart: for a record that is both an argument and an error of a function, as
/// `problem` is, wasmtime 48 generates `impl Error for ProblemParam` without its lifetime. Here nothing is an error.
pub mod values {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package weir:host;
            interface passing {
                use weir:plugin/types@1.0.0.{command, event, new-command, new-event, problem};
                into-guests: func(events: list<event>, new: list<new-event>, command: command, problems: list<problem>);
                from-guests: func() -> tuple<list<event>, list<new-event>, new-command, list<problem>>;
            }
            world values { export passing; }
        ",
        world: "weir:host/values",
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

wasmtime::component::bindgen!({
    path: "../wit",
    inline: "
        package weir:host;
        world everything {
            import weir:plugin/log@1.0.0;
            import weir:plugin/http@1.0.0;
            import weir:plugin/clock@1.0.0;
            import weir:plugin/view@1.0.0;
            export weir:plugin/lifecycle@1.0.0;
            export weir:plugin/validating@1.0.0;
            export weir:plugin/guarding@1.0.0;
            export weir:plugin/upcasting@1.0.0;
            export weir:plugin/deciding@1.0.0;
            export weir:plugin/projecting@1.0.0;
            export weir:plugin/querying@1.0.0;
            export weir:plugin/processing@1.0.0;
            export weir:plugin/sinking@1.0.0;
        }
    ",
    world: "weir:host/everything",
    with: { "weir:plugin/types": values::weir::plugin::types },
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
