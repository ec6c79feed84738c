// All of it is inlined: the program needs no library for it when it runs.
#define XXH_INLINE_ALL
#include <xxhash.h>

// The inlined names are macros, which Swift does not see.
static inline uint64_t xxh3_64bits(const void *bytes, size_t count) {
    return XXH3_64bits(bytes, count);
}

static inline uint64_t xxh3_64bits_seeded(const void *bytes, size_t count, uint64_t seed) {
    return XXH3_64bits_withSeed(bytes, count, seed);
}

// A digest of bytes that come in pieces; NULL when memory runs out.
static inline void *xxh3_128bits_begin(void) {
    XXH3_state_t *state = XXH3_createState();
    if (state != NULL) XXH3_128bits_reset(state);
    return state;
}

static inline void xxh3_128bits_add(void *state, const void *bytes, size_t count) {
    XXH3_128bits_update((XXH3_state_t *)state, bytes, count);
}

// The sixteen bytes in their canonical order.
static inline void xxh3_128bits_read(const void *state, uint8_t *digest) {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest((const XXH3_state_t *)state));
    for (int index = 0; index < 16; index++) digest[index] = canonical.digest[index];
}

static inline void xxh3_128bits_end(void *state) {
    XXH3_freeState((XXH3_state_t *)state);
}
