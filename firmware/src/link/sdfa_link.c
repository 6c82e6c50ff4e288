/* The device link: one request at a time (SPEC.md 6.2). What the requests do: sdfa_requests*.c. */
#include "sdfa_requests.h"

static const struct sdfa_link_entry *find_in(const struct sdfa_link_part *part, uint32_t request) {
    for (uint32_t i = 0; i < part->entry_n; i++)
        if (part->entry[i].request == request)
            return &part->entry[i];
    return NULL;
}

const struct sdfa_link_entry *sdfa_link_find(const struct sdfa_link *l, uint32_t request) {
    for (uint32_t i = 0; i < l->part_n; i++) {
        const struct sdfa_link_entry *e = find_in(l->parts[i], request);
        if (e)
            return e;
    }
    return find_in(&sdfa_link_base, request);
}

/* The reply that stands in l->reply, coded. */
static uint32_t send(struct sdfa_link *l) {
    return sdfa_frame_put(l->wire, l->reply, l->reply_len);
}

static void head(uint8_t *reply, const uint8_t *body, int status) {
    reply[0] = SDFA_LINK_REPLY;
    memcpy(reply + 1, body + 1, 3);
    reply[4] = (uint8_t)status;
    reply[5] = (uint8_t)((uint32_t)status >> 8);
}

/* A request of another session than the one that was begun last: a device that was restarted has none. */
static int of_session(const struct sdfa_link *l, struct sdfa_exchange *x) {
    int same = l->session && sdfa_get_u32(x->in) == l->session;
    if (!same)
        sdfa_put_u32(x, l->net->stats.steps);
    x->in += 4;
    x->in_len -= 4;
    return same;
}

static int answer(struct sdfa_link *l, uint32_t request, struct sdfa_exchange *x) {
    const struct sdfa_link_entry *e = sdfa_link_find(l, request);
    if (!e)
        return SDFA_ERR_REQUEST;
    if (x->in_len < e->least || x->in_len > e->most)
        return SDFA_ERR_ARGUMENT;
    if (request != SDFA_REQUEST_HELLO && !of_session(l, x))
        return SDFA_ERR_SESSION;
    return e->run(l, x);
}

static uint32_t execute(struct sdfa_link *l, uint32_t len) {
    const uint8_t *body = l->in.body;
    struct sdfa_exchange x = {body + SDFA_REQUEST_HEAD, len - SDFA_REQUEST_HEAD, l->reply + SDFA_REPLY_HEAD, 0};
    head(l->reply, body, answer(l, body[1], &x));
    l->reply_len = (uint8_t)(SDFA_REPLY_HEAD + x.out_len);
    return send(l);
}

/* Any version of a host can read this: SPEC.md 6.2. */
uint32_t sdfa_link_say(struct sdfa_link *l, int status) {
    uint8_t reply[SDFA_REPLY_HEAD];
    head(reply, l->in.body, status);
    return sdfa_frame_put(l->wire, reply, sizeof reply);
}

uint32_t sdfa_link_take(struct sdfa_link *l, uint8_t byte) {
    uint32_t len = sdfa_frame_take(&l->in, byte), crc;
    const struct sdfa_link_entry *e;
    if (len < SDFA_REQUEST_HEAD || SDFA_IS_REPLY(l->in.body[0]))
        return 0;
    if (l->in.body[0] != SDFA_LINK_REQUEST)
        return sdfa_link_say(l, SDFA_ERR_LINK);
    crc = sdfa_crc32(0, l->in.body, len);
    if (l->reply_len && crc == l->request_crc)
        return send(l);
    l->request_crc = crc;
    e = sdfa_link_find(l, l->in.body[1]);
    if (!e || !e->slow)
        return execute(l, len);
    l->reply_len = 0;
    l->len = (uint16_t)len;
    return sdfa_link_say(l, SDFA_LINK_BUSY);
}

uint32_t sdfa_link_work(struct sdfa_link *l) {
    uint32_t len = l->len;
    l->len = 0;
    return len ? execute(l, len) : 0;
}
