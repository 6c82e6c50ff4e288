/* The smallest program that uses a model: for the size of its code, never run.
 *
 * -DMODEL_H="NAME.h", -DMODEL(x)=NAME_x, -DMODEL_LEN(x)=NAME_x_LEN in capitals; -DLEARN_LABEL, -DLEARN_TARGET or none.
 */
#include MODEL_H

static struct sdfa net;
static uint32_t arena[MODEL_LEN(ARENA) / 4];

#if defined(LEARN_LABEL)

static uint32_t tail[MODEL_LEN(TAIL) / 4];
enum { TAIL_LEN = sizeof tail };

static int learn(void) {
    return sdfa_learn(&net, 0);
}

#elif defined(LEARN_TARGET)

static uint32_t tail[MODEL_LEN(TAIL) / 4];
static int16_t target[MODEL_LEN(OUTPUT)];
enum { TAIL_LEN = sizeof tail };

static int learn(void) {
    return sdfa_learn_target(&net, target);
}

#else

static void *const tail = 0;
enum { TAIL_LEN = 0 };

static int learn(void) {
    return 0;
}

#endif

int main(void) {
    int error = sdfa_open(&net, MODEL(image), MODEL_LEN(IMAGE), &MODEL(kernels), arena, sizeof arena, tail, TAIL_LEN);

    if (error)
        return error;
    sdfa_input(&net)[0] = 1;
    sdfa_run(&net);
    return learn() + sdfa_output(&net)[0];
}
