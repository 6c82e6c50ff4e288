#include "app.h"

/* bl, ldr, sub, str, 1000 * (subs, bne), add, bx */
void __attribute__((naked, noinline)) app_probe(void) {
    __asm__ volatile(".syntax unified\n\t"
                     "ldr r0, =1000\n\t"
                     "sub sp, #256\n\t"
                     "str r0, [sp]\n"
                     "1:\n\t"
                     "subs r0, #1\n\t"
                     "bne 1b\n\t"
                     "add sp, #256\n\t"
                     "bx lr\n\t"
                     ".ltorg");
}
