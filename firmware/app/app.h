/* A batch program around the runtime: reads requests from one byte stream, writes replies to another.
 *
 * The tools build it for the host and for emulated boards (boards/) to run, teach and check a model there. A port
 * provides the functions under "port" and calls app_main. Every number in both streams is little endian.
 *
 *   request   {u16 code, u16 zero, u32 len} and len bytes of payload
 *   reply     {i32 status, u32 len} and len bytes of payload, one reply per request, in order
 *
 * status is 0, an sdfa_error or an app_error; a reply with another status than 0 has no payload. All that can fail is
 * checked before the reply begins, so its payload is always complete; samples are streamed, any number of them fits any
 * board. The one thing that is seen only in mid-stream is a label out of range: that sample teaches nothing and its
 * guess is APP_NO_CLASS. A request that fails is skipped; a stream that ends inside a request ends the program with
 * APP_EXIT_TRUNCATED.
 */
#ifndef SDFA_APP_H
#define SDFA_APP_H

#include <stdbool.h>
#include <stdint.h>

/* Requests: X(name, code, payload -> payload of the reply).
 * input, output: bytes of one input and output; classes: outputs of the output layer. */
#define APP_REQUESTS(X)                                                                                                \
    X(OPEN, 1, "-> u32 arena_len, tail_len, state_len, input_len, output_len, class_n")                                \
    X(RUN, 2, "n * input -> n * output")                                                                               \
    X(CLASSIFY, 3, "n * input -> n * u16 class")                                                                       \
    X(LEARN, 4, "n * {input, u16 label} -> n * u16 class before the step")                                             \
    X(LEARN_TARGET, 5, "n * {input, i16[classes]} ->")                                                                 \
    X(SET, 6, "u32 rate_q24, tau_q15, seed; APP_LEAVE leaves one as it is; up to the first refused one ->")            \
    X(STATE, 7, "-> the counters in the order of SPEC.md 3.5, then u32 random, rate_q24, tau_q15")                     \
    X(TAIL, 8, "-> the trainable tail in RAM")                                                                         \
    X(RESET, 9, "->")                                                                                                  \
    X(MEMORY, 10, "-> u32 stack_len: most bytes of stack used since the start, 0 if unknown; u32 pool_len")            \
    X(MEASURE, 11, "-> u32 of the probe: instructions, stack_len; of each section: struct measure of measure.h")       \
    X(PROFILE, 12, "n * input -> n * u32[operations]: instructions of each; after a MEASURE")                          \
    X(CARE, 13, "struct care_plan of care.h ->; what LEARN does beside learning, from now on")                         \
    X(REMEMBER, 14, "n * {input, u16 label} -> n * u16 kept; into the ring, not learned")                              \
    X(HOLD_OUT, 15, "n * {input, u16 label} -> n * u16 1; these become the gate's, and the weights its mark")          \
    X(JUDGE, 16, "-> u32 verdict, before and after: u32 n, u32 correct, u64 loss")                                     \
    X(CARED, 17, "-> u32 of the ring: n, seen, random, steps; of the guard: windows, halvings, reasons, loss; decays") \
    X(ADD_CLASS, 18, "-> u32 label of the slot that was opened")

/* Sections that MEASURE tells about: X(name, index, what). The first MEASURE begins, each further one tells what was
 * since the one before. stack_len is that of the deepest call, instructions the sum of all, after the least and the
 * most of a call; all are off by the same overhead in each call of each section: by what NOTHING has, and by what PROBE
 * has instead of its known figures. */
#define APP_SECTIONS(X)                                                                                                \
    X(NOTHING, 0, "an empty section")                                                                                  \
    X(PROBE, 1, "app_probe")                                                                                           \
    X(OPEN, 2, "sdfa_open, CRC-32 included")                                                                           \
    X(RUN, 3, "sdfa_run")                                                                                              \
    X(LEARN, 4, "sdfa_learn or sdfa_learn_target")                                                                     \
    X(OP, 5, "one operation of PROFILE")                                                                               \
    X(BIND, 6, "sdfa_bind, what sdfa_open does after the CRC-32")

/* Errors of this program, apart from those of sdfa.h: X(name, value, text). */
#define APP_ERRORS(X)                                                                                                  \
    X(CODE, -101, "unknown request")                                                                                   \
    X(LENGTH, -102, "payload of a request has a wrong length")                                                         \
    X(CLOSED, -103, "no model is open")                                                                                \
    X(MEMORY, -104, "memory for targets or samples is too small")                                                      \
    X(MEASURE, -105, "this target cannot count instructions")

/* How the program ends: X(name, value, text). */
#define APP_EXITS(X)                                                                                                   \
    X(OK, 0, "ok")                                                                                                     \
    X(TRUNCATED, 65, "the requests end inside a request")                                                              \
    X(IO, 66, "a file could not be opened, read or written")                                                           \
    X(FAULT, 67, "the processor faulted")                                                                              \
    X(STACK, 68, "the stack overflowed")

enum app_request {
#define APP_X(name, value, text) APP_##name = (value),
    APP_REQUESTS(APP_X)
#undef APP_X
};

enum app_section {
#define APP_X(name, index, text) APP_SECTION_##name = (index),
    APP_SECTIONS(APP_X)
#undef APP_X
        APP_SECTION_N
};

enum app_error {
#define APP_X(name, value, text) APP_ERR_##name = (value),
    APP_ERRORS(APP_X)
#undef APP_X
};

enum app_exit {
#define APP_X(name, value, text) APP_EXIT_##name = (value),
    APP_EXITS(APP_X)
#undef APP_X
};

#define APP_NO_CLASS UINT16_MAX
#define APP_LEAVE    UINT32_MAX

/* What app_probe costs, its call included. */
#define APP_PROBE_INSTRUCTIONS 2006u
#define APP_PROBE_STACK_LEN    256u

/* Answers requests until the stream ends; returns an enum app_exit. A model may be opened again: learning starts anew.
 */
int app_main(void);

/* ---- port ---- */

/* The next len bytes of the requests; false if the stream ends before. */
bool app_read(void *data, uint32_t len);

/* Appends to the replies; ends the program if it cannot. */
void app_write(const void *data, uint32_t len);

/* The image, and the most bytes it may have. */
const void *app_image(uint32_t *len_max);

/* A block of len bytes (len > 0), aligned to 4, contents undefined; NULL if the pool has no room. */
void *app_take(uint32_t len);

/* Gives all blocks back. */
void app_release(void);

/* Most bytes of stack used so far; 0 if the port cannot know. */
uint32_t app_stack_len(void);

/* Bytes of all blocks together that app_take can give; on a port without a limit, bytes given. */
uint32_t app_pool_len(void);

/* Begins to count instructions; false on a port that cannot. Only then the next three are called. */
bool app_count(void);

/* A section of code: its instructions, not more than the port's counter can hold, and its most bytes of stack. Both
 * include a constant overhead. */
void app_section_begin(void);
uint32_t app_section_end(uint32_t *stack_len);

/* Executes APP_PROBE_INSTRUCTIONS and uses APP_PROBE_STACK_LEN bytes of stack. */
void app_probe(void);

#endif
