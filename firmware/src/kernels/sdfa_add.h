/* ADD: where core families differ. */
#ifndef SDFA_ADD_H
#define SDFA_ADD_H

#include "sdfa_internal.h"

/* All values of a checked operation. */
void sdfa_add_values(const struct sdfa *s, const struct sdfa_op *op);

#endif
