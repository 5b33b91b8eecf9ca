/* Counts events by their types. */

#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "plugin.h"

#define DIGITS_MAX 24

void exports_weir_plugin_lifecycle_describe(exports_weir_plugin_lifecycle_manifest_t *ret) {
    *ret = (exports_weir_plugin_lifecycle_manifest_t){
        .name = text("{{name}}"),
        .version = text("0.1.0"),
        .description = text("Counts events by their types"),
        .state_version = 1,
    };
}

bool exports_weir_plugin_lifecycle_init(plugin_string_t *config_json, plugin_string_t *err) {
    (void)err;
    plugin_string_free(config_json);
    return true;
}

static unsigned long long read(const weir_plugin_types_payload_t *value) {
    unsigned long long count = 0;
    if (value->tag != WEIR_PLUGIN_TYPES_PAYLOAD_JSON) return 0;
    for (size_t i = 0; i < value->val.json.len; i++) count = count * 10 + (value->val.json.ptr[i] - '0');
    return count;
}

static void count_one(plugin_string_t *type) {
    weir_plugin_types_payload_t stored;
    unsigned long long count = 1;
    if (weir_plugin_view_get(type, &stored)) {
        count += read(&stored);
        weir_plugin_types_payload_free(&stored);
    }
    char digits[DIGITS_MAX];
    int len = snprintf(digits, sizeof digits, "%llu", count);
    weir_plugin_types_payload_t written = {.tag = WEIR_PLUGIN_TYPES_PAYLOAD_JSON};
    written.val.json = (plugin_string_t){.ptr = (uint8_t *)digits, .len = (size_t)len};
    weir_plugin_view_put(type, &written);
}

bool exports_weir_plugin_projecting_apply(exports_weir_plugin_projecting_list_event_t *batch,
                                          exports_weir_plugin_projecting_problem_t *err) {
    (void)err;
    for (size_t i = 0; i < batch->len; i++) count_one(&batch->ptr[i].event_type);
    exports_weir_plugin_projecting_list_event_free(batch);
    return true;
}

/* Page by page, until a page is empty: the host may answer with less than was asked for. */
static unsigned long long total(void) {
    plugin_string_t prefix = {0}, after = {0};
    unsigned long long sum = 0;
    for (bool first = true;; first = false) {
        weir_plugin_view_list_tuple2_string_payload_t page;
        weir_plugin_view_scan(&prefix, first ? NULL : &after, 256, &page);
        if (page.len == 0) break;
        for (size_t i = 0; i < page.len; i++) sum += read(&page.ptr[i].f1);
        plugin_string_free(&after);
        plugin_string_t *key = &page.ptr[page.len - 1].f0;
        plugin_string_dup_n(&after, (const char *)key->ptr, key->len);
        weir_plugin_view_list_tuple2_string_payload_free(&page);
    }
    plugin_string_free(&after);
    return sum;
}

bool exports_weir_plugin_querying_query(plugin_string_t *name, plugin_list_tuple2_string_string_t *params,
                                        plugin_string_t *ret, exports_weir_plugin_querying_problem_t *err) {
    bool known = name->len == 5 && memcmp(name->ptr, "total", 5) == 0;
    if (known) {
        char digits[DIGITS_MAX];
        snprintf(digits, sizeof digits, "%llu", total());
        *ret = text(digits);
    } else {
        *err = (exports_weir_plugin_querying_problem_t){.code = text("unknown-query"), .message = text("there is no such query")};
    }
    plugin_string_free(name);
    plugin_list_tuple2_string_string_free(params);
    return known;
}
