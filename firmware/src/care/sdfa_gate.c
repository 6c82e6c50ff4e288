/* The gate (SPEC.md 4.3). */
#include "sdfa_gate.h"
#include "sdfa_internal.h"
#include "sdfa_samples.h"

#include <string.h>

int sdfa_gate_init(struct sdfa_gate *g, const struct sdfa *s, void *samples, size_t samples_len, void *copy,
                   size_t copy_len) {
    memset(g, 0, sizeof *g);
    g->copy = copy;
    if (!s->tail_ram)
        return SDFA_ERR_FROZEN;
    if (sdfa_learning_of(s)->loss != SDFA_LOSS_SOFTMAX_CE)
        return SDFA_ERR_LOSS;
    if (copy && copy_len < s->tail_len)
        return SDFA_ERR_TAIL;
    return sdfa_samples_init(&g->samples, s, samples, samples_len);
}

int sdfa_gate_put(struct sdfa_gate *g, const struct sdfa *s, uint32_t label) {
    int error = sdfa_label_status(s, label);
    if (!error && g->samples.n == g->samples.n_max)
        error = SDFA_ERR_ROOM;
    if (!error)
        sdfa_samples_set(&g->samples, g->samples.n, s, label);
    return error;
}

static struct sdfa_score score_all(const struct sdfa_gate *g, struct sdfa *s) {
    struct sdfa_score score = {0, 0, 0};
    for (uint32_t i = 0; i < g->samples.n; i++)
        (void)sdfa_score_label(s, sdfa_samples_run(&g->samples, i, s), &score); /* put has checked the labels */
    return score;
}

static void mark(struct sdfa_gate *g, const struct sdfa *s, const struct sdfa_score *score) {
    g->marked = *score;
    if (g->copy)
        memcpy(g->copy, s->tail_ram, s->tail_len);
}

int sdfa_gate_mark(struct sdfa_gate *g, struct sdfa *s) {
    struct sdfa_score score = score_all(g, s);
    if (!score.n)
        return SDFA_ERR_ORDER;
    mark(g, s, &score);
    return SDFA_ERR_OK;
}

static enum sdfa_verdict compare(const struct sdfa_score *now, const struct sdfa_score *before) {
    if (now->correct != before->correct)
        return now->correct > before->correct ? SDFA_GATE_MORE_RIGHT : SDFA_GATE_MORE_WRONG;
    return now->loss > before->loss ? SDFA_GATE_MORE_LOSS : SDFA_GATE_AS_GOOD;
}

static void go_back(const struct sdfa_gate *g, struct sdfa *s) {
    memcpy(s->tail_ram, g->copy, s->tail_len);
    sdfa_tail_changed(s);
}

int sdfa_gate_back(const struct sdfa_gate *g, struct sdfa *s) {
    if (!g->marked.n)
        return SDFA_ERR_ORDER;
    if (!g->copy)
        return SDFA_ERR_TAIL;
    go_back(g, s);
    return SDFA_ERR_OK;
}

int sdfa_gate_judge(struct sdfa_gate *g, struct sdfa *s) {
    enum sdfa_verdict verdict;
    if (!g->marked.n || g->marked.n != g->samples.n)
        return SDFA_ERR_ORDER;
    g->judged = score_all(g, s);
    verdict = compare(&g->judged, &g->marked);
    if (verdict < SDFA_GATE_MORE_WRONG)
        mark(g, s, &g->judged);
    else if (g->copy)
        go_back(g, s);
    return (int)verdict;
}
