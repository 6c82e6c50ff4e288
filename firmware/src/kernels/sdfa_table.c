/* TABLE (SPEC.md 2.2): any function of one int8. */
#include "sdfa_internal.h"

static int check(const struct sdfa *s, const struct sdfa_op *op, const struct sdfa_tensor *in,
                 const struct sdfa_tensor *out) {
    const struct sdfa_table_op *p = (const struct sdfa_table_op *)op;
    return sdfa_in_data(s, p->table, 256, 1) && sdfa_tensor_len(in) == sdfa_tensor_len(out);
}

static void run(const struct sdfa *s, const struct sdfa_op *op) {
    const int8_t *table = sdfa_data_i8(s, ((const struct sdfa_table_op *)op)->table);
    const int8_t *in = sdfa_values(s, op->in);
    int8_t *out = sdfa_values(s, op->out);
    for (uint32_t i = 0, n = sdfa_tensor_len(sdfa_tensor_at(s, op->out)); i < n; i++)
        out[i] = table[in[i] + 128];
}

const struct sdfa_kernel sdfa_kernel_table = {SDFA_TABLE, sizeof(struct sdfa_table_op), check, run};
