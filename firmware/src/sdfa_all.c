/* Every kernel, for tools that open any image. Firmware uses the table of its exported model instead. */
#include "sdfa.h"

static const struct sdfa_kernel *const all[] = {
    &sdfa_kernel_dense,   &sdfa_kernel_conv, &sdfa_kernel_depthwise, &sdfa_kernel_avgpool,
    &sdfa_kernel_maxpool, &sdfa_kernel_add,  &sdfa_kernel_softmax,   &sdfa_kernel_mul,
    &sdfa_kernel_mean,    &sdfa_kernel_pad,  &sdfa_kernel_copy,      &sdfa_kernel_table,
};

const struct sdfa_kernels sdfa_all_kernels = {
    all,
    sizeof all / sizeof all[0],
    {&sdfa_loss_softmax_ce, &sdfa_loss_mse},
    {&sdfa_feedback_table, &sdfa_feedback_bp, &sdfa_feedback_live},
    {&sdfa_update_int8, &sdfa_update_master},
};
