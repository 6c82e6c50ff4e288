/* What the calls into the runtime cost: instructions and stack, once measure_anew was called; before, nothing is done. */
#ifndef MEASURE_H
#define MEASURE_H

#include "app.h"

/* All calls of one section. stack_len: of the deepest; least, most: instructions of the shortest and the longest;
 * instructions: of all together. */
struct measure {
    uint32_t call_n;
    uint32_t stack_len;
    uint32_t least, most;
    uint64_t instructions;
};

bool measure_on(void);

/* Forgets all and measures from now on. Needs app_count. */
void measure_anew(void);

/* Around a call. Sections do not nest. */
void measure_begin(void);
void measure_end(enum app_section section);

const struct measure *measure_of(uint32_t section);

/* Instructions of the last section, without those that an empty one has. */
uint32_t measure_last(void);

#endif
