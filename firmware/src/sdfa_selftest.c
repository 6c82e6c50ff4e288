/* The self-test (SPEC.md 1.9). */
#include "sdfa_selftest.h"
#include "sdfa_internal.h"

/* The golden section of an image whose table has been checked; NULL: it has none, or one of another length. */
static const struct sdfa_gold *gold_of(const struct sdfa *s) {
    const struct sdfa_header *h = s->image;
    const struct sdfa_section *e = (const struct sdfa_section *)(const void *)(h + 1);
    for (uint32_t i = 0; i < h->section_n; i++)
        if (e[i].tag == SDFA_TAG_GOLD && e[i].len == sizeof(struct sdfa_gold))
            return (const struct sdfa_gold *)(const void *)((const uint8_t *)s->image + e[i].off);
    return NULL;
}

static void fill_input(const struct sdfa *s, uint32_t seed) {
    int8_t *x = sdfa_input(s);
    uint32_t word = 0;
    for (uint32_t i = 0; i < s->input_len; i++, word >>= 8) {
        if (i % 4 == 0)
            word = sdfa_random(&seed);
        x[i] = (int8_t)(uint8_t)word;
    }
}

static uint32_t crc_of(const struct sdfa *s, uint32_t crc, uint32_t tensor) {
    return sdfa_crc32(crc, sdfa_values(s, tensor), sdfa_tensor_len(sdfa_tensor_at(s, tensor)));
}

/* CRC-32 of what each operation has made, and of the output. COPY makes a part of its tensor. */
static uint32_t run_each(const struct sdfa *s) {
    const uint8_t *at = s->ops;
    uint32_t crc = 0;
    for (uint32_t i = 0; i < s->op_n; i++) {
        const struct sdfa_op *op = (const struct sdfa_op *)(const void *)at;
        sdfa_find_kernel(s->kernels, op)->run(s, op);
        if (op->kind != SDFA_COPY)
            crc = crc_of(s, crc, op->out);
        at += op->len;
    }
    return crc_of(s, crc, s->output);
}

int sdfa_selftest(struct sdfa *s) {
    const struct sdfa_header *h = s->image;
    const struct sdfa_gold *gold = gold_of(s);
    struct sdfa frozen;
    int error;
    if (!gold)
        return SDFA_ERR_GOLD;
    error = sdfa_bind(&frozen, h, h->image_len, s->kernels, s->arena, s->arena_len, NULL, 0);
    if (error)
        return error;
    frozen.tail = frozen.factory;
    fill_input(&frozen, gold->seed);
    error = run_each(&frozen) == gold->crc ? SDFA_ERR_OK : SDFA_ERR_SELFTEST;
    s->ready = 0;
    return error;
}
