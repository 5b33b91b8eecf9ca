/* Events of type `made-v1` become `made-v2`. See ../README.md. */

#include "contract.h"

typedef weir_plugin_types_event_t event_t;

void exports_weir_plugin_lifecycle_describe(exports_weir_plugin_lifecycle_manifest_t *ret) {
    *ret = manifest("contract-upcaster", "Renames n to count");
    interest_in(ret);
    ret->interests.ptr[0].event_types = list_of("made-*");
}

/* A list of one more, which takes over what is in it. The pointer of an empty one is not from malloc. */
static void *longer(void *list, size_t len, size_t size) {
    void *more = realloc(len > 0 ? list : NULL, (len + 1) * size);
    if (more == NULL) abort();
    return more;
}

/* Changes the event where it stands: what was an argument goes back as the answer. */
static bool rename_n(event_t *event, problem_t *err) {
    if (event->payload.tag == WEIR_PLUGIN_TYPES_PAYLOAD_JSON) {
        int64_t n;
        if (!integer(&event->payload, "n", &n)) {
            *err = problem("no-n", "n must be a whole number", "/n");
            return false;
        }
        weir_plugin_types_payload_free(&event->payload);
        event->payload = json_with("count", n);
    }
    plugin_string_free(&event->event_type);
    event->event_type = text("made-v2");
    event->tags.ptr = longer(event->tags.ptr, event->tags.len, sizeof *event->tags.ptr);
    event->tags.ptr[event->tags.len++] = text("v2");
    event->metadata.ptr = longer(event->metadata.ptr, event->metadata.len, sizeof *event->metadata.ptr);
    event->metadata.ptr[event->metadata.len++] = (pair_t){.f0 = text("was"), .f1 = text("made-v1")};
    return true;
}

bool exports_weir_plugin_upcasting_upcast(exports_weir_plugin_upcasting_list_event_t *batch,
                                          exports_weir_plugin_upcasting_list_event_t *ret, problem_t *err) {
    for (size_t i = 0; i < batch->len; i++) {
        if (!is(&batch->ptr[i].event_type, "made-v1")) continue;
        if (!rename_n(&batch->ptr[i], err)) {
            exports_weir_plugin_upcasting_list_event_free(batch);
            return false;
        }
    }
    char count[24];
    snprintf(count, sizeof count, "%zu", batch->len);
    plugin_string_t counter = lent("upcast");
    weir_plugin_log_count(&counter, batch->len);
    write_log(WEIR_PLUGIN_LOG_LEVEL_DEBUG, "upcast", &(pair_t){.f0 = lent("events"), .f1 = lent(count)}, 1);
    *ret = *batch;
    return true;
}
