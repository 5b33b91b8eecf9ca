/* What the plugins of this folder share. */

#ifndef CONTRACT_H
#define CONTRACT_H

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "memory.h"
#include "plugin.h"

typedef weir_plugin_types_payload_t payload_t;
typedef weir_plugin_types_problem_t problem_t;
typedef plugin_tuple2_string_string_t pair_t;

static inline bool is(const plugin_string_t *string, const char *wanted) {
    return string->len == strlen(wanted) && memcmp(string->ptr, wanted, string->len) == 0;
}

static inline plugin_string_t copy(const plugin_string_t *string) {
    plugin_string_t result;
    plugin_string_dup_n(&result, (const char *)string->ptr, string->len);
    return result;
}

/* A string for a call into the host, which copies it: nothing is to be freed. */
static inline plugin_string_t lent(const char *source) {
    return (plugin_string_t){.ptr = (uint8_t *)source, .len = strlen(source)};
}

static inline plugin_list_string_t list_of(const char *only) {
    plugin_list_string_t list = {.ptr = allocate(1, sizeof *list.ptr), .len = 1};
    list.ptr[0] = text(only);
    return list;
}

/* `pointer` may be NULL. */
static inline problem_t problem(const char *code, const char *message, const char *pointer) {
    problem_t result = {.code = text(code), .message = text(message), .pointer.is_some = pointer != NULL};
    if (pointer != NULL) result.pointer.val = text(pointer);
    return result;
}

static inline payload_t json(const char *source) {
    return (payload_t){.tag = WEIR_PLUGIN_TYPES_PAYLOAD_JSON, .val.json = text(source)};
}

static inline payload_t bytes(const void *source, size_t len) {
    payload_t result = {.tag = WEIR_PLUGIN_TYPES_PAYLOAD_BYTES, .val.bytes = {.ptr = allocate(len, 1), .len = len}};
    memcpy(result.val.bytes.ptr, source, len);
    return result;
}

/* Bytes that are neither text nor JSON. */
static inline payload_t raw(void) {
    return bytes("\0\1\377", 3);
}

static inline payload_t copy_of(const payload_t *payload) {
    if (payload->tag == WEIR_PLUGIN_TYPES_PAYLOAD_BYTES) return bytes(payload->val.bytes.ptr, payload->val.bytes.len);
    return (payload_t){.tag = WEIR_PLUGIN_TYPES_PAYLOAD_JSON, .val.json = copy(&payload->val.json)};
}

/* Whether a payload, which may be NULL, has a member that is a whole number. */
static inline bool integer(const payload_t *payload, const char *name, int64_t *value) {
    if (payload == NULL || payload->tag != WEIR_PLUGIN_TYPES_PAYLOAD_JSON) return false;
    return json_integer(json_member(payload->val.json.ptr, payload->val.json.len, name), value);
}

/* {"<name>":<value>} */
static inline payload_t json_with(const char *name, int64_t value) {
    char buffer[64];
    snprintf(buffer, sizeof buffer, "{\"%s\":%lld}", name, (long long)value);
    return json(buffer);
}

static inline void write_log(weir_plugin_log_level_t level, const char *message, pair_t *fields, size_t count) {
    plugin_string_t lent_message = lent(message);
    plugin_list_tuple2_string_string_t list = {.ptr = fields, .len = count};
    weir_plugin_log_write(level, &lent_message, &list);
}

static inline exports_weir_plugin_lifecycle_manifest_t manifest(const char *name, const char *description) {
    return (exports_weir_plugin_lifecycle_manifest_t){
        .name = text(name),
        .version = text("1.0.0"),
        .description = text(description),
        .state_version = 1,
        .config_schema = {.is_some = true, .val = text("{\"type\":\"object\"}")},
    };
}

static inline void wish_for(exports_weir_plugin_lifecycle_manifest_t *manifest, size_t count) {
    manifest->wishes.ptr = allocate(count, sizeof *manifest->wishes.ptr);
    manifest->wishes.len = count;
}

static inline void interest_in(exports_weir_plugin_lifecycle_manifest_t *manifest) {
    manifest->interests.ptr = allocate(1, sizeof *manifest->interests.ptr);
    manifest->interests.len = 1;
}

/* The same for all kinds. */
bool exports_weir_plugin_lifecycle_init(plugin_string_t *config_json, plugin_string_t *err) {
    bool refused = json_member(config_json->ptr, config_json->len, "refuse") != NULL;
    if (refused) *err = text("told to refuse");
    plugin_string_free(config_json);
    return !refused;
}

#endif
