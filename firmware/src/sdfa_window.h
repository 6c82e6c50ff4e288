/* What CONV and DEPTHWISE share: the check, and one window of the picture gathered into scratch memory. */
#ifndef SDFA_WINDOW_H
#define SDFA_WINDOW_H

#include "sdfa_internal.h"

/* Everything but the weights. */
int sdfa_window_ok(const struct sdfa *s, const struct sdfa_conv_op *p);

/* int8[kh][kw][in.c] under output cell (oy, ox); a tap outside the picture reads the input's zero point. */
const int8_t *sdfa_window(const struct sdfa *s, const struct sdfa_conv_op *p, uint32_t oy, uint32_t ox);

#endif
