/* sdfa: int8 networks that go on learning on a microcontroller.
 *
 *   static struct sdfa net;
 *   static uint32_t arena[DIGITS_ARENA_LEN / 4], tail[DIGITS_TAIL_LEN / 4];
 *
 *   if (sdfa_open(&net, digits_image, sizeof digits_image, &digits_kernels, arena, sizeof arena, tail, sizeof tail))
 *       return ...;
 *   memcpy(sdfa_input(&net), pixels, net.input_len);
 *   sdfa_run(&net);
 *   guess = sdfa_class(&net);
 *   sdfa_learn(&net, label);     one step, from the run before it
 *
 * The caller owns all memory. There is no heap, no float, no recursion and no global state: two nets need two structs.
 * No function may be called for one struct from two contexts at a time. Formats and arithmetic: SPEC.md.
 */
#ifndef SDFA_H
#define SDFA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SDFA_API_VERSION   1
#define SDFA_IMAGE_VERSION 1

/* Errors: X(name, value, text). 0 is success; values never change their meaning. */
#define SDFA_ERRORS(X)                                                                                                 \
    X(OK, 0, "ok")                                                                                                     \
    X(ALIGN, -1, "image, arena or tail is not aligned to 4 bytes")                                                     \
    X(MAGIC, -2, "not an sdfa image")                                                                                  \
    X(VERSION, -3, "image format of another version")                                                                  \
    X(LENGTH, -4, "image is shorter than it says")                                                                     \
    X(CRC, -5, "image is damaged: CRC-32 does not match")                                                              \
    X(SECTION, -6, "image is malformed: section table")                                                                \
    X(TENSOR, -7, "image is malformed: tensor table")                                                                  \
    X(OP, -8, "image is malformed: operation")                                                                         \
    X(LEARNING, -9, "image is malformed: learning section")                                                            \
    X(KERNEL, -10, "image needs a kernel that is not linked")                                                          \
    X(ARENA, -11, "arena is too small")                                                                                \
    X(TAIL, -12, "memory for the trainable tail is too small")                                                         \
    X(FROZEN, -13, "nothing learns in this image, or it was opened without memory for the tail")                       \
    X(ORDER, -14, "learn needs a run before it")                                                                       \
    X(LABEL, -15, "label is out of range")                                                                             \
    X(LOSS, -16, "image was made for the other loss")                                                                  \
    X(RATE, -17, "learning rate does not fit its fixed-point form")                                                    \
    X(THRESHOLD, -18, "threshold is out of range")                                                                     \
    X(FLASH, -19, "flash driver failed, or what was written reads back differently")                                   \
    X(STORE_GEOMETRY, -20, "flash region is too small for two records, or its sizes do not fit each other")            \
    X(STORE_EMPTY, -21, "nothing has been saved: factory weights")                                                     \
    X(STORE_DAMAGED, -22, "no saved record is whole: factory weights")                                                 \
    X(STORE_MODEL, -23, "what is saved belongs to another model")                                                      \
    X(NO_STORE, -24, "this device has no store")                                                                       \
    X(REQUEST, -25, "unknown request, or one that this device does not offer")                                         \
    X(ARGUMENT, -26, "request is of the wrong length, or an argument is out of range")                                 \
    X(SESSION, -27, "the device was restarted, or somebody else has begun a session")                                  \
    X(STEP, -28, "the device has done another number of steps")                                                        \
    X(ROOM, -29, "memory for samples is too small")                                                                    \
    X(SPARE, -30, "no spare class is left")                                                                            \
    X(GOLD, -31, "image holds no golden output: export it again")                                                      \
    X(SELFTEST, -32, "self-test failed: an output is not the golden one")                                              \
    X(SLOT, -33, "image is too large for a slot of this device")                                                       \
    X(PUSH, -34, "part of an image out of turn: begin the push again")                                                 \
    X(SIGNATURE, -35, "signature of the image is not accepted")                                                        \
    X(LINK, -36, "the device link is of another version")

enum sdfa_error {
#define SDFA_X(name, value, text) SDFA_ERR_##name = (value),
    SDFA_ERRORS(SDFA_X)
#undef SDFA_X
};

/* Text of an error in English, without a full stop; "unknown error" for a value that is none. */
const char *sdfa_error_text(int error);

/* What learning did since sdfa_open (SPEC.md 3.5). */
struct sdfa_stats {
    uint64_t loss;            /* cross-entropy: bits in Q12, summed; mean squared error: squared error in Q15, summed */
    uint64_t weights_nonzero; /* weights in rows with a non-zero delta */
    uint64_t weights_updated; /* weights in rows with a non-zero step */
    uint64_t moved;           /* sum of |change| over all weights, in weight units */
    uint32_t steps;           /* executed steps; those behind the weights after sdfa_load and sdfa_reset */
    uint32_t correct;         /* steps whose class was right before the step (cross-entropy) */
    uint32_t saturated_weights;     /* weights stopped at +-127 and biases stopped at +-2^30 */
    uint32_t saturated_activations; /* outputs of hidden trainable layers at their upper clamp */
    uint32_t saturated_logits;      /* outputs of the output layer at -128 or 127 */
};

struct sdfa_kernels;

/* An opened net. Read the fields under "public"; leave the others alone. sizeof(struct sdfa) is all the state there is.
 */
struct sdfa {
    /* public */
    uint32_t input_len;  /* bytes of the input */
    uint32_t output_len; /* bytes of the output */
    uint32_t class_n;    /* outputs of the trainable output layer; 0 if nothing learns */
    uint32_t rate_q24;   /* learning rate * 2^24; set with sdfa_set_rate */
    uint32_t random;     /* state of the rounding generator; may be set to any value: the seed */
    uint16_t tau_q15;    /* error threshold * 2^15; set with sdfa_set_threshold */
    uint16_t frozen;     /* bit l: trainable layer l does not learn; set with sdfa_freeze */
    struct sdfa_stats stats;
    /* private */
    uint16_t ready;   /* a run has been done that no step has used */
    uint16_t changed; /* how often something else than a step wrote the weights, modulo 2^16 */
    const void *image;
    const uint8_t *data;
    const uint8_t *ops;
    const uint8_t *tensors;
    const uint8_t *learning;
    const uint8_t *factory;
    const uint8_t *tail; /* weights in use: in RAM, or the factory's in the image */
    uint8_t *tail_ram;   /* NULL when opened for inference only */
    uint8_t *arena;
    const struct sdfa_kernels *kernels;
    uint32_t data_len;
    uint32_t ops_len;
    uint32_t arena_len;
    uint32_t tail_len;
    uint16_t op_n;
    uint16_t tensor_n;
    uint16_t input;
    uint16_t output;
};

/* Checks an image once and binds it to its memory; the only call that can refuse a model.
 *
 * image    image_len bytes, aligned to 4, constant while the net is in use; run in place. Untrusted: any bytes are safe.
 * kernels  the operations that are linked: NAME_kernels of the exported model, or sdfa_all_kernels.
 * arena    at least NAME_ARENA_LEN bytes, aligned to 4; contents do not matter.
 * tail     at least NAME_TAIL_LEN bytes, aligned to 4, for the weights that learn; NULL: inference only, the weights
 *          are read in place. Learned values in the image are used, else the factory values.
 *
 * Returns SDFA_ERR_OK, or the reason; then *s must not be used. Reads every byte of the image (CRC-32). */
int sdfa_open(struct sdfa *s, const void *image, size_t image_len, const struct sdfa_kernels *kernels, void *arena,
              size_t arena_len, void *tail, size_t tail_len);

/* The same without the CRC-32, for an image that cannot be damaged, such as one that is compiled in: it starts sooner,
 * and 1 KB of code less is linked. Any bytes are as safe as for sdfa_open, but damage to weights goes unnoticed. */
int sdfa_bind(struct sdfa *s, const void *image, size_t image_len, const struct sdfa_kernels *kernels, void *arena,
              size_t arena_len, void *tail, size_t tail_len);

/* Where the next input goes: int8, NHWC, s->input_len bytes. Write it before each run: a run may overwrite it. */
int8_t *sdfa_input(const struct sdfa *s);

/* The output of the last run: int8, s->output_len bytes. */
const int8_t *sdfa_output(const struct sdfa *s);

/* One inference. Cannot fail. */
void sdfa_run(struct sdfa *s);

/* The class of the last run: the largest logit in the 32-bit accumulators of the output layer, the first one of equals.
 * Call it between run and learn. Errors (negative): FROZEN (nothing learns in this image), ORDER (no run since the
 * last step). */
int32_t sdfa_class(const struct sdfa *s);

/* One learning step from the last run, in place. label: 0 .. class_n - 1.
 * Errors, in this order: LOSS (image was made for targets), FROZEN, LABEL (also of a closed slot), ORDER (no run since the last step); then
 * nothing is changed. */
int sdfa_learn(struct sdfa *s, uint32_t label);

/* The same for mean squared error. target: class_n values, real value / (256 * output scale) * 2^15.
 * Errors: FROZEN, ORDER, LOSS. */
int sdfa_learn_target(struct sdfa *s, const int16_t *target);

/* Learning rate * 2^24. Errors: FROZEN, RATE (0, or overflows or vanishes in a layer; the old rate stays). */
int sdfa_set_rate(struct sdfa *s, uint32_t rate_q24);

/* Error threshold * 2^15, 0 .. 32767. Errors: FROZEN, THRESHOLD. */
int sdfa_set_threshold(struct sdfa *s, uint32_t tau_q15);

/* Freezes the trainable layers whose bits are set, bit 0 the first one, and lets the others learn: a frozen layer gets no
 * delta and no update, and costs nothing. Bits of layers that do not exist have no effect. Error: FROZEN. */
int sdfa_freeze(struct sdfa *s, uint16_t layers);

/* Back to the factory weights, which have no steps behind them: stats.steps is 0. Rate, threshold, generator and the
 * other statistics stay. Error: FROZEN. */
int sdfa_reset(struct sdfa *s);

/* A constant in the form that sdfa_set_rate takes; folded by the compiler, no float reaches the device. */
#define SDFA_RATE(real)      ((uint32_t)((real)*16777216.0 + 0.5))
#define SDFA_THRESHOLD(real) ((uint32_t)((real)*32768.0 + 0.5))

/* One operation's code, and one rule of learning: named in a kernel table so that the linker drops all others. */
struct sdfa_kernel;
struct sdfa_loss;
struct sdfa_feedback;
struct sdfa_update;
struct sdfa_kernels {
    const struct sdfa_kernel *const *op; /* op_n entries, any order */
    uint32_t op_n;
    const struct sdfa_loss *loss[2];         /* softmax cross-entropy, mean squared error; NULL: not linked */
    const struct sdfa_feedback *feedback[3]; /* tables, back-propagation, live; NULL: not linked */
    const struct sdfa_update *update[2];     /* int8 weights, 16-bit master weights; NULL: not linked */
};
extern const struct sdfa_kernel sdfa_kernel_dense, sdfa_kernel_conv, sdfa_kernel_depthwise, sdfa_kernel_avgpool,
    sdfa_kernel_maxpool, sdfa_kernel_add, sdfa_kernel_softmax, sdfa_kernel_mul, sdfa_kernel_mean, sdfa_kernel_pad,
    sdfa_kernel_copy, sdfa_kernel_table;
extern const struct sdfa_loss sdfa_loss_softmax_ce, sdfa_loss_mse;
extern const struct sdfa_feedback sdfa_feedback_table, sdfa_feedback_bp, sdfa_feedback_live,
    sdfa_feedback_live_two; /* k <= 2 */
extern const struct sdfa_update sdfa_update_int8, sdfa_update_master;
extern const struct sdfa_kernels sdfa_all_kernels; /* everything, for tools that open any image */

#ifdef __cplusplus
}
#endif

#endif
