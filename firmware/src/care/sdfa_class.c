/* Adding a class (SPEC.md 4.7). */
#include "sdfa_class.h"
#include "sdfa_internal.h"

#include <string.h>

/* The output layer in RAM. */
struct rows {
    sdfa_i32 *bias;
    int8_t *weights, *fractions; /* of master weights; NULL: there are none */
    uint32_t n, in_n;
};

static struct rows rows_of(const struct sdfa *s) {
    const struct sdfa_dense_op *op = sdfa_layer_op(s, sdfa_learning_of(s)->layer_n - 1u);
    struct rows r;
    r.bias = (sdfa_i32 *)(void *)(s->tail_ram + op->bias);
    r.weights = (int8_t *)s->tail_ram + op->weights;
    r.fractions = sdfa_learning_of(s)->master_bits ? (int8_t *)s->tail_ram + sdfa_fractions_at(op) : NULL;
    r.n = op->out_n;
    r.in_n = op->in_n;
    return r;
}

/* sum / n, to the nearest. */
static int32_t mean(int32_t sum, int32_t n) {
    int32_t half = n / 2;
    return (int32_t)((uint32_t)sum + (uint32_t)(sum < 0 ? -half : half)) / n;
}

/* Sum of the open classes' weights of input j. */
static int32_t sum_of(const struct sdfa *s, const struct rows *r, uint32_t j) {
    int32_t sum = 0;
    for (uint32_t c = 0; c < r->n; c++)
        if (!sdfa_slot_closed(s, c))
            sum += r->weights[c * r->in_n + j];
    return sum;
}

/* Mean of the open classes' biases, without a sum that could overflow. */
static int32_t mean_bias(const struct sdfa *s, const struct rows *r, int32_t n) {
    int32_t whole = 0, rest = 0;
    for (uint32_t c = 0; c < r->n; c++)
        if (!sdfa_slot_closed(s, c)) {
            whole += r->bias[c] / n;
            rest += r->bias[c] % n;
        }
    return whole + mean(rest, n);
}

static void open_slot(struct sdfa *s, const struct rows *r, uint32_t slot, int32_t n) {
    for (uint32_t j = 0; j < r->in_n; j++)
        r->weights[slot * r->in_n + j] = (int8_t)sdfa_clamp(mean(sum_of(s, r, j), n), -127, 127);
    if (r->fractions)
        memset(r->fractions + slot * r->in_n, 0, r->in_n);
    r->bias[slot] = mean_bias(s, r, n);
}

int32_t sdfa_add_class(struct sdfa *s) {
    struct rows r;
    uint32_t slot, open = 0;
    if (!s->tail_ram)
        return SDFA_ERR_FROZEN;
    if (sdfa_learning_of(s)->loss != SDFA_LOSS_SOFTMAX_CE)
        return SDFA_ERR_LOSS;
    r = rows_of(s);
    slot = r.n;
    for (uint32_t c = r.n; c-- > 0;)
        if (sdfa_slot_closed(s, c))
            slot = c;
        else
            open++;
    if (slot == r.n || open == 0)
        return SDFA_ERR_SPARE;
    open_slot(s, &r, slot, (int32_t)open);
    sdfa_tail_changed(s);
    return (int32_t)slot;
}
