/* Requests of the device link (SPEC.md 6.3). Not for users. */
#ifndef SDFA_REQUESTS_H
#define SDFA_REQUESTS_H

#include "sdfa_internal.h"
#include "sdfa_link.h"

#include <string.h>

/* First byte of a body: version and direction. */
#define SDFA_LINK_REQUEST    (SDFA_LINK_VERSION << 4)
#define SDFA_LINK_REPLY      (SDFA_LINK_VERSION << 4 | 1)
#define SDFA_IS_REPLY(first) ((first)&15u) /* of whatever version */
#define SDFA_REQUEST_HEAD    4u            /* first byte, request, u16 number */
#define SDFA_REPLY_HEAD      6u            /* the same of the request, i16 status */
#define SDFA_REPLY_DATA      (SDFA_FRAME_BODY_MAX - SDFA_REPLY_HEAD)

/* Arguments of a request behind the session, and the data of its reply. */
struct sdfa_exchange {
    const uint8_t *in;
    uint32_t in_len;
    uint8_t *out; /* room for SDFA_REPLY_DATA bytes */
    uint32_t out_len;
};

/* least, most: bytes of arguments, the session included. */
struct sdfa_link_entry {
    uint8_t request, slow, least, most;
    int (*run)(struct sdfa_link *l, struct sdfa_exchange *x);
};

struct sdfa_link_part {
    const struct sdfa_link_entry *entry;
    uint32_t entry_n;
};
extern const struct sdfa_link_part sdfa_link_base; /* SDFA_REQUESTS, which every program has */

#define SDFA_X(name, value, slow, least, most) int sdfa_request_##name(struct sdfa_link *l, struct sdfa_exchange *x);
SDFA_REQUESTS(SDFA_X)
SDFA_REQUESTS_GATE(SDFA_X)
SDFA_REQUESTS_SELFTEST(SDFA_X)
SDFA_REQUESTS_PUSH(SDFA_X)
SDFA_REQUESTS_TRACE(SDFA_X)
#undef SDFA_X

/* One line of a part's table. */
#define SDFA_LINK_ENTRY(name, value, slow, least, most) {value, slow, least, most, sdfa_request_##name},

/* A reply to the request in l->in that says no more than this; the bytes of wire to send. */
uint32_t sdfa_link_say(struct sdfa_link *l, int status);

/* NULL: neither in the link's parts, which come first, nor in the base. */
const struct sdfa_link_entry *sdfa_link_find(const struct sdfa_link *l, uint32_t request);

static inline uint32_t sdfa_get_u32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Appends to the reply. */
static inline void sdfa_put(struct sdfa_exchange *x, const void *data, uint32_t len) {
    memcpy(x->out + x->out_len, data, len);
    x->out_len += len;
}
static inline void sdfa_put_u32(struct sdfa_exchange *x, uint32_t v) {
    sdfa_put(x, &v, sizeof v);
}

/* Appends what stands in a block of `whole` bytes from the offset on that READ and TRACE_READ give, as much as there is
 * and as one reply holds. Error: ARGUMENT (the block ends before). */
int sdfa_put_block(struct sdfa_exchange *x, const void *from, uint32_t whole);

/* Now, for a call that is timed; 0 without a clock. */
static inline uint32_t sdfa_link_now(const struct sdfa_link *l) {
    return l->clock_us ? l->clock_us() : 0;
}
/* Appends what a call took that began at `then`, where there is a clock. */
static inline void sdfa_put_time(const struct sdfa_link *l, struct sdfa_exchange *x, uint32_t then) {
    if (l->clock_us)
        sdfa_put_u32(x, l->clock_us() - then);
}

/* Whether LEARN may be carried out: the device has as many steps behind it as the sender believes, so that nothing is
 * learned twice. The number of steps becomes the data of a refusal. Error: STEP. */
int sdfa_link_step_error(const struct sdfa_link *l, struct sdfa_exchange *x);

#endif
