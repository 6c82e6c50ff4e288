/* Requests of the device link about held-out samples (SPEC.md 6.3). */
#include "sdfa_gate.h"
#include "sdfa_requests.h"

static const struct sdfa_link_entry entries[] = {SDFA_REQUESTS_GATE(SDFA_LINK_ENTRY)};
const struct sdfa_link_part sdfa_link_gate = {entries, sizeof entries / sizeof *entries};

static void put_score(struct sdfa_exchange *x, const struct sdfa_score *score) {
    sdfa_put_u32(x, score->n);
    sdfa_put_u32(x, score->correct);
    sdfa_put(x, &score->loss, sizeof score->loss);
}

int sdfa_request_HOLD_OUT(struct sdfa_link *l, struct sdfa_exchange *x) {
    int error = l->gate ? sdfa_gate_put(l->gate, l->net, sdfa_get_u32(x->in)) : SDFA_ERR_REQUEST;
    if (error)
        return error;
    l->net->ready = 0; /* held out: not to be learned, and not to be put twice */
    sdfa_put_u32(x, l->gate->samples.n);
    sdfa_put_u32(x, l->gate->samples.n_max);
    return SDFA_ERR_OK;
}

int sdfa_request_MARK(struct sdfa_link *l, struct sdfa_exchange *x) {
    int error = l->gate ? sdfa_gate_mark(l->gate, l->net) : SDFA_ERR_REQUEST;
    if (!error)
        put_score(x, &l->gate->marked);
    return error;
}

int sdfa_request_JUDGE(struct sdfa_link *l, struct sdfa_exchange *x) {
    struct sdfa_score before;
    int verdict;
    if (!l->gate)
        return SDFA_ERR_REQUEST;
    before = l->gate->marked;
    verdict = sdfa_gate_judge(l->gate, l->net);
    if (verdict < 0)
        return verdict;
    sdfa_put_u32(x, (uint32_t)verdict);
    put_score(x, &before);
    put_score(x, &l->gate->judged);
    return SDFA_ERR_OK;
}

int sdfa_request_ROLLBACK(struct sdfa_link *l, struct sdfa_exchange *x) {
    (void)x;
    return l->gate ? sdfa_gate_back(l->gate, l->net) : SDFA_ERR_REQUEST;
}

int sdfa_request_EMPTY(struct sdfa_link *l, struct sdfa_exchange *x) {
    if (!l->gate)
        return SDFA_ERR_REQUEST;
    l->gate->samples.n = l->gate->marked.n = 0;
    sdfa_put_u32(x, l->gate->samples.n_max);
    return SDFA_ERR_OK;
}
