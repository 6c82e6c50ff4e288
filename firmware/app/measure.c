/* Apart from app.c, so that no compiler inlines the ends of a section: their overhead is the same everywhere. */
#include "measure.h"

#include <string.h>

static struct {
    bool on;
    uint32_t last;
    struct measure of[APP_SECTION_N];
} measures;

bool measure_on(void) {
    return measures.on;
}

void measure_anew(void) {
    memset(&measures, 0, sizeof measures);
    measures.on = true;
}

void measure_begin(void) {
    if (measures.on)
        app_section_begin();
}

void measure_end(enum app_section section) {
    struct measure *m = &measures.of[section];
    uint32_t instructions, stack_len;

    if (!measures.on)
        return;
    instructions = app_section_end(&stack_len);
    measures.last = instructions;
    if (m->call_n == 0 || instructions < m->least)
        m->least = instructions;
    if (instructions > m->most)
        m->most = instructions;
    m->call_n++;
    m->instructions += instructions;
    if (stack_len > m->stack_len)
        m->stack_len = stack_len;
}

const struct measure *measure_of(uint32_t section) {
    return &measures.of[section];
}

uint32_t measure_last(void) {
    return measures.last - measures.of[APP_SECTION_NOTHING].least;
}
