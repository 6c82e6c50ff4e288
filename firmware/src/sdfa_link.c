/* The device link: one request at a time (SPEC.md 6.2). What the requests do: sdfa_requests.c. */
#include "sdfa_requests.h"

#include <string.h>

static const struct {
    uint8_t slow, least, most; /* bytes of arguments */
    int (*run)(struct sdfa_link *l, struct sdfa_exchange *x);
} requests[] = {
#define SDFA_X(name, value, slow, least, most) [value] = {slow, least, most, sdfa_request_##name},
    SDFA_REQUESTS(SDFA_X)
#undef SDFA_X
};

static int known(uint32_t request) {
    return request < sizeof requests / sizeof *requests && requests[request].run;
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

static uint32_t execute(struct sdfa_link *l, uint32_t len) {
    const uint8_t *body = l->in.body;
    uint32_t request = body[1], n = len - SDFA_REQUEST_HEAD;
    struct sdfa_exchange x = {body + SDFA_REQUEST_HEAD, n, l->reply + SDFA_REPLY_HEAD, 0};
    int status = SDFA_ERR_REQUEST;
    if (known(request))
        status = n < requests[request].least || n > requests[request].most ? SDFA_ERR_ARGUMENT
                                                                           : requests[request].run(l, &x);
    head(l->reply, body, status);
    l->reply_len = (uint8_t)(SDFA_REPLY_HEAD + x.out_len);
    return send(l);
}

static uint32_t busy(struct sdfa_link *l) {
    uint8_t reply[SDFA_REPLY_HEAD];
    head(reply, l->in.body, SDFA_LINK_BUSY);
    return sdfa_frame_put(l->wire, reply, sizeof reply);
}

uint32_t sdfa_link_take(struct sdfa_link *l, uint8_t byte) {
    uint32_t len = sdfa_frame_take(&l->in, byte), crc;
    if (len < SDFA_REQUEST_HEAD || l->in.body[0] != SDFA_LINK_REQUEST)
        return 0;
    crc = sdfa_crc32(0, l->in.body, len);
    if (l->reply_len && crc == l->request_crc)
        return send(l);
    l->request_crc = crc;
    if (!known(l->in.body[1]) || !requests[l->in.body[1]].slow)
        return execute(l, len);
    l->reply_len = 0;
    l->len = (uint16_t)len;
    return busy(l);
}

uint32_t sdfa_link_work(struct sdfa_link *l) {
    uint32_t len = l->len;
    l->len = 0;
    return len ? execute(l, len) : 0;
}
