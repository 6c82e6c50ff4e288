/* What each request of the device link does (SPEC.md 6.3). */
#include "sdfa_requests.h"

static const struct sdfa_link_entry entries[] = {SDFA_REQUESTS(SDFA_LINK_ENTRY)};
const struct sdfa_link_part sdfa_link_base = {entries, sizeof entries / sizeof *entries};

static int store_error(const struct sdfa_link *l) {
    return l->flash ? SDFA_ERR_OK : SDFA_ERR_NO_STORE;
}

static uint32_t flag(const struct sdfa_link *l, uint32_t request, const void *state, enum sdfa_link_flag bit) {
    return state && sdfa_link_find(l, request) ? (uint32_t)bit : 0;
}

static uint32_t flags(const struct sdfa_link *l) {
    uint32_t found = (l->net->tail_ram ? SDFA_LINK_LEARNS : 0u) | (l->flash ? SDFA_LINK_STORE : 0u) |
                     (l->clock_us ? SDFA_LINK_CLOCK : 0u);
    return found | flag(l, SDFA_REQUEST_SELFTEST, l, SDFA_LINK_SELFTEST) |
           flag(l, SDFA_REQUEST_JUDGE, l->gate, SDFA_LINK_GATE) |
           flag(l, SDFA_REQUEST_TRACE, l->trace, SDFA_LINK_TRACE) |
           flag(l, SDFA_REQUEST_PUSH_BEGIN, l->slots, SDFA_LINK_SLOTS);
}

int sdfa_request_HELLO(struct sdfa_link *l, struct sdfa_exchange *x) {
    const struct sdfa *s = l->net;
    const struct sdfa_header *h = s->image;
    uint16_t versions[2] = {SDFA_LINK_VERSION, SDFA_IMAGE_VERSION};
    uint16_t settings[2] = {s->tau_q15, (uint16_t)flags(l)};
    uint32_t session = sdfa_get_u32(x->in), board_n = (uint32_t)strlen(l->board);
    if (!session)
        return SDFA_ERR_ARGUMENT;
    l->session = session;
    sdfa_put(x, versions, sizeof versions);
    sdfa_put(x, h->model_id, sizeof h->model_id);
    sdfa_put_u32(x, h->image_len);
    sdfa_put_u32(x, s->input_len);
    sdfa_put_u32(x, s->output_len);
    sdfa_put_u32(x, s->class_n);
    sdfa_put_u32(x, s->tail_len);
    sdfa_put_u32(x, s->stats.steps);
    sdfa_put_u32(x, s->random);
    sdfa_put_u32(x, s->rate_q24);
    sdfa_put(x, settings, sizeof settings);
    sdfa_put_u32(x, s->arena_len);
    sdfa_put_u32(x, (uint32_t)sizeof *s);
    sdfa_put(x, l->board, board_n > 24 ? 24 : board_n);
    return SDFA_ERR_OK;
}

int sdfa_request_INPUT(struct sdfa_link *l, struct sdfa_exchange *x) {
    uint32_t off = sdfa_get_u32(x->in), n = x->in_len - 4;
    if (!sdfa_in_range(off, n, l->net->input_len))
        return SDFA_ERR_ARGUMENT;
    memcpy(sdfa_input(l->net) + off, x->in + 4, n);
    return SDFA_ERR_OK;
}

/* With or without the last part of the input. */
int sdfa_request_RUN(struct sdfa_link *l, struct sdfa_exchange *x) {
    uint32_t then = sdfa_link_now(l);
    int error = !x->in_len ? SDFA_ERR_OK : x->in_len > 4 ? sdfa_request_INPUT(l, x) : SDFA_ERR_ARGUMENT;
    if (error)
        return error;
    sdfa_run(l->net);
    sdfa_put_u32(x, (uint32_t)sdfa_class(l->net));
    sdfa_put_time(l, x, then);
    return SDFA_ERR_OK;
}

int sdfa_put_block(struct sdfa_exchange *x, const void *from, uint32_t whole) {
    uint32_t off = sdfa_get_u32(x->in) >> 8, left = whole - off;
    if (off >= whole)
        return SDFA_ERR_ARGUMENT;
    sdfa_put(x, (const uint8_t *)from + off, left < SDFA_REPLY_DATA ? left : SDFA_REPLY_DATA);
    return SDFA_ERR_OK;
}

int sdfa_request_READ(struct sdfa_link *l, struct sdfa_exchange *x) {
    const struct sdfa *s = l->net;
    switch (x->in[0]) {
    case SDFA_BLOCK_OUTPUT:
        return sdfa_put_block(x, sdfa_output(s), s->output_len);
    case SDFA_BLOCK_TAIL:
        return sdfa_put_block(x, s->tail, s->tail_len);
    case SDFA_BLOCK_IMAGE:
        return sdfa_put_block(x, s->image, ((const struct sdfa_header *)s->image)->image_len);
    default:
        return SDFA_ERR_ARGUMENT;
    }
}

int sdfa_link_step_error(const struct sdfa_link *l, struct sdfa_exchange *x) {
    if (sdfa_get_u32(x->in) == l->net->stats.steps)
        return SDFA_ERR_OK;
    sdfa_put_u32(x, l->net->stats.steps);
    return SDFA_ERR_STEP;
}

int sdfa_request_LEARN(struct sdfa_link *l, struct sdfa_exchange *x) {
    uint32_t then = sdfa_link_now(l);
    int error = sdfa_link_step_error(l, x);
    if (error)
        return error;
    error = sdfa_learn(l->net, sdfa_get_u32(x->in + 4));
    sdfa_put_u32(x, l->net->stats.steps);
    sdfa_put_time(l, x, then);
    return error;
}

int sdfa_request_LEARN_TARGET(struct sdfa_link *l, struct sdfa_exchange *x) {
    int16_t target[SDFA_LINK_DATA / 2];
    uint32_t n = x->in_len - 4, then = sdfa_link_now(l);
    int error = sdfa_link_step_error(l, x);
    if (!error && n != 2 * l->net->class_n)
        error = SDFA_ERR_ARGUMENT;
    if (error)
        return error;
    memcpy(target, x->in + 4, n);
    error = sdfa_learn_target(l->net, target);
    sdfa_put_u32(x, l->net->stats.steps);
    sdfa_put_time(l, x, then);
    return error;
}

int sdfa_request_STATS(struct sdfa_link *l, struct sdfa_exchange *x) {
    const struct sdfa_stats *t = &l->net->stats;
    const uint64_t wide[4] = {t->loss, t->weights_nonzero, t->weights_updated, t->moved};
    sdfa_put(x, wide, sizeof wide);
    sdfa_put_u32(x, t->steps);
    sdfa_put_u32(x, t->correct);
    sdfa_put_u32(x, t->saturated_weights);
    sdfa_put_u32(x, t->saturated_activations);
    sdfa_put_u32(x, t->saturated_logits);
    sdfa_put_u32(x, l->in.damage);
    return SDFA_ERR_OK;
}

/* All or nothing: the threshold is looked at before the rate is set. */
int sdfa_request_SET(struct sdfa_link *l, struct sdfa_exchange *x) {
    uint32_t tau = sdfa_get_u32(x->in + 4);
    int error = x->in_len % 4 ? SDFA_ERR_ARGUMENT
                : tau > 32767 ? SDFA_ERR_THRESHOLD
                              : sdfa_set_rate(l->net, sdfa_get_u32(x->in));
    if (error)
        return error;
    l->net->random = sdfa_get_u32(x->in + 8);
    if (x->in_len > 12)
        l->net->stats.steps = sdfa_get_u32(x->in + 12);
    return sdfa_set_threshold(l->net, tau);
}

/* Any bytes are as safe as those of an image. */
int sdfa_request_WRITE(struct sdfa_link *l, struct sdfa_exchange *x) {
    uint32_t off = sdfa_get_u32(x->in), n = x->in_len - 4;
    if (!l->net->tail_ram)
        return SDFA_ERR_FROZEN;
    if (!sdfa_in_range(off, n, l->net->tail_len))
        return SDFA_ERR_ARGUMENT;
    memcpy(l->net->tail_ram + off, x->in + 4, n);
    sdfa_tail_changed(l->net);
    return SDFA_ERR_OK;
}

/* What the store holds, without taking it. */
int sdfa_request_STORED(struct sdfa_link *l, struct sdfa_exchange *x) {
    struct sdfa_stored stored;
    int error = l->flash ? sdfa_store_look(l->net, l->flash, &stored) : SDFA_ERR_NO_STORE;
    if (!error)
        sdfa_put(x, &stored, sizeof stored);
    return error;
}

int sdfa_request_SAVE(struct sdfa_link *l, struct sdfa_exchange *x) {
    int error = store_error(l);
    (void)x;
    return error ? error : sdfa_save(l->net, l->flash);
}

int sdfa_request_LOAD(struct sdfa_link *l, struct sdfa_exchange *x) {
    int error = store_error(l);
    if (error)
        return error;
    error = sdfa_load(l->net, l->flash);
    sdfa_put_u32(x, l->net->stats.steps);
    return error;
}

int sdfa_request_RESET(struct sdfa_link *l, struct sdfa_exchange *x) {
    (void)x;
    return sdfa_reset(l->net);
}

int sdfa_request_FORGET(struct sdfa_link *l, struct sdfa_exchange *x) {
    int error = store_error(l);
    (void)x;
    return error ? error : sdfa_forget(l->net, l->flash);
}

int sdfa_request_FORMAT(struct sdfa_link *l, struct sdfa_exchange *x) {
    int error = store_error(l);
    (void)x;
    return error ? error : sdfa_format(l->flash);
}
