#include "app.h"

/* jal, li, addi, sw, 1000 * (addi, bnez), addi, ret */
void __attribute__((naked, noinline)) app_probe(void) {
    __asm__ volatile("li a0, 1000\n\t"
                     "addi sp, sp, -256\n\t"
                     "sw a0, 0(sp)\n"
                     "1:\n\t"
                     "addi a0, a0, -1\n\t"
                     "bnez a0, 1b\n\t"
                     "addi sp, sp, 256\n\t"
                     "ret");
}
