/* The device link (SPEC.md 6): a net that is run, taught, saved and read over any byte stream.
 *
 *   static struct sdfa_link link = {.net = &net, .flash = &flash, .board = "nucleo_f446re"};
 *   for (;;) {
 *       uint32_t n = sdfa_link_take(&link, uart_get());
 *       uart_put(link.wire, n);                                  what is to be sent, if n > 0
 *       n = sdfa_link_work(&link);                               a slow request: after its "busy" has gone out
 *       uart_put(link.wire, n);
 *   }
 *
 * No I/O of its own. A damaged frame is as if it had not come; a repeated request gets the same reply again and is not
 * carried out twice.
 */
#ifndef SDFA_LINK_H
#define SDFA_LINK_H

#include "sdfa_frame.h"
#include "sdfa_store.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SDFA_LINK_VERSION 1
#define SDFA_LINK_DATA    128 /* most bytes of input, weights or image in one request */

/* Requests: X(name, value, slow, least bytes of arguments, most). All but HELLO begin with the session, u32. */
#define SDFA_REQUESTS(X)                                                                                               \
    X(HELLO, 1, 0, 4, 4)                                                                                               \
    X(INPUT, 2, 0, 9, 8 + SDFA_LINK_DATA)                                                                              \
    X(RUN, 3, 1, 4, 8 + SDFA_LINK_DATA)                                                                                \
    X(READ, 4, 0, 8, 8)                                                                                                \
    X(LEARN, 5, 0, 12, 12)                                                                                             \
    X(LEARN_TARGET, 6, 0, 10, 8 + SDFA_LINK_DATA)                                                                      \
    X(STATS, 7, 0, 4, 4)                                                                                               \
    X(SET, 8, 0, 16, 20)                                                                                               \
    X(STORED, 9, 1, 4, 4)                                                                                              \
    X(SAVE, 10, 1, 4, 4)                                                                                               \
    X(LOAD, 11, 1, 4, 4)                                                                                               \
    X(RESET, 12, 0, 4, 4)                                                                                              \
    X(FORGET, 13, 1, 4, 4)                                                                                             \
    X(FORMAT, 14, 1, 4, 4)                                                                                             \
    X(WRITE, 15, 0, 9, 8 + SDFA_LINK_DATA)

/* Of parts that a program may offer beside: sdfa_link_gate, and so on. */
#define SDFA_REQUESTS_GATE(X)                                                                                          \
    X(HOLD_OUT, 16, 0, 8, 8)                                                                                           \
    X(MARK, 17, 1, 4, 4)                                                                                               \
    X(JUDGE, 18, 1, 4, 4)                                                                                              \
    X(ROLLBACK, 19, 0, 4, 4)                                                                                           \
    X(EMPTY, 20, 0, 4, 4)
#define SDFA_REQUESTS_SELFTEST(X) X(SELFTEST, 21, 1, 4, 4)
#define SDFA_REQUESTS_PUSH(X)                                                                                          \
    X(PUSH_BEGIN, 22, 1, 12, 12)                                                                                       \
    X(PUSH_DATA, 23, 0, 7, 6 + SDFA_LINK_DATA)                                                                         \
    X(PUSH_END, 24, 1, 4, 4)                                                                                           \
    X(SLOTS, 25, 1, 4, 4)                                                                                              \
    X(PUSH_DROP, 29, 1, 4, 4)
#define SDFA_REQUESTS_TRACE(X)                                                                                         \
    X(TRACE, 26, 0, 4, 4)                                                                                              \
    X(TRACE_READ, 27, 0, 8, 8)                                                                                         \
    X(TRACE_START, 28, 0, 4, 4)

#define SDFA_LINK_BUSY 1 /* status of a reply: the work goes on, another reply follows */

enum sdfa_request {
#define SDFA_X(name, value, slow, least, most) SDFA_REQUEST_##name = (value),
    SDFA_REQUESTS(SDFA_X) SDFA_REQUESTS_GATE(SDFA_X) SDFA_REQUESTS_SELFTEST(SDFA_X) SDFA_REQUESTS_PUSH(SDFA_X)
        SDFA_REQUESTS_TRACE(SDFA_X)
#undef SDFA_X
};

/* What READ reads. */
enum sdfa_block { SDFA_BLOCK_OUTPUT = 0, SDFA_BLOCK_TAIL = 1, SDFA_BLOCK_IMAGE = 2 };

/* What HELLO says that a device has. */
enum sdfa_link_flag {
    SDFA_LINK_LEARNS = 1,
    SDFA_LINK_STORE = 2,
    SDFA_LINK_SELFTEST = 4,
    SDFA_LINK_GATE = 8,
    SDFA_LINK_TRACE = 16,
    SDFA_LINK_SLOTS = 32,
    SDFA_LINK_CLOCK = 64
};

/* Requests of one kind: a program names those that it offers, and the linker drops all others. */
struct sdfa_link_part;
extern const struct sdfa_link_part sdfa_link_gate;     /* held-out samples and the way back; needs link.gate */
extern const struct sdfa_link_part sdfa_link_selftest; /* the golden output of the image */
extern const struct sdfa_link_part sdfa_link_push;     /* other images; needs link.slots */
extern const struct sdfa_link_part sdfa_link_trace;    /* what was learned; needs link.trace */

struct sdfa_link {
    struct sdfa *net;                          /* opened */
    const struct sdfa_flash *flash;            /* NULL: nothing is saved */
    const char *board;                         /* at most 24 characters */
    const struct sdfa_link_part *const *parts; /* part_n of them; NULL: none */
    struct sdfa_gate *gate;     /* begun with sdfa_gate_init; NULL: none. These three are used by their parts alone */
    struct sdfa_trace *trace;   /* begun with sdfa_trace_init; NULL: none */
    struct sdfa_slots *slots;   /* NULL: no images can be pushed */
    uint32_t (*clock_us)(void); /* microseconds, modulo 2^32; NULL: no time is told */
    uint8_t part_n;
    uint8_t renew; /* 1: a pushed image is complete; the program opens its net anew and sets this to 0 */
    uint8_t wire[SDFA_FRAME_WIRE_MAX];
    /* private */
    struct sdfa_frame in;
    uint8_t reply[SDFA_FRAME_BODY_MAX];
    uint32_t request_crc; /* of the request that `reply` answers */
    uint32_t session;     /* what the last HELLO said; 0 after a start */
    uint16_t len;         /* of the request in `in`, while its work is to be done */
    uint8_t reply_len;    /* 0: no request has been answered */
};

/* Takes the next byte. Returns how many bytes of wire are to be sent. */
uint32_t sdfa_link_take(struct sdfa_link *l, uint8_t byte);

/* Does the slow work of the last request, if there is any. Returns how many bytes of wire are to be sent. */
uint32_t sdfa_link_work(struct sdfa_link *l);

#ifdef __cplusplus
}
#endif

#endif
