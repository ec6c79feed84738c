// All of it is inlined: the program needs no library for it when it runs.
#define XXH_INLINE_ALL
#include <xxhash.h>

// The inlined names are macros, which Swift does not see.
static inline uint64_t xxh3_64bits(const void *bytes, size_t count) {
    return XXH3_64bits(bytes, count);
}
