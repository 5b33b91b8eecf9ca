#include "json.h"

#include <stdlib.h>
#include <string.h>

struct reader {
    const uint8_t *at;
    const uint8_t *end;
};

/* The next byte that is not white space, which it does not pass; 0 at the end. */
static uint8_t peek(struct reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')) r->at++;
    return r->at < r->end ? *r->at : 0;
}

/* The byte under the reader, which it passes; 0 at the end. */
static uint8_t take(struct reader *r) {
    return r->at < r->end ? *r->at++ : 0;
}

/* The character that an escape means, with the backslash already passed. */
static unsigned escaped(struct reader *r) {
    uint8_t letter = take(r);
    switch (letter) {
        case 'b': return '\b';
        case 'f': return '\f';
        case 'n': return '\n';
        case 'r': return '\r';
        case 't': return '\t';
        case 'u': break;
        default: return letter;
    }
    unsigned unit = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t digit = take(r);
        unit = unit * 16 + (digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
    }
    return unit;
}

/* Passes a string, quotes and all, and says whether it reads `name`. */
static bool string_is(struct reader *r, const char *name) {
    bool same = true;
    take(r);
    while (r->at < r->end) {
        unsigned c = take(r);
        if (c == '"') return same && *name == '\0';
        if (c == '\\') c = escaped(r);
        if (same && c != 0 && c == (unsigned char)*name) {
            name++;
        } else {
            same = false;
        }
    }
    return false;
}

/* Passes a value, however deep, without recursion. */
static void skip_value(struct reader *r) {
    size_t depth = 0;
    do {
        switch (peek(r)) {
            case 0: return;
            case '"': string_is(r, ""); break;
            case '{': case '[': depth++; take(r); break;
            case '}': case ']': depth--; take(r); break;
            case ',': case ':': take(r); break;
            default:
                /* a number, true, false or null */
                do take(r); while (r->at < r->end && !strchr(",]} \t\r\n", *r->at));
        }
    } while (depth > 0);
}

const char *json_member(const uint8_t *text, size_t len, const char *name) {
    struct reader r = {text, text + len};
    const char *found = NULL;
    if (peek(&r) != '{') return NULL;
    take(&r);
    while (peek(&r) == '"') {
        bool wanted = string_is(&r, name);
        if (peek(&r) == ':') take(&r);
        peek(&r);
        if (wanted) found = (const char *)r.at;
        skip_value(&r);
        if (peek(&r) == ',') take(&r);
    }
    return found;
}

/* strtod needs no NUL at the end: a member is followed by a comma or a brace at least. */
bool json_number(const char *value, double *number) {
    if (value == NULL || (*value != '-' && (*value < '0' || *value > '9'))) return false;
    *number = strtod(value, NULL);
    return true;
}

bool json_integer(const char *value, int64_t *integer) {
    const double max = 9007199254740991.0;
    double number;
    if (!json_number(value, &number) || number < -max || number > max || number != (double)(int64_t)number) return false;
    *integer = (int64_t)number;
    return true;
}
