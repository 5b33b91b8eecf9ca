/* Refuses payments that are not positive, or larger than the operator's `max`. */

#include <stdio.h>
#include <stdlib.h>

#include "json.h"
#include "memory.h"
#include "plugin.h"

typedef exports_weir_plugin_validating_verdict_t verdict_t;

static bool max_set = false;
static int64_t max = 0;

void exports_weir_plugin_lifecycle_describe(exports_weir_plugin_lifecycle_manifest_t *ret) {
    *ret = (exports_weir_plugin_lifecycle_manifest_t){
        .name = text("positive-amount"),
        .version = text("1.0.0"),
        .description = text("Payments need an amount greater than 0"),
        .interests = {.ptr = allocate(1, sizeof *ret->interests.ptr), .len = 1},
        .state_version = 0,
    };
    ret->interests.ptr[0].event_types = (plugin_list_string_t){.ptr = allocate(1, sizeof(plugin_string_t)), .len = 1};
    ret->interests.ptr[0].event_types.ptr[0] = text("payment-*");
}

bool exports_weir_plugin_lifecycle_init(plugin_string_t *config_json, plugin_string_t *err) {
    const char *limit = json_member(config_json->ptr, config_json->len, "max");
    max_set = json_integer(limit, &max);
    bool fits = limit == NULL || max_set;
    if (!fits) *err = text("'max' must be an integer");
    plugin_string_free(config_json);
    return fits;
}

bool exports_weir_plugin_validating_configure(exports_weir_plugin_validating_topic_t *topic,
                                              exports_weir_plugin_validating_list_problem_t *err) {
    (void)err;
    exports_weir_plugin_validating_topic_free(topic);
    return true;
}

static verdict_t reject(const char *code, const char *message) {
    weir_plugin_types_problem_t *problem = allocate(1, sizeof *problem);
    *problem = (weir_plugin_types_problem_t){
        .code = text(code),
        .message = text(message),
        .pointer = {.is_some = true, .val = text("/amount")},
    };
    return (verdict_t){
        .tag = EXPORTS_WEIR_PLUGIN_VALIDATING_VERDICT_REJECT,
        .val.reject = {.ptr = problem, .len = 1},
    };
}

static verdict_t judge(const weir_plugin_types_payload_t *payload) {
    double amount;
    bool json = payload->tag == WEIR_PLUGIN_TYPES_PAYLOAD_JSON;
    if (!json || !json_number(json_member(payload->val.json.ptr, payload->val.json.len, "amount"), &amount)) {
        return reject("no-amount", "amount must be a number");
    }
    if (amount <= 0) return reject("not-positive", "amount must be greater than 0");
    if (max_set && amount > (double)max) {
        char message[64];
        snprintf(message, sizeof message, "amount must be at most %lld", (long long)max);
        return reject("too-large", message);
    }
    return (verdict_t){.tag = EXPORTS_WEIR_PLUGIN_VALIDATING_VERDICT_ACCEPT};
}

void exports_weir_plugin_validating_validate(exports_weir_plugin_validating_list_new_event_t *batch,
                                             exports_weir_plugin_validating_list_verdict_t *ret) {
    ret->ptr = allocate(batch->len, sizeof *ret->ptr);
    ret->len = batch->len;
    for (size_t i = 0; i < batch->len; i++) ret->ptr[i] = judge(&batch->ptr[i].payload);
    exports_weir_plugin_validating_list_new_event_free(batch);
}
