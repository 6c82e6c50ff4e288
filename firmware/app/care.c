/* The requests of app.h that look after learning. */
#include "care.h"

#include <string.h>

#include "sdfa_balance.h"
#include "sdfa_class.h"
#include "sdfa_decay.h"
#include "sdfa_gate.h"
#include "sdfa_guard.h"
#include "sdfa_replay.h"
#include "wire.h"

static struct {
    struct sdfa *net;
    struct care_plan plan;
    struct sdfa_replay ring;
    struct sdfa_gate gate;
    struct sdfa_guard guard;
    struct sdfa_balance balance;
    uint32_t samples; /* learned, without those of the ring */
    uint32_t replays;
    uint32_t decays;
    uint32_t reasons; /* of all windows */
    bool on;
} care;

void care_begin(struct sdfa *net) {
    memset(&care, 0, sizeof care);
    care.net = net;
}

bool care_on(void) {
    return care.on;
}

static int take(void **memory, uint32_t len) {
    *memory = app_take(len);
    return *memory ? (int)SDFA_ERR_OK : (int)APP_ERR_MEMORY;
}

static int begin_ring(const struct care_plan *p) {
    uint32_t classes = p->policy == SDFA_REPLAY_BALANCED ? care.net->class_n : 0;
    uint32_t len = SDFA_REPLAY_LEN(sdfa_tail_input_len(care.net), p->ring_n, classes);
    void *memory;
    int status = p->ring_n > UINT16_MAX ? (int)APP_ERR_MEMORY : take(&memory, len);

    if (status)
        return status;
    return sdfa_replay_init(&care.ring, care.net, (enum sdfa_replay_policy)p->policy, memory, len, p->seed);
}

static int begin_guard(const struct care_plan *p) {
    struct sdfa_guard_config config = SDFA_GUARD_REPORTING;
    void *copy = NULL;
    int status = p->halve ? take(&copy, care.net->tail_len) : SDFA_ERR_OK;

    if (status)
        return status;
    config.window = (uint16_t)(p->window > UINT16_MAX ? UINT16_MAX : p->window);
    config.halve = (uint8_t)(p->halve != 0);
    return sdfa_guard_init(&care.guard, care.net, &config, copy, care.net->tail_len);
}

static int begin_balance(void) {
    void *memory;
    int status = take(&memory, 2 * care.net->class_n);

    return status ? status : sdfa_balance_init(&care.balance, care.net, memory, 2 * care.net->class_n);
}

static int begin_care(const struct care_plan *p) {
    int status = sdfa_freeze(care.net, (uint16_t)p->frozen);

    if (!status && p->ring_n)
        status = begin_ring(p);
    if (!status && p->window)
        status = begin_guard(p);
    if (!status && p->balance)
        status = begin_balance();
    if (!status && p->decay_q16 > 65535)
        status = SDFA_ERR_RATE;
    if (!status)
        care.plan = *p;
    care.on = !status;
    return status;
}

bool do_care(uint32_t len) {
    uint8_t bytes[40];
    struct care_plan p;

    if (len != sizeof bytes)
        return refuse(APP_ERR_LENGTH, len);
    if (!app_read(bytes, sizeof bytes))
        return false;
    p.ring_n = get_u32(bytes);
    p.policy = get_u32(bytes + 4);
    p.replays = get_u32(bytes + 8);
    p.seed = get_u32(bytes + 12);
    p.window = get_u32(bytes + 16);
    p.halve = get_u32(bytes + 20);
    p.frozen = get_u32(bytes + 24);
    p.balance = get_u32(bytes + 28);
    p.decay_q16 = get_u32(bytes + 32);
    p.decay_every = get_u32(bytes + 36);
    return refuse(begin_care(&p), 0);
}

static void after_step(void) {
    if (care.plan.window)
        care.reasons |= sdfa_guard_step(&care.guard, care.net);
}

static int learn_weighted(uint32_t label) {
    uint32_t weight = sdfa_balance_count(&care.balance, label);
    int status = sdfa_learn_weighted(care.net, label, weight);

    if (status == SDFA_ERR_RATE) /* the rate itself is near its limit */
        status = sdfa_learn(care.net, label);
    return status;
}

int care_learn(uint32_t label) {
    uint32_t i;
    int status;

    if (care.plan.ring_n)
        (void)sdfa_replay_put(&care.ring, care.net, label);
    status = care.plan.balance ? learn_weighted(label) : sdfa_learn(care.net, label);
    if (status)
        return status;
    after_step();
    for (i = 0; i < care.plan.replays && !sdfa_replay_learn(&care.ring, care.net); i++) {
        care.replays++;
        after_step();
    }
    if (care.plan.decay_every && ++care.samples % care.plan.decay_every == 0) {
        (void)sdfa_decay(care.net, care.plan.decay_q16);
        care.decays++;
    }
    return SDFA_ERR_OK;
}

/* Runs the next sample and reads its label. */
static bool run_labelled(uint32_t *label) {
    uint8_t bytes[2];

    if (!app_read(sdfa_input(care.net), care.net->input_len))
        return false;
    sdfa_run(care.net);
    if (!app_read(bytes, sizeof bytes))
        return false;
    *label = get_u16(bytes);
    return true;
}

/* Answers len bytes of samples, a word for each. */
static bool labelled(uint32_t len, bool (*next)(void)) {
    return stream(len, care.net->input_len + 2, 2, next);
}

static bool remember_next(void) {
    uint32_t label;
    int status;

    if (!run_labelled(&label))
        return false;
    status = sdfa_replay_put(&care.ring, care.net, label);
    write_u16(status < 0 ? APP_NO_CLASS : (uint32_t)status);
    return true;
}

bool do_remember(uint32_t len) {
    return care.plan.ring_n ? labelled(len, remember_next) : refuse(SDFA_ERR_ROOM, len);
}

static int begin_gate(uint32_t n) {
    uint32_t samples_len = SDFA_SAMPLES_LEN(sdfa_tail_input_len(care.net), n);
    void *samples, *copy;
    int status = care.net->tail_len && n ? take(&samples, samples_len) : (int)SDFA_ERR_FROZEN;

    if (!status)
        status = take(&copy, care.net->tail_len);
    return status ? status : sdfa_gate_init(&care.gate, care.net, samples, samples_len, copy, care.net->tail_len);
}

static bool hold_out_next(void) {
    uint32_t label;

    if (!run_labelled(&label))
        return false;
    write_u16(sdfa_gate_put(&care.gate, care.net, label) ? APP_NO_CLASS : 1u);
    return true;
}

bool do_hold_out(uint32_t len) {
    int status = begin_gate(len / (care.net->input_len + 2));

    if (status)
        return refuse(status, len);
    if (!labelled(len, hold_out_next))
        return false;
    (void)sdfa_gate_mark(&care.gate, care.net);
    return true;
}

static void write_score(const struct sdfa_score *score) {
    write_u32(score->n);
    write_u32(score->correct);
    write_u64(score->loss);
}

bool do_judge(uint32_t len) {
    struct sdfa_score before = care.gate.marked;
    int verdict;

    if (len)
        return refuse(APP_ERR_LENGTH, len);
    verdict = sdfa_gate_judge(&care.gate, care.net);
    if (verdict < 0)
        return refuse(verdict, 0);
    begin(SDFA_ERR_OK, 4 + 2 * 16);
    write_u32((uint32_t)verdict);
    write_score(&before);
    write_score(&care.gate.judged);
    return true;
}

bool do_cared(uint32_t len) {
    if (len)
        return refuse(APP_ERR_LENGTH, len);
    begin(SDFA_ERR_OK, 9 * 4);
    write_u32(care.ring.samples.n);
    write_u32(care.ring.seen);
    write_u32(care.ring.random);
    write_u32(care.replays);
    write_u32(care.guard.windows);
    write_u32(care.guard.halvings);
    write_u32(care.reasons);
    write_u32(care.guard.loss);
    write_u32(care.decays);
    return true;
}

bool do_add_class(uint32_t len) {
    int32_t label;

    if (len)
        return refuse(APP_ERR_LENGTH, len);
    label = sdfa_add_class(care.net);
    if (label < 0)
        return refuse(label, 0);
    begin(SDFA_ERR_OK, 4);
    write_u32((uint32_t)label);
    return true;
}
