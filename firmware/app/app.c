/* The batch program of app.h: one handler per request. */
#include "app.h"

#include <stddef.h>
#include <string.h>

#include "measure.h"
#include "sdfa.h"
#include "sdfa_internal.h"

/* One open model and its memory. */
static struct {
    struct sdfa net;
    uint8_t *tail;
    int16_t *target; /* one sample's targets; taken at the first LEARN_TARGET */
    uint32_t arena_len;
    uint32_t tail_len;
    bool open;
} app;

static uint32_t get_u16(const uint8_t *p) {
    return p[0] | (uint32_t)p[1] << 8;
}

static uint32_t get_u32(const uint8_t *p) {
    return get_u16(p) | get_u16(p + 2) << 16;
}

static void write_u16(uint32_t value) {
    const uint8_t bytes[2] = {(uint8_t)value, (uint8_t)(value >> 8)};

    app_write(bytes, sizeof bytes);
}

static void write_u32(uint32_t value) {
    write_u16(value & 0xffffu);
    write_u16(value >> 16);
}

static void write_u64(uint64_t value) {
    write_u32((uint32_t)value);
    write_u32((uint32_t)(value >> 32));
}

static void begin(int status, uint32_t len) {
    write_u32((uint32_t)status);
    write_u32(status ? 0 : len);
}

static bool skip(uint32_t len) {
    uint8_t bytes[32];

    while (len > 0) {
        uint32_t part = len < sizeof bytes ? len : (uint32_t)sizeof bytes;

        if (!app_read(bytes, part))
            return false;
        len -= part;
    }
    return true;
}

/* A reply without payload to a request whose payload is of no use. */
static bool refuse(int status, uint32_t len) {
    begin(status, 0);
    return skip(len);
}

/* Answers a request of len bytes: samples of in_len bytes, each read by next, which writes out_len bytes. */
static bool stream(uint32_t len, uint32_t in_len, uint32_t out_len, bool (*next)(void)) {
    uint32_t n = len / in_len;

    if (len % in_len != 0 || (uint64_t)n * out_len > UINT32_MAX)
        return refuse(APP_ERR_LENGTH, len);
    begin(SDFA_ERR_OK, n * out_len);
    for (; n > 0; n--)
        if (!next())
            return false;
    return true;
}

/* What a still unchecked image says that it needs: sdfa_open decides whether that is true. */
static void read_lengths(const void *image, uint32_t image_len) {
    const struct sdfa_header *header = image;

    app.arena_len = image_len < sizeof *header ? 0 : header->arena_len;
    app.tail_len = image_len < sizeof *header ? 0 : header->tail_len;
}

/* For its costs. */
static int bind_again(const void *image, uint32_t image_len, void *arena) {
    int status;

    measure_begin();
    status = sdfa_bind(&app.net, image, image_len, &sdfa_all_kernels, arena, app.arena_len, app.tail,
                       app.tail ? app.tail_len : 0);
    measure_end(APP_SECTION_BIND);
    return status;
}

/* Where the pool has no room, sdfa_open still says what is wrong with the image, if anything is. */
static int open_image(void) {
    uint32_t image_len;
    const void *image = app_image(&image_len);
    void *arena;
    int status;

    memset(&app, 0, sizeof app);
    app_release();
    read_lengths(image, image_len);
    arena = app.arena_len ? app_take(app.arena_len) : NULL;
    app.tail = app.tail_len ? app_take(app.tail_len) : NULL;
    measure_begin();
    status = sdfa_open(&app.net, image, image_len, &sdfa_all_kernels, arena, arena ? app.arena_len : 0, app.tail,
                       app.tail ? app.tail_len : 0);
    measure_end(APP_SECTION_OPEN);
    if (!status && measure_on())
        status = bind_again(image, image_len, arena);
    if (!status && app.tail_len && !app.tail)
        status = SDFA_ERR_TAIL;
    app.open = !status;
    return status;
}

static bool do_open(uint32_t len) {
    int status = len ? (int)APP_ERR_LENGTH : open_image();

    if (status)
        return refuse(status, len);
    begin(SDFA_ERR_OK, 24);
    write_u32(app.arena_len);
    write_u32(app.tail_len);
    write_u32((uint32_t)sizeof app.net);
    write_u32(app.net.input_len);
    write_u32(app.net.output_len);
    write_u32(app.net.class_n);
    return true;
}

static bool run_next(void) {
    if (!app_read(sdfa_input(&app.net), app.net.input_len))
        return false;
    measure_begin();
    sdfa_run(&app.net);
    measure_end(APP_SECTION_RUN);
    return true;
}

static bool output_next(void) {
    if (!run_next())
        return false;
    app_write(sdfa_output(&app.net), app.net.output_len);
    return true;
}

static bool do_run(uint32_t len) {
    return stream(len, app.net.input_len, app.net.output_len, output_next);
}

static bool class_next(void) {
    if (!run_next())
        return false;
    write_u16((uint32_t)sdfa_class(&app.net));
    return true;
}

static bool do_classify(uint32_t len) {
    return app.net.class_n ? stream(len, app.net.input_len, 2, class_next) : refuse(SDFA_ERR_FROZEN, len);
}

static bool learn_next(void) {
    uint8_t bytes[2];
    uint32_t guess, label;
    int status;

    if (!run_next() || !app_read(bytes, sizeof bytes))
        return false;
    guess = (uint32_t)sdfa_class(&app.net);
    label = get_u16(bytes);
    measure_begin();
    status = sdfa_learn(&app.net, label);
    measure_end(APP_SECTION_LEARN);
    write_u16(status ? APP_NO_CLASS : guess);
    return true;
}

/* 0 if the model learns from labels; else why not. Any other error comes before that of a label that cannot be. */
static int labels_status(void) {
    int status = sdfa_learn(&app.net, UINT32_MAX);

    return status == SDFA_ERR_LABEL ? (int)SDFA_ERR_OK : status;
}

static bool do_learn(uint32_t len) {
    int status = labels_status();

    return status ? refuse(status, len) : stream(len, app.net.input_len + 2, 2, learn_next);
}

/* 0 if the model learns from targets and there is memory for those of one sample. */
static int targets_status(void) {
    int status = labels_status();

    if (status != SDFA_ERR_LOSS)
        return status ? status : (int)SDFA_ERR_LOSS;
    if (!app.target)
        app.target = app_take(app.net.class_n * 2);
    return app.target ? (int)SDFA_ERR_OK : (int)APP_ERR_MEMORY;
}

static bool target_next(void) {
    uint8_t bytes[2];
    uint32_t i;

    if (!run_next())
        return false;
    for (i = 0; i < app.net.class_n; i++) {
        if (!app_read(bytes, sizeof bytes))
            return false;
        app.target[i] = (int16_t)get_u16(bytes);
    }
    measure_begin();
    (void)sdfa_learn_target(&app.net, app.target); /* what it can refuse was refused before */
    measure_end(APP_SECTION_LEARN);
    return true;
}

static bool do_learn_target(uint32_t len) {
    int status = targets_status();

    return status ? refuse(status, len) : stream(len, app.net.input_len + 2 * app.net.class_n, 0, target_next);
}

static int set(uint32_t rate_q24, uint32_t tau_q15, uint32_t seed) {
    int status = rate_q24 == APP_LEAVE ? SDFA_ERR_OK : sdfa_set_rate(&app.net, rate_q24);

    if (!status && tau_q15 != APP_LEAVE)
        status = sdfa_set_threshold(&app.net, tau_q15);
    if (status || seed == APP_LEAVE)
        return status;
    app.net.random = seed;
    return app.net.class_n ? SDFA_ERR_OK : SDFA_ERR_FROZEN; /* where nothing learns nothing rounds */
}

static bool do_set(uint32_t len) {
    uint8_t bytes[12];

    if (len != sizeof bytes)
        return refuse(APP_ERR_LENGTH, len);
    if (!app_read(bytes, sizeof bytes))
        return false;
    begin(set(get_u32(bytes), get_u32(bytes + 4), get_u32(bytes + 8)), 0);
    return true;
}

static void write_stats(const struct sdfa_stats *stats) {
    write_u32(stats->steps);
    write_u32(stats->correct);
    write_u64(stats->loss);
    write_u64(stats->weights_nonzero);
    write_u64(stats->weights_updated);
    write_u64(stats->moved);
    write_u32(stats->saturated_weights);
    write_u32(stats->saturated_activations);
    write_u32(stats->saturated_logits);
}

static bool do_state(uint32_t len) {
    if (len)
        return refuse(APP_ERR_LENGTH, len);
    begin(SDFA_ERR_OK, 5 * 4 + 4 * 8 + 3 * 4);
    write_stats(&app.net.stats);
    write_u32(app.net.random);
    write_u32(app.net.rate_q24);
    write_u32(app.net.tau_q15);
    return true;
}

static bool do_tail(uint32_t len) {
    if (len)
        return refuse(APP_ERR_LENGTH, len);
    if (!app.tail)
        return refuse(SDFA_ERR_FROZEN, 0);
    begin(SDFA_ERR_OK, app.tail_len);
    app_write(app.tail, app.tail_len);
    return true;
}

static bool do_reset(uint32_t len) {
    return refuse(len ? (int)APP_ERR_LENGTH : sdfa_reset(&app.net), len);
}

static bool do_memory(uint32_t len) {
    if (len)
        return refuse(APP_ERR_LENGTH, len);
    begin(SDFA_ERR_OK, 8);
    write_u32(app_stack_len());
    write_u32(app_pool_len());
    return true;
}

static void write_measure(const struct measure *m) {
    write_u32(m->call_n);
    write_u32(m->stack_len);
    write_u32(m->least);
    write_u32(m->most);
    write_u64(m->instructions);
}

/* What a section costs that holds nothing, and one that costs what is known. */
static bool calibrate(void) {
    measure_begin();
    measure_end(APP_SECTION_NOTHING);
    measure_begin();
    app_probe();
    measure_end(APP_SECTION_PROBE);
    return true; /* so that no end is a tail call */
}

static bool do_measure(uint32_t len) {
    uint32_t i;

    if (len || !app_count())
        return refuse(len ? APP_ERR_LENGTH : APP_ERR_MEASURE, len);
    begin(SDFA_ERR_OK, 8 + 24 * APP_SECTION_N);
    write_u32(APP_PROBE_INSTRUCTIONS);
    write_u32(APP_PROBE_STACK_LEN);
    for (i = 0; i < APP_SECTION_N; i++)
        write_measure(measure_of(i));
    measure_anew();
    return calibrate();
}

/* What sdfa_run does, one operation at a time. */
static bool profile_next(void) {
    const uint8_t *at = app.net.ops;
    uint32_t i;

    if (!app_read(sdfa_input(&app.net), app.net.input_len))
        return false;
    for (i = 0; i < app.net.op_n; i++) {
        const struct sdfa_op *op = (const struct sdfa_op *)(const void *)at;
        const struct sdfa_kernel *kernel = sdfa_find_kernel(app.net.kernels, op);

        measure_begin();
        kernel->run(&app.net, op);
        measure_end(APP_SECTION_OP);
        write_u32(measure_last());
        at += op->len;
    }
    return true;
}

static bool do_profile(uint32_t len) {
    if (!measure_on())
        return refuse(APP_ERR_MEASURE, len);
    return stream(len, app.net.input_len, 4 * app.net.op_n, profile_next);
}

/* Indexed by code. */
static bool (*const handlers[])(uint32_t len) = {
    [APP_OPEN] = do_open,
    [APP_RUN] = do_run,
    [APP_CLASSIFY] = do_classify,
    [APP_LEARN] = do_learn,
    [APP_LEARN_TARGET] = do_learn_target,
    [APP_SET] = do_set,
    [APP_STATE] = do_state,
    [APP_TAIL] = do_tail,
    [APP_RESET] = do_reset,
    [APP_MEMORY] = do_memory,
    [APP_MEASURE] = do_measure,
    [APP_PROFILE] = do_profile,
};

static bool needs_model(uint32_t code) {
    return code != APP_OPEN && code != APP_MEMORY && code != APP_MEASURE;
}

/* Answers one request; false when the stream ended inside it. */
static bool answer(uint32_t code, uint32_t len) {
    if (code >= sizeof handlers / sizeof handlers[0] || !handlers[code])
        return refuse(APP_ERR_CODE, len);
    if (!app.open && needs_model(code))
        return refuse(APP_ERR_CLOSED, len);
    return handlers[code](len);
}

int app_main(void) {
    uint8_t header[8];

    while (app_read(header, sizeof header))
        if (!answer(get_u16(header), get_u32(header + 4)))
            return APP_EXIT_TRUNCATED;
    return APP_EXIT_OK;
}
