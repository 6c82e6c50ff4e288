/* DEPTHWISE: what core families share. */
#ifndef SDFA_DEPTHWISE_H
#define SDFA_DEPTHWISE_H

#include "sdfa_matvec.h"

struct sdfa_depthwise {
    struct sdfa_matvec m; /* in_n: taps */
    uint32_t in_c;
};

/* All windows, by the best code for this core. */
void sdfa_depthwise_windows(const struct sdfa *s, const struct sdfa_conv_op *p, struct sdfa_depthwise *w);

/* The code for any case; its context is a struct sdfa_depthwise. */
sdfa_cell sdfa_depthwise_any;

#endif
