/* Posts every event to the URL of its consumer. */

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "memory.h"
#include "plugin.h"

typedef exports_weir_plugin_sinking_receipt_t receipt_t;

void exports_weir_plugin_lifecycle_describe(exports_weir_plugin_lifecycle_manifest_t *ret) {
    *ret = (exports_weir_plugin_lifecycle_manifest_t){
        .name = text("{{name}}"),
        .version = text("0.1.0"),
        .description = text("Posts every event to a URL"),
        .wishes = {.ptr = allocate(1, sizeof *ret->wishes.ptr), .len = 1},
    };
    exports_weir_plugin_lifecycle_wish_t *wish = &ret->wishes.ptr[0];
    wish->tag = EXPORTS_WEIR_PLUGIN_LIFECYCLE_WISH_HTTP;
    wish->val.http.host = text("*");
    wish->val.http.methods = (plugin_list_string_t){.ptr = allocate(1, sizeof(plugin_string_t)), .len = 1};
    wish->val.http.methods.ptr[0] = text("POST");
}

bool exports_weir_plugin_lifecycle_init(plugin_string_t *config_json, plugin_string_t *err) {
    (void)err;
    plugin_string_free(config_json);
    return true;
}

/* The URL as it stands in the JSON, without a copy; escapes in it are not read. */
static bool url_of(const exports_weir_plugin_sinking_target_t *target, plugin_string_t *url) {
    const plugin_string_t *config = &target->config_json;
    const char *value = json_member(config->ptr, config->len, "url");
    if (value == NULL || *value != '"') return false;
    size_t left = (size_t)((const char *)config->ptr + config->len - value) - 1;
    const char *end = memchr(value + 1, '"', left);
    if (end == NULL) return false;
    *url = (plugin_string_t){.ptr = (uint8_t *)value + 1, .len = (size_t)(end - value - 1)};
    return true;
}

bool exports_weir_plugin_sinking_check(exports_weir_plugin_sinking_target_t *target,
                                       exports_weir_plugin_sinking_list_problem_t *err) {
    plugin_string_t url;
    bool fits = url_of(target, &url);
    if (!fits) {
        *err = (exports_weir_plugin_sinking_list_problem_t){.ptr = allocate(1, sizeof *err->ptr), .len = 1};
        err->ptr[0] = (exports_weir_plugin_sinking_problem_t){
            .code = text("no-url"),
            .message = text("the target needs a 'url'"),
            .pointer = {.is_some = true, .val = text("/url")},
        };
    }
    exports_weir_plugin_sinking_target_free(target);
    return fits;
}

/* {"id":…,"type":…,"payload":…}; ids and types have no letter that JSON escapes. */
static plugin_list_u8_t body_of(const weir_plugin_types_event_t *event) {
    bool json = event->payload.tag == WEIR_PLUGIN_TYPES_PAYLOAD_JSON;
    plugin_string_t payload = json ? event->payload.val.json : (plugin_string_t){.ptr = (uint8_t *)"null", .len = 4};
    size_t size = event->id.len + event->event_type.len + payload.len + 64;
    char *body = allocate(size, 1);
    int len = snprintf(body, size, "{\"id\":\"%.*s\",\"type\":\"%.*s\",\"payload\":%.*s}", (int)event->id.len,
                       (const char *)event->id.ptr, (int)event->event_type.len, (const char *)event->event_type.ptr,
                       (int)payload.len, (const char *)payload.ptr);
    return (plugin_list_u8_t){.ptr = (uint8_t *)body, .len = (size_t)len};
}

/* Whether the other side took the event; if not, why. */
static bool post(plugin_string_t url, const weir_plugin_types_event_t *event, char *reason, size_t reason_size) {
    plugin_tuple2_string_string_t header = {.f0 = text("content-type"), .f1 = text("application/json")};
    weir_plugin_http_request_t request = {
        .method = text("POST"),
        .url = url,
        .headers = {.ptr = &header, .len = 1},
        .body = {.is_some = true, .val = body_of(event)},
    };
    weir_plugin_http_response_t response;
    weir_plugin_http_http_error_t error;
    bool answered = weir_plugin_http_send(&request, &response, &error);
    bool taken = answered && response.status >= 200 && response.status < 300;
    if (answered) {
        snprintf(reason, reason_size, "status %u", (unsigned)response.status);
        weir_plugin_http_response_free(&response);
    } else {
        snprintf(reason, reason_size, "no answer (error %u)", (unsigned)error.tag);
        weir_plugin_http_http_error_free(&error);
    }
    plugin_string_free(&request.method);
    plugin_string_free(&header.f0);
    plugin_string_free(&header.f1);
    free(request.body.val.ptr);
    return taken;
}

void exports_weir_plugin_sinking_deliver(exports_weir_plugin_sinking_target_t *target,
                                         exports_weir_plugin_sinking_list_event_t *batch, receipt_t *ret) {
    plugin_string_t url = {0};
    char reason[64] = "the target has no URL";
    bool good = url_of(target, &url);
    uint32_t accepted = 0;
    while (good && accepted < batch->len) {
        good = post(url, &batch->ptr[accepted], reason, sizeof reason);
        if (good) accepted++;
    }
    *ret = (receipt_t){.accepted = accepted, .rest.tag = EXPORTS_WEIR_PLUGIN_SINKING_REST_DONE};
    if (!good) {
        ret->rest.tag = EXPORTS_WEIR_PLUGIN_SINKING_REST_RETRY;
        ret->rest.val.retry = (exports_weir_plugin_sinking_retry_t){.reason = text(reason)};
    }
    exports_weir_plugin_sinking_target_free(target);
    exports_weir_plugin_sinking_list_event_free(batch);
}
