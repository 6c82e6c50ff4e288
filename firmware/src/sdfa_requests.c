/* What each request of the device link does (SPEC.md 6.3). */
#include "sdfa_requests.h"

#include <string.h>

static uint32_t get_u32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Appends to the reply. */
static void put(struct sdfa_exchange *x, const void *data, uint32_t len) {
    memcpy(x->out + x->out_len, data, len);
    x->out_len += len;
}

static void put_u32(struct sdfa_exchange *x, uint32_t v) {
    put(x, &v, sizeof v);
}

/* The request belongs to the session: a device that was restarted has none. */
static int session_error(const struct sdfa_link *l, const struct sdfa_exchange *x) {
    return l->session && get_u32(x->in) == l->session ? SDFA_ERR_OK : SDFA_ERR_SESSION;
}

static int store_error(const struct sdfa_link *l, const struct sdfa_exchange *x) {
    int error = session_error(l, x);
    return error || l->flash ? error : SDFA_ERR_NO_STORE;
}

int sdfa_request_HELLO(struct sdfa_link *l, struct sdfa_exchange *x) {
    const struct sdfa *s = l->net;
    const struct sdfa_header *h = s->image;
    uint16_t versions[2] = {SDFA_LINK_VERSION, SDFA_IMAGE_VERSION};
    uint16_t settings[2] = {s->tau_q15, (uint16_t)((s->tail_ram ? 1u : 0u) | (l->flash ? 2u : 0u))};
    uint32_t session = get_u32(x->in), board_n = (uint32_t)strlen(l->board);
    if (!session)
        return SDFA_ERR_ARGUMENT;
    l->session = session;
    put(x, versions, sizeof versions);
    put(x, h->model_id, sizeof h->model_id);
    put_u32(x, h->image_len);
    put_u32(x, s->input_len);
    put_u32(x, s->output_len);
    put_u32(x, s->class_n);
    put_u32(x, s->tail_len);
    put_u32(x, s->stats.steps);
    put_u32(x, s->random);
    put_u32(x, s->rate_q24);
    put(x, settings, sizeof settings);
    put(x, l->board, board_n > 24 ? 24 : board_n);
    return SDFA_ERR_OK;
}

int sdfa_request_INPUT(struct sdfa_link *l, struct sdfa_exchange *x) {
    uint32_t off = get_u32(x->in), n = x->in_len - 4;
    if (!sdfa_in_range(off, n, l->net->input_len))
        return SDFA_ERR_ARGUMENT;
    memcpy(sdfa_input(l->net) + off, x->in + 4, n);
    return SDFA_ERR_OK;
}

int sdfa_request_RUN(struct sdfa_link *l, struct sdfa_exchange *x) {
    sdfa_run(l->net);
    put_u32(x, (uint32_t)sdfa_class(l->net));
    return SDFA_ERR_OK;
}

int sdfa_request_READ(struct sdfa_link *l, struct sdfa_exchange *x) {
    const struct sdfa *s = l->net;
    uint32_t off = get_u32(x->in), n = x->in[5], whole;
    const void *from;
    switch (x->in[4]) {
    case SDFA_BLOCK_OUTPUT:
        from = sdfa_output(s);
        whole = s->output_len;
        break;
    case SDFA_BLOCK_TAIL:
        from = s->tail;
        whole = s->tail_len;
        break;
    case SDFA_BLOCK_IMAGE:
        from = s->image;
        whole = ((const struct sdfa_header *)s->image)->image_len;
        break;
    default:
        return SDFA_ERR_ARGUMENT;
    }
    if (n > SDFA_LINK_DATA || !sdfa_in_range(off, n, whole))
        return SDFA_ERR_ARGUMENT;
    put(x, (const uint8_t *)from + off, n);
    return SDFA_ERR_OK;
}

/* Session and number of steps are what the sender believes them to be, so that nothing is learned twice. */
static int learn_error(const struct sdfa_link *l, struct sdfa_exchange *x) {
    int error = session_error(l, x);
    if (!error && get_u32(x->in + 4) != l->net->stats.steps)
        error = SDFA_ERR_STEP;
    if (error)
        put_u32(x, l->net->stats.steps);
    return error;
}

int sdfa_request_LEARN(struct sdfa_link *l, struct sdfa_exchange *x) {
    int error = learn_error(l, x);
    if (error)
        return error;
    error = sdfa_learn(l->net, get_u32(x->in + 8));
    put_u32(x, l->net->stats.steps);
    return error;
}

int sdfa_request_LEARN_TARGET(struct sdfa_link *l, struct sdfa_exchange *x) {
    int16_t target[SDFA_LINK_DATA / 2];
    uint32_t n = x->in_len - 8;
    int error = learn_error(l, x);
    if (!error && n != 2 * l->net->class_n)
        error = SDFA_ERR_ARGUMENT;
    if (error)
        return error;
    memcpy(target, x->in + 8, n);
    error = sdfa_learn_target(l->net, target);
    put_u32(x, l->net->stats.steps);
    return error;
}

int sdfa_request_STATS(struct sdfa_link *l, struct sdfa_exchange *x) {
    const struct sdfa_stats *t = &l->net->stats;
    const uint64_t wide[4] = {t->loss, t->weights_nonzero, t->weights_updated, t->moved};
    put(x, wide, sizeof wide);
    put_u32(x, t->steps);
    put_u32(x, t->correct);
    put_u32(x, t->saturated_weights);
    put_u32(x, t->saturated_activations);
    put_u32(x, t->saturated_logits);
    put_u32(x, l->in.damage);
    return SDFA_ERR_OK;
}

/* All or nothing: the threshold is looked at before the rate is set. */
int sdfa_request_SET(struct sdfa_link *l, struct sdfa_exchange *x) {
    uint32_t tau = get_u32(x->in + 8);
    int error = session_error(l, x);
    if (!error && tau > 32767)
        error = SDFA_ERR_THRESHOLD;
    if (!error)
        error = sdfa_set_rate(l->net, get_u32(x->in + 4));
    if (error)
        return error;
    l->net->random = get_u32(x->in + 12);
    return sdfa_set_threshold(l->net, tau);
}

/* What the store holds, without taking it: read into a copy of the state, and not into the weights. */
int sdfa_request_STORED(struct sdfa_link *l, struct sdfa_exchange *x) {
    struct sdfa_stored stored;
    int error = l->flash ? sdfa_store_look(l->net, l->flash, &stored) : SDFA_ERR_NO_STORE;
    if (!error)
        put(x, &stored, sizeof stored);
    return error;
}

int sdfa_request_SAVE(struct sdfa_link *l, struct sdfa_exchange *x) {
    int error = store_error(l, x);
    return error ? error : sdfa_save(l->net, l->flash);
}

int sdfa_request_LOAD(struct sdfa_link *l, struct sdfa_exchange *x) {
    int error = store_error(l, x);
    if (error)
        return error;
    error = sdfa_load(l->net, l->flash);
    put_u32(x, l->net->stats.steps);
    return error;
}

int sdfa_request_RESET(struct sdfa_link *l, struct sdfa_exchange *x) {
    int error = session_error(l, x);
    return error ? error : sdfa_reset(l->net);
}

int sdfa_request_FORGET(struct sdfa_link *l, struct sdfa_exchange *x) {
    int error = store_error(l, x);
    return error ? error : sdfa_forget(l->net, l->flash);
}

int sdfa_request_FORMAT(struct sdfa_link *l, struct sdfa_exchange *x) {
    int error = store_error(l, x);
    return error ? error : sdfa_format(l->flash);
}
