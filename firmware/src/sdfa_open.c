/* The one parser of images. Total: any bytes end in an error or in a net whose run and learn stay inside their memory.
 */
#include "sdfa_internal.h"

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

/* The known sections: each has a slot, as the lower halves of the last letters of their tags differ. */
#define SLOT(tag) ((tag) >> 24 & 15u)
enum {
    TENSORS = SLOT(SDFA_TAG_TENSORS),
    OPS = SLOT(SDFA_TAG_OPS),
    DATA = SLOT(SDFA_TAG_DATA),
    TAIL = SLOT(SDFA_TAG_TAIL),
    LEARNING = SLOT(SDFA_TAG_LEARNING),
    LEARNED = SLOT(SDFA_TAG_LEARNED),
    SLOT_N = 16
};
static const uint32_t tags[SLOT_N] = {
    [TENSORS] = SDFA_TAG_TENSORS, [OPS] = SDFA_TAG_OPS,           [DATA] = SDFA_TAG_DATA,
    [TAIL] = SDFA_TAG_TAIL,       [LEARNING] = SDFA_TAG_LEARNING, [LEARNED] = SDFA_TAG_LEARNED,
};

/* found: bit n is set when there is a section of slot n, at[n]. */
struct sections {
    uint32_t found;
    const struct sdfa_section *at[SLOT_N];
};

static int has(const struct sections *t, uint32_t slot) {
    return (t->found >> slot & 1u) != 0;
}

static int sections_ok(const struct sections *t, const struct sdfa_header *h) {
    uint32_t needed = 1u << TENSORS | 1u << OPS | 1u << DATA;
    if (h->tail_len)
        needed |= 1u << TAIL | 1u << LEARNING;
    return (t->found & needed) == needed && (has(t, TAIL) ? t->at[TAIL]->len == h->tail_len : h->tail_len == 0);
}

static int find_sections(struct sections *t, const struct sdfa_header *h) {
    const struct sdfa_section *e = (const struct sdfa_section *)(const void *)(h + 1);
    uint32_t found = 0;
    if (!sdfa_items_in(sizeof *h, h->section_n, sizeof *e, h->image_len))
        return SDFA_ERR_SECTION;
    for (uint32_t n = h->section_n; n; n--, e++) {
        uint32_t slot = SLOT(e->tag), bit = 1u << slot;
        if ((e->off & 15u) || !sdfa_in_range(e->off, e->len, h->image_len))
            return SDFA_ERR_SECTION;
        if (e->tag != tags[slot])
            continue;
        if (found & bit)
            return SDFA_ERR_SECTION;
        found |= bit;
        t->at[slot] = e;
    }
    t->found = found;
    return sections_ok(t, h) ? SDFA_ERR_OK : SDFA_ERR_SECTION;
}

/* What may change before anything has been learned. */
static void clear(struct sdfa *s) {
    struct sdfa_stats *n = &s->stats;
    s->class_n = s->rate_q24 = s->random = 0;
    s->tau_q15 = s->ready = s->changed = 0;
    n->loss = n->weights_nonzero = n->weights_updated = n->moved = 0;
    n->steps = n->correct = n->saturated_weights = n->saturated_activations = n->saturated_logits = 0;
}

/* An image that does not learn has no tail. */
static void bind_tail(struct sdfa *s, const uint8_t *image, const struct sections *t) {
    s->learning = image + t->at[LEARNING]->off;
    s->factory = image + t->at[TAIL]->off;
    s->tail = has(t, LEARNED) ? image + t->at[LEARNED]->off + sizeof(struct sdfa_learned) : s->factory;
}

static void bind(struct sdfa *s, const struct sdfa_header *h, const struct sections *t) {
    const uint8_t *image = (const uint8_t *)h;
    s->image = h;
    s->data = image + t->at[DATA]->off;
    s->data_len = t->at[DATA]->len;
    s->ops = image + t->at[OPS]->off;
    s->ops_len = t->at[OPS]->len;
    s->tensors = image + t->at[TENSORS]->off;
    s->learning = s->factory = s->tail = NULL;
    s->tail_len = h->tail_len;
    s->arena_len = h->arena_len;
    s->op_n = h->op_n;
    s->tensor_n = h->tensor_n;
    s->input = h->input;
    s->output = h->output;
    if (s->tail_len)
        bind_tail(s, image, t);
}

static int check_memory(const struct sdfa *s, size_t arena_len, const void *tail, size_t tail_len) {
    if (arena_len < s->arena_len)
        return SDFA_ERR_ARENA;
    if (tail && tail_len < s->tail_len)
        return SDFA_ERR_TAIL;
    return SDFA_ERR_OK;
}

/* Learning settings: the learned ones when there are any. The section is only read by a build that links its loss. */
static int bind_learning(struct sdfa *s, const struct sections *t) {
    const struct sdfa_learning *g = sdfa_learning_of(s);
    const struct sdfa_learned *learned = has(t, LEARNED) ? (const void *)(s->tail - sizeof *learned) : NULL;
    uint32_t len = t->at[LEARNING]->len;
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

static int open_sections(struct sdfa *s, const struct sections *t) {
    int error = sdfa_check_tensors(s, t->at[TENSORS]->len);
    if (!error)
        error = sdfa_check_ops(s);
    if (!error && has(t, LEARNED) && t->at[LEARNED]->len - sizeof(struct sdfa_learned) != s->tail_len)
        error = SDFA_ERR_LEARNING;
    if (!error && s->tail_len)
        error = bind_learning(s, t);
    return error;
}

int sdfa_bind(struct sdfa *s, const void *image, size_t image_len, const struct sdfa_kernels *kernels, void *arena,
              size_t arena_len, void *tail, size_t tail_len) {
    const struct sdfa_header *h = image;
    struct sections t;
    int error;
    if (((uintptr_t)image | (uintptr_t)arena | (uintptr_t)tail) & 3u)
        return SDFA_ERR_ALIGN;
    error = sdfa_check_header(image, image_len);
    if (!error)
        error = find_sections(&t, h);
    if (error)
        return error;
    clear(s);
    bind(s, h, &t);
    s->kernels = kernels;
    s->arena = arena;
    s->tail_ram = s->tail_len ? tail : NULL;
    error = check_memory(s, arena_len, tail, tail_len);
    if (!error)
        error = open_sections(s, &t);
    if (error)
        return error;
    s->input_len = sdfa_tensor_len(sdfa_tensor_at(s, s->input));
    s->output_len = sdfa_tensor_len(sdfa_tensor_at(s, s->output));
    if (s->tail_ram) {
        sdfa_copy(s->tail_ram, s->tail, s->tail_len);
        s->tail = s->tail_ram;
        sdfa_tail_changed(s);
    }
    return SDFA_ERR_OK;
}
