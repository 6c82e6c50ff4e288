/* The device program with a model that is compiled in: NAME.c and NAME.h as `pytools export` wrote them.
 *
 * Build it with -DSDFA_MODEL=NAME -DSDFA_MODEL_CAPITALS=NAME in capitals, and the folder of NAME.h among the include
 * folders. Without: digits. */
#ifndef SDFA_MODEL
#define SDFA_MODEL          digits
#define SDFA_MODEL_CAPITALS DIGITS
#endif
#define GLUE_(a, b)  a##b
#define GLUE(a, b)   GLUE_(a, b)
#define TEXT_(a)     #a
#define TEXT(a)      TEXT_(a)
#define MODEL(what)  GLUE(SDFA_MODEL, what)          /* NAME_what */
#define LENGTH(what) GLUE(SDFA_MODEL_CAPITALS, what) /* what NAME.h says */

#include TEXT(SDFA_MODEL.h)

#include "sdfa_device.h"

static uint32_t arena[LENGTH(_ARENA_LEN) / 4];
#if LENGTH(_TAIL_LEN)
static uint32_t tail[LENGTH(_TAIL_LEN) / 4];
#define TAIL tail, sizeof tail
#else
#define TAIL 0, 0
#endif

int main(void) {
    static const struct sdfa_model model = {
        MODEL(_image), LENGTH(_IMAGE_LEN), &MODEL(_kernels), arena, sizeof arena, TAIL,
    };

    return sdfa_device(&model);
}
