/* Self-test: does this device compute what the exporter computed?
 *
 *   error = sdfa_selftest(&net);
 *
 * An image holds a golden output: a seed that an input is made from, and the CRC-32 of all that the operations make of
 * it with the factory weights (SPEC.md 1.9). The test runs the net once on this input, in the net's own arena.
 */
#ifndef SDFA_SELFTEST_H
#define SDFA_SELFTEST_H

#include "sdfa.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Weights in RAM, counters and settings stay as they are; the tensors of the last run are lost, so learn needs another
 * run. Errors: GOLD (the image holds none), SELFTEST (some output differs), and those of sdfa_bind. */
int sdfa_selftest(struct sdfa *s);

#ifdef __cplusplus
}
#endif

#endif
