/* Places that link.ld defines: only the addresses of these symbols mean something. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdint.h>

extern uint32_t memory_stack[], memory_stack_end[];                   /* grows down; below it is no RAM */
extern uint32_t memory_data[], memory_data_end[], memory_data_load[]; /* initialized variables, their values in flash */
extern uint32_t memory_bss[], memory_bss_end[];
extern uint32_t memory_pool[], memory_pool_end[]; /* the rest of the RAM */

#define MEMORY_PAINT 0x5f5fa5a5u /* fills the unused stack */

#endif
