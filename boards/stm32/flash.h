/* Regions of the chip's own flash, as board.h says. The processor stands still while it is erased or programmed. */
#ifndef FLASH_H
#define FLASH_H

#include "sdfa_store.h"

extern const struct sdfa_flash flash_store; /* STORE_LEN bytes at STORE_ORIGIN */
extern const struct sdfa_flash flash_slots; /* SLOTS_LEN bytes at SLOTS_ORIGIN, where board.h has them */

#endif
