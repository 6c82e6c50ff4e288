/* Made by `pytools export` from model. Do not edit. */
#ifndef DIGITS_H
#define DIGITS_H

#include "sdfa.h"

#if SDFA_API_VERSION != 1 || SDFA_IMAGE_VERSION != 1
#error "digits was exported for another version of sdfa: run pytools export again"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* RAM: DIGITS_ARENA_LEN + DIGITS_TAIL_LEN + sizeof(struct sdfa) bytes, and the stack. */
#define DIGITS_IMAGE_LEN 8448u
#define DIGITS_ARENA_LEN 640u
#define DIGITS_TAIL_LEN 4056u
#define DIGITS_INPUT_LEN 64u
#define DIGITS_OUTPUT_LEN 10u

extern const uint32_t digits_image[DIGITS_IMAGE_LEN / 4];
extern const struct sdfa_kernels digits_kernels;

#ifdef __cplusplus
}
#endif

#endif
