/* Memory for answers. What crosses the border belongs to who receives it: an answer is freed after the host has read it, so
   it is always allocated, and arguments are freed here, with the functions of plugin.h. */

#ifndef MEMORY_H
#define MEMORY_H

#include <stdlib.h>

#include "plugin.h"

/* Zeroed. Traps when there is no memory: address 0 is as good as any other to WebAssembly. */
static inline void *allocate(size_t count, size_t size) {
    void *memory = calloc(count > 0 ? count : 1, size);
    if (memory == NULL) abort();
    return memory;
}

static inline plugin_string_t text(const char *source) {
    plugin_string_t copy;
    plugin_string_dup(&copy, source);
    return copy;
}

#endif
