/* Checks of many numbers on the vector extension. */
#include "sdfa_internal.h"

#if SDFA_MVE

/* Four tensors at a time. q3: what has to be 0; q4: offsets, of which the lower two bits have to be. */
int sdfa_tensors_ok(const struct sdfa_tensor *t, uint32_t n, uint32_t arena_len) {
    const uint32_t size = sizeof *t / 4;
    uint32_t step = 0, least = UINT32_MAX, far = 0, zero_point = 0, odd = 0;
    __asm__("vidup.u32 q0, %[step], #4\n\t"
            "vmul.i32 q0, q0, %[size]\n\t"
            "vadd.i32 q0, q0, %[t]\n\t"
            "vmov.i32 q3, #0\n\t"
            "vmov.i32 q4, #0\n\t"
            "vdup.32 q5, %[arena_len]\n\t"
            "wlstp.32 lr, %[n], 2f\n"
            "1:\n\t"
            "vldrw.u32 q1, [q0, #8]\n\t" /* h, w */
            "vldrw.u32 q6, [q0, #4]\n\t" /* c */
            "vmovlb.u16 q2, q1\n\t"
            "vmovlt.u16 q1, q1\n\t"
            "vmul.i32 q1, q1, q2\n\t"
            "vmulh.u32 q2, q1, q6\n\t"
            "vmul.i32 q1, q1, q6\n\t" /* bytes, and in q2 their upper word */
            "vminv.u32 %[least], q1\n\t"
            "vorr q3, q3, q2\n\t"
            "vldrw.u32 q6, [q0]\n\t" /* off */
            "vorr q4, q4, q6\n\t"
            "vmaxv.u32 %[far], q6\n\t"
            "vsub.i32 q6, q5, q6\n\t" /* bytes of the arena from there on */
            "vqsub.u32 q1, q1, q6\n\t"
            "vorr q3, q3, q1\n\t"
            "vldrw.u32 q1, [q0, #12]\n\t" /* zero_point, reserved */
            "vmovlb.s16 q1, q1\n\t"
            "vadd.i32 q1, q1, %[bias]\n\t"
            "vmaxv.u32 %[zero_point], q1\n\t"
            "vadd.i32 q0, q0, %[next]\n\t"
            "letp lr, 1b\n"
            "2:\n\t"
            "vmaxv.u32 %[odd], q3\n\t"
            "vshl.i32 q4, q4, #30\n\t"
            "vmaxv.u32 %[odd], q4"
            : [step] "+Te"(step), [least] "+r"(least), [far] "+r"(far), [zero_point] "+r"(zero_point), [odd] "+r"(odd)
            : [t] "r"(t), [n] "r"(n), [arena_len] "r"(arena_len), [size] "r"(size), [bias] "r"(128),
              [next] "r"(4 * sizeof *t)
            : "q0", "q1", "q2", "q3", "q4", "q5", "q6", "lr", "cc", "memory");
    return least && far <= arena_len && zero_point <= 255 && !odd;
}

/* Sixteen channels at a time: the least of the upper bytes of the multipliers, and of the shifts, -1 being the greatest. */
int sdfa_scales_fast(const int32_t *mult, const int8_t *shift, uint32_t n) {
    uint32_t upper = 3, least = 127, low = 255;
    __asm__("vidup.u8 q1, %[upper], #4\n\t"
            "wlstp.8 lr, %[n], 2f\n"
            "1:\n\t"
            "vldrb.u8 q0, [%[mult], q1]\n\t"
            "vldrb.8 q2, [%[shift]], #16\n\t"
            "vminv.s8 %[least], q0\n\t"
            "vminv.u8 %[low], q2\n\t"
            "adds %[mult], #64\n\t"
            "letp lr, 1b\n"
            "2:"
            : [mult] "+r"(mult), [shift] "+r"(shift), [upper] "+Te"(upper), [least] "+r"(least), [low] "+r"(low)
            : [n] "r"(n)
            : "q0", "q1", "q2", "lr", "cc", "memory");
    return (int8_t)least >= 0x40 && (uint8_t)low >= 256 - 20;
}

#endif
