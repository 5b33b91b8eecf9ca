/* Posts payloads to the URL of its consumer. See ../README.md. */

#include <strings.h>

#include "contract.h"

typedef exports_weir_plugin_sinking_target_t target_t;
typedef exports_weir_plugin_sinking_rest_t rest_t;
typedef weir_plugin_http_result_response_http_error_t answer_t;
typedef weir_plugin_http_list_result_response_http_error_t answers_t;

static const char *const ERRORS[] = {"denied", "timeout", "connect", "too-large", "protocol"};

void exports_weir_plugin_lifecycle_describe(exports_weir_plugin_lifecycle_manifest_t *ret) {
    *ret = manifest("contract-sink", "Posts payloads");
    wish_for(ret, 2);
    ret->wishes.ptr[0].tag = EXPORTS_WEIR_PLUGIN_LIFECYCLE_WISH_HTTP;
    ret->wishes.ptr[0].val.http.host = text("*");
    ret->wishes.ptr[0].val.http.methods = list_of("POST");
    ret->wishes.ptr[1].tag = EXPORTS_WEIR_PLUGIN_LIFECYCLE_WISH_SECRET;
    ret->wishes.ptr[1].val.secret = text("TOKEN");
}

/* The URL as it stands in the JSON, without a copy; escapes in it are not read. */
static bool url_of(const target_t *target, plugin_string_t *url) {
    const plugin_string_t *config = &target->config_json;
    const char *value = json_member(config->ptr, config->len, "url");
    if (value == NULL || *value != '"') return false;
    const char *end = memchr(value + 1, '"', (size_t)((const char *)config->ptr + config->len - value) - 1);
    if (end == NULL) return false;
    *url = (plugin_string_t){.ptr = (uint8_t *)value + 1, .len = (size_t)(end - value - 1)};
    return true;
}

bool exports_weir_plugin_sinking_check(target_t *target, exports_weir_plugin_sinking_list_problem_t *err) {
    plugin_string_t url;
    bool fits = url_of(target, &url);
    if (!fits) {
        *err = (exports_weir_plugin_sinking_list_problem_t){.ptr = allocate(1, sizeof *err->ptr), .len = 1};
        err->ptr[0] = problem("no-url", "the target needs a url", "/url");
    }
    exports_weir_plugin_sinking_target_free(target);
    return fits;
}

/* Lends the event's payload: the host copies it. */
static weir_plugin_http_request_t request(plugin_string_t url, const payload_t *payload, pair_t headers[2]) {
    bool is_json = payload->tag == WEIR_PLUGIN_TYPES_PAYLOAD_JSON;
    plugin_list_u8_t body = payload->val.bytes;
    if (is_json) body = (plugin_list_u8_t){.ptr = payload->val.json.ptr, .len = payload->val.json.len};
    headers[0] = (pair_t){lent("content-type"), lent(is_json ? "application/json" : "application/octet-stream")};
    headers[1] = (pair_t){lent("authorization"), lent("Bearer {{secret:TOKEN}}")};
    return (weir_plugin_http_request_t){
        .method = lent("POST"),
        .url = url,
        .headers = {.ptr = headers, .len = 2},
        .body = {.is_some = body.len > 0, .val = body},
        .timeout_ms = {.is_some = true, .val = 10000},
    };
}

static answers_t post_all(weir_plugin_http_request_t *requests, size_t count) {
    answers_t answers;
    if (count == 1) {
        answers = (answers_t){.ptr = allocate(1, sizeof *answers.ptr), .len = 1};
        answers.ptr[0].is_err = !weir_plugin_http_send(requests, &answers.ptr[0].val.ok, &answers.ptr[0].val.err);
    } else {
        weir_plugin_http_list_request_t list = {.ptr = requests, .len = count};
        weir_plugin_http_send_all(&list, &answers);
    }
    return answers;
}

static plugin_option_u64_t after_ms(const plugin_list_tuple2_string_string_t *headers) {
    for (size_t i = 0; i < headers->len; i++) {
        const plugin_string_t *name = &headers->ptr[i].f0, *value = &headers->ptr[i].f1;
        if (name->len != strlen("retry-after") || strncasecmp((char *)name->ptr, "retry-after", name->len) != 0) continue;
        uint64_t seconds = 0;
        for (size_t digit = 0; digit < value->len; digit++) seconds = seconds * 10 + (value->ptr[digit] - '0');
        return (plugin_option_u64_t){.is_some = true, .val = seconds * 1000};
    }
    return (plugin_option_u64_t){0};
}

/* What an answer means for its event. */
static rest_t meaning(const answer_t *answer) {
    rest_t rest = {.tag = EXPORTS_WEIR_PLUGIN_SINKING_REST_RETRY};
    if (answer->is_err && answer->val.err.tag == WEIR_PLUGIN_HTTP_HTTP_ERROR_DENIED) {
        rest.tag = EXPORTS_WEIR_PLUGIN_SINKING_REST_POISON;
        rest.val.poison = (problem_t){.code = text("denied"), .message = copy(&answer->val.err.val.denied)};
        return rest;
    }
    if (answer->is_err) {
        rest.val.retry.reason = text(ERRORS[answer->val.err.tag]);
        return rest;
    }
    const weir_plugin_http_response_t *response = &answer->val.ok;
    if (response->status >= 200 && response->status < 300) {
        rest.tag = EXPORTS_WEIR_PLUGIN_SINKING_REST_DONE;
        return rest;
    }
    char code[24], reason[256];
    snprintf(code, sizeof code, "status-%u", response->status);
    snprintf(reason, sizeof reason, "status %u: %.*s", response->status, (int)response->body.len, response->body.ptr);
    if (response->status == 503) {
        rest.val.retry.after_ms = after_ms(&response->headers);
        rest.val.retry.reason = text(reason);
        return rest;
    }
    bool gone = response->status == 410;
    rest.tag = gone ? EXPORTS_WEIR_PLUGIN_SINKING_REST_GONE : EXPORTS_WEIR_PLUGIN_SINKING_REST_POISON;
    *(gone ? &rest.val.gone : &rest.val.poison) = problem(code, reason, NULL);
    return rest;
}

void exports_weir_plugin_sinking_deliver(target_t *target, exports_weir_plugin_sinking_list_event_t *batch,
                                         exports_weir_plugin_sinking_receipt_t *ret) {
    char now[24];
    snprintf(now, sizeof now, "%llu", (unsigned long long)weir_plugin_clock_now_ms());
    pair_t fields[] = {{.f0 = lent("target"), .f1 = target->id}, {.f0 = lent("now-ms"), .f1 = lent(now)}};
    write_log(WEIR_PLUGIN_LOG_LEVEL_INFO, "deliver", fields, 2);

    plugin_string_t url = {0};
    url_of(target, &url);
    weir_plugin_http_request_t *requests = allocate(batch->len, sizeof *requests);
    pair_t(*headers)[2] = allocate(batch->len, sizeof *headers);
    for (size_t i = 0; i < batch->len; i++) requests[i] = request(url, &batch->ptr[i].payload, headers[i]);
    answers_t answers = post_all(requests, batch->len);
    *ret = (exports_weir_plugin_sinking_receipt_t){.rest.tag = EXPORTS_WEIR_PLUGIN_SINKING_REST_DONE};
    while (ret->accepted < answers.len && ret->rest.tag == EXPORTS_WEIR_PLUGIN_SINKING_REST_DONE) {
        ret->rest = meaning(&answers.ptr[ret->accepted]);
        if (ret->rest.tag == EXPORTS_WEIR_PLUGIN_SINKING_REST_DONE) ret->accepted++;
    }
    weir_plugin_http_list_result_response_http_error_free(&answers);
    free(headers);
    free(requests);
    exports_weir_plugin_sinking_target_free(target);
    exports_weir_plugin_sinking_list_event_free(batch);
}
