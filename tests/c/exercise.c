/* Any bytes as an image. See exercise.h. */
#include "exercise.h"

#include "sdfa_class.h"
#include "sdfa_decay.h"
#include "sdfa_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MAX 65536u  /* of the arena and of the tail; an image that asks for more must be refused */
#define WORK_MAX   200000u /* inner loops of one run or one step */
#define STEPS      6u

#define EXPECT(what)                                                                                                   \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #what);                                         \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

struct exercise_counts exercise_counts;

uint32_t exercise_crc(const uint8_t *bytes, size_t len) {
    uint32_t crc = 0xffffffffu;
    while (len--) {
        crc ^= *bytes++;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1u ? 0xedb88320u : 0u);
    }
    return ~crc;
}

void exercise_seal(uint8_t *bytes, size_t len) {
    struct sdfa_header h;
    if (len < sizeof h)
        return;
    memcpy(&h, bytes, sizeof h);
    h.magic = SDFA_MAGIC;
    h.version = SDFA_IMAGE_VERSION;
    h.image_len = (uint32_t)len;
    memcpy(bytes, &h, sizeof h);
    h.crc32 = exercise_crc(bytes + 8, len - 8);
    memcpy(bytes, &h, sizeof h);
}

/* One image and its memory, each in a heap block of its own. */
struct bench {
    uint8_t *image, *arena, *tail;
    size_t image_len, arena_len, tail_len;
    uint32_t random;
};

static void *block(size_t len) {
    void *made = malloc(len ? len : 1);
    EXPECT(made);
    return made;
}

static void fill(uint8_t *to, size_t len, uint32_t *random) {
    while (len--)
        *to++ = (uint8_t)(sdfa_random(random) >> 7);
}

static struct bench set_up(const uint8_t *bytes, size_t len, uint32_t seed) {
    struct bench b = {0};
    struct sdfa_header h;
    memset(&h, 0, sizeof h);
    memcpy(&h, bytes, len < sizeof h ? len : sizeof h);
    b.random = seed;
    b.image_len = len;
    b.arena_len = h.arena_len < MEMORY_MAX ? h.arena_len : MEMORY_MAX;
    b.tail_len = h.tail_len < MEMORY_MAX ? h.tail_len : MEMORY_MAX;
    b.image = block(len);
    b.arena = block(b.arena_len);
    b.tail = block(b.tail_len);
    memcpy(b.image, bytes, len);
    return b;
}

static void tear_down(struct bench *b) {
    free(b->image);
    free(b->arena);
    free(b->tail);
}

/* Arena and tail start with the same garbage each time: their contents do not matter. */
static int open_on(struct sdfa *s, struct bench *b, int learns) {
    uint32_t random = 7;
    fill(b->arena, b->arena_len, &random);
    fill(b->tail, b->tail_len, &random);
    return sdfa_open(s, b->image, b->image_len, &sdfa_all_kernels, b->arena, b->arena_len, learns ? b->tail : NULL,
                     learns ? b->tail_len : 0);
}

static uint64_t cells(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_tensor *t = sdfa_tensor_at(s, op->out);
    return (uint64_t)t->h * t->w;
}

static uint64_t window_work(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_conv_op *p = (const struct sdfa_conv_op *)(const void *)op;
    uint64_t in_c = sdfa_tensor_at(s, op->in)->c, out_c = sdfa_tensor_at(s, op->out)->c;
    uint64_t each = op->kind == SDFA_CONV ? in_c * (out_c + 1u) : in_c + out_c;
    return cells(s, op) * p->kh * p->kw * each;
}

static uint64_t pool_work(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_pool_op *p = (const struct sdfa_pool_op *)(const void *)op;
    const struct sdfa_tensor *in = sdfa_tensor_at(s, op->in);
    uint64_t kh = p->kh < in->h ? p->kh : in->h, kw = p->kw < in->w ? p->kw : in->w;
    return cells(s, op) * in->c * (kh * kw + 1u);
}

static uint64_t op_work(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_dense_op *dense = (const struct sdfa_dense_op *)(const void *)op;
    switch (op->kind) {
    case SDFA_DENSE:
        return (uint64_t)dense->rows * dense->in_n * dense->out_n;
    case SDFA_CONV:
    case SDFA_DEPTHWISE:
        return window_work(s, op);
    case SDFA_AVGPOOL:
    case SDFA_MAXPOOL:
        return pool_work(s, op);
    default:
        return 10u *
               ((uint64_t)sdfa_tensor_len(sdfa_tensor_at(s, op->in)) + sdfa_tensor_len(sdfa_tensor_at(s, op->out)));
    }
}

static uint64_t run_work(const struct sdfa *s) {
    uint64_t sum = 0;
    const uint8_t *at = s->ops;
    for (uint32_t i = 0; i < s->op_n; i++) {
        const struct sdfa_op *op = (const struct sdfa_op *)(const void *)at;
        sum += op_work(s, op);
        at += op->len;
    }
    return sum;
}

static uint64_t step_work(const struct sdfa *s) {
    uint64_t sum = 0;
    for (uint32_t l = 0; s->class_n && l < sdfa_learning_of(s)->layer_n; l++) {
        const struct sdfa_dense_op *op = sdfa_layer_op(s, l);
        sum += (uint64_t)op->out_n * (2u * op->in_n + sdfa_layer_at(s, l)->k + 1u);
    }
    return sum;
}

static void run_once(struct sdfa *s, struct bench *b) {
    fill((uint8_t *)sdfa_input(s), s->input_len, &b->random);
    sdfa_run(s);
}

/* The output of the same input in the same memory, with and without a tail in RAM. Returns the bytes, to be freed. */
static int8_t *output_of(struct sdfa *s, struct bench *b) {
    uint32_t random = b->random;
    int8_t *out = block(s->output_len);
    run_once(s, b);
    b->random = random;
    memcpy(out, sdfa_output(s), s->output_len);
    return out;
}

/* Whether a label can be learned: by cross-entropy not if all outputs are spare ones. */
static int has_label(const struct sdfa *s) {
    uint32_t c = 0;
    while (c < s->class_n && sdfa_slot_closed(s, c))
        c++;
    return c < s->class_n || sdfa_learning_of(s)->loss != SDFA_LOSS_SOFTMAX_CE;
}

static int teach_label(struct sdfa *s, struct bench *b) {
    uint32_t label = sdfa_random(&b->random) % s->class_n;
    EXPECT(sdfa_learn(s, s->class_n) == SDFA_ERR_LABEL);
    for (; sdfa_slot_closed(s, label); label = (label + 1u) % s->class_n)
        EXPECT(sdfa_learn(s, label) == SDFA_ERR_LABEL);
    return sdfa_learn(s, label);
}

static int teach(struct sdfa *s, struct bench *b) {
    int16_t *target;
    int error;
    if (sdfa_learning_of(s)->loss == SDFA_LOSS_SOFTMAX_CE)
        return teach_label(s, b);
    target = block(s->class_n * sizeof *target);
    fill((uint8_t *)target, s->class_n * sizeof *target, &b->random);
    error = sdfa_learn_target(s, target);
    free(target);
    return error;
}

static void set_something(struct sdfa *s, struct bench *b) {
    uint32_t value = sdfa_random(&b->random);
    int error = sdfa_set_rate(s, value >> (value & 31u));
    EXPECT(error == SDFA_ERR_OK || error == SDFA_ERR_RATE);
    error = sdfa_set_threshold(s, value >> 16);
    EXPECT(error == (value >> 16 > 32767u ? SDFA_ERR_THRESHOLD : SDFA_ERR_OK));
    if (value & 1u)
        EXPECT(sdfa_set_threshold(s, 0) == SDFA_ERR_OK);
}

static void one_step(struct sdfa *s, struct bench *b) {
    int32_t class;
    run_once(s, b);
    class = sdfa_class(s);
    EXPECT(class >= 0 && (uint32_t) class < s->class_n);
    EXPECT(teach(s, b) == SDFA_ERR_OK);
    EXPECT(teach(s, b) == SDFA_ERR_ORDER || sdfa_learning_of(s)->loss == SDFA_LOSS_SOFTMAX_CE);
    exercise_counts.steps++;
}

/* What changes weights beside a step; needs another run afterwards. */
static void change_weights(struct sdfa *s, struct bench *b) {
    int32_t added = sdfa_add_class(s);
    EXPECT(added == SDFA_ERR_LOSS || added == SDFA_ERR_SPARE || !sdfa_slot_closed(s, (uint32_t)added));
    EXPECT(sdfa_decay(s, sdfa_random(&b->random) & 0xffffu) == SDFA_ERR_OK);
    EXPECT(sdfa_class(s) == SDFA_ERR_ORDER);
}

static void learn_on(struct sdfa *s, struct bench *b) {
    exercise_counts.learnable++;
    for (uint32_t i = 0; i < STEPS; i++) {
        one_step(s, b);
        if (i > 1)
            set_something(s, b);
        if (i > 2)
            change_weights(s, b);
    }
    EXPECT(s->stats.steps == STEPS);
    run_once(s, b);
    EXPECT(sdfa_reset(s) == SDFA_ERR_OK);
    EXPECT(memcmp(b->tail, s->factory, s->tail_len) == 0);
    run_once(s, b);
}

static void use(struct sdfa *s, struct bench *b) {
    int8_t *frozen = output_of(s, b), *learning;
    EXPECT(sdfa_learn(s, 0) == SDFA_ERR_FROZEN);
    EXPECT(open_on(s, b, 1) == SDFA_ERR_OK);
    learning = output_of(s, b);
    EXPECT(memcmp(frozen, learning, s->output_len) == 0);
    free(frozen);
    free(learning);
    if (s->tail_ram && step_work(s) <= WORK_MAX && has_label(s))
        learn_on(s, b);
}

int exercise(const uint8_t *bytes, size_t len, uint32_t seed) {
    struct bench b = set_up(bytes, len, seed);
    struct sdfa s;
    int error = open_on(&s, &b, 0);
    exercise_counts.images++;
    if (error == SDFA_ERR_OK) {
        exercise_counts.accepted++;
        if (run_work(&s) <= WORK_MAX)
            use(&s, &b);
        else
            exercise_counts.skipped++;
    } else {
        EXPECT(error < 0 && error >= SDFA_ERR_THRESHOLD);
        EXPECT(open_on(&s, &b, 1) != SDFA_ERR_OK);
    }
    EXPECT(memcmp(b.image, bytes, len) == 0);
    tear_down(&b);
    return error;
}
