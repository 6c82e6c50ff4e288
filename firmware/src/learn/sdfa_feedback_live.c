/* Live feedback with any k (SPEC.md 3.2). */
#include "sdfa_live.h"

SDFA_COLD static int check(const struct sdfa *s, uint32_t l) {
    return sdfa_layer_at(s, l)->k - 1u < SDFA_LIVE_K_MAX && sdfa_live_ok(s, l) ? SDFA_ERR_OK : SDFA_ERR_LEARNING;
}

/* The k largest, with a list of those found so far, the largest first; among equals the first. */
static inline int32_t sum_more(const struct sdfa_heard *h, const int8_t *w, int32_t offset) {
    int32_t size[SDFA_LIVE_K_MAX + 1], part[SDFA_LIVE_K_MAX + 1], sum = 0;
    uint32_t found = 0;
    for (const struct sdfa_source *from = h->list; from != h->end; from++) {
        int32_t v = sdfa_live_value(h, w, *from, offset), v_size = sdfa_live_size(v);
        uint32_t at = found;
        for (; at && v_size > size[at - 1]; at--) {
            size[at] = size[at - 1];
            part[at] = part[at - 1];
        }
        size[at] = v_size;
        part[at] = v * h->e[from->output];
        found += found < h->k;
    }
    while (found)
        sum += part[--found];
    return sum;
}

static void deltas(const struct sdfa *s, uint32_t l, sdfa_i16 *d, const sdfa_i16 *above) {
    if (sdfa_layer_at(s, l)->k <= 2)
        sdfa_feedback_live_two.deltas(s, l, d, above);
    else
        sdfa_live_deltas(s, l, d, above, sum_more);
}

const struct sdfa_feedback sdfa_feedback_live = {check, deltas};
