/* The trace (SPEC.md 4.8). */
#include "sdfa_trace.h"
#include "sdfa_internal.h"
#include "sdfa_samples.h"

#include <string.h>

#define SETTINGS     0xffffu /* in the place of a label; no class has this number */
#define SETTINGS_LEN 14u

int sdfa_trace_init(struct sdfa_trace *t, const struct sdfa *s, void *memory, uint32_t len, void *copy,
                    uint32_t copy_len) {
    memset(t, 0, sizeof *t);
    if (!s->tail_ram)
        return SDFA_ERR_FROZEN;
    if (sdfa_learning_of(s)->loss != SDFA_LOSS_SOFTMAX_CE)
        return SDFA_ERR_LOSS;
    if (len < 2u || len - 2u < sdfa_tail_input_len(s))
        return SDFA_ERR_ROOM;
    if (copy && copy_len < s->tail_len)
        return SDFA_ERR_TAIL;
    t->memory = memory;
    t->len = len;
    t->copy = copy;
    sdfa_trace_start(t, s);
    return SDFA_ERR_OK;
}

/* The state that the next step must find, if it is to follow the last one. */
static void expect(struct sdfa_trace *t, const struct sdfa *s) {
    t->random_now = s->random;
    t->rate_now = s->rate_q24;
    t->tau_now = s->tau_q15;
    t->next = s->stats.steps;
    t->changed = s->changed;
}

void sdfa_trace_start(struct sdfa_trace *t, const struct sdfa *s) {
    t->first = s->stats.steps;
    t->steps = t->lost = t->used = 0;
    t->random = s->random;
    t->rate_q24 = s->rate_q24;
    t->tau_q15 = s->tau_q15;
    t->frozen = s->frozen;
    t->crc = sdfa_crc32(0, s->tail_ram, s->tail_len);
    if (t->copy)
        memcpy(t->copy, s->tail_ram, s->tail_len);
    expect(t, s);
}

static int same_settings(const struct sdfa_trace *t, const struct sdfa *s) {
    return t->random_now == s->random && t->rate_now == s->rate_q24 && t->tau_now == s->tau_q15;
}

static void put(struct sdfa_trace *t, const void *data, uint32_t len) {
    memcpy(t->memory + t->used, data, len);
    t->used += len;
}

static void record(struct sdfa_trace *t, const struct sdfa *s, uint32_t label) {
    const uint32_t settings[3] = {s->rate_q24, s->tau_q15, s->random};
    const uint16_t mark = SETTINGS, class_of = (uint16_t)label;
    if (!same_settings(t, s)) {
        put(t, &mark, sizeof mark);
        put(t, settings, sizeof settings);
    }
    put(t, &class_of, sizeof class_of);
    put(t, sdfa_tail_input(s), sdfa_tail_input_len(s));
    t->steps++;
}

static int has_room(const struct sdfa_trace *t, const struct sdfa *s) {
    uint32_t need = sdfa_tail_input_len(s) + 2u + (same_settings(t, s) ? 0 : SETTINGS_LEN);
    return t->len - t->used >= need;
}

int sdfa_trace_learn(struct sdfa_trace *t, struct sdfa *s, uint32_t label) {
    int error = sdfa_label_status(s, label);
    int follows = t->changed == s->changed && t->next == s->stats.steps && t->frozen == s->frozen;
    if (error)
        return error;
    if (!follows || (t->steps == 0 && !same_settings(t, s)) || (t->copy && !has_room(t, s)))
        sdfa_trace_start(t, s);
    if (!t->lost && has_room(t, s))
        record(t, s, label);
    else
        t->lost++;
    error = sdfa_learn(s, label);
    expect(t, s);
    return error;
}
