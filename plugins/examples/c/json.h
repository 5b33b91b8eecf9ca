/* Finds a member of a JSON object without building a tree or allocating. It does not check JSON: the host has done so. */

#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the value of the member called `name` begins, or NULL if there is none or the text is not an object. Of several
   members of that name it is the last. `name` is plain ASCII. */
const char *json_member(const uint8_t *text, size_t len, const char *name);

/* Whether `value`, which json_member found, is a number; NULL is none. */
bool json_number(const char *value, double *number);

/* Whether it is a whole number that is surely the one that was written, which it no longer is beyond 2^53. */
bool json_integer(const char *value, int64_t *integer);

#endif
