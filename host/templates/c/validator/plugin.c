/* Refuses payments whose amount is not positive. */

#include "json.h"
#include "memory.h"
#include "plugin.h"

typedef exports_weir_plugin_validating_verdict_t verdict_t;

void exports_weir_plugin_lifecycle_describe(exports_weir_plugin_lifecycle_manifest_t *ret) {
    *ret = (exports_weir_plugin_lifecycle_manifest_t){
        .name = text("{{name}}"),
        .version = text("0.1.0"),
        .description = text("Payments need an amount greater than 0"),
        .interests = {.ptr = allocate(1, sizeof *ret->interests.ptr), .len = 1},
    };
    ret->interests.ptr[0].event_types = (plugin_list_string_t){.ptr = allocate(1, sizeof(plugin_string_t)), .len = 1};
    ret->interests.ptr[0].event_types.ptr[0] = text("payment-*");
}

bool exports_weir_plugin_lifecycle_init(plugin_string_t *config_json, plugin_string_t *err) {
    (void)err;
    plugin_string_free(config_json);
    return true;
}

bool exports_weir_plugin_validating_configure(exports_weir_plugin_validating_topic_t *topic,
                                              exports_weir_plugin_validating_list_problem_t *err) {
    (void)err;
    exports_weir_plugin_validating_topic_free(topic);
    return true;
}

static verdict_t judge(const weir_plugin_types_payload_t *payload) {
    double amount;
    bool json = payload->tag == WEIR_PLUGIN_TYPES_PAYLOAD_JSON;
    if (json && json_number(json_member(payload->val.json.ptr, payload->val.json.len, "amount"), &amount) && amount > 0) {
        return (verdict_t){.tag = EXPORTS_WEIR_PLUGIN_VALIDATING_VERDICT_ACCEPT};
    }
    weir_plugin_types_problem_t *problem = allocate(1, sizeof *problem);
    *problem = (weir_plugin_types_problem_t){
        .code = text("not-positive"),
        .message = text("amount must be a number greater than 0"),
        .pointer = {.is_some = true, .val = text("/amount")},
    };
    return (verdict_t){
        .tag = EXPORTS_WEIR_PLUGIN_VALIDATING_VERDICT_REJECT,
        .val.reject = {.ptr = problem, .len = 1},
    };
}

void exports_weir_plugin_validating_validate(exports_weir_plugin_validating_list_new_event_t *batch,
                                             exports_weir_plugin_validating_list_verdict_t *ret) {
    ret->ptr = allocate(batch->len, sizeof *ret->ptr);
    ret->len = batch->len;
    for (size_t i = 0; i < batch->len; i++) ret->ptr[i] = judge(&batch->ptr[i].payload);
    exports_weir_plugin_validating_list_new_event_free(batch);
}
