/* The one parser of images. Total: any bytes end in an error or in a net whose run and learn stay inside their memory.
 */
#include "sdfa_internal.h"

#include <string.h>

int sdfa_check_header(const void *image, size_t image_len) {
    const struct sdfa_header *h = image;
    if (image_len < sizeof *h)
        return SDFA_ERR_LENGTH;
    if (h->magic != SDFA_MAGIC)
        return SDFA_ERR_MAGIC;
    if (h->version != SDFA_IMAGE_VERSION)
        return SDFA_ERR_VERSION;
    if (h->image_len > image_len || h->image_len < sizeof *h)
        return SDFA_ERR_LENGTH;
    return SDFA_ERR_OK;
}

/* The known sections. */
enum { TENSORS, OPS, DATA, TAIL, LEARNING, LEARNED, SECTION_N };

/* SECTION_N for an unknown tag. */
static uint32_t slot_of(uint32_t tag) {
    switch (tag) {
    case SDFA_TAG_TENSORS:
        return TENSORS;
    case SDFA_TAG_OPS:
        return OPS;
    case SDFA_TAG_DATA:
        return DATA;
    case SDFA_TAG_TAIL:
        return TAIL;
    case SDFA_TAG_LEARNING:
        return LEARNING;
    case SDFA_TAG_LEARNED:
        return LEARNED;
    default:
        return SECTION_N;
    }
}

/* Stands for a section that is absent. */
static const struct sdfa_section none;

/* t: the entry of each known section. */
static int find_sections(const struct sdfa_section **t, const struct sdfa_header *h) {
    const struct sdfa_section *e = (const struct sdfa_section *)(const void *)(h + 1), *end = e + h->section_n;
    for (uint32_t i = 0; i < SECTION_N; i++)
        t[i] = &none;
    if (!sdfa_items_in(sizeof *h, h->section_n, sizeof *e, h->image_len))
        return SDFA_ERR_SECTION;
    for (; e != end; e++) {
        uint32_t slot = slot_of(e->tag);
        if ((e->off & 15u) || !sdfa_in_range(e->off, e->len, h->image_len))
            return SDFA_ERR_SECTION;
        if (slot == SECTION_N)
            continue;
        if (t[slot] != &none)
            return SDFA_ERR_SECTION;
        t[slot] = e;
    }
    if (t[TENSORS] == &none || t[OPS] == &none || t[DATA] == &none || t[TAIL]->len != h->tail_len ||
        (h->tail_len && t[LEARNING] == &none))
        return SDFA_ERR_SECTION;
    return SDFA_ERR_OK;
}

static int check_tensors(const struct sdfa *s, uint32_t len) {
    const struct sdfa_tensor *t = sdfa_tensor_at(s, 0), *end = t + s->tensor_n;
    uint32_t odd = 0;
    if (s->tensor_n == 0 || len != s->tensor_n * sizeof *t || s->input >= s->tensor_n || s->output >= s->tensor_n)
        return SDFA_ERR_TENSOR;
    for (; t != end; t++) {
        uint64_t behind = (uint64_t)((uint32_t)t->h * t->w) * t->c + t->off;
        if ((uint32_t)behind > s->arena_len || (uint32_t)behind == t->off) /* empty */
            return SDFA_ERR_TENSOR;
        odd |= (uint32_t)(behind >> 32) | t->off << 30 | (uint32_t)(t->zero_point + 128) >> 8;
    }
    return odd ? SDFA_ERR_TENSOR : SDFA_ERR_OK;
}

const struct sdfa_kernel *sdfa_search_kernel(const struct sdfa_kernels *kernels, uint32_t kind) {
    for (uint32_t i = 0; i < kernels->op_n; i++)
        if (kernels->op[i]->kind == kind)
            return kernels->op[i];
    return NULL;
}

static int check_op(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_kernel *kernel = sdfa_find_kernel(s->kernels, op->kind);
    if (!kernel)
        return SDFA_ERR_KERNEL;
    if (op->len != kernel->len || op->in >= s->tensor_n || op->out >= s->tensor_n ||
        !kernel->check(s, op, sdfa_tensor_at(s, op->in), sdfa_tensor_at(s, op->out)))
        return SDFA_ERR_OP;
    return SDFA_ERR_OK;
}

/* Lengths of kernels are multiples of 4. */
static int check_ops(const struct sdfa *s) {
    const uint8_t *at = s->ops;
    uint32_t left = s->ops_len;
    for (uint32_t n = s->op_n; n; n--) {
        const struct sdfa_op *op = (const struct sdfa_op *)(const void *)at;
        int error;
        if (left < sizeof *op || left < op->len)
            return SDFA_ERR_OP;
        error = check_op(s, op);
        if (error)
            return error;
        left -= op->len;
        at += op->len;
    }
    return left ? SDFA_ERR_OP : SDFA_ERR_OK;
}

/* What may change before anything has been learned. */
static void clear(struct sdfa *s) {
    struct sdfa_stats *n = &s->stats;
    s->class_n = s->rate_q24 = s->random = 0;
    s->tau_q15 = s->ready = 0;
    n->loss = n->weights_nonzero = n->weights_updated = n->moved = 0;
    n->steps = n->correct = n->saturated_weights = n->saturated_activations = n->saturated_logits = 0;
}

static void bind(struct sdfa *s, const struct sdfa_header *h, const struct sdfa_section *const *t) {
    const uint8_t *image = (const uint8_t *)h;
    s->data = image + t[DATA]->off;
    s->data_len = t[DATA]->len;
    s->ops = image + t[OPS]->off;
    s->ops_len = t[OPS]->len;
    s->tensors = image + t[TENSORS]->off;
    s->learning = image + t[LEARNING]->off;
    s->factory = image + t[TAIL]->off;
    s->tail = t[LEARNED] == &none ? s->factory : image + t[LEARNED]->off + sizeof(struct sdfa_learned);
    s->tail_len = h->tail_len;
    s->arena_len = h->arena_len;
    s->op_n = h->op_n;
    s->tensor_n = h->tensor_n;
    s->input = h->input;
    s->output = h->output;
}

static int check_memory(const struct sdfa *s, size_t arena_len, const void *tail, size_t tail_len) {
    if (arena_len < s->arena_len)
        return SDFA_ERR_ARENA;
    if (tail && tail_len < s->tail_len)
        return SDFA_ERR_TAIL;
    return SDFA_ERR_OK;
}

/* Learning settings: the learned ones when there are any. The section is only read by a build that links its loss. */
static int bind_learning(struct sdfa *s, uint32_t len, const struct sdfa_learned *learned) {
    const struct sdfa_learning *g = sdfa_learning_of(s);
    int error;
    if (len < sizeof *g || g->loss > SDFA_LOSS_MSE)
        return SDFA_ERR_LEARNING;
    if (!s->kernels->loss[g->loss])
        return s->tail_ram ? SDFA_ERR_KERNEL : SDFA_ERR_OK;
    s->random = learned ? learned->random : g->seed;
    s->tau_q15 = learned ? learned->tau_q15 : g->tau_q15;
    s->rate_q24 = learned ? learned->rate_q24 : g->rate_q24;
    error = s->kernels->loss[g->loss]->check(s, len);
    if (!error)
        s->class_n = sdfa_layer_op(s, g->layer_n - 1u)->out_n;
    return error;
}

static int open_sections(struct sdfa *s, const struct sdfa_section *const *t) {
    const struct sdfa_learned *learned = NULL;
    int error = check_tensors(s, t[TENSORS]->len);
    if (!error)
        error = check_ops(s);
    if (!error && t[LEARNED] != &none) {
        learned = (const struct sdfa_learned *)(const void *)(s->tail - sizeof *learned);
        if (t[LEARNED]->len - sizeof *learned != s->tail_len)
            error = SDFA_ERR_LEARNING;
    }
    if (!error && s->tail_len)
        error = bind_learning(s, t[LEARNING]->len, learned);
    return error;
}

int sdfa_bind(struct sdfa *s, const void *image, size_t image_len, const struct sdfa_kernels *kernels, void *arena,
              size_t arena_len, void *tail, size_t tail_len) {
    const struct sdfa_header *h = image;
    const struct sdfa_section *t[SECTION_N];
    int error;
    if (((uintptr_t)image | (uintptr_t)arena | (uintptr_t)tail) & 3u)
        return SDFA_ERR_ALIGN;
    error = sdfa_check_header(image, image_len);
    if (!error)
        error = find_sections(t, h);
    if (error)
        return error;
    clear(s);
    bind(s, h, t);
    s->kernels = kernels;
    s->arena = arena;
    s->tail_ram = s->tail_len ? tail : NULL;
    error = check_memory(s, arena_len, tail, tail_len);
    if (!error)
        error = open_sections(s, t);
    if (error)
        return error;
    s->input_len = sdfa_tensor_len(sdfa_tensor_at(s, s->input));
    s->output_len = sdfa_tensor_len(sdfa_tensor_at(s, s->output));
    if (s->tail_ram) {
        memcpy(s->tail_ram, s->tail, s->tail_len);
        s->tail = s->tail_ram;
    }
    return SDFA_ERR_OK;
}
