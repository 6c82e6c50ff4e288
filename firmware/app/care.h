/* Handlers for the requests that look after learning, and the learning step with what CARE asked for. */
#ifndef APP_CARE_H
#define APP_CARE_H

#include "app.h"
#include "sdfa.h"

/* The payload of CARE: u32 each, 0 for what is not wanted. */
struct care_plan {
    uint32_t ring_n;  /* samples of the replay ring */
    uint32_t policy;  /* enum sdfa_replay_policy */
    uint32_t replays; /* steps from the ring after each new sample */
    uint32_t seed;    /* of the ring's generator */
    uint32_t window;  /* of the guard, steps */
    uint32_t halve;   /* 1: the guard halves the rate */
    uint32_t frozen;  /* bits of layers, as for sdfa_freeze */
    uint32_t balance; /* 1: errors weigh by the counts of the classes */
    uint32_t decay_q16;
    uint32_t decay_every; /* new samples */
};

/* A model was opened: nothing is asked for yet. */
void care_begin(struct sdfa *net);

/* Whether CARE asked for anything. */
bool care_on(void);

/* One step from the last run, with all that CARE asked for; returns what sdfa_learn said to the label. */
int care_learn(uint32_t label);

bool do_care(uint32_t len);
bool do_remember(uint32_t len);
bool do_hold_out(uint32_t len);
bool do_judge(uint32_t len);
bool do_cared(uint32_t len);
bool do_add_class(uint32_t len);

#endif
