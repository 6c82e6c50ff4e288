/* What CONV and DEPTHWISE share: the check, and one window of the picture gathered into scratch memory. */
#ifndef SDFA_WINDOW_H
#define SDFA_WINDOW_H

#include "sdfa_internal.h"

/* The check of CONV, and most of that of DEPTHWISE. */
int sdfa_window_ok(const struct sdfa *s, const struct sdfa_op *op, const struct sdfa_tensor *in,
                   const struct sdfa_tensor *out);

/* Calls cell for each output cell in turn: it fills out.c values at `out` from one window, int8[kh][kw][in.c]. A tap
 * outside the picture reads the input's zero point. On Thumb-2 without DSP extension a window of a packable record stays
 * until the next but one. */
typedef void sdfa_cell(void *context, const int8_t *window, int8_t *out);
void sdfa_each_window(const struct sdfa *s, const struct sdfa_conv_op *p, sdfa_cell *cell, void *context);

#endif
