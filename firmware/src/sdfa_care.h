/* All that looks after learning, in one place. Take what you need: what is not called is not linked.
 *
 *   #include "digits.h"
 *   #include "sdfa_care.h"
 *
 *   static struct sdfa net;
 *   static struct sdfa_replay ring;
 *   static struct sdfa_gate gate;
 *   static struct sdfa_guard guard;
 *   static uint32_t arena[DIGITS_ARENA_LEN / 4], tail[DIGITS_TAIL_LEN / 4], copies[2][DIGITS_TAIL_LEN / 4];
 *   static uint32_t past[SDFA_REPLAY_LEN(64, 50, 10) / 4 + 1], held_out[SDFA_SAMPLES_LEN(64, 20) / 4 + 1];
 *
 *   int begin(void) {
 *       static const struct sdfa_guard_config config = SDFA_GUARD_HALVING;
 *       int error = sdfa_open(&net, digits_image, sizeof digits_image, &digits_kernels, arena, sizeof arena, tail,
 *                             sizeof tail);
 *       if (!error)
 *           error = sdfa_replay_init(&ring, &net, SDFA_REPLAY_BALANCED, past, sizeof past, 1);
 *       if (!error)
 *           error = sdfa_gate_init(&gate, &net, held_out, sizeof held_out, copies[0], sizeof copies[0]);
 *       if (!error)
 *           error = sdfa_guard_init(&guard, &net, &config, copies[1], sizeof copies[1]);
 *       return error;
 *   }
 *
 *   void sample(const int8_t *pixels, uint32_t label) {
 *       memcpy(sdfa_input(&net), pixels, net.input_len);
 *       sdfa_run(&net);
 *       if (gate.samples.n < 20) {
 *           sdfa_gate_put(&gate, &net, label);
 *           if (gate.samples.n == 20)
 *               sdfa_gate_mark(&gate, &net);
 *           return;
 *       }
 *       sdfa_replay_put(&ring, &net, label);
 *       sdfa_learn(&net, label);
 *       sdfa_guard_step(&guard, &net);
 *       sdfa_replay_learn(&ring, &net);
 *       sdfa_guard_step(&guard, &net);
 *       if (net.stats.steps % 200 == 0)
 *           sdfa_gate_judge(&gate, &net);
 *   }
 */
#ifndef SDFA_CARE_H
#define SDFA_CARE_H

#include "sdfa_balance.h"
#include "sdfa_class.h"
#include "sdfa_decay.h"
#include "sdfa_gate.h"
#include "sdfa_guard.h"
#include "sdfa_replay.h"
#include "sdfa_tail.h"

#endif
