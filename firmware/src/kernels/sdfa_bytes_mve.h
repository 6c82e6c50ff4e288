/* Rows of bytes on the vector extension: loops that mask their last vector, shorter than a call of memcpy. */
#ifndef SDFA_BYTES_MVE_H
#define SDFA_BYTES_MVE_H

#include "sdfa_internal.h"

#if SDFA_MVE

/* One loop over n bytes, sixteen at a time. body: its instructions. */
#define SDFA_BYTES_LOOP(body) "wlstp.8 lr, %[n], 2f\n1:\n\t" body "letp lr, 1b\n2:"

static inline void sdfa_bytes_copy(int8_t *to, const int8_t *from, uint32_t n) {
    __asm__ volatile(SDFA_BYTES_LOOP("vldrb.8 q0, [%[from]], #16\n\t"
                                     "vstrb.8 q0, [%[to]], #16\n\t")
                     : [to] "+r"(to), [from] "+r"(from)
                     : [n] "r"(n)
                     : "q0", "lr", "memory");
}

static inline void sdfa_bytes_fill(int8_t *to, int32_t value, uint32_t n) {
    __asm__ volatile("vdup.8 q0, %[value]\n\t" SDFA_BYTES_LOOP("vstrb.8 q0, [%[to]], #16\n\t")
                     : [to] "+r"(to)
                     : [n] "r"(n), [value] "r"(value)
                     : "q0", "lr", "memory");
}

/* to[i] = the larger of to[i] and from[i]. */
static inline void sdfa_bytes_max(int8_t *to, const int8_t *from, uint32_t n) {
    __asm__ volatile(SDFA_BYTES_LOOP("vldrb.8 q0, [%[from]], #16\n\t"
                                     "vldrb.8 q1, [%[to]]\n\t"
                                     "vmax.s8 q0, q0, q1\n\t"
                                     "vstrb.8 q0, [%[to]], #16\n\t")
                     : [to] "+r"(to), [from] "+r"(from)
                     : [n] "r"(n)
                     : "q0", "q1", "lr", "memory");
}

#endif

#endif
