/* Refuses and replaces events by their type, and commands by their name and state. See ../README.md. */

#include "contract.h"

typedef exports_weir_plugin_validating_verdict_t verdict_t;
typedef exports_weir_plugin_validating_list_problem_t validating_problems_t;
typedef exports_weir_plugin_guarding_list_problem_t guarding_problems_t;

static double topics = 0;

void exports_weir_plugin_lifecycle_describe(exports_weir_plugin_lifecycle_manifest_t *ret) {
    *ret = manifest("contract-guard", "Refuses what it is told to");
}

bool exports_weir_plugin_validating_configure(exports_weir_plugin_validating_topic_t *topic, validating_problems_t *err) {
    bool refused = is(&topic->name, "refused");
    if (refused) {
        *err = (validating_problems_t){.ptr = allocate(1, sizeof *err->ptr), .len = 1};
        err->ptr[0] = problem("bad-topic", "told to refuse this topic", NULL);
    } else {
        plugin_string_t gauge = lent("topics");
        weir_plugin_log_gauge(&gauge, ++topics);
        pair_t fields[] = {{.f0 = lent("topic"), .f1 = topic->name}, {.f0 = lent("config"), .f1 = topic->config_json}};
        write_log(WEIR_PLUGIN_LOG_LEVEL_DEBUG, "configured", fields, 2);
    }
    exports_weir_plugin_validating_topic_free(topic);
    return !refused;
}

static bool has_tag(const plugin_list_string_t *tags, const char *wanted) {
    for (size_t i = 0; i < tags->len; i++) {
        if (is(&tags->ptr[i], wanted)) return true;
    }
    return false;
}

static verdict_t judge(const weir_plugin_types_new_event_t *event) {
    verdict_t verdict = {.tag = EXPORTS_WEIR_PLUGIN_VALIDATING_VERDICT_REPLACE};
    if (is(&event->event_type, "plain")) {
        verdict.val.replace = json("{\"replaced\":true}");
        return verdict;
    }
    if (is(&event->event_type, "raw")) {
        verdict.val.replace = raw();
        return verdict;
    }
    validating_problems_t problems = {.ptr = allocate(2, sizeof *problems.ptr), .len = 0};
    if (is(&event->event_type, "bad")) problems.ptr[problems.len++] = problem("bad-type", "told to refuse this type", NULL);
    if (has_tag(&event->tags, "bad")) problems.ptr[problems.len++] = problem("bad-tag", "told to refuse this tag", NULL);
    if (problems.len == 0) {
        free(problems.ptr);
        return (verdict_t){.tag = EXPORTS_WEIR_PLUGIN_VALIDATING_VERDICT_ACCEPT};
    }
    return (verdict_t){.tag = EXPORTS_WEIR_PLUGIN_VALIDATING_VERDICT_REJECT, .val.reject = problems};
}

void exports_weir_plugin_validating_validate(exports_weir_plugin_validating_list_new_event_t *batch,
                                             exports_weir_plugin_validating_list_verdict_t *ret) {
    ret->ptr = allocate(batch->len, sizeof *ret->ptr);
    ret->len = batch->len;
    for (size_t i = 0; i < batch->len; i++) ret->ptr[i] = judge(&batch->ptr[i]);
    exports_weir_plugin_validating_list_new_event_free(batch);
}

static problem_t forbidden(const plugin_option_string_t *actor) {
    plugin_string_t who = actor->is_some ? actor->val : lent("nobody");
    char message[256];
    snprintf(message, sizeof message, "not for %.*s", (int)who.len, (const char *)who.ptr);
    return problem("forbidden", message, NULL);
}

bool exports_weir_plugin_guarding_guard(payload_t *maybe_state, weir_plugin_types_command_t *command,
                                        guarding_problems_t *err) {
    guarding_problems_t problems = {.ptr = allocate(2, sizeof *problems.ptr), .len = 0};
    if (is(&command->name, "forbidden")) problems.ptr[problems.len++] = forbidden(&command->actor);
    if (maybe_state != NULL && maybe_state->tag == WEIR_PLUGIN_TYPES_PAYLOAD_BYTES) {
        problems.ptr[problems.len++] = problem("packed", "the state is bytes", "");
    }
    bool fits = problems.len == 0;
    if (fits) {
        free(problems.ptr);
    } else {
        *err = problems;
    }
    if (maybe_state != NULL) weir_plugin_types_payload_free(maybe_state);
    weir_plugin_types_command_free(command);
    return fits;
}
