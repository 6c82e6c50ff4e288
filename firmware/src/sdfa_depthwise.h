/* DEPTHWISE: what core families share. */
#ifndef SDFA_DEPTHWISE_H
#define SDFA_DEPTHWISE_H

#include "sdfa_matvec.h"

struct sdfa_depthwise {
    struct sdfa_matvec m; /* in_n: taps */
    uint32_t in_c;
};

/* The best code for an operation on this core; its context is a struct sdfa_depthwise. */
sdfa_cell *sdfa_depthwise_cell(const struct sdfa_depthwise *d);

/* The code for all others. */
sdfa_cell sdfa_depthwise_any;

#endif
