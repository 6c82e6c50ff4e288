/* Live feedback with k = 1 or 2 (SPEC.md 3.2), which is the default: less code, and faster. */
#include "sdfa_live.h"

SDFA_COLD static int check(const struct sdfa *s, uint32_t l) {
    uint32_t k = sdfa_layer_at(s, l)->k;
    if (k - 1u >= SDFA_LIVE_K_MAX || !sdfa_live_ok(s, l))
        return SDFA_ERR_LEARNING;
    return k > 2 ? SDFA_ERR_KERNEL : SDFA_ERR_OK;
}

/* The two largest, or the one, in registers; among equals the first. */
static inline int32_t sum_two(const struct sdfa_heard *h, const int8_t *w, int32_t offset) {
    const struct sdfa_source *at = h->list;
    int32_t largest = -1, next = -1, first = 0, second = 0; /* the last two: of the sum */
    do {
        const struct sdfa_source from = *at++;
        int32_t v = sdfa_live_value(h, w, from, offset), size = sdfa_live_size(v);
        if (size <= next)
            continue;
        next = size;
        second = v * h->e[from.output];
        if (size > largest) {
            next = largest, largest = size;
            v = first, first = second, second = v;
        }
    } while (at != h->end);
    return first + (second & h->second);
}

SDFA_LEAN static void deltas(const struct sdfa *s, uint32_t l, sdfa_i16 *d, const sdfa_i16 *above) {
    sdfa_live_deltas(s, l, d, above, sum_two);
}

const struct sdfa_feedback sdfa_feedback_live_two = {check, deltas};
