/* Keeps, for every stream of payments, how many there were, the sum of their amounts and the last one's position. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "memory.h"
#include "plugin.h"

#define PAGE_KEYS 256
#define VALUE_BYTES_MAX 96

typedef weir_plugin_types_event_t event_t;
typedef weir_plugin_types_payload_t payload_t;
typedef plugin_list_tuple2_string_string_t params_t;

/* The sum has room for a thousand of the largest amounts. */
struct totals {
    long long count;
    long long sum;
    long long last;
};

void exports_weir_plugin_lifecycle_describe(exports_weir_plugin_lifecycle_manifest_t *ret) {
    *ret = (exports_weir_plugin_lifecycle_manifest_t){
        .name = text("totals"),
        .version = text("1.0.0"),
        .description = text("Count, sum and last position of the payments of every stream"),
        .interests = {.ptr = allocate(1, sizeof *ret->interests.ptr), .len = 1},
        .state_version = 1,
    };
    ret->interests.ptr[0].event_types = (plugin_list_string_t){.ptr = allocate(1, sizeof(plugin_string_t)), .len = 1};
    ret->interests.ptr[0].event_types.ptr[0] = text("payment-*");
}

bool exports_weir_plugin_lifecycle_init(plugin_string_t *config_json, plugin_string_t *err) {
    (void)err;
    plugin_string_free(config_json);
    return true;
}

static long long member(const payload_t *value, const char *name) {
    const char *digits = json_member(value->val.json.ptr, value->val.json.len, name);
    return digits == NULL ? 0 : strtoll(digits, NULL, 10);
}

static struct totals read(const payload_t *value) {
    if (value->tag != WEIR_PLUGIN_TYPES_PAYLOAD_JSON) return (struct totals){0};
    return (struct totals){.count = member(value, "count"), .sum = member(value, "sum"), .last = member(value, "last")};
}

static void add(struct totals *totals, const event_t *event) {
    int64_t amount = 0;
    if (event->payload.tag == WEIR_PLUGIN_TYPES_PAYLOAD_JSON) {
        json_integer(json_member(event->payload.val.json.ptr, event->payload.val.json.len, "amount"), &amount);
    }
    totals->count += 1;
    totals->sum += amount;
    totals->last = (long long)event->position;
}

static int compare_streams(const event_t *a, const event_t *b) {
    plugin_string_t x = a->stream.val, y = b->stream.val;
    int order = memcmp(x.ptr, y.ptr, x.len < y.len ? x.len : y.len);
    return order != 0 ? order : (x.len > y.len) - (x.len < y.len);
}

/* By stream, then as they came. */
static int compare(const void *left, const void *right) {
    const event_t *a = *(const event_t *const *)left, *b = *(const event_t *const *)right;
    int order = compare_streams(a, b);
    return order != 0 ? order : (a > b) - (a < b);
}

/* Reads and writes the view once a batch: crossing the border costs more than the work itself. */
bool exports_weir_plugin_projecting_apply(exports_weir_plugin_projecting_list_event_t *batch,
                                          exports_weir_plugin_projecting_problem_t *err) {
    (void)err;
    event_t **events = allocate(batch->len, sizeof *events);
    size_t count = 0;
    for (size_t i = 0; i < batch->len; i++) {
        if (batch->ptr[i].stream.is_some) events[count++] = &batch->ptr[i];
    }
    qsort(events, count, sizeof *events, compare);

    plugin_list_string_t keys = {.ptr = allocate(count, sizeof *keys.ptr), .len = 0};
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || compare_streams(events[i - 1], events[i]) != 0) keys.ptr[keys.len++] = events[i]->stream.val;
    }
    weir_plugin_view_list_option_payload_t stored;
    weir_plugin_view_get_many(&keys, &stored);

    char(*values)[VALUE_BYTES_MAX] = allocate(keys.len, sizeof *values);
    weir_plugin_view_list_tuple2_string_payload_t entries = {.ptr = allocate(keys.len, sizeof *entries.ptr), .len = keys.len};
    for (size_t key = 0, i = 0; key < keys.len; key++) {
        struct totals totals = stored.ptr[key].is_some ? read(&stored.ptr[key].val) : (struct totals){0};
        const event_t *first = events[i];
        while (i < count && compare_streams(first, events[i]) == 0) add(&totals, events[i++]);
        int len = snprintf(values[key], sizeof values[key], "{\"count\":%lld,\"sum\":%lld,\"last\":%lld}", totals.count,
                           totals.sum, totals.last);
        entries.ptr[key].f0 = keys.ptr[key];
        entries.ptr[key].f1.tag = WEIR_PLUGIN_TYPES_PAYLOAD_JSON;
        entries.ptr[key].f1.val.json = (plugin_string_t){.ptr = (uint8_t *)values[key], .len = (size_t)len};
    }
    weir_plugin_view_put_many(&entries);

    /* Keys point into the batch and values into `values`, so only the lists themselves are freed. */
    free(entries.ptr);
    free(values);
    free(keys.ptr);
    free(events);
    weir_plugin_view_list_option_payload_free(&stored);
    exports_weir_plugin_projecting_list_event_free(batch);
    return true;
}

static bool is(const plugin_string_t *name, const char *wanted) {
    return name->len == strlen(wanted) && memcmp(name->ptr, wanted, name->len) == 0;
}

/* `stream`, as often as one likes, asks for those alone. */
static bool is_asked_for(const plugin_string_t *stream, const params_t *params) {
    bool all = true;
    for (size_t i = 0; i < params->len; i++) {
        const plugin_string_t *value = &params->ptr[i].f1;
        if (!is(&params->ptr[i].f0, "stream")) continue;
        if (value->len == stream->len && memcmp(value->ptr, stream->ptr, value->len) == 0) return true;
        all = false;
    }
    return all;
}

/* All entries of the view, page by page, until a page is empty: the host may answer with less than was asked for. */
static void add_up(const params_t *params, long long *count, long long *sum) {
    plugin_string_t prefix = {0}, after = {0};
    bool first = true;
    for (;;) {
        weir_plugin_view_list_tuple2_string_payload_t page;
        weir_plugin_view_scan(&prefix, first ? NULL : &after, PAGE_KEYS, &page);
        if (page.len == 0) break;
        for (size_t i = 0; i < page.len; i++) {
            if (!is_asked_for(&page.ptr[i].f0, params)) continue;
            *sum += read(&page.ptr[i].f1).sum;
            *count += 1;
        }
        plugin_string_free(&after);
        plugin_string_t *key = &page.ptr[page.len - 1].f0;
        plugin_string_dup_n(&after, (const char *)key->ptr, key->len);
        weir_plugin_view_list_tuple2_string_payload_free(&page);
        first = false;
    }
    plugin_string_free(&after);
}

static plugin_string_t no_such_query(const plugin_string_t *name) {
    const char before[] = "there is no query '", behind[] = "'";
    plugin_string_t message = {.len = sizeof before - 1 + name->len + sizeof behind - 1};
    message.ptr = allocate(message.len, 1);
    memcpy(message.ptr, before, sizeof before - 1);
    memcpy(message.ptr + sizeof before - 1, name->ptr, name->len);
    memcpy(message.ptr + sizeof before - 1 + name->len, behind, sizeof behind - 1);
    return message;
}

bool exports_weir_plugin_querying_query(plugin_string_t *name, params_t *params, plugin_string_t *ret,
                                        exports_weir_plugin_querying_problem_t *err) {
    bool known = is(name, "count") || is(name, "total");
    if (known) {
        long long count = 0, sum = 0;
        add_up(params, &count, &sum);
        char answer[32];
        snprintf(answer, sizeof answer, "%lld", is(name, "count") ? count : sum);
        *ret = text(answer);
    } else {
        *err = (exports_weir_plugin_querying_problem_t){.code = text("unknown-query"), .message = no_such_query(name)};
    }
    plugin_string_free(name);
    plugin_list_tuple2_string_string_free(params);
    return known;
}
