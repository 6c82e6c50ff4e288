/* Requests of the device link about the trace (SPEC.md 6.3), and LEARN with it. */
#include "sdfa_requests.h"
#include "sdfa_trace.h"

static int learn_traced(struct sdfa_link *l, struct sdfa_exchange *x);

static const struct sdfa_link_entry entries[] = {
    SDFA_REQUESTS_TRACE(SDFA_LINK_ENTRY){SDFA_REQUEST_LEARN, 0, 12, 12, learn_traced},
};
const struct sdfa_link_part sdfa_link_trace = {entries, sizeof entries / sizeof *entries};

static int learn_traced(struct sdfa_link *l, struct sdfa_exchange *x) {
    uint32_t then = sdfa_link_now(l);
    int error;
    if (!l->trace)
        return sdfa_request_LEARN(l, x);
    error = sdfa_link_step_error(l, x);
    if (error)
        return error;
    error = sdfa_trace_learn(l->trace, l->net, sdfa_get_u32(x->in + 4));
    sdfa_put_u32(x, l->net->stats.steps);
    sdfa_put_time(l, x, then);
    return error;
}

int sdfa_request_TRACE(struct sdfa_link *l, struct sdfa_exchange *x) {
    const struct sdfa_trace *t = l->trace;
    if (!t)
        return SDFA_ERR_REQUEST;
    sdfa_put(x, t, 10u * 4u); /* first .. crc */
    sdfa_put_u32(x, sdfa_tail_input_len(l->net));
    sdfa_put_u32(x, t->copy != NULL);
    return SDFA_ERR_OK;
}

int sdfa_request_TRACE_READ(struct sdfa_link *l, struct sdfa_exchange *x) {
    const struct sdfa_trace *t = l->trace;
    if (!t)
        return SDFA_ERR_REQUEST;
    if (x->in[0] == 0)
        return sdfa_put_block(x, t->memory, t->used);
    return sdfa_put_block(x, t->copy, x->in[0] == 1 && t->copy ? l->net->tail_len : 0);
}

int sdfa_request_TRACE_START(struct sdfa_link *l, struct sdfa_exchange *x) {
    (void)x;
    if (!l->trace)
        return SDFA_ERR_REQUEST;
    sdfa_trace_start(l->trace, l->net);
    return SDFA_ERR_OK;
}
