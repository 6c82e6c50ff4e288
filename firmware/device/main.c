/* The device program with a model that is compiled in: NAME.c and NAME.h as `pytools export` wrote them.
 *
 * Build it with -DSDFA_MODEL=NAME -DSDFA_MODEL_CAPITALS=NAME in capitals, and the folder of NAME.h among the include
 * folders. Without: digits. What else it can do:
 *
 *   -DSDFA_HELD_BYTES=N   N bytes of RAM for held-out samples, and as many as the trainable tail has for the way back
 *   -DSDFA_TRACE_BYTES=N  N bytes of RAM for a trace of what is learned
 *   -DSDFA_SLOTS          images can be pushed that fit into this one's memory, where the board has flash for them
 *
 * 0: not at all; its code is not linked either. */
#ifndef SDFA_HELD_BYTES
#define SDFA_HELD_BYTES 2048
#endif
#ifndef SDFA_TRACE_BYTES
#define SDFA_TRACE_BYTES 1024
#endif
#ifndef SDFA_MODEL
#define SDFA_MODEL          digits
#define SDFA_MODEL_CAPITALS DIGITS
#endif
#define GLUE_(a, b)  a##b
#define GLUE(a, b)   GLUE_(a, b)
#define TEXT_(a)     #a
#define TEXT(a)      TEXT_(a)
#define MODEL(what)  GLUE(SDFA_MODEL, what)          /* NAME_what */
#define LENGTH(what) GLUE(SDFA_MODEL_CAPITALS, what) /* what NAME.h says */

#include TEXT(SDFA_MODEL.h)

#include "sdfa_device.h"
#include "sdfa_gate.h"
#include "sdfa_port.h"
#include "sdfa_slots.h"
#include "sdfa_trace.h"

static uint32_t arena[LENGTH(_ARENA_LEN) / 4];

#if LENGTH(_TAIL_LEN)
static uint32_t tail[LENGTH(_TAIL_LEN) / 4];
#define TAIL tail, sizeof tail
#else /* nothing learns */
#define TAIL 0, 0
#undef SDFA_HELD_BYTES
#define SDFA_HELD_BYTES 0
#undef SDFA_TRACE_BYTES
#define SDFA_TRACE_BYTES 0
#endif

static const struct sdfa_link_part *const parts[] = {
    &sdfa_link_selftest,
#if SDFA_HELD_BYTES
    &sdfa_link_gate,
#endif
#if SDFA_TRACE_BYTES
    &sdfa_link_trace,
#endif
#ifdef SDFA_SLOTS
    &sdfa_link_push,
#endif
};

#if SDFA_HELD_BYTES
static void hold_out(struct sdfa_device *d) {
    static struct sdfa_gate gate;
    static uint32_t held[SDFA_HELD_BYTES / 4], copy[LENGTH(_TAIL_LEN) / 4];
    int error = sdfa_gate_init(&gate, &d->net, held, sizeof held, copy, sizeof copy);

    d->link.gate = error ? NULL : &gate;
}
#endif

#if SDFA_TRACE_BYTES
static void trace(struct sdfa_device *d) {
    static struct sdfa_trace steps;
    static uint32_t traced[SDFA_TRACE_BYTES / 4];
    int error = sdfa_trace_init(&steps, &d->net, traced, sizeof traced, NULL, 0);

    d->link.trace = error ? NULL : &steps;
}
#endif

#ifdef SDFA_SLOTS
static struct sdfa_slots slots;

static int open_slots(struct sdfa_device *d) {
    const struct sdfa_model *m = d->model;

    if (!sdfa_port.slots)
        return sdfa_open(&d->net, m->image, m->image_len, m->kernels, m->arena, m->arena_len, m->tail, m->tail_len);
    slots.flash = sdfa_port.slots;
    slots.base = sdfa_port.slots_base;
    slots.kernels = m->kernels;
    slots.arena = m->arena;
    slots.arena_len = m->arena_len;
    slots.tail = m->tail;
    slots.tail_len = m->tail_len;
    d->link.slots = &slots;
    return sdfa_slots_open(&slots, &d->net, m->image, m->image_len);
}
#define OPEN open_slots
#else
#define OPEN NULL
#endif

static void begin(struct sdfa_device *d) {
    d->link.parts = parts;
    d->link.part_n = sizeof parts / sizeof *parts;
#if SDFA_HELD_BYTES
    hold_out(d);
#endif
#if SDFA_TRACE_BYTES
    trace(d);
#endif
}

int main(void) {
    static const struct sdfa_model model = {
        MODEL(_image), LENGTH(_IMAGE_LEN), &MODEL(_kernels), arena, sizeof arena, TAIL, OPEN, begin,
    };

    return sdfa_device(&model);
}
