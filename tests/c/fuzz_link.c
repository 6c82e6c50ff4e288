/* libFuzzer over the requests of the device link: a device with all parts is given any bodies, and lives. The image is the
 * file that SDFA_FUZZ_IMAGE names. The input: {u8 length, body} again and again; a body's session becomes the right one when
 * its first byte is odd, so that requests get past it. */
#include "api_net.h"
#include "flash_sim.h"
#include "sdfa_gate.h"
#include "sdfa_link.h"
#include "sdfa_slots.h"
#include "sdfa_trace.h"

#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct net original;
static unsigned long requests, done;

static void report(void) {
    fprintf(stderr, "requests %lu done %lu\n", requests, done);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    original = load(getenv("SDFA_FUZZ_IMAGE"));
    atexit(report);
    return 0;
}

static uint32_t clock_us(void) {
    return 7;
}

/* Memory of exactly the lengths that are said. */
struct device {
    struct net n;
    struct flash_sim *store, *region;
    struct sdfa_gate gate;
    struct sdfa_trace trace;
    struct sdfa_slots slots;
    struct sdfa_link link;
    uint8_t *held, *copy, *traced, *trace_copy;
};

static void begin(struct device *d) {
    struct net *n = &d->n;
    CHECK(sdfa_slots_open(&d->slots, &n->s, n->image, n->image_len) == SDFA_ERR_OK);
    d->link.gate = sdfa_gate_init(&d->gate, &n->s, d->held, 100, d->copy, (uint32_t)n->tail_len) ? NULL : &d->gate;
    d->link.trace =
        sdfa_trace_init(&d->trace, &n->s, d->traced, 100, d->trace_copy, (uint32_t)n->tail_len) ? NULL : &d->trace;
    d->link.renew = 0;
}

static struct device *device(void) {
    static const struct sdfa_link_part *const parts[] = {&sdfa_link_gate, &sdfa_link_selftest, &sdfa_link_push,
                                                         &sdfa_link_trace};
    struct device *d = block(sizeof *d);
    memset(d, 0, sizeof *d);
    d->n = original;
    d->n.image = copy(original.image, original.image_len);
    d->n.arena = copy(original.arena, original.arena_len);
    d->n.tail = copy(original.tail, original.tail_len);
    d->store = sim_new(4096, 1024, 8, 0xff, 1000000);
    d->region = sim_new(8192, 1024, 8, 0xff, 1000000);
    d->held = block(100);
    d->copy = block(d->n.tail_len);
    d->traced = block(100);
    d->trace_copy = block(d->n.tail_len);
    d->slots.flash = &d->region->flash;
    d->slots.base = d->region->bytes;
    d->slots.kernels = &sdfa_all_kernels;
    d->slots.arena = d->n.arena;
    d->slots.arena_len = (uint32_t)d->n.arena_len;
    d->slots.tail = d->n.tail;
    d->slots.tail_len = (uint32_t)d->n.tail_len;
    d->link.net = &d->n.s;
    d->link.flash = &d->store->flash;
    d->link.board = "fuzzed";
    d->link.parts = parts;
    d->link.part_n = sizeof parts / sizeof *parts;
    d->link.slots = &d->slots;
    d->link.clock_us = clock_us;
    begin(d);
    return d;
}

static void discard(struct device *d) {
    unload(&d->n);
    sim_free(d->store);
    sim_free(d->region);
    free(d->held);
    free(d->copy);
    free(d->traced);
    free(d->trace_copy);
    free(d);
}

/* One frame in; whatever is answered must be a frame that says so. */
static void exchange(struct device *d, const uint8_t *body, uint32_t len) {
    uint8_t wire[SDFA_FRAME_WIRE_MAX];
    uint32_t n = sdfa_frame_put(wire, body, len), out = 0;
    for (uint32_t i = 0; i < n; i++)
        out |= sdfa_link_take(&d->link, wire[i]);
    CHECK(out <= SDFA_FRAME_WIRE_MAX && (len < 4) <= (out == 0));
    requests += out != 0;
    out = sdfa_link_work(&d->link);
    CHECK(out <= SDFA_FRAME_WIRE_MAX);
    done += d->link.reply_len >= 6 && d->link.reply[4] == 0 && d->link.reply[5] == 0;
    if (d->link.renew)
        begin(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t hello[8] = {0x10, 1, 0, 0, 5, 0, 0, 0};
    struct device *d = device();
    exchange(d, hello, sizeof hello);
    for (uint16_t number = 1; size > 1; number++) {
        uint8_t body[SDFA_FRAME_BODY_MAX] = {0x10, 0, (uint8_t)number, (uint8_t)(number >> 8), 5};
        uint32_t len = data[0] % (sizeof body - 7u), odd = data[1] & 1u, from = odd ? 8u : 4u;
        len = len < size - 1 ? len : (uint32_t)size - 1;
        body[1] = data[1] >> 1 & 31u;
        memcpy(body + from, data + 1, len);
        exchange(d, body, from + len);
        data += 1 + len;
        size -= 1 + len;
    }
    discard(d);
    return 0;
}
