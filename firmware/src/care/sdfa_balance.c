/* Class balance (SPEC.md 4.5). */
#include "sdfa_balance.h"
#include "sdfa_internal.h"

#include <string.h>

#define SUM_MAX 65535u /* keeps sum * 2^15 inside 32 bits */

int sdfa_learn_weighted(struct sdfa *s, uint32_t label, uint32_t weight_q15) {
    uint32_t rate = s->rate_q24;
    uint64_t scaled = (uint64_t)rate * weight_q15 >> 15;
    int error;
    if (!s->tail_ram)
        return sdfa_learn(s, label); /* which says why not */
    if (weight_q15 == 0 || weight_q15 >> 20 || scaled >> 32)
        return SDFA_ERR_RATE;
    scaled += scaled == 0;
    if (weight_q15 > SDFA_WEIGHT_ONE && !sdfa_rate_ok(s, (uint32_t)scaled))
        return SDFA_ERR_RATE;
    s->rate_q24 = (uint32_t)scaled; /* a smaller one than what was checked overflows nowhere */
    error = sdfa_learn(s, label);
    s->rate_q24 = rate;
    return error;
}

int sdfa_balance_init(struct sdfa_balance *b, const struct sdfa *s, void *counts, size_t len) {
    memset(b, 0, sizeof *b);
    if (!s->class_n)
        return SDFA_ERR_FROZEN;
    if ((uintptr_t)counts & 1u)
        return SDFA_ERR_ALIGN;
    if (len < 2u * s->class_n)
        return SDFA_ERR_ROOM;
    memset(counts, 0, 2u * s->class_n);
    b->count = counts;
    b->class_n = s->class_n;
    return SDFA_ERR_OK;
}

static void halve(struct sdfa_balance *b) {
    b->sum = 0;
    for (uint32_t c = 0; c < b->class_n; c++) {
        b->count[c] = (uint16_t)((b->count[c] + 1u) >> 1);
        b->sum += b->count[c];
    }
}

uint32_t sdfa_balance_count(struct sdfa_balance *b, uint32_t label) {
    uint32_t weight;
    if (label >= b->class_n)
        return SDFA_WEIGHT_ONE;
    if (b->sum == SUM_MAX)
        halve(b);
    b->present += b->count[label] == 0;
    b->count[label]++;
    b->sum++;
    weight = (b->sum << 15) / (b->present * b->count[label]);
    return weight > SDFA_WEIGHT_MAX ? SDFA_WEIGHT_MAX : weight ? weight : 1u;
}
