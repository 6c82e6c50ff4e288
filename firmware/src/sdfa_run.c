/* Inference: the operations of the image, one after the other. */
#include "sdfa_internal.h"

int8_t *sdfa_input(const struct sdfa *s) {
    return sdfa_values(s, s->input);
}

const int8_t *sdfa_output(const struct sdfa *s) {
    return sdfa_values(s, s->output);
}

void sdfa_run(struct sdfa *s) {
    const uint8_t *at = s->ops, *end = at + s->ops_len;
    while (at != end) {
        const struct sdfa_op *op = (const struct sdfa_op *)(const void *)at;
        sdfa_find_kernel(s->kernels, op)->run(s, op);
        at += op->len;
    }
    s->ready = 1;
}
