/* The guard (SPEC.md 4.4). Shifts and products instead of quotients: small cores divide slowly. */
#include "sdfa_guard.h"
#include "sdfa_internal.h"

#include <string.h>

#define WINDOW_MAX 1024u
#define SHIFT_MAX  31u

static uint32_t floor_of(const struct sdfa *s) {
    if (sdfa_learning_of(s)->loss == SDFA_LOSS_MSE)
        return 128u * s->class_n;
    return sdfa_log2_floor(s->class_n) << 11;
}

int sdfa_guard_init(struct sdfa_guard *g, const struct sdfa *s, const struct sdfa_guard_config *config, void *copy,
                    size_t copy_len) {
    memset(g, 0, sizeof *g);
    if (!s->tail_ram)
        return SDFA_ERR_FROZEN;
    if (config->window == 0 || config->window > WINDOW_MAX || config->saturated_shift > SHIFT_MAX ||
        config->coarse_shift > SHIFT_MAX || config->idle_shift > SHIFT_MAX)
        return SDFA_ERR_RATE;
    if (copy && copy_len < s->tail_len)
        return SDFA_ERR_TAIL;
    g->copy = copy;
    if (copy)
        memcpy(copy, s->tail_ram, s->tail_len);
    g->config = *config;
    if (!g->config.floor)
        g->config.floor = floor_of(s);
    g->start = s->stats;
    return SDFA_ERR_OK;
}

/* What happened in the window that ends now, and the weights that may move: how many, and the sum of their sizes. */
struct window {
    uint64_t updated, moved, sizes;
    uint32_t steps, stopped, loss, weights;
};

static void add_layer(struct window *w, const struct sdfa *s, const struct sdfa_dense_op *op) {
    const int8_t *v = (const int8_t *)s->tail_ram + op->weights;
    uint32_t n = op->in_n * op->out_n;
    w->weights += n;
    for (uint32_t i = 0; i < n; i++) {
        int32_t value = v[i];
        w->sizes += value < 0 ? (uint32_t)-value : (uint32_t)value;
    }
}

static struct window window_of(const struct sdfa_guard *g, const struct sdfa *s) {
    struct window w = {0, 0, 0, 0, 0, 0, 0};
    uint64_t loss = s->stats.loss - g->start.loss;
    w.updated = s->stats.weights_updated - g->start.weights_updated;
    w.moved = s->stats.moved - g->start.moved;
    w.steps = s->stats.steps - g->start.steps;
    w.stopped = s->stats.saturated_weights - g->start.saturated_weights;
    w.loss = (loss >> 32 ? UINT32_MAX : (uint32_t)loss) / w.steps;
    for (uint32_t l = 0; l < sdfa_learning_of(s)->layer_n; l++)
        if (sdfa_learns(s, l))
            add_layer(&w, s, sdfa_layer_op(s, l));
    return w;
}

static int diverged(const struct sdfa_guard *g, const struct window *w) {
    uint64_t floor = g->config.floor, best = g->best;
    best = best < floor ? floor : best > 2u * floor ? 2u * floor : best;
    return g->windows && (uint64_t)w->loss * 16u > best * g->config.diverged_q4 && w->loss > g->loss - (g->loss >> 3);
}

static uint32_t reasons_of(const struct sdfa_guard *g, const struct window *w) {
    const struct sdfa_guard_config *c = &g->config;
    uint32_t reasons = 0;
    if ((uint64_t)w->stopped << c->saturated_shift > w->updated)
        reasons |= SDFA_GUARD_SATURATED;
    if (diverged(g, w))
        reasons |= SDFA_GUARD_DIVERGED;
    if ((w->moved << c->coarse_shift) * w->weights > w->updated * w->sizes)
        reasons |= SDFA_GUARD_COARSE;
    if (w->loss > c->floor && w->moved << c->idle_shift < w->steps * w->sizes)
        reasons |= SDFA_GUARD_IDLE;
    return reasons;
}

/* Half the rate, from the weights of the last good window. */
static void go_back(struct sdfa_guard *g, struct sdfa *s) {
    if (sdfa_set_rate(s, s->rate_q24 >> 1))
        return;
    g->halvings++;
    if (!g->copy)
        return;
    memcpy(s->tail_ram, g->copy, s->tail_len);
    sdfa_tail_changed(s);
}

uint32_t sdfa_guard_step(struct sdfa_guard *g, struct sdfa *s) {
    uint32_t reasons;
    struct window w;
    if (s->stats.steps < g->start.steps) /* a reset or a load: the window begins anew */
        g->start = s->stats;
    if (s->stats.steps - g->start.steps < g->config.window)
        return 0;
    w = window_of(g, s);
    reasons = reasons_of(g, &w);
    if (g->config.halve && (reasons & ~(uint32_t)SDFA_GUARD_IDLE))
        go_back(g, s);
    else if (g->copy)
        memcpy(g->copy, s->tail_ram, s->tail_len);
    g->best = g->windows && g->best < w.loss ? g->best : w.loss;
    g->loss = w.loss;
    g->windows++;
    g->start = s->stats;
    return reasons;
}
