/* Asks for the payment of orders, and tells when one is late or refused. See ../README.md. */

#include "contract.h"

typedef weir_plugin_types_event_t event_t;
typedef exports_weir_plugin_processing_action_t action_t;
typedef exports_weir_plugin_processing_list_action_t actions_t;

void exports_weir_plugin_lifecycle_describe(exports_weir_plugin_lifecycle_manifest_t *ret) {
    *ret = manifest("contract-manager", "Has orders paid in time");
    interest_in(ret);
    ret->interests.ptr[0].topics = list_of("orders");
    plugin_list_string_t types = {.ptr = allocate(2, sizeof *types.ptr), .len = 2};
    types.ptr[0] = text("ordered");
    types.ptr[1] = text("paid");
    ret->interests.ptr[0].event_types = types;
    wish_for(ret, 2);
    for (size_t i = 0; i < 2; i++) {
        ret->wishes.ptr[i].tag = EXPORTS_WEIR_PLUGIN_LIFECYCLE_WISH_APPEND;
        ret->wishes.ptr[i].val.append = text(i == 0 ? "orders" : "payments");
    }
}

/* `prefix` and a stream's name. */
static plugin_string_t key_of(const char *prefix, const plugin_string_t *stream) {
    size_t before = strlen(prefix);
    plugin_string_t key = {.ptr = allocate(before + stream->len, 1), .len = before + stream->len};
    memcpy(key.ptr, prefix, before);
    memcpy(key.ptr + before, stream->ptr, stream->len);
    return key;
}

static bool same(const plugin_string_t *a, const plugin_string_t *b) {
    return a->len == b->len && memcmp(a->ptr, b->ptr, a->len) == 0;
}

/* How many events each stream has had. */
static void count(const exports_weir_plugin_processing_list_event_t *batch) {
    plugin_list_string_t keys = {.ptr = allocate(batch->len, sizeof *keys.ptr), .len = 0};
    int64_t *counts = allocate(batch->len, sizeof *counts);
    for (size_t i = 0; i < batch->len; i++) {
        plugin_string_t key = key_of("count/", &batch->ptr[i].stream.val);
        size_t at = 0;
        while (at < keys.len && !same(&keys.ptr[at], &key)) at++;
        counts[at]++;
        if (at == keys.len) {
            keys.ptr[keys.len++] = key;
        } else {
            plugin_string_free(&key);
        }
    }
    weir_plugin_view_list_option_payload_t stored;
    weir_plugin_view_get_many(&keys, &stored);
    weir_plugin_view_list_tuple2_string_payload_t entries = {.ptr = allocate(keys.len, sizeof *entries.ptr), .len = keys.len};
    for (size_t i = 0; i < keys.len; i++) {
        int64_t n = 0;
        integer(stored.ptr[i].is_some ? &stored.ptr[i].val : NULL, "n", &n);
        entries.ptr[i].f0 = keys.ptr[i];
        entries.ptr[i].f1 = json_with("n", n + counts[i]);
    }
    weir_plugin_view_put_many(&entries);
    plugin_string_t gauge = lent("streams");
    weir_plugin_log_gauge(&gauge, (double)keys.len);
    free(counts);
    free(keys.ptr);
    weir_plugin_view_list_option_payload_free(&stored);
    weir_plugin_view_list_tuple2_string_payload_free(&entries);
}

static action_t *next(actions_t *actions, uint8_t tag) {
    action_t *action = &actions->ptr[actions->len++];
    action->tag = tag;
    return action;
}

static plugin_list_string_t copies(const plugin_list_string_t *of) {
    plugin_list_string_t list = {.ptr = allocate(of->len, sizeof *list.ptr), .len = of->len};
    for (size_t i = 0; i < of->len; i++) list.ptr[i] = copy(&of->ptr[i]);
    return list;
}

static void ordered(const event_t *event, actions_t *actions) {
    plugin_string_t key = key_of("open/", &event->stream.val);
    payload_t payload = event->payload;
    weir_plugin_view_put(&key, &payload);
    plugin_string_free(&key);

    weir_plugin_types_metadata_t metadata = {.ptr = allocate(1, sizeof *metadata.ptr), .len = 1};
    metadata.ptr[0] = (pair_t){.f0 = text("cause"), .f1 = copy(&event->id)};
    next(actions, EXPORTS_WEIR_PLUGIN_PROCESSING_ACTION_EXECUTE)->val.execute = (weir_plugin_types_new_command_t){
        .id = copy(&event->id),
        .name = text("pay"),
        .topic = text("payments"),
        .stream = copy(&event->stream.val),
        .payload = copy_of(&event->payload),
        .actor = {.is_some = true, .val = text("contract-manager")},
        .tags = copies(&event->tags),
        .metadata = metadata,
    };
    next(actions, EXPORTS_WEIR_PLUGIN_PROCESSING_ACTION_SET_TIMER)->val.set_timer = (exports_weir_plugin_processing_timer_t){
        .key = copy(&event->stream.val),
        .at_ms = event->time_ms + 1000,
        .payload = copy_of(&event->payload),
    };
}

static void paid(const event_t *event, actions_t *actions) {
    plugin_string_t key = key_of("open/", &event->stream.val);
    payload_t stored;
    if (weir_plugin_view_get(&key, &stored)) {
        weir_plugin_types_payload_free(&stored);
        weir_plugin_view_delete(&key);
        next(actions, EXPORTS_WEIR_PLUGIN_PROCESSING_ACTION_CANCEL_TIMER)->val.cancel_timer = copy(&event->stream.val);
    }
    plugin_string_free(&key);
}

bool exports_weir_plugin_processing_react(exports_weir_plugin_processing_list_event_t *batch, actions_t *ret, problem_t *err) {
    bool good = true;
    for (size_t i = 0; i < batch->len; i++) good = good && batch->ptr[i].stream.is_some;
    if (good) {
        count(batch);
        plugin_string_t counter = lent("reacted");
        weir_plugin_log_count(&counter, batch->len);
        /* An event asks for two things at most. */
        *ret = (actions_t){.ptr = allocate(2 * batch->len, sizeof *ret->ptr), .len = 0};
        for (size_t i = 0; i < batch->len; i++) {
            (is(&batch->ptr[i].event_type, "ordered") ? ordered : paid)(&batch->ptr[i], ret);
        }
    } else {
        *err = problem("no-stream", "an order needs a stream", NULL);
    }
    exports_weir_plugin_processing_list_event_free(batch);
    return good;
}

/* How many orders are open, two a page. */
static int64_t count_open(void) {
    int64_t count = 0;
    plugin_string_t prefix = lent("open/"), after = {0};
    for (bool first = true;; first = false) {
        weir_plugin_view_list_tuple2_string_payload_t page;
        weir_plugin_view_scan(&prefix, first ? NULL : &after, 2, &page);
        plugin_string_free(&after);
        if (page.len == 0) return count;
        count += (int64_t)page.len;
        after = copy(&page.ptr[page.len - 1].f0);
        weir_plugin_view_list_tuple2_string_payload_free(&page);
    }
}

static void append(actions_t *actions, const char *type, const plugin_string_t *stream, payload_t payload) {
    next(actions, EXPORTS_WEIR_PLUGIN_PROCESSING_ACTION_APPEND)->val.append = (weir_plugin_types_new_event_t){
        .topic = text("orders"),
        .stream = {.is_some = true, .val = copy(stream)},
        .event_type = text(type),
        .payload = payload,
        .tags = list_of(type),
    };
}

bool exports_weir_plugin_processing_on_timer(exports_weir_plugin_processing_list_timer_t *due, actions_t *ret, problem_t *err) {
    (void)err;
    *ret = (actions_t){.ptr = allocate(due->len, sizeof *ret->ptr), .len = 0};
    for (size_t i = 0; i < due->len; i++) append(ret, "overdue", &due->ptr[i].key, json_with("open", count_open()));
    exports_weir_plugin_processing_list_timer_free(due);
    return true;
}

/* A text as JSON; a byte of it becomes six at most. */
static char *quoted(char *at, const plugin_string_t *of) {
    *at++ = '"';
    for (size_t i = 0; i < of->len; i++) {
        uint8_t c = of->ptr[i];
        if (c == '"' || c == '\\') *at++ = '\\';
        if (c < 0x20) {
            at += sprintf(at, "\\u%04x", c);
        } else {
            *at++ = (char)c;
        }
    }
    *at++ = '"';
    return at;
}

/* {"code":"the first one's","at":[their pointers]} */
static payload_t told(const exports_weir_plugin_processing_list_problem_t *reasons) {
    size_t size = 32;
    for (size_t i = 0; i < reasons->len; i++) {
        const problem_t *reason = &reasons->ptr[i];
        size += 6 * (reason->code.len + (reason->pointer.is_some ? reason->pointer.val.len : 0)) + 6;
    }
    char *out = allocate(size, 1), *at = stpcpy(out, "{\"code\":");
    at = stpcpy(quoted(at, &reasons->ptr[0].code), ",\"at\":[");
    bool first = true;
    for (size_t i = 0; i < reasons->len; i++) {
        if (!reasons->ptr[i].pointer.is_some) continue;
        if (!first) *at++ = ',';
        at = quoted(at, &reasons->ptr[i].pointer.val);
        first = false;
    }
    strcpy(at, "]}");
    payload_t payload = json(out);
    free(out);
    return payload;
}

bool exports_weir_plugin_processing_on_refused(weir_plugin_types_command_t *command,
                                               exports_weir_plugin_processing_list_problem_t *reasons, actions_t *ret,
                                               problem_t *err) {
    (void)err;
    for (size_t i = 0; i < reasons->len; i++) {
        pair_t fields[] = {{.f0 = lent("code"), .f1 = reasons->ptr[i].code},
                           {.f0 = lent("message"), .f1 = reasons->ptr[i].message}};
        write_log(WEIR_PLUGIN_LOG_LEVEL_WARN, "refused", fields, 2);
    }
    *ret = (actions_t){.ptr = allocate(1, sizeof *ret->ptr), .len = 0};
    append(ret, "refused", &command->stream, told(reasons));
    weir_plugin_types_command_free(command);
    exports_weir_plugin_processing_list_problem_free(reasons);
    return true;
}
