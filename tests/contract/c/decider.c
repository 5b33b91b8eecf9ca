/* Counts up and down, never below zero. See ../README.md. */

#include "contract.h"

typedef weir_plugin_types_event_t event_t;
typedef weir_plugin_types_new_event_t new_event_t;
typedef weir_plugin_types_command_t command_t;
typedef exports_weir_plugin_deciding_option_payload_t state_t;
typedef exports_weir_plugin_deciding_rejection_t rejection_t;
typedef exports_weir_plugin_deciding_list_new_event_t decision_t;

void exports_weir_plugin_lifecycle_describe(exports_weir_plugin_lifecycle_manifest_t *ret) {
    *ret = manifest("contract-decider", "Counts, and never below zero");
    wish_for(ret, 1);
    ret->wishes.ptr[0].tag = EXPORTS_WEIR_PLUGIN_LIFECYCLE_WISH_APPEND;
    ret->wishes.ptr[0].val.append = text("notes");
}

static int64_t count_of(const state_t *state) {
    int64_t n = 0;
    integer(state->is_some ? &state->val : NULL, "n", &n);
    return n;
}

static void replace(state_t *state, state_t next) {
    exports_weir_plugin_deciding_option_payload_free(state);
    *state = next;
}

static bool fold(state_t *state, const event_t *event, problem_t *err) {
    bool added = is(&event->event_type, "added");
    if (is(&event->event_type, "reset")) {
        replace(state, (state_t){.is_some = false});
    } else if (is(&event->event_type, "packed")) {
        replace(state, (state_t){.is_some = true, .val = copy_of(&event->payload)});
    } else if (added || is(&event->event_type, "subtracted")) {
        int64_t by;
        if (!integer(&event->payload, "by", &by)) {
            *err = problem("broken-event", "by must be a whole number", "/by");
            return false;
        }
        replace(state, (state_t){.is_some = true, .val = json_with("n", count_of(state) + (added ? by : -by))});
    }
    return true;
}

bool exports_weir_plugin_deciding_evolve(payload_t *maybe_state, exports_weir_plugin_deciding_list_event_t *events,
                                         state_t *ret, problem_t *err) {
    /* The argument is ours, and so it is where the state begins. */
    state_t state = {.is_some = maybe_state != NULL};
    if (maybe_state != NULL) state.val = *maybe_state;
    bool good = true;
    for (size_t i = 0; i < events->len && good; i++) good = fold(&state, &events->ptr[i], err);
    exports_weir_plugin_deciding_list_event_free(events);
    if (good) {
        *ret = state;
    } else {
        exports_weir_plugin_deciding_option_payload_free(&state);
    }
    return good;
}

/* One event in the command's own stream. */
static new_event_t *decide_one(decision_t *decision, const command_t *command, const char *type, payload_t payload) {
    new_event_t *event = allocate(1, sizeof *event);
    *event = (new_event_t){
        .topic = copy(&command->topic),
        .event_type = text(type),
        .payload = payload,
        .tags = list_of("counter"),
    };
    if (command->actor.is_some) {
        event->metadata.ptr = allocate(1, sizeof *event->metadata.ptr);
        event->metadata.len = 1;
        event->metadata.ptr[0] = (pair_t){.f0 = text("by"), .f1 = copy(&command->actor.val)};
    }
    *decision = (decision_t){.ptr = event, .len = 1};
    return event;
}

static bool change(const payload_t *state, const command_t *command, decision_t *ret, rejection_t *err) {
    int64_t n = 0, by;
    bool sub = is(&command->name, "sub");
    if (!integer(&command->payload, "by", &by)) {
        err->tag = EXPORTS_WEIR_PLUGIN_DECIDING_REJECTION_INVALID;
        err->val.invalid.ptr = allocate(1, sizeof *err->val.invalid.ptr);
        err->val.invalid.len = 1;
        err->val.invalid.ptr[0] = problem("no-by", "by must be a whole number", "/by");
        return false;
    }
    integer(state, "n", &n);
    if (sub && n < by) {
        err->tag = EXPORTS_WEIR_PLUGIN_DECIDING_REJECTION_CONFLICT;
        err->val.conflict = problem("below-zero", "there is not so much", "/n");
        return false;
    }
    decide_one(ret, command, sub ? "subtracted" : "added", json_with("by", by));
    return true;
}

static bool decide(const payload_t *state, const command_t *command, decision_t *ret, rejection_t *err) {
    const plugin_string_t *name = &command->name;
    write_log(WEIR_PLUGIN_LOG_LEVEL_INFO, "decide", &(pair_t){.f0 = lent("command"), .f1 = *name}, 1);
    *ret = (decision_t){0};
    if (is(name, "nothing")) return true;
    if (is(name, "add") || is(name, "sub")) return change(state, command, ret, err);
    if (is(name, "reset")) return decide_one(ret, command, "reset", json("{}")), true;
    if (is(name, "pack")) return decide_one(ret, command, "packed", raw()), true;
    if (is(name, "note")) {
        new_event_t *event = decide_one(ret, command, "noted", copy_of(&command->payload));
        plugin_string_free(&event->topic);
        event->topic = text("notes");
        event->stream = (plugin_option_string_t){.is_some = true, .val = copy(&command->stream)};
        return true;
    }
    err->tag = EXPORTS_WEIR_PLUGIN_DECIDING_REJECTION_UNKNOWN_COMMAND;
    if (is(name, "fail")) {
        err->tag = EXPORTS_WEIR_PLUGIN_DECIDING_REJECTION_FAILED;
        err->val.failed = problem("failed", "told to fail", NULL);
    }
    return false;
}

bool exports_weir_plugin_deciding_decide(payload_t *maybe_state, command_t *command, decision_t *ret, rejection_t *err) {
    bool decided = decide(maybe_state, command, ret, err);
    if (maybe_state != NULL) weir_plugin_types_payload_free(maybe_state);
    weir_plugin_types_command_free(command);
    return decided;
}
