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

/* The known sections, and where each stands; NULL and 0 for one that is absent. */
enum { TENSORS, OPS, DATA, TAIL, LEARNING, LEARNED, SECTION_N };

struct section {
    const uint8_t *at;
    uint32_t len;
};

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

static int sort_section(struct section *t, const struct sdfa_section *e, const uint8_t *image) {
    uint32_t slot = slot_of(e->tag);
    if (slot == SECTION_N)
        return SDFA_ERR_OK;
    if (t[slot].at)
        return SDFA_ERR_SECTION;
    t[slot].at = image + e->off;
    t[slot].len = e->len;
    return SDFA_ERR_OK;
}

static int find_sections(struct section *t, const struct sdfa_header *h) {
    const struct sdfa_section *e = (const struct sdfa_section *)(const void *)(h + 1);
    int error = SDFA_ERR_OK;
    memset(t, 0, SECTION_N * sizeof *t);
    if (!sdfa_in_range(sizeof *h, sdfa_mul(h->section_n, sizeof *e), h->image_len))
        return SDFA_ERR_SECTION;
    for (uint32_t i = 0; i < h->section_n && !error; i++, e++) {
        if ((e->off & 15u) || !sdfa_in_range(e->off, e->len, h->image_len))
            return SDFA_ERR_SECTION;
        error = sort_section(t, e, (const uint8_t *)h);
    }
    if (!error &&
        (!t[TENSORS].at || !t[OPS].at || !t[DATA].at || t[TAIL].len != h->tail_len || (h->tail_len && !t[LEARNING].at)))
        error = SDFA_ERR_SECTION;
    return error;
}

static int check_tensors(const struct sdfa *s, uint32_t len) {
    const struct sdfa_tensor *t = sdfa_tensor_at(s, 0);
    if (s->tensor_n == 0 || len != sdfa_mul(s->tensor_n, sizeof *t) || s->input >= s->tensor_n ||
        s->output >= s->tensor_n)
        return SDFA_ERR_TENSOR;
    for (uint32_t i = 0; i < s->tensor_n; i++, t++) {
        uint32_t area = (uint32_t)t->h * t->w;
        if (area == 0 || t->c == 0 || !sdfa_in_arena(s, t->off, sdfa_mul(area, t->c), 1) || t->zero_point < -128 ||
            t->zero_point > 127)
            return SDFA_ERR_TENSOR;
    }
    return SDFA_ERR_OK;
}

const struct sdfa_kernel *sdfa_find_kernel(const struct sdfa_kernels *kernels, uint32_t kind) {
    if (kind - 1u < kernels->op_n && kernels->op[kind - 1u]->kind == kind) /* where all of them stand in order */
        return kernels->op[kind - 1u];
    for (uint32_t i = 0; i < kernels->op_n; i++)
        if (kernels->op[i]->kind == kind)
            return kernels->op[i];
    return NULL;
}

static int check_op(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_kernel *kernel = sdfa_find_kernel(s->kernels, op->kind);
    if (!kernel)
        return SDFA_ERR_KERNEL;
    if (op->len != kernel->len || op->in >= s->tensor_n || op->out >= s->tensor_n)
        return SDFA_ERR_OP;
    return kernel->check(s, op);
}

static int check_ops(const struct sdfa *s) {
    uint32_t off = 0;
    for (uint32_t i = 0; i < s->op_n; i++) {
        const struct sdfa_op *op = (const struct sdfa_op *)(const void *)(s->ops + off);
        int error;
        if (!sdfa_in_range(off, sizeof *op, s->ops_len) || !sdfa_in_range(off, op->len, s->ops_len) || (op->len & 3u))
            return SDFA_ERR_OP;
        error = check_op(s, op);
        if (error)
            return error;
        off += op->len;
    }
    return off == s->ops_len ? SDFA_ERR_OK : SDFA_ERR_OP;
}

static void bind(struct sdfa *s, const struct sdfa_header *h, const struct section *t) {
    s->image = h;
    s->data = t[DATA].at;
    s->data_len = t[DATA].len;
    s->ops = t[OPS].at;
    s->ops_len = t[OPS].len;
    s->tensors = t[TENSORS].at;
    s->learning = t[LEARNING].at;
    s->factory = t[TAIL].at;
    s->tail = t[LEARNED].at ? t[LEARNED].at + sizeof(struct sdfa_learned) : t[TAIL].at;
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
static int bind_learning(struct sdfa *s, const struct section *t) {
    const struct sdfa_learning *g = sdfa_learning_of(s);
    const struct sdfa_learned *learned = (const struct sdfa_learned *)(const void *)t[LEARNED].at;
    int error;
    if (t[LEARNING].len < sizeof *g || g->loss > SDFA_LOSS_MSE)
        return SDFA_ERR_LEARNING;
    if (!s->kernels->loss[g->loss])
        return s->tail_ram ? SDFA_ERR_KERNEL : SDFA_ERR_OK;
    s->random = learned ? learned->random : g->seed;
    s->tau_q15 = learned ? learned->tau_q15 : g->tau_q15;
    s->rate_q24 = learned ? learned->rate_q24 : g->rate_q24;
    error = s->kernels->loss[g->loss]->check(s, t[LEARNING].len);
    if (!error)
        s->class_n = sdfa_layer_op(s, g->layer_n - 1u)->out_n;
    return error;
}

static int open_sections(struct sdfa *s, const struct section *t) {
    int error = check_tensors(s, t[TENSORS].len);
    if (!error)
        error = check_ops(s);
    if (!error && t[LEARNED].at && t[LEARNED].len - sizeof(struct sdfa_learned) != s->tail_len)
        error = SDFA_ERR_LEARNING;
    if (!error && s->tail_len)
        error = bind_learning(s, t);
    return error;
}

int sdfa_bind(struct sdfa *s, const void *image, size_t image_len, const struct sdfa_kernels *kernels, void *arena,
              size_t arena_len, void *tail, size_t tail_len) {
    const struct sdfa_header *h = image;
    struct section t[SECTION_N];
    int error;
    memset(s, 0, sizeof *s);
    if (((uintptr_t)image | (uintptr_t)arena | (uintptr_t)tail) & 3u)
        return SDFA_ERR_ALIGN;
    error = sdfa_check_header(image, image_len);
    if (!error)
        error = find_sections(t, h);
    if (error)
        return error;
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
